//! Keys of a Wiegand reader's keypad: each press is a burst of its own, four bits with the key's code, or
//! eight with the code's complement in front of it. What never enters: cards, and what the keys add up to
//! (a PIN is collected by the application).
//!
//! The codes are HID's: 0 to 9, ten for the star (clear), eleven for the hash (enter). Four bits have nothing that could
//! tell a wrong one, and eight with both wires exchanged are another key; so a PIN is never a credential by
//! itself here.

use super::Parsed;
use super::wiegand::Bits;
use crate::domain::{Key, ReadFault};

/// How a keypad sends a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keypad {
    FourBits,
    /// The complement of the four bits, then the four bits.
    EightBits,
}

/// Why a burst of a key's length is no key. It never says which key it might have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a key's two halves don't complement each other")]
    Complement,
    #[error("a key's burst with a code that no key has")]
    NoSuchKey,
}

impl BadKey {
    pub fn read_fault(self) -> ReadFault {
        ReadFault::Parity
    }
}

impl Keypad {
    /// The burst's length.
    pub fn bits(self) -> u8 {
        match self {
            Self::FourBits => 4,
            Self::EightBits => 8,
        }
    }
}

/// The key in a burst; [`Parsed::NotForUs`] if it has another length than a key, and so is a card's.
pub fn decode(bits: Bits, keypad: Keypad) -> Parsed<Key, BadKey> {
    if bits.count() != keypad.bits() {
        return Parsed::NotForUs;
    }
    let value = bits.value();
    if keypad == Keypad::EightBits && value >> 4 != !value & 0xf {
        return Parsed::Corrupt(BadKey::Complement);
    }
    match (value & 0xf) as u8 {
        digit @ 0..=9 => Parsed::Item(Key::Digit(digit)),
        10 => Parsed::Item(Key::Clear),
        11 => Parsed::Item(Key::Enter),
        _ => Parsed::Corrupt(BadKey::NoSuchKey),
    }
}

/// The burst of a key, for tests and the simulator; `None` for a digit above 9.
pub fn encode(key: Key, keypad: Keypad) -> Option<Bits> {
    let code = match key {
        Key::Digit(digit @ 0..=9) => u128::from(digit),
        Key::Digit(_) => return None,
        Key::Clear => 10,
        Key::Enter => 11,
    };
    let value = match keypad {
        Keypad::FourBits => code,
        Keypad::EightBits => (!code & 0xf) << 4 | code,
    };
    Bits::new(value, keypad.bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYPADS: [Keypad; 2] = [Keypad::FourBits, Keypad::EightBits];

    #[test]
    fn every_key_comes_back() {
        for keypad in KEYPADS {
            for key in (0..=9).map(Key::Digit).chain([Key::Clear, Key::Enter]) {
                let bits = encode(key, keypad).expect("a key");
                assert_eq!(decode(bits, keypad), Parsed::Item(key));
            }
            assert_eq!(encode(Key::Digit(10), keypad), None);
        }
    }

    /// Worked by hand: 5 is 0101, its complement 1010.
    #[test]
    fn known_bursts() {
        let bits = |value, len| Bits::new(value, len).expect("fits");
        assert_eq!(decode(bits(0b0101, 4), Keypad::FourBits), Parsed::Item(Key::Digit(5)));
        assert_eq!(decode(bits(0b1010_0101, 8), Keypad::EightBits), Parsed::Item(Key::Digit(5)));
        assert_eq!(decode(bits(0b0100_1011, 8), Keypad::EightBits), Parsed::Item(Key::Enter));
    }

    #[test]
    fn of_all_eight_bit_bursts_twelve_are_keys() {
        let mut keys = 0;
        for value in 0..=255 {
            match decode(Bits::new(value, 8).expect("fits"), Keypad::EightBits) {
                Parsed::Item(_) => keys += 1,
                Parsed::Corrupt(why) => assert_eq!(why.read_fault(), ReadFault::Parity),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(keys, 12);
    }

    #[test]
    fn other_lengths_are_not_for_us_and_codes_without_a_key_are_corrupt() {
        let bits = |value, len| Bits::new(value, len).expect("fits");
        assert_eq!(decode(bits(5, 26), Keypad::FourBits), Parsed::NotForUs);
        assert_eq!(decode(bits(5, 4), Keypad::EightBits), Parsed::NotForUs);
        assert_eq!(decode(bits(12, 4), Keypad::FourBits), Parsed::Corrupt(BadKey::NoSuchKey));
        assert_eq!(decode(bits(5, 8), Keypad::EightBits), Parsed::Corrupt(BadKey::Complement));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Key::Digit(7)), "Key(redacted)");
    }
}
