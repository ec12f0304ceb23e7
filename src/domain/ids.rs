//! Identities, each a type of its own, so that none is taken for another.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is no identity. It never quotes the text: it may be a card number in the wrong column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    #[error("must be 1 to 32 of a-z, 0-9 and '-', and begin with a letter")]
    Name,
    #[error("must be 32 hex digits")]
    Hex128,
    #[error("must be FORMAT:NUMBER, a format's name and a decimal number")]
    Card,
}

fn is_name(s: &str) -> bool {
    let bytes = s.as_bytes();
    (1..=32).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                if is_name(s) { Ok(Self(s.to_owned())) } else { Err(BadId::Name) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type!(
    /// One box at one entrance. Part of topics and file names, hence the narrow alphabet.
    GateId
);
name_type!(
    /// The compound.
    SiteId
);
name_type!(
    /// Whoever the site's root key certified: an office, a guard's desk, an installer.
    OperatorId
);
name_type!(
    /// A card format's name, e.g. `h10301`. Two readers that send one card by one format name it alike.
    FormatName
);

/// A reader's place in this gate's configuration, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReaderId(pub u8);

/// A door's place in this gate's configuration, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DoorId(pub u8);

/// A card as enrolled: its format and its whole number (all data bits, facility code included, parity
/// left out), so that one card read by two readers is one card.
///
/// Whoever knows it can copy the card, so it has no `Serialize` and its `Debug` shows the format alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CardNumber {
    format: FormatName,
    number: u128,
}

impl CardNumber {
    pub fn new(format: FormatName, number: u128) -> Self {
        Self { format, number }
    }

    pub fn format(&self) -> &FormatName {
        &self.format
    }

    pub fn number(&self) -> u128 {
        self.number
    }

    /// `FORMAT:NUMBER` with the number in decimal: what is hashed into a [`CredentialId`] and what the
    /// office's files hold. Never for a log.
    pub fn to_canonical(&self) -> String {
        format!("{}:{}", self.format, self.number)
    }
}

impl FromStr for CardNumber {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        let (format, number) = s.split_once(':').ok_or(BadId::Card)?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadId::Card);
        }
        Ok(Self {
            format: format.parse().map_err(|_| BadId::Card)?,
            number: number.parse().map_err(|_| BadId::Card)?,
        })
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardNumber({}:redacted)", self.format)
    }
}

macro_rules! hex128_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// 32 lower-case hex digits. For the office's files and sealed payloads, never for a log.
            pub fn to_hex(&self) -> String {
                self.0.iter().map(|b| format!("{b:02x}")).collect()
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                if s.len() != 32 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(BadId::Hex128);
                }
                let mut id = [0; 16];
                for (i, byte) in id.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&s[2 * i..2 * i + 2], 16)
                        .map_err(|_| BadId::Hex128)?;
                }
                Ok(Self(id))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

hex128_type!(
    /// A card number hashed under the site's card key: what an allowlist holds in its place.
    CredentialId
);
hex128_type!(
    /// A subject's PIN hashed under the site's card key, with the subject's id: what an allowlist holds in its
    /// place.
    PinTag
);
hex128_type!(
    /// A random id for a resident. Who that is stays in the property office.
    SubjectId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_number() -> Result<(), BadId> {
        let card: CardNumber = "h10301:8072151".parse()?;
        assert_eq!(format!("{card:?}"), "CardNumber(h10301:redacted)");
        let subject: SubjectId = "00112233445566778899aabbccddeeff".parse()?;
        assert_eq!(format!("{subject:?}"), "SubjectId(redacted)");
        assert_eq!(subject.to_hex(), "00112233445566778899aabbccddeeff");
        Ok(())
    }

    #[test]
    fn names_are_narrow() {
        for bad in ["", "North", "9x", "a/b", "a b", "ä", &"a".repeat(33)] {
            assert_eq!(bad.parse::<GateId>(), Err(BadId::Name), "{bad:?}");
        }
        assert!("north-2".parse::<GateId>().is_ok());
    }

    #[test]
    fn hex_of_wide_characters_is_refused_not_sliced() {
        assert_eq!("ä".repeat(16).parse::<SubjectId>(), Err(BadId::Hex128));
    }
}
