//! One card, one identity: what part of a card's serial is known here, and how readers present it.
//!
//! A tag's serial is a row of bytes, the most significant first as standards and printers have it. Readers
//! send all of it or cut it down, in this order or reversed. A [`View`] says what a reader sends. Byte order
//! is undone where the read arrives, so what is left to compare is a *part* of the serial, and a card has one
//! name for each part: `em4100:N` and `uid32:N` for whole serials, `low24:N` for the last 24 bits of any.
//! What was cut off can't come back, so the office publishes each card under every part that a reader of the
//! site sends; a gate looks up one name. What never enters: keys and hashes, who the card belongs to.

use super::format::Format;
use super::notation::reversed;
use super::wiegand::low_bits;
use crate::domain::{CardNumber, FormatName};
use std::fmt;
use std::str::FromStr;

/// Kinds of serials and their bits: ISO 14443 UIDs of one, two and three sizes, an EM4100 tag's version and
/// 32 bits, an ISO 15693 UID.
pub const KINDS: [(&str, u8); 5] =
    [("uid32", 32), ("em4100", 40), ("uid56", 56), ("uid64", 64), ("uid80", 80)];

/// The bits of a whole serial of that kind.
pub fn serial_bits(kind: &str) -> Option<u8> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, bits)| *bits)
}

/// Whether a name is taken for parts of serials, and so can't be a format's.
pub fn is_reserved(name: &str) -> bool {
    name.parse().is_ok_and(Part::is_cut)
}

/// Which bits of a serial. The part's name is the format of a card known by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All of a serial of the kind at this place in [`KINDS`].
    Whole(Kind),
    /// The last so many bits, whatever the kind.
    Low(u8),
    /// The first so many bits, whatever the kind.
    High(u8),
}

/// A place in [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u8);

impl Kind {
    fn entry(self) -> (&'static str, u8) {
        KINDS.get(usize::from(self.0)).copied().unwrap_or(("uid32", 32))
    }
}

/// A name that is no view's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be low24, low32, high24 or another number of whole bytes up to 80 bits, or a whole serial \
     ({}), each also with -reversed",
    KINDS.map(|(name, _)| name).join(", ")
)]
pub struct NoSuchView;

impl FromStr for Part {
    type Err = NoSuchView;

    fn from_str(text: &str) -> Result<Self, NoSuchView> {
        if let Some(place) = KINDS.iter().position(|(name, _)| *name == text) {
            return u8::try_from(place).map(|k| Self::Whole(Kind(k))).map_err(|_| NoSuchView);
        }
        let bits = |text: &str| {
            // One name for one part: no signs, no leading zeros.
            let bits: u8 = text.parse().ok()?;
            (bits.to_string() == text && (16..=80).contains(&bits) && bits % 8 == 0).then_some(bits)
        };
        if let Some(low) = text.strip_prefix("low") {
            return bits(low).map(Self::Low).ok_or(NoSuchView);
        }
        text.strip_prefix("high").and_then(bits).map(Self::High).ok_or(NoSuchView)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(kind) => f.write_str(kind.entry().0),
            Self::Low(bits) => write!(f, "low{bits}"),
            Self::High(bits) => write!(f, "high{bits}"),
        }
    }
}

impl Part {
    pub fn bits(self) -> u8 {
        match self {
            Self::Whole(kind) => kind.entry().1,
            Self::Low(bits) | Self::High(bits) => bits,
        }
    }

    /// Whether other cards may look the same by this part.
    pub fn is_cut(self) -> bool {
        !matches!(self, Self::Whole(_))
    }

    /// A card by this part of its serial.
    pub fn card(self, number: u128) -> Option<CardNumber> {
        let name: FormatName = self.to_string().parse().ok()?;
        Some(CardNumber::new(name, number & low_bits(self.bits())))
    }

    /// This part of a number of so many bits, the serial's last bits if this is a low part and its first
    /// ones if it is a high one; `None` if the number has fewer.
    fn cut(self, number: u128, bits: u8) -> Option<u128> {
        let spare = bits.checked_sub(self.bits())?;
        let number = if matches!(self, Self::High(_)) { number >> spare } else { number };
        Some(number & low_bits(self.bits()))
    }
}

