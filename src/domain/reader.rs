//! What every kind of reader has in common: how far it is trusted, what can go wrong with a read, what it
//! can be told to show. The wires, ports and bytes are `wire`'s and `io`'s business.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How hard it is for somebody at the cable to read or replay a card.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// Whoever taps the cable has the card: Wiegand, plain serial, OSDP without a secure channel.
    #[default]
    Low,
    /// Encrypted and authenticated up to the reader.
    High,
}

/// Why a read was no card. Each is counted by itself: they have different remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadFault {
    /// Two pulses too close: a bouncing contact, crosstalk.
    Bounce,
    /// A pulse too short to be a bit.
    Glitch,
    /// Both data lines low at once.
    Overlap,
    /// Decodes only with D0 and D1 exchanged.
    Swapped,
    /// A line that stays low: a short circuit, a reader without power.
    Stuck,
    /// Edges without any frame's shape: a broken wire, a missing pull-up.
    Floating,
    /// Edges or bytes were lost between the wire and here.
    Lost,
    /// More than any frame has, without a pause.
    Flood,
    /// A frame of a length that this reader's formats don't have.
    Length,
    Parity,
    /// Several of the reader's formats fit.
    Ambiguous,
    /// A serial frame that does not begin, go on or end as it must.
    Framing,
    Checksum,
}

impl ReadFault {
    /// What it most likely is, and what to do about it, for whoever stands at the reader.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Bounce => {
                "a bad contact or crosstalk: screw the terminals tight, use shielded cable"
            }
            Self::Glitch => {
                "interference: shield the cable, keep it away from mains and the lock's wires"
            }
            Self::Overlap => "crosstalk, or two readers on one pair: give each reader its own pair",
            Self::Swapped => "exchange D0 and D1 (green and white)",
            Self::Stuck => "a short circuit, or a reader without power: measure both data lines",
            Self::Floating => {
                "a broken wire, or a missing pull-up or ground: measure both data lines"
            }
            Self::Lost => "this computer was too busy, or the input's buffer too small",
            Self::Flood => "an open or oscillating line: check the wires and the reader's ground",
            Self::Length => "another format than configured, or lost bits: see `eithergate listen`",
            Self::Parity => {
                "another format than configured, or a wrong bit: see `eithergate listen`"
            }
            Self::Ambiguous => "several formats fit: name only the one this reader sends",
            Self::Framing => "another framing or baud rate than configured, or a bad cable",
            Self::Checksum => "another framing than configured, or interference: check the cable",
        }
    }
}

impl fmt::Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounce => "bounce",
            Self::Glitch => "glitch",
            Self::Overlap => "overlap",
            Self::Swapped => "swapped",
            Self::Stuck => "stuck",
            Self::Floating => "floating",
            Self::Lost => "lost",
            Self::Flood => "flood",
            Self::Length => "length",
            Self::Parity => "parity",
            Self::Ambiguous => "ambiguous",
            Self::Framing => "framing",
            Self::Checksum => "checksum",
        })
    }
}

/// How a reader is, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderState {
    /// It has nothing that says whether it is there, and has not been heard since the start.
    Unheard,
    Up,
    /// It doesn't answer on its bus or port.
    Down,
    /// Its tamper contact says that it is open or off the wall.
    Tampered,
    /// It has not been heard for much longer than ever before.
    Silent,
}

/// A key of a reader's keypad. Several make a PIN, so `Debug` shows nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// 0 to 9.
    Digit(u8),
    /// `*`: begin again.
    Clear,
    /// `#`: that was all.
    Enter,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(redacted)")
    }
}

/// What a reader's lights and buzzer say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    Granted,
    Denied,
    /// The gate can't take cards at this reader now.
    Fault,
    LookAtCamera,
    UseYourCard,
    /// The card was read; its PIN is asked for.
    EnterPin,
}

/// Why a reader on a bus is not believed: each is a security alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityBreach {
    /// It, or somebody on the cable, speaks in the clear where a secure channel is demanded.
    Plaintext,
    /// It wants a session with the key that every reader leaves the factory with.
    DefaultKey,
    /// The key in its file is the default one or has a pattern.
    WeakKey,
    /// It doesn't have the key it was enrolled with.
    WrongKey,
    /// It can do less than when it was enrolled.
    Downgrade,
    /// Another device than was enrolled.
    Replaced,
    /// Recorded or altered bytes: the number or the proof of authenticity is wrong.
    Replay,
}
