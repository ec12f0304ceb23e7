//! A framing as data: what a reader puts around its number. Checked once, when it is made; looked at
//! afterwards one frame at a time. What never enters: a port, time, the bytes of more than one frame.

use super::checksum::Checksum;
use super::{Corrupt, Tag};
use crate::domain::{Duration, FormatName};
use crate::wire::notation::decimal_bits;

/// The longest frame, in bytes.
pub const MAX_FRAME: usize = 128;
const MAX_MARK: usize = 8;
/// What a card number holds: 128 bits.
const MAX_HEX: usize = 32;
const MAX_DECIMAL: usize = 38;
const MAX_BINARY: usize = 16;

/// How the number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// ASCII hex digits, in either case.
    Hex,
    /// ASCII decimal digits.
    Decimal,
    Binary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    Big,
    Little,
}

/// What a length byte counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthCounts {
    Data,
    /// Everything after it: data, checksum, end.
    Rest,
    /// The whole frame, from its first start byte on.
    Frame,
}

/// Where the part begins that the checksum covers. It ends with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    Data,
    /// From the length byte.
    Length,
    /// From the first start byte.
    Start,
}

/// A frame, in the order it is sent: start, length byte, data, checksum, end. Whatever a reader hasn't is
/// left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub start: Vec<u8>,
    pub length_byte: Option<LengthCounts>,
    pub body: Body,
    /// The least and the most data, in digits of text or bytes of binary.
    pub data: (usize, usize),
    /// Which digits or bytes are the card's; `None` for all.
    pub mask: Option<Vec<bool>>,
    /// Of the card's bytes.
    pub byte_order: ByteOrder,
    pub checksum: Checksum,
    pub covers: Covers,
    /// Of text: the checksum is that of the characters, not of the bytes the hex digits stand for.
    pub of_characters: bool,
    /// Of a checksum with two bytes.
    pub checksum_order: ByteOrder,
    pub end: Vec<u8>,
    /// A pause this long ends whatever was begun.
    pub gap: Duration,
    /// The card number's format.
    pub format: FormatName,
}

/// What is wrong with a framing: which part, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// `start`, `data`, `mask`, `checksum`, `covers`, `length_byte`, `byte_order` or `end`.
    pub part: &'static str,
    pub what: String,
}

/// A framing that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    spec: Spec,
    resync: Resync,
}

/// Where the next frame may begin after something spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resync {
    /// At the next start byte: nothing inside a frame can be taken for one and still come out whole.
    Start,
    /// After the next end bytes, which no data holds.
    End,
    /// Only after a pause: any byte could be the first.
    Pause,
}

/// What the bytes held so far are.
pub(super) enum Look {
    NeedMore,
    /// They don't even begin like a frame.
    NotStart,
    Spoilt(Corrupt),
    /// A frame of so many bytes.
    Whole(usize, Tag),
}

impl Body {
    fn is_text(self) -> bool {
        self != Body::Binary
    }

    fn digit(self, byte: u8) -> Option<u8> {
        let radix = if self == Body::Hex { 16 } else { 10 };
        char::from(byte).to_digit(radix).map(|d| d as u8)
    }

    fn has(self, byte: u8) -> bool {
        self.is_text() && self.digit(byte).is_some()
    }
}

impl Framing {
    /// Checks a framing; every mistake at once.
    pub fn new(spec: Spec) -> Result<Self, Vec<SpecError>> {
        let wrong = mistakes(&spec);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        // The text's digits and its checksum's, which are hex always.
        let no_digit = |mark: &[u8]| {
            let sum = if spec.checksum.is_none() { spec.body } else { Body::Hex };
            mark.first().is_some_and(|b| !spec.body.has(*b) && !sum.has(*b))
        };
        let resync = if spec.body == Body::Binary {
            // What begins inside a frame is too short to be whole, and noise is no number.
            let safe = spec.data.0 == spec.data.1 && !spec.checksum.is_none();
            if safe && !spec.start.is_empty() { Resync::Start } else { Resync::Pause }
        } else if no_digit(&spec.start) {
            Resync::Start
        } else if no_digit(&spec.end) {
            Resync::End
        } else {
            Resync::Pause
        };
        Ok(Self { spec, resync })
    }

    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Whether a disturbed byte is noticed. One that isn't checked is another card's number.
    pub fn is_checked(&self) -> bool {
        !self.spec.checksum.is_none()
    }

