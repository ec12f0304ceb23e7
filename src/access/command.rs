//! What reaches the gate, and what is to be done: every effect is a value that a test can compare.

use super::memory::Fact;
use crate::domain::{
    Alarm, CardNumber, DoorId, DoorMode, Duration, Event, Heading, Key, LineState, Observation,
    OperatorId, Pin, ReaderId, Signal, SubjectId, WallTime, Wire,
};
use serde::{Deserialize, Serialize};

/// What reaches the gate.
#[derive(Clone, Debug)]
pub enum Input {
    Card {
        reader: ReaderId,
        card: CardNumber,
    },
    /// A key of the reader's keypad.
    Key {
        reader: ReaderId,
        key: Key,
    },
    Face(Observation),
    /// A wired input, debounced. `door` for those that are a door's. Said for each line at the start, then
    /// at each change.
    Line {
        door: Option<DoorId>,
        line: Wire,
        state: LineState,
    },
    /// Somebody inside asks to leave, otherwise than by a wire.
    Rex {
        door: DoorId,
    },
    /// Whether a reader works, as far as can be told.
    Reader {
        reader: ReaderId,
        up: bool,
    },
    /// Whether camera and recognition work.
    FacePath {
        up: bool,
    },
    /// An alarm that is found outside (a reader's tamper contact), so that it is repeated like the others.
    Alarm {
        door: Option<DoorId>,
        reader: Option<ReaderId>,
        alarm: Alarm,
        active: bool,
    },
    /// A command whose signature, addressee, freshness and single use have been checked.
    Order {
        by: OperatorId,
        order: Order,
    },
    /// The answer to [`Command::KeepFirst`]. Not `durable`: it could not be written.
    Kept {
        ticket: Ticket,
        durable: bool,
    },
    /// Nothing but time.
    Tick,
}

/// What an operator may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Lets one person through.
    OpenOnce { door: DoorId, heading: Heading },
    /// Puts a door into a mode ([`DoorMode::Accessed`] is none that can be set), for as long as said or
    /// until somebody ends it. While it is locked down or locked open, only [`Order::EndMode`] is obeyed.
    SetMode { door: DoorId, mode: DoorMode, lasting: Option<Duration> },
    /// The door goes back to what its schedule says.
    EndMode { door: DoorId },
    /// Somebody has seen all alarms there are.
    Acknowledge,
    /// Everybody's place is forgotten: nobody violates anti-passback with the next passage.
    Amnesty,
    /// The fire is over, where doors don't relock with the fire panel.
    EndFire,
    /// The clock's floor was raised by a wrong clock.
    SetFloor { floor: WallTime },
}

/// Why an order would do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheeded {
    NoDoor,
    /// The mode the door is in must be ended first.
    DoorMode,
}

/// Names one [`Command::KeepFirst`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// An output's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Output {
    /// The door's lock, or a turnstile's pulse for coming in.
    Lock(DoorId),
    /// A turnstile's pulse for leaving.
    LockOut(DoorId),
    /// A turnstile's pulse that ends a passage nobody has begun.
    Stop(DoorId),
    /// Sounds at the door before it has been open too long.
    Warning(DoorId),
    Siren,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Energise an output's coil, or let it go.
    Switch { output: Output, on: bool },
    /// Give it the next number, and write it down within the group commit.
    Record(Event),
    /// Remember over a restart, within the group commit, in the order of the records around it.
    Keep(Fact),
    /// The same, and say when it is durable ([`Input::Kept`]): nothing opens before.
    KeepFirst { ticket: Ticket, fact: Fact },
    /// Tell whoever stands at this reader.
    Show { reader: ReaderId, signal: Signal },
    /// Whoever stands before the camera says that this is their PIN: where too many are enrolled to look for
    /// anybody, compare with those alone whose it is.
    Claim { pin: Pin },
    /// Somebody who was let in has passed, as far as the door can tell. Where it can't, their time is over.
    Passed { subject: SubjectId },
}
