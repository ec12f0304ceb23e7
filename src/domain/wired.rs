//! Wired inputs: what a line stands for, and the four states of a supervised one.

use serde::{Deserialize, Serialize};

/// What a supervised input line says. A line without supervision knows the first two alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineState {
    Normal,
    /// Open, pressed, fire, mains gone: what the line is there to say.
    Active,
    /// The loop is open: a wire is cut, or a plug is out.
    Cut,
    /// The loop is bridged.
    Short,
}

impl LineState {
    /// Neither normal nor active can be told.
    pub const fn is_fault(self) -> bool {
        matches!(self, Self::Cut | Self::Short)
    }
}

/// What a wired input stands for. Each of a door's is one a door; the others are the gate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// The door contact. Active: open.
    Contact,
    /// Request to exit. Active: asked.
    Rex,
    /// The passage beam on the street's side. Active: broken.
    OuterBeam,
    /// The passage beam on the compound's side. Active: broken.
    InnerBeam,
    /// A turnstile's contact for somebody having come in (A). Active: a pulse each.
    PassedIn,
    /// A turnstile's contact for somebody having left (B).
    PassedOut,
    Fire,
    /// Active: mains power is gone.
    Mains,
    /// Active: the backup battery is low.
    Battery,
    /// Active: the box is open.
    Enclosure,
    /// Active: somebody at the gate calls for the guard.
    CallGuard,
}

/// Which way somebody goes through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heading {
    In,
    Out,
}

impl Heading {
    pub const BOTH: [Self; 2] = [Self::In, Self::Out];

    pub const fn opposite(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
        }
    }
}