    pub(super) fn resync(&self) -> Resync {
        self.resync
    }

    /// How long the checksum is on the wire.
    fn checksum_len(&self) -> usize {
        self.spec.checksum.width() * if self.spec.body.is_text() { 2 } else { 1 }
    }

    /// Looks at what begins with `held`'s first byte.
    pub(super) fn look(&self, held: &[u8]) -> Look {
        let spec = &self.spec;
        let head = held.iter().zip(&spec.start);
        if head.clone().any(|(byte, mark)| byte != mark) {
            return Look::NotStart;
        }
        if held.len() < spec.start.len() {
            return Look::NeedMore;
        }
        let at = spec.start.len() + usize::from(spec.length_byte.is_some());
        let Some(rest) = held.get(at..) else { return Look::NeedMore };
        let (least, most) = spec.data;
        let count = match spec.length_byte {
            Some(counts) => {
                let said = held.get(at - 1).copied().unwrap_or(0);
                match (least..=most).find(|n| self.length_value(counts, *n) == usize::from(said)) {
                    Some(count) => count,
                    None => return Look::Spoilt(Corrupt::Length),
                }
            }
            None if least == most => most,
            None => {
                // As many digits as come, up to the end bytes.
                let digits = rest.iter().take_while(|b| spec.body.has(**b)).count();
                if digits > most {
                    return Look::Spoilt(Corrupt::Length);
                }
                if digits == rest.len() {
                    return Look::NeedMore;
                }
                digits
            }
        };
        let (data, rest) = rest.split_at(count.min(rest.len()));
        let (sum, rest) = rest.split_at(self.checksum_len().min(rest.len()));
        if spec.body.is_text() {
            let bad = data.iter().find(|b| !spec.body.has(**b));
            let bad = bad.or(sum.iter().find(|b| !Body::Hex.has(**b)));
            if let Some(byte) = bad {
                return Look::Spoilt(self.out_of_place(*byte));
            }
        }
        if let Some((byte, _)) = rest.iter().zip(&spec.end).find(|(byte, mark)| byte != mark) {
            // Digits where the end should be, or an end where digits should.
            let why = match self.out_of_place(*byte) {
                Corrupt::CutShort => Corrupt::CutShort,
                _ => Corrupt::NoEnd,
            };
            return Look::Spoilt(why);
        }
        if rest.len() < spec.end.len() || sum.len() < self.checksum_len() || data.len() < count {
            return Look::NeedMore;
        }
        if count < least {
            return Look::Spoilt(Corrupt::Length);
        }
        let front = held.get(..at).unwrap_or_default();
        if !spec.checksum.is_none() && self.received(sum) != self.expected(front, data) {
            return Look::Spoilt(Corrupt::Checksum);
        }
        let len = at + count + self.checksum_len() + spec.end.len();
        Look::Whole(len, self.tag(data))
    }

    /// What a byte means that can't stand where it does.
    fn out_of_place(&self, byte: u8) -> Corrupt {
        let starts = self.resync == Resync::Start && self.spec.body.is_text();
        if starts && self.spec.start.first() == Some(&byte) {
            Corrupt::CutShort
        } else {
            Corrupt::NotDigit
        }
    }

    /// What the length byte says of so much data.
    fn length_value(&self, counts: LengthCounts, data: usize) -> usize {
        let rest = data + self.checksum_len() + self.spec.end.len();
        match counts {
            LengthCounts::Data => data,
            LengthCounts::Rest => rest,
            LengthCounts::Frame => self.spec.start.len() + 1 + rest,
        }
    }

    fn received(&self, sum: &[u8]) -> u16 {
        let bytes = self.bytes_of(sum, Body::Hex);
        let whole = |sum: u16, b: u8| sum << 8 | u16::from(b);
        match self.spec.checksum_order {
            ByteOrder::Big => bytes.fold(0, whole),
            ByteOrder::Little => bytes.collect::<Vec<_>>().into_iter().rev().fold(0, whole),
        }
    }

