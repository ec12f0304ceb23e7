//! How a card's number is written: on the card, on a panel's screen, in another panel's export. Each
//! notation is a number of bits, an order of their bytes, and digits. What never enters: which reader
//! sends which of these bits (that is `wire::card`), who the card belongs to.
//!
//! The names are those of the trade: `8H` is eight hex digits, `10D` ten decimal ones, `3+5` a facility code
//! of 8 bits and a number of 16. They agree with proxmark3's printout of an EM4100 tag, where 8D, 10D, 14D,
//! 5+5 and 3+5 are called DEZ 8, DEZ 10, DEZ 14, DEZ 5.5 and DEZ 3.5C; the tests use such printouts.

use super::wiegand::low_bits;
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Digits {
    /// Hex digits, four bits each.
    Hex(u8),
    /// Decimal digits, so many at most, of so many bits.
    Decimal(u8, u8),
    /// Facility and number, of so many bits each: two decimal numbers.
    Pair { facility: (u8, u8), number: (u8, u8) },
}

/// Bits and digits of the decimal notations.
const DECIMALS: [(u8, u8); 4] = [(8, 24), (10, 32), (14, 40), (17, 56)];
/// The hex notations: of 24, 32, 40, 56, 64 and 80 bits.
const HEX_DIGITS: [u8; 6] = [6, 8, 10, 14, 16, 20];
/// Digits and bits of facility and number.
const THREE_FIVE: Digits = Digits::Pair { facility: (3, 8), number: (5, 16) };
const FIVE_FIVE: Digits = Digits::Pair { facility: (5, 16), number: (5, 16) };

/// The bits that a number of so many decimal digits stands for, where that is customary.
pub fn decimal_bits(digits: u8) -> Option<u8> {
    DECIMALS.iter().find(|(custom, _)| *custom == digits).map(|(_, bits)| *bits)
}

/// One way to write a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notation {
    digits: Digits,
    /// The bytes are written in reversed order, the last one first.
    reversed: bool,
}

/// A name that is no notation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}, each also with -reversed", known())]
pub struct NoSuchNotation;

/// Why a text is no number in a notation. It never quotes the text: it is a card number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNumber {
    #[error("must be at most {0} hex digits")]
    Hex(u8),
    #[error("must be at most {0} decimal digits")]
    Decimal(u8),
    #[error("must be two numbers of at most {0} and {1} digits, as 012,34567, or both joined")]
    Pair(u8, u8),
    #[error("is too large for {0} bits: another notation than this one?")]
    TooLarge(u8),
}

fn known() -> String {
    Notation::all().filter(|n| !n.reversed).map(|n| n.to_string()).collect::<Vec<_>>().join(", ")
}

/// A number's last `bits` bits with their bytes in reversed order; `bits` is a multiple of 8.
pub(super) fn reversed(number: u128, bits: u8) -> u128 {
    let number = number & low_bits(bits);
    number.swap_bytes().checked_shr(u128::BITS - u32::from(bits)).unwrap_or(0)
}

impl Notation {
    /// All of them: hex, decimal, pairs, each as it stands and reversed.
    pub fn all() -> impl Iterator<Item = Self> {
        let hex = HEX_DIGITS.into_iter().map(Digits::Hex);
        let decimal = DECIMALS.into_iter().map(|(digits, bits)| Digits::Decimal(digits, bits));
        let each = hex.chain(decimal).chain([FIVE_FIVE, THREE_FIVE]);
        each.flat_map(|digits| [false, true].map(|reversed| Self { digits, reversed }))
    }

    /// How many bits it writes down.
    pub fn bits(self) -> u8 {
        match self.digits {
            Digits::Hex(digits) => 4 * digits,
            Digits::Decimal(_, bits) => bits,
            Digits::Pair { facility, number } => facility.1 + number.1,
        }
    }

    /// The last [`bits`](Self::bits) bits of a number in this notation.
    pub fn write(self, number: u128) -> String {
        let bits = self.bits();
        let number = if self.reversed { reversed(number, bits) } else { number & low_bits(bits) };
        match self.digits {
            Digits::Hex(digits) => format!("{number:0width$x}", width = digits.into()),
            Digits::Decimal(digits, _) => format!("{number:0width$}", width = digits.into()),
            Digits::Pair { facility: (wide, _), number: (narrow, low) } => format!(
                "{:0wide$},{:0narrow$}",
                number >> low,
                number & low_bits(low),
                wide = wide.into(),
                narrow = narrow.into()
            ),
        }
    }