/// How a reader presents serials: which part it sends, in which order of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    pub part: Part,
    /// The last byte of the part comes first.
    pub reversed: bool,
}

impl FromStr for View {
    type Err = NoSuchView;

    fn from_str(text: &str) -> Result<Self, NoSuchView> {
        let (part, reversed) =
            text.strip_suffix("-reversed").map_or((text, false), |part| (part, true));
        Ok(Self { part: part.parse()?, reversed })
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.part, if self.reversed { "-reversed" } else { "" })
    }
}

/// What is known of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A part of its serial, or all of it.
    Serial(Part),
    /// A number of so many data bits as some reader sends it: programmed, or another panel's word for a
    /// serial.
    AsSent(u8),
}

/// What is known of a card; `None` if its format is not among these.
pub fn known(card: &CardNumber, formats: &[Format]) -> Option<Known> {
    let name = card.format();
    if let Ok(part) = name.as_str().parse() {
        return Some(Known::Serial(part));
    }
    let format = formats.iter().find(|format| format.name() == name)?;
    Some(Known::AsSent(format.data_bits()))
}

impl View {
    /// What a read of `bits` data bits through this view is looked up by; `None` if it has too few: then the
    /// reader has sent something else than this view, and it is looked up as it came.
    pub fn arrived(self, number: u128, bits: u8) -> Option<CardNumber> {
        self.part.card(self.undone(number, bits)?)
    }

    fn undone(self, number: u128, bits: u8) -> Option<u128> {
        let sent = if self.reversed { bits - bits % 8 } else { bits };
        if matches!(self.part, Part::Whole(_)) && sent != self.part.bits() {
            return None;
        }
        let number = if self.reversed { reversed(number, sent) } else { number & low_bits(sent) };
        self.part.cut(number, sent)
    }

