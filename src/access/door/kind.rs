//! Kinds of doors: what each can do, and what its sensors can tell.

use crate::domain::Duration;
use serde::{Deserialize, Serialize};

/// What the gate drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DoorKind {
    /// An electric strike: the leaf's own latch holds once it has closed.
    Strike,
    /// A magnet that holds the closed leaf.
    Magnet,
    /// A leaf that a closer pulls shut behind whoever passes.
    Closer,
    /// A boom that a motor moves: that it rises shows nothing about anybody passing.
    Barrier,
    /// A bolt, which must never be shot while the leaf is open.
    Bolt,
    /// Turns for one person at each pulse, either way, and times the passage itself.
    Turnstile,
}

/// What the lock does when its power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fail {
    /// Opens: the coil is energised to lock.
    Safe,
    /// Stays locked: the coil is energised to open.
    Secure,
}

/// How a grant drives the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Drive {
    /// One pulse; what follows is the device's business. Fire and free access hold it all the same.
    Pulse { length: Duration },
    /// Released for the opening time.
    Latch,
    /// Released for the opening time and, once opened, until the door is closed again.
    HoldWhileOpen,
}

/// What tells passages apart from openings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PassageSensor {
    None,
    /// Two beams, one behind the other.
    Beams,
    /// A turnstile's contacts, one for each way.
    Contacts,
}

/// What a door's sensors allow to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whether a grant was used.
    pub passage: bool,
    /// Which way somebody went.
    pub direction: bool,
    /// How many went on one grant. Two bodies so close that they break both beams as one count as one.
    pub tailgate: bool,
}

impl DoorKind {
    /// What can be claimed. A contact shows use only where it is a person who opens the door.
    pub fn claims(self, contact: bool, sensor: PassageSensor) -> Claims {
        if sensor != PassageSensor::None {
            return Claims { passage: true, direction: true, tailgate: true };
        }
        let by_hand = contact && self.is_moved_by_people();
        Claims { passage: by_hand, direction: false, tailgate: false }
    }

    /// Whoever passes opens it, and no motor.
    pub fn is_moved_by_people(self) -> bool {
        !matches!(self, Self::Barrier | Self::Turnstile)
    }

    /// Whether the lock may let go as soon as the door moves: never where that would shoot a bolt into the
    /// air or bring a boom down.
    pub(in crate::access) fn may_relock_on_open(self) -> bool {
        matches!(self, Self::Strike | Self::Magnet | Self::Closer)
    }
}