    /// The number a text stands for. Leading zeros may be missing, since spreadsheets drop them; bytes in hex
    /// may have `:`, `-` or spaces between them, and a pair any sign.
    pub fn read(self, text: &str) -> Result<u128, BadNumber> {
        let number = self.read_as_written(text.trim())?;
        if number & !low_bits(self.bits()) != 0 {
            return Err(BadNumber::TooLarge(self.bits()));
        }
        Ok(if self.reversed { reversed(number, self.bits()) } else { number })
    }

    fn read_as_written(self, text: &str) -> Result<u128, BadNumber> {
        match self.digits {
            Digits::Hex(digits) => {
                let bare = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
                let bare = bare.replace([':', ' ', '-'], "");
                let sound = bare.bytes().all(|b| b.is_ascii_hexdigit());
                let fits = (1..=usize::from(digits)).contains(&bare.len());
                let number = u128::from_str_radix(&bare, 16).ok().filter(|_| sound && fits);
                number.ok_or(BadNumber::Hex(digits))
            }
            Digits::Decimal(digits, _) => decimal(text, digits).ok_or(BadNumber::Decimal(digits)),
            Digits::Pair { facility, number } => {
                let wrong = BadNumber::Pair(facility.0, number.0);
                let halves = match text.split_once(|c: char| !c.is_ascii_digit()) {
                    Some((left, right)) => {
                        let right = right.trim_start_matches(|c: char| !c.is_ascii_digit());
                        decimal(left, facility.0).zip(decimal(right, number.0))
                    }
                    None => decimal(text, facility.0 + number.0).map(|joined| {
                        let unit = 10u128.pow(number.0.into());
                        (joined / unit, joined % unit)
                    }),
                };
                let (left, right) = halves.ok_or(wrong)?;
                if left & !low_bits(facility.1) != 0 || right & !low_bits(number.1) != 0 {
                    return Err(BadNumber::TooLarge(self.bits()));
                }
                Ok(left << number.1 | right)
            }
        }
    }
}

fn decimal(text: &str, digits: u8) -> Option<u128> {
    let sound = text.bytes().all(|b| b.is_ascii_digit());
    let fits = (1..=usize::from(digits)).contains(&text.len());
    (sound && fits).then(|| text.parse().ok()).flatten()
}

/// Every notation of a number of so many bits, with its name: those of all its bits and those of its last
/// ones. A card number: for whoever asked for it, never for a log.
pub fn notations(number: u128, bits: u8) -> Vec<(String, String)> {
    let fitting = Notation::all().filter(|notation| notation.bits() <= bits);
    fitting.map(|notation| (notation.to_string(), notation.write(number))).collect()
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digits {
            Digits::Hex(digits) => write!(f, "{digits}H")?,
            Digits::Decimal(digits, _) => write!(f, "{digits}D")?,
            Digits::Pair { facility, number } => write!(f, "{}+{}", facility.0, number.0)?,
        }
        f.write_str(if self.reversed { "-reversed" } else { "" })
    }
}

impl FromStr for Notation {
    type Err = NoSuchNotation;

