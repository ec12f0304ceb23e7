//! Card formats as data: which bits of a frame are facility, number and parity.
//!
//! A frame that passes no format's length and parity is no card and is never looked at further. What never
//! enters: how the bits arrived, who the card belongs to.
//!
//! The built-in ones stand in `config/formats.toml`, with their sources; a gate's configuration adds others
//! in the same notation (see `written`).

mod written;

pub use written::{BadFormat, Place, Written, parse_all};

use super::wiegand::{Bits, low_bits};
use crate::domain::{CardNumber, FormatName, ReadFault};
use std::sync::LazyLock;

/// One parity bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parity {
    /// The parity bit itself.
    bit: u128,
    /// The bits it covers, itself left out.
    over: u128,
    /// Whether the number of ones, the parity bit included, is odd.
    odd: bool,
}

/// A card format that makes sense; [`Written::parse`] makes them. Masks are over the frame's integer value:
/// the last bit sent is bit 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    name: FormatName,
    bits: u8,
    /// Facility (site) code; 0 if the format has none.
    facility: u128,
    /// Card number as printed on the card.
    number: u128,
    /// Bits that are the same in every frame, and their values.
    fixed: u128,
    fixed_value: u128,
    /// Everything but the parity and the fixed bits.
    data: u128,
    /// One that covers another comes after it.
    parities: Vec<Parity>,
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
    #[error("no format here has {bits} bits{}", if matches!(.bits, 4 | 8) { ": a key of a keypad?" } else { "" })]
    NoSuchLength { bits: u8 },
    #[error("the parity is wrong for {}", names(.formats))]
    Parity { formats: Vec<FormatName> },
    /// D0 and D1 are exchanged: it would fit the other way round, and can't fit this way.
    #[error("D0 and D1 are exchanged, for {}: swap the green and the white wire", names(.formats))]
    Swapped { formats: Vec<FormatName> },
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
            Self::Swapped { .. } => ReadFault::Swapped,
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
    pub fn name(&self) -> &FormatName {
        &self.name
    }

    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// How many bits are data: what a card's whole number has.
    pub fn data_bits(&self) -> u8 {
        self.data.count_ones() as u8
    }

    /// Whether length and parity are this format's.
    pub fn fits(&self, bits: Bits) -> bool {
        bits.count() == self.bits
            && bits.value() & self.fixed == self.fixed_value
            && self.parities.iter().all(|p| p.holds(bits.value()))
    }

    /// Whether every frame of the one is a frame of the other.
    pub fn looks_like(&self, other: &Self) -> bool {
        let frames = |f: &Self| (f.bits, f.fixed, f.fixed_value, f.parities.clone());
        frames(self) == frames(other)
    }

    /// Whether exchanged wires always break this format: its parity over an odd number of bits, or its
    /// fixed bits, come out wrong.
    pub fn tells_swapped(&self) -> bool {
        let odd = |p: &Parity| (p.bit | p.over).count_ones() % 2 == 1;
        self.fixed != 0 || self.parities.iter().any(odd)
    }

    /// Whether a single wrong bit always breaks this format.
    pub fn tells_wrong_bit(&self) -> bool {
        let told = self.parities.iter().fold(self.fixed, |told, p| told | p.bit | p.over);
        told == low_bits(self.bits)
    }

    /// The card as enrolled; `None` if the frame doesn't fit.
    pub fn card(&self, bits: Bits) -> Option<CardNumber> {
        let whole = || CardNumber::new(self.name.clone(), gather(bits.value(), self.data));
        self.fits(bits).then(whole)
    }

    /// What is printed on the card; `None` if the frame doesn't fit.
    pub fn fields(&self, bits: Bits) -> Option<Fields> {
        self.fits(bits).then(|| Fields {
            format: self.name.clone(),
            facility: (self.facility != 0).then(|| gather(bits.value(), self.facility)),
            number: gather(bits.value(), self.number),
        })
    }

    /// The frame of a card: what a reader sends. Bits that are neither field nor parity are 0.
    pub fn encode(&self, facility: Option<u128>, number: u128) -> Result<Bits, DoesNotFit> {
        let facility = scatter(facility.unwrap_or(0), self.facility).ok_or(DoesNotFit::Facility)?;
        let number = scatter(number, self.number).ok_or(DoesNotFit::Number)?;
        self.with_parity(facility | number)
    }

    /// The frame of a card given by its whole number, as enrolled.
    pub fn encode_card(&self, whole_number: u128) -> Result<Bits, DoesNotFit> {
        self.with_parity(scatter(whole_number, self.data).ok_or(DoesNotFit::Number)?)
    }

    fn with_parity(&self, mut value: u128) -> Result<Bits, DoesNotFit> {
        value |= self.fixed_value;
        for p in &self.parities {
            if !p.holds(value) {
                value |= p.bit;
            }
        }
        Bits::new(value, self.bits).ok_or(DoesNotFit::Number)
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
        (None, _) => Err(why_none(bits, formats)),
    }
}

fn why_none(bits: Bits, formats: &[Format]) -> Why {
    let as_long = named(formats, |f| f.bits() == bits.count());
    if as_long.is_empty() {
        return Why::NoSuchLength { bits: bits.count() };
    }
    let exchanged = bits.exchanged();
    let formats = named(formats, |f| f.tells_swapped() && f.fits(exchanged));
    if formats.is_empty() { Why::Parity { formats: as_long } } else { Why::Swapped { formats } }
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
    static BUILT_IN: LazyLock<Vec<Format>> = LazyLock::new(|| {
        written::parse_all(include_str!("../../config/formats.toml")).unwrap_or_default()
    });
    BUILT_IN.clone()
}

/// `h10301 (26 bits), uid32 (32), ...`, for messages and help texts.
pub fn builtin_names() -> String {
    let one = |(i, f): (usize, &Format)| {
        format!("{} ({}{})", f.name(), f.bits(), if i == 0 { " bits" } else { "" })
    };
    builtins().iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
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

/// The places of a mask's bits, lowest first.
fn bits_of(mask: u128) -> impl DoubleEndedIterator<Item = u32> {
    (0..u128::BITS - mask.leading_zeros()).filter(move |bit| mask >> bit & 1 == 1)
}

#[cfg(test)]
mod tests;
