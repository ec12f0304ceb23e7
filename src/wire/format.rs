//! Card formats as data: which bits of a frame are facility, number and parity.
//!
//! A frame that passes no format's length and parity is no card and is never looked at further. What never
//! enters: how the bits arrived, who the card belongs to.
//!
//! The built-in ones are HID's published open formats; layout and parity as in HID's "Understanding card
//! data formats" and in proxmark3's tables, whose vectors the tests use.

use super::wiegand::{Bits, MAX_BITS, low_bits};
use crate::domain::{CardNumber, FormatName, ReadFault};

/// One parity bit. Masks are over the frame's integer value: the last bit sent is bit 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parity {
    /// The parity bit itself.
    pub bit: u128,
    /// The bits it covers, itself left out.
    pub over: u128,
    /// Whether the number of ones, the parity bit included, is odd.
    pub odd: bool,
}

/// A card format as written down; [`Format::new`] checks it. Masks are over the frame's integer value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub name: FormatName,
    /// The frame's length.
    pub bits: u8,
    /// Facility (site) code; 0 if the format has none.
    pub facility: u128,
    /// Card number as printed on the card.
    pub number: u128,
    pub parities: Vec<Parity>,
}

/// A card format that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    spec: Spec,
    /// Everything but the parity bits.
    data: u128,
}

/// Why a [`Spec`] makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFormat {
    #[error("a format has 1 to {MAX_BITS} bits")]
    Length,
    #[error("a mask reaches beyond the format's length")]
    Beyond,
    #[error("the number's mask is empty")]
    NoNumber,
    #[error("facility, number and parity bits overlap")]
    Overlap,
    #[error("a parity bit must be one bit, and is not among those it covers")]
    Parity,
}

/// A card's fields, for people to compare with what is printed on it. No `Debug`, no `Serialize`: a card
/// number goes where somebody asked for it and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields {
    pub format: FormatName,
    pub facility: Option<u128>,
    pub number: u128,
}

/// Why a frame is no card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("no format here has {bits} bits")]
    NoSuchLength { bits: u8 },
    #[error("the parity is wrong for {}", names(.formats))]
    Parity { formats: Vec<FormatName> },
    /// Pin the reader to one format.
    #[error("it fits {}: name the one this reader sends", names(.formats))]
    Ambiguous { formats: Vec<FormatName> },
}

impl Why {
    /// What it is counted as.
    pub fn read_fault(&self) -> ReadFault {
        match self {
            Self::NoSuchLength { .. } => ReadFault::Length,
            Self::Parity { .. } => ReadFault::Parity,
            Self::Ambiguous { .. } => ReadFault::Ambiguous,
        }
    }
}

/// Why fields can't be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoesNotFit {
    #[error("the facility code is too large for this format, or it has none")]
    Facility,
    #[error("the number is too large for this format")]
    Number,
}

impl Format {
    pub fn new(spec: Spec) -> Result<Self, BadFormat> {
        if spec.bits == 0 || spec.bits > MAX_BITS {
            return Err(BadFormat::Length);
        }
        let all = low_bits(spec.bits);
        let mut taken = spec.facility | spec.number;
        if spec.number == 0 {
            return Err(BadFormat::NoNumber);
        }
        if spec.facility & spec.number != 0 {
            return Err(BadFormat::Overlap);
        }
        let mut parity_bits = 0;
        for p in &spec.parities {
            if !p.bit.is_power_of_two() || p.bit & p.over != 0 {
                return Err(BadFormat::Parity);
            }
            if taken & p.bit != 0 {
                return Err(BadFormat::Overlap);
            }
            taken |= p.bit;
            parity_bits |= p.bit;
            if p.over & !all != 0 {
                return Err(BadFormat::Beyond);
            }
        }
        if taken & !all != 0 {
            return Err(BadFormat::Beyond);
        }
        Ok(Self { data: all & !parity_bits, spec })
    }

    pub fn name(&self) -> &FormatName {
        &self.spec.name
    }

    pub fn bits(&self) -> u8 {
        self.spec.bits
    }

    /// How many bits are data: what a card's whole number has.
    pub fn data_bits(&self) -> u8 {
        self.data.count_ones() as u8
    }

    /// Whether length and parity are this format's.
    pub fn fits(&self, bits: Bits) -> bool {
        bits.count() == self.spec.bits && self.spec.parities.iter().all(|p| p.holds(bits.value()))
    }

    /// The card as enrolled; `None` if the frame doesn't fit.
    pub fn card(&self, bits: Bits) -> Option<CardNumber> {
        let whole = || CardNumber::new(self.spec.name.clone(), gather(bits.value(), self.data));
        self.fits(bits).then(whole)
    }

    /// What is printed on the card; `None` if the frame doesn't fit.
    pub fn fields(&self, bits: Bits) -> Option<Fields> {
        self.fits(bits).then(|| Fields {
            format: self.spec.name.clone(),
            facility: (self.spec.facility != 0).then(|| gather(bits.value(), self.spec.facility)),
            number: gather(bits.value(), self.spec.number),
        })
    }

