//! The checksums of serial frames. What they cover is the framing's business.

/// How a frame is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Not at all: a disturbed byte is another card's number.
    None,
    /// All bytes XORed (also called BCC).
    Xor,
    /// The sum's low eight bits.
    Sum8,
    /// What makes the sum zero: its two's complement (also called LRC).
    Lrc,
    Crc16(Crc16),
}

/// A CRC of 16 bits by its parameters, as Greg Cook's catalogue (reveng.sourceforge.io) gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc16 {
    poly: u16,
    init: u16,
    reflected: bool,
    xor_out: u16,
}

const fn crc(poly: u16, init: u16, reflected: bool, xor_out: u16) -> Checksum {
    Checksum::Crc16(Crc16 { poly, init, reflected, xor_out })
}

/// Each kind by the name a configuration gives it. The CRCs are, in the catalogue's words, IBM-3740,
/// XMODEM, KERMIT, IBM-SDLC, MCRF4XX, SPI-FUJITSU, MODBUS and ARC.
pub const CHECKSUMS: &[(&str, Checksum)] = &[
    ("none", Checksum::None),
    ("xor", Checksum::Xor),
    ("sum8", Checksum::Sum8),
    ("lrc", Checksum::Lrc),
    ("crc16-ccitt-false", crc(0x1021, 0xffff, false, 0)),
    ("crc16-xmodem", crc(0x1021, 0, false, 0)),
    ("crc16-kermit", crc(0x1021, 0, true, 0)),
    ("crc16-x25", crc(0x1021, 0xffff, true, 0xffff)),
    ("crc16-mcrf4xx", crc(0x1021, 0xffff, true, 0)),
    ("crc16-aug-ccitt", crc(0x1021, 0x1d0f, false, 0)),
    ("crc16-modbus", crc(0x8005, 0xffff, true, 0)),
    ("crc16-arc", crc(0x8005, 0, true, 0)),
];

impl Checksum {
    /// How many bytes it has.
    pub fn width(self) -> usize {
        match self {
            Checksum::None => 0,
            Checksum::Xor | Checksum::Sum8 | Checksum::Lrc => 1,
            Checksum::Crc16(_) => 2,
        }
    }

    pub fn is_none(self) -> bool {
        self == Checksum::None
    }

    /// The checksum of some bytes; its low eight bits where it has one byte.
    pub fn of(self, bytes: impl Iterator<Item = u8>) -> u16 {
        match self {
            Checksum::None => 0,
            Checksum::Xor => bytes.fold(0, |sum, b| sum ^ b).into(),
            Checksum::Sum8 => bytes.fold(0u8, u8::wrapping_add).into(),
            Checksum::Lrc => bytes.fold(0u8, u8::wrapping_sub).into(),
            Checksum::Crc16(crc) => crc.of(bytes),
        }
    }
}

impl Crc16 {
    fn of(self, bytes: impl Iterator<Item = u8>) -> u16 {
        let mut sum = if self.reflected { self.init.reverse_bits() } else { self.init };
        for byte in bytes {
            if self.reflected {
                sum ^= u16::from(byte);
                for _ in 0..8 {
                    let out = sum & 1;
                    sum = (sum >> 1) ^ (out * self.poly.reverse_bits());
                }
            } else {
                sum ^= u16::from(byte) << 8;
                for _ in 0..8 {
                    let out = sum >> 15;
                    sum = (sum << 1) ^ (out * self.poly);
                }
            }
        }
        sum ^ self.xor_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each over "123456789": the catalogue's check values, and for the sums what a calculator says.
    #[test]
    fn each_kind_has_its_published_check_value() {
        let published = [0, 0x31, 0xdd, 0x23]
            .into_iter()
            .chain([0x29b1, 0x31c3, 0x2189, 0x906e, 0x6f91, 0xe5cc, 0x4b37, 0xbb3d]);
        for ((name, kind), check) in CHECKSUMS.iter().zip(published) {
            assert_eq!(kind.of(b"123456789".iter().copied()), check, "{name}");
        }
    }
}
