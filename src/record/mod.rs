//! What reached the gate's judgement, written down so that it can be judged once more: an incident is played
//! again through the very code that decided, and by whoever wants to know, step by step.
//!
//! A log says nothing about who. A card or subject goes by a number that counts from 1 in the order of
//! appearance, anew in every log, and the table that leads back is never written and dies with the log. What
//! the list answered stands beside the question, so that no list is needed. A PIN's digits are left out. Never
//! in here: a clock, a file, a card's number, a subject's id.

mod mask;
mod note;
mod play;

#[cfg(test)]
mod tests;

pub use note::{Recorder, Witness};
pub use play::{BadLog, Player, Shown};

use crate::access::{Fact, Options, Order, Ticket};
use crate::domain::{
    Alarm, DoorId, Event, Instant, LineState, Liveness, OperatorId, ReaderId, WallTime, Wire,
};
use serde::{Deserialize, Serialize};

/// The version in every log.
pub const VERSION: u8 = 1;
/// The longest line: a beginning with very many facts.
pub const MAX_LINE: usize = 16 << 20;

/// One line of a log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    Begin(Box<Begin>),
    Step(Step),
    /// Recorded beside the judgement: a reader's faults, a new list, a restart.
    Note(Event),
}

/// A gate starts, or a log begins in its middle.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    pub v: u8,
    pub program: String,
    pub doors: Vec<String>,
    pub readers: Vec<String>,
    pub options: Options,
    /// Subjects go by their numbers here too.
    pub facts: Vec<Fact>,
    pub now: Instant,
    pub wall: Option<WallTime>,
    /// The gate started here: nothing was under way. Otherwise a log is exact from the moment on in which all
    /// that was under way has ended.
    pub whole: bool,
}

/// One input, and what was to be known for it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub now: Instant,
    pub wall: Option<WallTime>,
    pub input: Told,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Known>,
    /// A checksum of what came of it. Absent where a log that begins in the middle says how lines stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<u32>,
}

/// [`crate::access::Input`] without who.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Told {
    Card {
        reader: ReaderId,
        card: u32,
    },
    /// Whichever it was.
    Digit {
        reader: ReaderId,
    },
    Clear {
        reader: ReaderId,
    },
    Enter {
        reader: ReaderId,
    },
    Face {
        captured_at: Instant,
        who: Option<u32>,
        look_alike: Option<u32>,
        liveness: Liveness,
    },
    Line {
        door: Option<DoorId>,
        line: Wire,
        state: LineState,
    },
    Rex {
        door: DoorId,
    },
    Reader {
        reader: ReaderId,
        up: bool,
    },
    FacePath {
        up: bool,
    },
    Alarm {
        door: Option<DoorId>,
        reader: Option<ReaderId>,
        alarm: Alarm,
        active: bool,
    },
    Order {
        by: OperatorId,
        order: Order,
    },
    Kept {
        ticket: Ticket,
        durable: bool,
    },
    Tick,
}

/// What the list answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Known {
    Card { card: u32, right: Option<Right> },
    Subject { who: u32, right: Option<Right> },
    Pin { who: u32, fits: bool },
    Duress { who: u32, is: bool },
}

/// [`crate::domain::Entitlement`] without who.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    pub who: u32,
    pub card: bool,
    pub face: bool,
    pub from: Option<WallTime>,
    pub until: Option<WallTime>,
    pub profile: Option<u8>,
    pub uses: Option<u16>,
    pub extended: bool,
}
