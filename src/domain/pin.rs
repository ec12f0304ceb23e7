//! A PIN: what a resident knows. Never printed, never kept longer than it is needed.

use std::fmt;
use zeroize::Zeroize;

/// The most digits taken from a keypad.
pub const MAX_PIN_DIGITS: usize = 12;

/// Digits in their order, each 0 to 9. Overwritten when dropped; `Debug` shows nothing, not even how many.
#[derive(Clone, Default)]
pub struct Pin {
    digits: [u8; MAX_PIN_DIGITS],
    len: usize,
}

impl Pin {
    /// Adds a digit; `false` if it is none or there is no room.
    pub fn push(&mut self, digit: u8) -> bool {
        match self.digits.get_mut(self.len) {
            Some(place) if digit <= 9 => {
                *place = digit;
                self.len += 1;
                true
            }
            _ => false,
        }
    }

    /// One byte for each digit, 0 to 9.
    pub fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.digits.zeroize();
        self.len.zeroize();
    }
}

/// From digits as text. The error doesn't quote it.
impl std::str::FromStr for Pin {
    type Err = NoPin;
    fn from_str(text: &str) -> Result<Self, NoPin> {
        let mut pin = Self::default();
        for byte in text.bytes() {
            let digit = byte.checked_sub(b'0').ok_or(NoPin)?;
            if !pin.push(digit) {
                return Err(NoPin);
            }
        }
        if pin.is_empty() { Err(NoPin) } else { Ok(pin) }
    }
}

/// Why a text is no PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_PIN_DIGITS} digits")]
pub struct NoPin;

/// Takes the same time whatever differs.
impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        let both = self.digits.iter().zip(&other.digits);
        both.fold(self.len ^ other.len, |differ, (a, b)| differ | usize::from(a ^ b)) == 0
    }
}

impl Eq for Pin {}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_nothing_else() -> Result<(), NoPin> {
        let pin: Pin = "0407".parse()?;
        assert_eq!(pin.digits(), [0, 4, 0, 7]);
        assert_eq!(format!("{pin:?}"), "Pin(redacted)");
        for wrong in ["", "12a4", "-1", "1234567890123", "\u{661}\u{662}"] {
            assert!(wrong.parse::<Pin>().is_err(), "{wrong}");
        }
        Ok(())
    }
}