    fn expected(&self, front: &[u8], data: &[u8]) -> u16 {
        let front = match self.spec.covers {
            Covers::Data => &[],
            Covers::Length => front.get(self.spec.start.len()..).unwrap_or_default(),
            Covers::Start => front,
        };
        let front = front.iter().copied();
        if self.spec.of_characters {
            return self.spec.checksum.of(front.chain(data.iter().copied()));
        }
        self.spec.checksum.of(front.chain(self.bytes_of(data, Body::Hex)))
    }

    /// Text's digits by two, binary as it is.
    fn bytes_of<'a>(&self, raw: &'a [u8], text: Body) -> Box<dyn Iterator<Item = u8> + 'a> {
        if !self.spec.body.is_text() {
            return Box::new(raw.iter().copied());
        }
        let digits = move |pair: &[u8]| {
            pair.iter().fold(0, |byte, d| byte << 4 | text.digit(*d).unwrap_or(0))
        };
        Box::new(raw.chunks(2).map(digits))
    }

    fn tag(&self, data: &[u8]) -> Tag {
        let body = self.spec.body;
        let mask = |i: usize| self.spec.mask.as_ref().is_none_or(|m| m.get(i) == Some(&true));
        let card = data.iter().enumerate().filter(|(i, _)| mask(*i)).map(|(_, b)| *b);
        let (shift, mut units): (u32, Vec<u8>) = match body {
            Body::Binary => (8, card.collect()),
            _ => (4, card.map(|b| body.digit(b).unwrap_or(0)).collect()),
        };
        let width = units.len() * shift as usize / 4;
        if self.spec.byte_order == ByteOrder::Little {
            units.reverse();
            if body == Body::Hex {
                units.chunks_mut(2).for_each(<[u8]>::reverse);
            }
        }
        if body == Body::Decimal {
            let number = units.iter().fold(0u128, |n, d| n.wrapping_mul(10) + u128::from(*d));
            return Tag { number, width: 1 };
        }
        let number = units.iter().fold(0u128, |n, u| n << shift | u128::from(*u));
        Tag { number, width }
    }

    /// How many bits the card's number has, if that is always the same: those of its hex digits or bytes, or
    /// what so many decimal digits are for.
    pub fn data_bits(&self) -> Option<u8> {
        let (least, most) = self.spec.data;
        let mask = self.spec.mask.as_ref();
        let count = mask.map_or(most, |mask| mask.iter().filter(|m| **m).count());
        let count = u8::try_from(count).ok().filter(|_| least == most)?;
        match self.spec.body {
            Body::Hex => count.checked_mul(4),
            Body::Binary => count.checked_mul(8),
            Body::Decimal => decimal_bits(count),
        }
    }

    /// The bytes a reader sends for a number, what is not the card's being zero; `None` if it doesn't fit.
    pub fn encode(&self, number: u128) -> Option<Vec<u8>> {
        let spec = &self.spec;
        let (least, most) = spec.data;
        let base = match spec.body {
            Body::Hex => 16,
            Body::Decimal => 10,
            Body::Binary => 256,
        };
        (least..=most).find_map(|count| {
            let mask: Vec<bool> = spec.mask.clone().unwrap_or_else(|| vec![true; count]);
            let mut left = number;
            let mut card: Vec<u8> = Vec::new();
            for _ in mask.iter().filter(|m| **m) {
                card.push((left % base) as u8);
                left /= base;
            }
            if left > 0 {
                return None;
            }
            if spec.byte_order == ByteOrder::Big {
                card.reverse();
            } else if spec.body == Body::Hex {
                card.chunks_mut(2).for_each(<[u8]>::reverse);
            }
            let mut card = card.into_iter();
            let units = mask.iter().map(|m| if *m { card.next().unwrap_or(0) } else { 0 });
            let written = |unit: u8| match spec.body {
                Body::Binary => unit,
                _ => {
                    char::from_digit(unit.into(), 16).map_or(b'0', |c| c.to_ascii_uppercase() as u8)
                }
            };
            Some(self.frame(&units.map(written).collect::<Vec<u8>>()))
        })
    }

    /// Puts the frame around its data.
    fn frame(&self, data: &[u8]) -> Vec<u8> {
        let spec = &self.spec;
        let mut frame = spec.start.clone();
        if let Some(counts) = spec.length_byte {
            frame.push(self.length_value(counts, data.len()) as u8);
        }
        let sum = self.expected(&frame, data).to_be_bytes();
        frame.extend_from_slice(data);
        let mut sum = sum.get(2 - spec.checksum.width()..).unwrap_or_default().to_vec();
        if spec.checksum_order == ByteOrder::Little {
            sum.reverse();
        }
        for byte in sum {
            match spec.body {
                Body::Binary => frame.push(byte),
                _ => frame.extend_from_slice(format!("{byte:02X}").as_bytes()),
            }
        }
        frame.extend_from_slice(&spec.end);
        frame
    }
}