    /// The frame of a card: what a reader sends. Bits that are neither field nor parity are 0.
    pub fn encode(&self, facility: Option<u128>, number: u128) -> Result<Bits, DoesNotFit> {
        let facility =
            scatter(facility.unwrap_or(0), self.spec.facility).ok_or(DoesNotFit::Facility)?;
        let number = scatter(number, self.spec.number).ok_or(DoesNotFit::Number)?;
        self.with_parity(facility | number)
    }

    /// The frame of a card given by its whole number, as enrolled.
    pub fn encode_card(&self, whole_number: u128) -> Result<Bits, DoesNotFit> {
        self.with_parity(scatter(whole_number, self.data).ok_or(DoesNotFit::Number)?)
    }

    fn with_parity(&self, mut value: u128) -> Result<Bits, DoesNotFit> {
        // A parity bit may be covered by another, listed after it.
        for p in &self.spec.parities {
            if !p.holds(value) {
                value |= p.bit;
            }
        }
        Bits::new(value, self.spec.bits).ok_or(DoesNotFit::Number)
    }
}

impl Parity {
    fn holds(&self, value: u128) -> bool {
        (value & (self.bit | self.over)).count_ones() % 2 == u32::from(self.odd)
    }
}

/// The card in a frame, if exactly one of `formats` fits it.
pub fn decode(bits: Bits, formats: &[Format]) -> Result<CardNumber, Why> {
    let mut fitting = formats.iter().filter_map(|f| f.card(bits));
    match (fitting.next(), fitting.next()) {
        (Some(card), None) => Ok(card),
        (Some(_), Some(_)) => Err(Why::Ambiguous { formats: named(formats, |f| f.fits(bits)) }),
        (None, _) => {
            let formats = named(formats, |f| f.bits() == bits.count());
            if formats.is_empty() {
                Err(Why::NoSuchLength { bits: bits.count() })
            } else {
                Err(Why::Parity { formats })
            }
        }
    }
}

/// The lengths `formats` have, for `wiegand::Options`.
pub fn lengths(formats: &[Format]) -> impl Iterator<Item = u8> {
    formats.iter().map(Format::bits)
}

/// A built-in format by name.
pub fn builtin(name: &str) -> Option<Format> {
    builtins().into_iter().find(|f| f.name().as_str() == name)
}

/// The built-in formats, shortest first.
pub fn builtins() -> Vec<Format> {
    // Name, length, facility bits, number bits, bits each of the two parities covers: even at the front
    // over the first so many data bits, odd at the end over the last so many.
    const OPEN: [(&str, u8, u8, u8, u8); 4] = [
        ("h10301", 26, 8, 16, 12),
        ("h10306", 34, 16, 16, 16),
        ("h10302", 37, 0, 35, 18),
        ("h10304", 37, 16, 19, 18),
    ];
    OPEN.iter()
        .filter_map(|&(name, bits, facility, number, covered)| {
            let even = Parity {
                bit: 1 << (bits - 1),
                over: low_bits(covered) << (bits - 1 - covered),
                odd: false,
            };
            let odd = Parity { bit: 1, over: low_bits(covered) << 1, odd: true };
            Format::new(Spec {
                name: name.parse().ok()?,
                bits,
                facility: low_bits(facility) << (number + 1),
                number: low_bits(number) << 1,
                parities: vec![even, odd],
            })
            .ok()
        })
        .collect()
}

fn named(formats: &[Format], which: impl Fn(&Format) -> bool) -> Vec<FormatName> {
    formats.iter().filter(|f| which(f)).map(|f| f.name().clone()).collect()
}

fn names(formats: &[FormatName]) -> String {
    formats.iter().map(FormatName::as_str).collect::<Vec<_>>().join(" and ")
}

/// The bits of `value` under `mask`, moved together.
fn gather(value: u128, mask: u128) -> u128 {
    bits_of(mask).rev().fold(0, |sum, bit| sum << 1 | (value >> bit & 1))
}

/// The inverse of [`gather`]; `None` if `value` has more bits than `mask`.
fn scatter(value: u128, mask: u128) -> Option<u128> {
    if value & !low_bits(u8::try_from(mask.count_ones()).ok()?) != 0 {
        return None;
    }
    Some(bits_of(mask).enumerate().fold(0, |sum, (i, bit)| sum | (value >> i & 1) << bit))
}

