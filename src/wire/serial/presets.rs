//! Framings of readers that are common in the field, by name, each with its source. Whatever isn't here is
//! a `[[framing]]` of the configuration.

use super::checksum::Checksum;
use super::framing::{Body, ByteOrder, Covers, Framing, LengthCounts, Spec};
use crate::domain::Duration;

/// A framing known by name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// What such readers speak out of the box.
    pub baud: u32,
    pub about: &'static str,
    start: &'static [u8],
    length_byte: Option<LengthCounts>,
    body: Body,
    /// Digits or bytes of data.
    data: usize,
    /// Of these, so many in front are not the card's.
    skip: usize,
    checksum: Checksum,
    end: &'static [u8],
    format: &'static str,
}

/// Frames like these have no pause in them: at 2400 baud a byte takes 4 ms, and a USB adapter adds up to
/// 16 ms.
pub const GAP: Duration = Duration::from_millis(100);

const EM_HEX: Preset = Preset {
    name: "",
    baud: 9600,
    about: "",
    start: &[],
    length_byte: None,
    body: Body::Hex,
    data: 10,
    skip: 0,
    checksum: Checksum::Xor,
    end: &[],
    format: "em4100",
};

/// All of them.
pub const PRESETS: &[Preset] = &[
    // Seeed Studio's data sheet of the 125 kHz module 113020002; recordings in sigrok-dumps.
    Preset {
        name: "rdm6300",
        about: "RDM6300, RDM630: 02, 10 hex digits, 2 of XOR, 03",
        start: &[0x02],
        end: &[0x03],
        ..EM_HEX
    },
    // As commonly described for ID Innovations' ID-2LA, ID-12LA, ID-20LA in "ASCII" output; no recording was
    // at hand to hold it against.
    Preset {
        name: "id12la",
        about: "ID-12LA, ID-20LA in ASCII: 02, 10 hex digits, 2 of XOR, CR LF, 03",
        start: &[0x02],
        end: b"\r\n\x03",
        ..EM_HEX
    },
    // The module's data sheet, and its example 4500C5D1E9B8.
    Preset { name: "em18", about: "EM-18: 10 hex digits, 2 of XOR, then a pause", ..EM_HEX },
    // The module's protocol table, and its examples 02 0A 02 06 00 8E 6D 5D B0 03 and
    // 02 0A 02 2E 00 B6 D7 B5 F2 03. The first byte of data is the kind of card.
    Preset {
        name: "7941e",
        about: "7941E for EM4100, binary: 02, length 0A, kind, 5 bytes, XOR, 03",
        start: &[0x02],
        length_byte: Some(LengthCounts::Frame),
        body: Body::Binary,
        data: 6,
        skip: 1,
        end: &[0x03],
        ..EM_HEX
    },
    // Parallax' data sheet of the RFID reader modules 28140 and 28340.
    Preset {
        name: "parallax",
        baud: 2400,
        about: "Parallax 28140: LF, 10 hex digits, CR; unchecked",
        start: b"\n",
        checksum: Checksum::None,
        end: b"\r",
        ..EM_HEX
    },
    Preset {
        name: "hex10-line",
        about: "any reader that writes a line of 10 hex digits, CR LF; unchecked",
        checksum: Checksum::None,
        end: b"\r\n",
        ..EM_HEX
    },
    Preset {
        name: "dec10-line",
        about: "any reader that writes a line of 10 decimal digits, CR LF; unchecked",
        body: Body::Decimal,
        checksum: Checksum::None,
        end: b"\r\n",
        format: "low32",
        ..EM_HEX
    },
];

/// The preset of that name.
pub fn preset(name: &str) -> Option<Framing> {
    PRESETS.iter().find(|preset| preset.name == name)?.framing()
}

impl Preset {
    /// `None` for one that makes no sense, which a test rules out.
    pub fn framing(&self) -> Option<Framing> {
        let covers = if self.length_byte.is_some() { Covers::Length } else { Covers::Data };
        let mask = (self.skip > 0).then(|| (0..self.data).map(|i| i >= self.skip).collect());
        Framing::new(Spec {
            start: self.start.into(),
            length_byte: self.length_byte,
            body: self.body,
            data: (self.data, self.data),
            mask,
            byte_order: ByteOrder::Big,
            checksum: self.checksum,
            covers,
            of_characters: false,
            checksum_order: ByteOrder::Big,
            end: self.end.into(),
            gap: GAP,
            format: self.format.parse().ok()?,
        })
        .ok()
    }
}