/// Everything wrong with a framing.
fn mistakes(spec: &Spec) -> Vec<SpecError> {
    let mut wrong = Vec::new();
    let mut note = |part, what: &str| wrong.push(SpecError { part, what: what.into() });
    let (least, most) = spec.data;
    let text = spec.body.is_text();
    if spec.start.len() > MAX_MARK {
        note("start", "has more than 8 bytes");
    }
    if spec.end.len() > MAX_MARK {
        note("end", "has more than 8 bytes");
    }
    if least == 0 || least > most {
        note("data", "must be one length, or the least and the most, from 1 on");
    } else if least < most && spec.mask.is_some() {
        note("mask", "needs data of one length");
    } else if spec.mask.as_ref().is_some_and(|m| m.len() != most) {
        note(
            "mask",
            &format!("must have {most} characters, one for each digit or byte of the data"),
        );
    }
    let card = spec.mask.as_ref().map_or(most, |m| m.iter().filter(|m| **m).count());
    let limit = match spec.body {
        Body::Hex => MAX_HEX,
        Body::Decimal => MAX_DECIMAL,
        Body::Binary => MAX_BINARY,
    };
    if card == 0 {
        note("mask", "leaves nothing for the card: mark its digits or bytes with #");
    } else if card > limit {
        note("mask", &format!("a card number has at most {limit} of these: mark them with #"));
    }
    match spec.length_byte {
        Some(_) if text => note("length_byte", "goes with a binary body only"),
        None if least < most && !text => {
            note("data", "of several lengths needs a length byte: add length_byte");
        }
        None if least < most && spec.end.first().is_none_or(|b| spec.body.has(*b)) => {
            note("end", "data of several lengths must end with bytes that are no digits");
        }
        None if least < most && !spec.checksum.is_none() => {
            note(
                "data",
                "of several lengths can't have a checksum: a cut frame would pass it too often",
            );
        }
        _ => {}
    }
    if spec.covers == Covers::Length && spec.length_byte.is_none() {
        note("covers", "there is no length byte to cover");
    }
    if !spec.checksum.is_none() && text && !spec.of_characters {
        if spec.body == Body::Decimal {
            note(
                "checksum",
                "of decimal digits is that of their characters: add checksum_of = \"characters\"",
            );
        } else if most % 2 == 1 {
            note("checksum", "of bytes needs an even number of digits");
        }
    }
    if !text && spec.of_characters {
        note("checksum", "of characters goes with a text body only");
    }
    let whole_bytes = match spec.body {
        Body::Hex => least == most && card % 2 == 0,
        Body::Decimal => false,
        Body::Binary => true,
    };
    if spec.byte_order == ByteOrder::Little && !whole_bytes {
        note("byte_order", "can only be turned where there are whole bytes");
    }
    let sum = spec.checksum.width() * if text { 2 } else { 1 };
    if spec.start.len() + 1 + most + sum + spec.end.len() > MAX_FRAME {
        note("data", &format!("makes the frame longer than {MAX_FRAME} bytes"));
    }
    wrong
}