fn bits_of(mask: u128) -> impl DoubleEndedIterator<Item = u32> {
    (0..u128::BITS).filter(move |bit| mask >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn format(name: &str) -> Format {
        builtin(name).expect("built in")
    }

    fn bits(value: u128, len: u8) -> Bits {
        Bits::new(value, len).expect("fits")
    }

    /// Facility and number printed on cards whose frames are known: proxmark3's tables, and a frame
    /// recorded from a 34-bit reader.
    const VECTORS: [(&str, u128, u8, u128, u128); 4] = [
        ("h10301", 0x2f657ae, 26, 123, 11223),
        ("h10301", 0x3c00a73, 26, 224, 1337),
        ("h10301", 0x2f623ae, 26, 123, 4567),
        ("h10306", 0x8a640910, 34, 17714, 1160),
    ];

    #[test]
    fn known_cards_both_ways() {
        for (name, raw, len, facility, number) in VECTORS {
            let format = format(name);
            let fields = format.fields(bits(raw, len)).expect("fits");
            assert_eq!((fields.facility, fields.number), (Some(facility), number), "{raw:x}");
            assert_eq!(format.encode(Some(facility), number).map(Bits::value), Ok(raw));
            let card = decode(bits(raw, len), &builtins()).expect("one format");
            assert_eq!(card.format().as_str(), name);
            assert_eq!(card.number(), facility << 16 | number);
            assert_eq!(format.encode_card(card.number()).map(Bits::value), Ok(raw));
        }
    }

    /// Worked by hand: 35 data bits, the first and the last 18 under parity, the middle one under both.
    #[test]
    fn parity_of_37_bits_shares_the_middle_bit() {
        let middle = 1 << 17;
        let frame = format("h10302").encode(None, middle).expect("fits");
        assert_eq!(frame.value(), 1 << 36 | middle << 1, "even bit set, odd bit clear");
        let frame = format("h10304").encode(Some(1), 0).expect("fits");
        assert_eq!(frame.value(), 1 << 36 | 1 << 20 | 1);
        assert_eq!(format("h10304").fields(frame).map(|f| f.number), Some(0));
    }

    #[test]
    fn two_formats_that_fit_are_ambiguous_until_one_is_pinned() {
        let frame = format("h10304").encode(Some(7), 42).expect("fits");
        let Err(Why::Ambiguous { formats }) = decode(frame, &builtins()) else {
            panic!("not ambiguous");
        };
        assert_eq!(names(&formats), "h10302 and h10304");
        let card = decode(frame, &[format("h10304")]).expect("pinned");
        assert_eq!(card.number(), 7 << 19 | 42);
    }

    #[test]
    fn other_lengths_and_wrong_parity_are_no_cards() {
        assert_eq!(decode(bits(1, 25), &builtins()), Err(Why::NoSuchLength { bits: 25 }));
        let wrong = decode(bits(0x2f657af, 26), &builtins());
        assert!(matches!(wrong, Err(Why::Parity { .. })), "{wrong:?}");
    }

    #[test]
    fn fields_too_large_are_refused() {
        let h10301 = format("h10301");
        assert_eq!(h10301.encode(Some(256), 1), Err(DoesNotFit::Facility));
        assert_eq!(h10301.encode(Some(1), 65_536), Err(DoesNotFit::Number));
        assert_eq!(format("h10302").encode(Some(1), 1), Err(DoesNotFit::Facility));
        assert_eq!(h10301.encode_card(1 << 24), Err(DoesNotFit::Number));
    }

    #[test]
    fn nonsense_specs_are_refused() {
        let good = format("h10301").spec;
        let parity = good.parities[0];
        let bad = |spec: Spec| Format::new(spec).map(|_| ()).expect_err("nonsense");
        assert_eq!(bad(Spec { bits: 0, ..good.clone() }), BadFormat::Length);
        assert_eq!(bad(Spec { bits: 129, ..good.clone() }), BadFormat::Length);
        assert_eq!(bad(Spec { bits: 25, ..good.clone() }), BadFormat::Beyond);
        assert_eq!(bad(Spec { number: 0, ..good.clone() }), BadFormat::NoNumber);
        assert_eq!(bad(Spec { facility: 1 << 3, ..good.clone() }), BadFormat::Overlap);
        let with = |p: Parity| bad(Spec { parities: vec![p], ..good.clone() });
        assert_eq!(with(Parity { bit: 1 << 4, over: 0, ..parity }), BadFormat::Overlap);
        assert_eq!(with(Parity { bit: 3 << 24, ..parity }), BadFormat::Parity);
        assert_eq!(with(Parity { over: parity.bit, ..parity }), BadFormat::Parity);
        assert_eq!(with(Parity { over: 1 << 26, ..parity }), BadFormat::Beyond);
    }

    proptest! {
        #[test]
        fn every_card_comes_back(which in 0usize..4, facility: u16, number: u64) {
            let format = &builtins()[which];
            let facility = u128::from(facility) & low_bits(format.spec.facility.count_ones() as u8);
            let number = u128::from(number) & low_bits(format.spec.number.count_ones() as u8);
            let has_facility = format.spec.facility != 0;
            let frame = format.encode(has_facility.then_some(facility), number).expect("fits");
            let fields = format.fields(frame).expect("its own frame");
            prop_assert_eq!(fields.facility, has_facility.then_some(facility));
            prop_assert_eq!(fields.number, number);
            let card = format.card(frame).expect("its own frame");
            prop_assert_eq!(format.encode_card(card.number()), Ok(frame));
        }

        /// Any single flipped bit is caught, in every format.
        #[test]
        fn one_flipped_bit_is_no_card(which in 0usize..4, number: u16, flip in 0u8..37) {
            let format = &builtins()[which];
            let frame = format.encode_card(number.into()).expect("fits");
            let flipped = Bits::new(frame.value() ^ 1 << (flip % frame.count()), frame.count());
            prop_assert!(!format.fits(flipped.expect("as long")));
        }
    }
}
