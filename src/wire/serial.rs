//! Serial reader framings. Each parser takes one byte at a time, holds one frame at most and finds the next
//! frame by itself after noise. What never enters: a port, a baud rate, time.

use super::Parsed;
use crate::domain::CardNumber;
use std::fmt;

/// The five bytes of an EM4100 tag: version or customer code, then 32 bits. A card number: no `Serialize`,
/// and `Debug` is redacted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 5]);

impl Tag {
    /// Ten lower-case hex digits. Never for a log.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The card as enrolled: format `em4100`, all 40 bits.
    pub fn card(self) -> Option<CardNumber> {
        let number = self.0.iter().fold(0u128, |sum, b| sum << 8 | u128::from(*b));
        Some(CardNumber::new("em4100".parse().ok()?, number))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(redacted)")
    }
}

/// Why a frame is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    #[error("the checksum is wrong")]
    Checksum,
    #[error("a byte that is no hex digit, in the middle of a frame")]
    NotHex,
    #[error("the frame doesn't end where it should")]
    NoEnd,
    #[error("a new frame began before the last one ended")]
    CutShort,
}

const START: u8 = 0x02;
const END: u8 = 0x03;
/// Ten digits of data, two of checksum.
const DIGITS: usize = 12;

/// RDM6300 and RDM630 (9600 8N1): 0x02, ten hex digits, two hex digits of their five bytes' XOR, 0x03.
#[derive(Clone, Debug, Default)]
pub struct Rdm6300 {
    /// Inside a frame: its bytes so far, and how many digits of them.
    frame: Option<([u8; DIGITS / 2], usize)>,
}

impl Rdm6300 {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a frame has begun and not ended.
    pub fn is_midway(&self) -> bool {
        self.frame.is_some()
    }

    pub fn byte(&mut self, byte: u8) -> Parsed<Tag, Corrupt> {
        let Some((mut bytes, digits)) = self.frame.take() else {
            if byte != START {
                return Parsed::NotForUs;
            }
            self.frame = Some(Default::default());
            return Parsed::NeedMore;
        };
        if byte == START {
            self.frame = Some(Default::default());
            return Parsed::Corrupt(Corrupt::CutShort);
        }
        let Some(slot) = bytes.get_mut(digits / 2) else {
            let [tag @ .., checksum] = bytes;
            return if byte != END {
                Parsed::Corrupt(Corrupt::NoEnd)
            } else if tag.iter().fold(0, |sum, b| sum ^ b) != checksum {
                Parsed::Corrupt(Corrupt::Checksum)
            } else {
                Parsed::Item(Tag(tag))
            };
        };
        let Some(digit) = char::from(byte).to_digit(16) else {
            return Parsed::Corrupt(Corrupt::NotHex);
        };
        *slot = *slot << 4 | digit as u8;
        self.frame = Some((bytes, digits + 1));
        Parsed::NeedMore
    }
}

/// The bytes an RDM6300 sends for a tag, for tests and the simulator.
pub fn rdm6300_frame(tag: [u8; 5]) -> Vec<u8> {
    let checksum = tag.iter().fold(0, |sum, b| sum ^ b);
    let digits: String = tag.iter().chain([&checksum]).map(|b| format!("{b:02X}")).collect();
    [&[START], digits.as_bytes(), &[END]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAG: [u8; 5] = [0x01, 0x07, 0x84, 0xf2, 0x21];

    fn feed(bytes: &[u8]) -> (Vec<Tag>, Vec<Corrupt>) {
        let mut parser = Rdm6300::new();
        let (mut tags, mut corrupt) = (Vec::new(), Vec::new());
        for byte in bytes {
            match parser.byte(*byte) {
                Parsed::Item(tag) => tags.push(tag),
                Parsed::Corrupt(why) => corrupt.push(why),
                Parsed::NeedMore | Parsed::NotForUs => {}
            }
        }
        (tags, corrupt)
    }

    /// The bytes a reader sent, from a recording.
    #[test]
    fn a_recorded_frame() {
        let (tags, corrupt) = feed(b"\x02010784F22151\x03");
        assert_eq!(tags, [Tag(TAG)]);
        assert_eq!(corrupt, []);
        assert_eq!(tags[0].to_hex(), "010784f221");
        let card = tags[0].card().expect("a name");
        assert_eq!(card.to_canonical(), format!("em4100:{}", 0x01_0784_f221_u64));
        assert_eq!(format!("{:?}", tags[0]), "Tag(redacted)");
    }

    #[test]
    fn each_way_to_be_spoilt_and_the_next_frame_is_read() {
        let spoilt: [(&[u8], Corrupt); 5] = [
            (b"\x02010784F22152\x03", Corrupt::Checksum),
            (b"\x020107x", Corrupt::NotHex),
            (b"\x020107\x03", Corrupt::NotHex),
            (b"\x02010784F22151\x04", Corrupt::NoEnd),
            (b"\x02010784F2", Corrupt::CutShort),
        ];
        for (bytes, why) in spoilt {
            let stream = [b"\x00\xffnoise", bytes, &rdm6300_frame(TAG)].concat();
            let (tags, corrupt) = feed(&stream);
            assert_eq!((tags, corrupt), (vec![Tag(TAG)], vec![why]), "{bytes:?}");
        }
    }

    #[test]
    fn noise_is_not_for_us() {
        let mut parser = Rdm6300::new();
        for byte in (0..=255).filter(|b| *b != START) {
            assert_eq!(parser.byte(byte), Parsed::NotForUs);
        }
        assert!(!parser.is_midway());
    }

    proptest! {
        #[test]
        fn every_tag_comes_back_after_any_noise(
            tag: [u8; 5], noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let (tags, _) = feed(&[noise, rdm6300_frame(tag)].concat());
            prop_assert_eq!(tags.last(), Some(&Tag(tag)));
        }

        #[test]
        fn one_changed_byte_never_makes_another_tag(tag: [u8; 5], at in 0usize..14, to: u8) {
            let mut frame = rdm6300_frame(tag);
            let changed = frame[at] != to && !frame[at].eq_ignore_ascii_case(&to);
            frame[at] = to;
            let (tags, _) = feed(&frame);
            prop_assert_eq!(tags, if changed { vec![] } else { vec![Tag(tag)] });
        }
    }
}
