//! What every kind of reader has in common: how far it is trusted, what can go wrong with a read, what it
//! can be told to show. The wires, ports and bytes are `wire`'s and `io`'s business.

use serde::{Deserialize, Serialize};

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
}
