//! What every rule works at: the moment that is being served, the deadlines, the alarms, and the commands
//! that come of it.

use super::alarms::Alarms;
use super::command::{Command, Output, Ticket};
use super::memory::Fact;
use super::passage::Grant;
use super::timer::Timers;
use crate::domain::{
    Alarm, DoorId, Duration, Event, EventKind, Heading, Instant, ReaderId, WallTime,
};

/// What is due when a deadline passes. Of several at one moment, the first here comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A wall minute begins: schedules are looked at.
    Minute,
    /// A mode that an operator set ends.
    Mode(DoorId),
    /// A pulse ends.
    Pulse(DoorId, Heading),
    Stop(DoorId),
    /// A grant's turn, or the release that outlasts it, ends.
    Turn(DoorId, Heading),
    HeldWarning(DoorId),
    Held(DoorId),
    ExitHeld(DoorId),
    /// A card has waited long enough for its PIN, or a face for its card.
    Pin(ReaderId),
    SecondFactor(DoorId),
    /// A slowed reader answers.
    Answer(ReaderId),
    /// A slowed reader has been calm.
    Calm(ReaderId),
    /// A use was not confirmed in time.
    Spend(Ticket),
    Repeat(Option<DoorId>, Option<ReaderId>, Alarm),
    Siren,
}

/// How a grant ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub grant: Grant,
    /// `None` where the door can't tell.
    pub taken: Option<bool>,
}

#[derive(Clone, Debug)]
pub(super) struct Desk {
    /// The moment being served: a deadline's own, however late the call.
    pub now: Instant,
    /// When what comes of it is performed.
    pub performed: Instant,
    /// The wall's time at `now`.
    pub wall: Option<WallTime>,
    pub fire: bool,
    pub timers: Timers<Timer>,
    pub alarms: Alarms,
    pub siren: bool,
    /// Records and what is to be kept, in their order; outputs are put before them.
    pub said: Vec<Command>,
    pub outcomes: Vec<Outcome>,
}

impl Desk {
    pub(super) fn record(&mut self, what: EventKind) {
        self.said.push(Command::Record(Event { at: self.now, wall: self.wall, what }));
    }

    pub(super) fn keep(&mut self, fact: Fact) {
        self.said.push(Command::Keep(fact));
    }

    pub(super) fn arm(&mut self, timer: Timer, after: Duration) {
        self.timers.arm(timer, self.now + after);
    }

    /// Alarms of a door.
    pub(super) fn raise(&mut self, door: DoorId, alarm: Alarm) {
        self.set_alarm(Some(door), None, alarm, true);
    }

    pub(super) fn clear(&mut self, door: DoorId, alarm: Alarm) {
        self.set_alarm(Some(door), None, alarm, false);
    }
}

/// One output as it ought to be.
pub(super) type Wanted = (Output, bool);