    fn from_str(text: &str) -> Result<Self, NoSuchNotation> {
        let named = |n: &Self| n.to_string().eq_ignore_ascii_case(text.trim());
        Self::all().find(named).ok_or(NoSuchNotation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn notation(name: &str) -> Notation {
        name.parse().expect("a notation")
    }

    /// EM4100 tags as proxmark3 prints them, as cards are printed, and as readers were recorded.
    const TAGS: [(u128, &[(&str, &str)]); 4] = [
        (
            0x01_0784_f221,
            &[
                ("10H", "010784f221"),
                ("8H", "0784f221"),
                ("10D", "0126153249"),
                ("8D", "08712737"),
                ("5+5", "01924,61985"),
                ("3+5", "132,61985"),
                ("8H-reversed", "21f28407"),
                ("10H-reversed", "21f2840701"),
                ("6H-reversed", "21f284"),
            ],
        ),
        (
            0x01_1018_5c5b,
            &[
                ("8D", "01596507"),
                ("10D", "0270031963"),
                ("5+5", "04120,23643"),
                ("3+5", "024,23643"),
                ("14D", "00004564999259"),
            ],
        ),
        (0xea_ce14_1c42, &[("8D", "01317954"), ("10D", "3457424450"), ("3+5", "020,07234")]),
        // A card with both of its numbers printed.
        (13_961_168, &[("10D", "0013961168"), ("3+5", "213,02000"), ("8H", "00d507d0")]),
    ];

    #[test]
    fn tags_as_they_are_printed() {
        for (tag, printed) in TAGS {
            for (name, text) in printed {
                let notation = notation(name);
                assert_eq!(notation.write(tag), *text, "{name}");
                let low = tag & low_bits(notation.bits());
                assert_eq!(notation.read(text), Ok(low), "{name} {text}");
            }
        }
    }

    /// One MIFARE card at two readers, from a question that ended in "facepalm": 1E A6 86 71 by a module that
    /// prints the bytes, 1904649758 by a 34-bit Wiegand reader.
    #[test]
    fn a_card_that_two_readers_print_differently_is_one() {
        let uid = notation("8H").read("1E:A6:86:71");
        assert_eq!(uid, Ok(0x1ea6_8671));
        assert_eq!(notation("10D-reversed").read("1904649758"), uid);
        assert_eq!(notation("10d").read("514229873"), uid, "the same, not reversed");
    }

    #[test]
    fn people_and_spreadsheets_write_the_same_number_differently() {
        for text in ["132,61985", "132.61985", "132:61985", "132 61985", "132, 61985", "13261985"] {
            assert_eq!(notation("3+5").read(text), Ok(8_712_737), "{text}");
        }
        assert_eq!(notation("3+5").read("1200345"), Ok(12 << 16 | 345), "leading zeros dropped");
        assert_eq!(notation("5+5").read("192461985"), Ok(126_153_249));
        for text in ["0784f221", "784F221", "0x0784F221", "07 84 f2 21", "07-84-F2-21"] {
            assert_eq!(notation("8H").read(text), Ok(0x0784_f221), "{text}");
        }
        assert_eq!(notation("10D").read("126153249"), Ok(0x0784_f221));
    }

    #[test]
    fn what_is_no_number_is_told_without_quoting_it() {
        let wrong = [
            ("8H", "0784f2211", BadNumber::Hex(8)),
            ("8H", "", BadNumber::Hex(8)),
            ("8H", "+784f221", BadNumber::Hex(8)),
            ("8H", "ä84f", BadNumber::Hex(8)),
            ("10D", "01261532490", BadNumber::Decimal(10)),
            ("10D", "-1", BadNumber::Decimal(10)),
            ("10D", "4294967296", BadNumber::TooLarge(32)),
            ("8D", "16777216", BadNumber::TooLarge(24)),
            ("3+5", "256,00001", BadNumber::TooLarge(24)),
            ("3+5", "001,65536", BadNumber::TooLarge(24)),
            ("3+5", "13299999", BadNumber::TooLarge(24)),
            ("3+5", "0132,61985", BadNumber::Pair(3, 5)),
            ("3+5", "132,61985,1", BadNumber::Pair(3, 5)),
            ("3+5", ",61985", BadNumber::Pair(3, 5)),
            ("3+5", "132,", BadNumber::Pair(3, 5)),
        ];
        for (name, text, why) in wrong {
            assert_eq!(notation(name).read(text), Err(why), "{name} {text}");
        }
        let unknown = "9H".parse::<Notation>().map_err(|e| e.to_string());
        let told = "must be one of 6H, 8H, 10H, 14H, 16H, 20H, 8D, 10D, 14D, 17D, 5+5, 3+5, each";
        assert!(unknown.is_err_and(|e| e.starts_with(told)));
    }

    #[test]
    fn a_number_is_shown_in_every_notation_that_has_room() {
        let of = |bits| notations(0x0784_f221, bits);
        assert_eq!(of(16), []);
        let names: Vec<_> = of(24).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["6H", "6H-reversed", "8D", "8D-reversed", "3+5", "3+5-reversed"]);
        assert!(of(32).contains(&("10D".into(), "0126153249".into())));
        assert!(of(32).contains(&("8H-reversed".into(), "21f28407".into())));
        assert_eq!(of(32).iter().filter(|(name, _)| name == "10H").count(), 0);
    }

    proptest! {
        #[test]
        fn each_notation_round_trips(which in 0usize..24, number: u128) {
            let notation = Notation::all().nth(which).expect("there are 24");
            prop_assert_eq!(notation.to_string().parse(), Ok(notation));
            let low = number & low_bits(notation.bits());
            prop_assert_eq!(notation.read(&notation.write(number)), Ok(low));
        }

        #[test]
        fn reversed_twice_is_the_same(number: u128, bytes in 1u8..=16) {
            let bits = 8 * bytes;
            prop_assert_eq!(reversed(reversed(number, bits), bits), number & low_bits(bits));
        }

        #[test]
        fn any_text_is_read_or_refused(which in 0usize..24, text in "\\PC{0,24}") {
            let notation = Notation::all().nth(which).expect("there are 24");
            if let Ok(number) = notation.read(&text) {
                prop_assert_eq!(number & !low_bits(notation.bits()), 0);
            }
        }
    }
}