    /// By what number a reader with this view knows a card; `None` if it can't be told from what is known of
    /// it.
    pub fn of(self, number: u128, known: Known) -> Option<u128> {
        match known {
            Known::AsSent(bits) => self.undone(number, bits),
            Known::Serial(has) => match (has, self.part) {
                (Part::Whole(a), Part::Whole(b)) => (a == b).then_some(number),
                (Part::Whole(_), Part::Low(_) | Part::High(_))
                | (Part::Low(_), Part::Low(_))
                | (Part::High(_), Part::High(_)) => self.part.cut(number, has.bits()),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::format::{builtin, builtins};
    use proptest::prelude::*;

    fn view(name: &str) -> View {
        name.parse().expect("a view")
    }

    fn whole(kind: &str) -> Known {
        Known::Serial(kind.parse().expect("a kind"))
    }

    /// What a reader with a view sends, worked out over bytes and in the other direction than the code.
    fn sends(view: View, serial: &[u8]) -> Option<Vec<u8>> {
        let n = usize::from(view.part.bits() / 8);
        let mut bytes = match view.part {
            Part::High(_) => serial.get(..n)?.to_vec(),
            Part::Low(_) => serial.get(serial.len().checked_sub(n)?..)?.to_vec(),
            Part::Whole(_) => serial.to_vec(),
        };
        if view.reversed {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn number(bytes: &[u8]) -> u128 {
        bytes.iter().fold(0, |sum, b| sum << 8 | u128::from(*b))
    }

    #[test]
    fn views_by_name() {
        for name in ["low24", "low32-reversed", "high24", "em4100", "uid56-reversed", "low80"] {
            assert_eq!(view(name).to_string(), name);
        }
        for bad in ["", "low", "low0", "low8", "low25", "low+24", "low024", "low88", "mid24"] {
            assert_eq!(bad.parse::<View>(), Err(NoSuchView), "{bad}");
        }
        assert!(is_reserved("low24") && is_reserved("high32"));
        assert!(!is_reserved("em4100") && !is_reserved("h10301") && !is_reserved("lowest"));
    }

    /// The tag 010784f221 at five readers.
    #[test]
    fn one_tag_at_five_readers() {
        let tag = 0x01_0784_f221;
        for (name, sent, bits, looked_up) in [
            ("em4100", 0x01_0784_f221, 40, "em4100:4421120545"),
            ("em4100-reversed", 0x21_f284_0701, 40, "em4100:4421120545"),
            ("low32", 0x0784_f221, 32, "low32:126153249"),
            ("low32-reversed", 0x21f2_8407, 32, "low32:126153249"),
            ("low24", 0x84_f221, 24, "low24:8712737"),
        ] {
            let card = view(name).arrived(sent, bits).map(|card| card.to_canonical());
            assert_eq!(card.as_deref(), Some(looked_up), "{name}");
            let office = view(name).of(tag, whole("em4100"));
            let office = office.and_then(|n| view(name).part.card(n)).map(|c| c.to_canonical());
            assert_eq!(office.as_deref(), Some(looked_up), "{name} in the office");
        }
        // All 40 bits at a gate whose office knows the printed 32 only.
        let cut = view("low32").arrived(tag, 40).map(|card| card.to_canonical());
        assert_eq!(cut.as_deref(), Some("low32:126153249"));
    }

    #[test]
    fn serial_readers_say_how_much_they_send() {
        let bits = |name| crate::wire::serial::preset(name).and_then(|framing| framing.data_bits());
        assert_eq!((bits("rdm6300"), bits("dec10-line")), (Some(40), Some(32)));
    }

    #[test]
    fn what_a_view_can_t_tell_is_not_guessed() {
        assert_eq!(view("low32").arrived(0x84_f221, 24), None, "too few bits");
        assert_eq!(view("uid32").arrived(1, 40), None, "another kind");
        let low32 = Known::Serial(Part::Low(32));
        assert_eq!(view("low24").of(0x0784_f221, low32), Some(0x84_f221));
        assert_eq!(view("low40").of(0x0784_f221, low32), None);
        assert_eq!(view("high24").of(0x0784_f221, low32), None, "the first bytes are unknown");
        assert_eq!(view("em4100").of(0x0784_f221, low32), None);
        assert_eq!(view("uid32").of(0x01_0784_f221, whole("em4100")), None);
        assert_eq!(view("high24").of(0x0102_0304, whole("uid32")), Some(0x01_0203));
    }

    /// Another panel's number is what its reader sent: the view undoes the reader's order.
    #[test]
    fn another_panel_s_number_is_seen_through_its_reader() {
        let sent = Known::AsSent(24);
        assert_eq!(view("low24").of(0x84_f221, sent), Some(0x84_f221));
        assert_eq!(view("high24-reversed").of(0x84_f221, sent), Some(0x21_f284));
        assert_eq!(view("low32").of(0x84_f221, sent), None);
        let card: CardNumber = "h10301:8712737".parse().expect("a card");
        assert_eq!(known(&card, &builtins()), Some(Known::AsSent(24)));
        assert_eq!(builtin("h10306").map(|f| f.data_bits()), Some(32));
        let card: CardNumber = "h99999:1".parse().expect("a card");
        assert_eq!(known(&card, &builtins()), None);
    }

    proptest! {
        /// Office and gate arrive at one name for a card, at every reader that sends enough of it.
        #[test]
        fn office_and_gate_agree(
            kind in 0usize..5, bytes in prop::collection::vec(any::<u8>(), 10),
            n in 2u8..=10, which in 0usize..3, reversed: bool,
        ) {
            let (name, bits) = KINDS[kind];
            let serial = &bytes[..usize::from(bits / 8)];
            let part = match which {
                0 => Part::Low(8 * n),
                1 => Part::High(8 * n),
                _ => name.parse().expect("a kind"),
            };
            let view = View { part, reversed };
            prop_assert_eq!(view.to_string().parse(), Ok(view));
            let office = view.of(number(serial), whole(name)).and_then(|n| part.card(n));
            let sent = sends(view, serial);
            let gate = sent.and_then(|sent| view.arrived(number(&sent), 8 * sent.len() as u8));
            prop_assert_eq!(gate, office);
        }

        #[test]
        fn any_read_is_looked_up_or_left_as_it_came(number: u128, bits in 0u8..=128, n in 2u8..=10,
            high: bool, reversed: bool) {
            let part = if high { Part::High(8 * n) } else { Part::Low(8 * n) };
            let card = View { part, reversed }.arrived(number, bits);
            let enough = if reversed { bits - bits % 8 } else { bits } >= 8 * n;
            prop_assert_eq!(card.is_some(), enough);
            prop_assert!(card.is_none_or(|card| card.number() <= low_bits(8 * n)));
        }
    }
}
