//! The gate's judgement: presentations and sensors in, commands out.
//!
//! [`Gate::handle`] takes the time and one input and appends commands to a list. There is no clock, pin,
//! disk or socket inside, so a test compares lists and the simulator runs the very code of the gate.
//! Nothing here logs, so nothing that names a person can reach a log from here.
//!
//! The order of the commands is the order they are to be performed in: the relay first, the record next.

mod decide;
mod door;
mod pin;
mod timer;

#[cfg(test)]
mod tests;

pub use decide::UntrustedClock;
pub use door::DoorOptions;
pub use pin::PinOptions;

use crate::domain::{
    Alarm, CardNumber, Directory, DoorId, DoorMode, Duration, EventKind, Instant, Key, Observation,
    ReaderId, Reason, Signal, WallTime, Way,
};
use door::Door;
use pin::{Pins, Presented};
use timer::{Timer, Timers};

/// What the gate is made of. Validated by `config`: ids are positions in these lists.
#[derive(Clone, Debug)]
pub struct Options {
    pub doors: Vec<DoorOptions>,
    /// By `ReaderId`.
    pub readers: Vec<ReaderOptions>,
    /// The door the camera opens, where there is one.
    pub face: Option<FaceOptions>,
    pub untrusted_clock: UntrustedClock,
}

/// One reader's part in a decision.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// The door it opens.
    pub door: DoorId,
    /// A card here wants its PIN as well.
    pub pin: Option<PinOptions>,
}

/// The face path's part in a decision.
#[derive(Clone, Debug)]
pub struct FaceOptions {
    pub door: DoorId,
    /// An observation older than this when it is decided opens nothing: who stood there may be gone.
    pub max_age: Duration,
}

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
    /// The door contact, debounced.
    Contact {
        door: DoorId,
        open: bool,
    },
    /// Somebody inside asks to leave.
    Rex {
        door: DoorId,
    },
    Fire {
        active: bool,
    },
    /// Nothing but time.
    Tick,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Switch the door's relay so that the door can be opened.
    Energise {
        door: DoorId,
    },
    /// Switch it back.
    Release {
        door: DoorId,
    },
    Record(EventKind),
    /// Tell whoever stands at this reader.
    Show {
        reader: ReaderId,
        signal: Signal,
    },
}

/// One gate: its doors, its deadlines, and the rules.
#[derive(Debug)]
pub struct Gate {
    options: Options,
    doors: Vec<Door>,
    timers: Timers,
    /// Cards that wait for their PIN.
    pins: Pins,
    fire: bool,
}

impl Gate {
    /// A gate with every door locked and closed as far as it knows.
    pub fn new(options: Options) -> Self {
        let doors: Vec<Door> = options.doors.iter().map(|o| Door::new(o.clone())).collect();
        let pins = Pins::new(&options.readers);
        Self { timers: Timers::new(doors.len()), doors, pins, options, fire: false }
    }

    /// When [`Gate::handle`] wants to be called with [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        [self.timers.next(), self.pins.next()].into_iter().flatten().min()
    }

    /// The door's mode, for health reports.
    pub fn mode(&self, door: DoorId) -> Option<DoorMode> {
        let door = self.doors.get(usize::from(door.0))?;
        Some(if self.fire { DoorMode::Unlocked } else { door.mode() })
    }

    /// Judges one input. Deadlines that passed before `now` are served first, in their order, so that a
    /// late call decides as a punctual one would have.
    ///
    /// `wall` is absent while the clock can't be trusted. An input that names a door or reader this gate
    /// doesn't have does nothing.
    pub fn handle(
        &mut self,
        now: Instant,
        wall: Option<WallTime>,
        input: Input,
        directory: &impl Directory,
        out: &mut Vec<Command>,
    ) {
        while let Some(due) = self.deadline().filter(|due| *due <= now) {
            if let Some(presented) = self.pins.pop_due(due) {
                self.card(due, wall, presented, directory, out);
            } else if let Some((timer, door)) = self.timers.pop_due(due) {
                self.expire(timer, door, out);
            }
        }
        match input {
            Input::Card { reader, card } => {
                if self.pins.wants_one(reader) {
                    if let Some(before) = self.pins.hold(now, reader, card) {
                        self.card(now, wall, before, directory, out);
                    }
                    out.push(Command::Show { reader, signal: Signal::EnterPin });
                } else {
                    let presented = Presented { reader, card, pin: None };
                    self.card(now, wall, presented, directory, out);
                }
            }
            Input::Key { reader, key } => {
                if let Some(presented) = self.pins.key(now, reader, key) {
                    self.card(now, wall, presented, directory, out);
                }
            }
            Input::Face(seen) => {
                let Some(face) = &self.options.face else { return };
                let (door, max_age) = (face.door, face.max_age);
                let entitlement = seen.subject.as_ref().and_then(|s| directory.subject(s));
                let verdict = decide::face(
                    now,
                    &seen,
                    max_age,
                    entitlement.as_ref(),
                    wall,
                    self.options.untrusted_clock,
                );
                self.conclude(now, door, Way::Face, verdict, out);
                let signal = if verdict.is_ok() { Signal::Granted } else { Signal::UseYourCard };
                let readers = self.options.readers.iter().enumerate();
                out.extend(
                    readers
                        .filter(|(_, reader)| reader.door == door)
                        .map(|(i, _)| Command::Show { reader: ReaderId(i as u8), signal }),
                );
            }
            Input::Contact { door, open } => self.contact(now, door, open, out),
            // Exit is never denied, whatever else goes on.
            Input::Rex { door } => self.conclude(now, door, Way::Rex, Ok(()), out),
            Input::Fire { active } => self.fire(active, out),
            Input::Tick => {}
        }
    }

    /// Decides a card, with its PIN where the reader asks for one.
    fn card(
        &mut self,
        now: Instant,
        wall: Option<WallTime>,
        presented: Presented,
        directory: &impl Directory,
        out: &mut Vec<Command>,
    ) {
        let Presented { reader, card, pin } = presented;
        let Some(options) = self.options.readers.get(usize::from(reader.0)) else { return };
        let (door, wants_pin) = (options.door, options.pin.is_some());
        let found = directory.card(&card);
        let mut verdict = decide::card(found.as_ref(), wall, self.options.untrusted_clock);
        if wants_pin && verdict.is_ok() {
            let fits = found.zip(pin).is_some_and(|(r, pin)| directory.pin_fits(&r.subject, &pin));
            verdict = if fits { Ok(()) } else { Err(Reason::InvalidPin) };
        }
        self.conclude(now, door, Way::Card, verdict, out);
        let signal = if verdict.is_ok() { Signal::Granted } else { Signal::Denied };
        out.push(Command::Show { reader, signal });
    }

    fn conclude(
        &mut self,
        now: Instant,
        door: DoorId,
        way: Way,
        verdict: decide::Verdict,
        out: &mut Vec<Command>,
    ) {
        let Some(state) = self.doors.get_mut(usize::from(door.0)) else { return };
        match verdict {
            Ok(()) => {
                // Under fire release the relay is energised already and stays so.
                if !self.fire {
                    out.push(Command::Energise { door });
                }
                out.push(Command::Record(EventKind::AccessGranted { door, way }));
                state.grant(way);
                self.timers.arm(Timer::Relock, door, now + state.options().open);
            }
            Err(reason) => out.push(Command::Record(EventKind::Denied { door, way, reason })),
        }
    }

    fn contact(&mut self, now: Instant, door: DoorId, open: bool, out: &mut Vec<Command>) {
        let Some(state) = self.doors.get_mut(usize::from(door.0)) else { return };
        let Some(change) = state.contact(open) else { return };
        match change {
            door::Change::Taken { way } => {
                if state.options().relock_on_open && !self.fire {
                    state.relock();
                    self.timers.disarm(Timer::Relock, door);
                    out.push(Command::Release { door });
                }
                out.push(Command::Record(EventKind::AccessTaken { door, way }));
                self.timers.arm(Timer::Held, door, now + state.options().held_after);
            }
            door::Change::OpenedAgain => {
                self.timers.arm(Timer::Held, door, now + state.options().held_after);
            }
            door::Change::OpenedAlone if self.fire => {}
            door::Change::OpenedAlone => {
                state.alarm(Alarm::DoorForced);
                out.push(Command::Record(EventKind::AlarmRaised {
                    door: Some(door),
                    reader: None,
                    alarm: Alarm::DoorForced,
                }));
                self.timers.arm(Timer::Held, door, now + state.options().held_after);
            }
            door::Change::Closed { cleared } => {
                self.timers.disarm(Timer::Held, door);
                out.extend(cleared.into_iter().map(|alarm| {
                    Command::Record(EventKind::AlarmCleared {
                        door: Some(door),
                        reader: None,
                        alarm,
                    })
                }));
            }
        }
    }

    fn expire(&mut self, timer: Timer, door: DoorId, out: &mut Vec<Command>) {
        let Some(state) = self.doors.get_mut(usize::from(door.0)) else { return };
        match timer {
            Timer::Relock => {
                let unused = state.relock();
                if !self.fire {
                    out.push(Command::Release { door });
                }
                if let Some(way) = unused {
                    out.push(Command::Record(EventKind::AccessNotTaken { door, way }));
                }
            }
            Timer::Held => {
                state.alarm(Alarm::DoorHeld);
                out.push(Command::Record(EventKind::AlarmRaised {
                    door: Some(door),
                    reader: None,
                    alarm: Alarm::DoorHeld,
                }));
            }
        }
    }

    /// Fire unlocks everything at once and wins over everything. What was granted meanwhile still runs
    /// its course in the books; the relays follow the fire input alone.
    fn fire(&mut self, active: bool, out: &mut Vec<Command>) {
        if active == self.fire {
            return;
        }
        self.fire = active;
        for (i, state) in self.doors.iter().enumerate() {
            let door = DoorId(i as u8);
            if active {
                out.push(Command::Energise { door });
            } else if state.mode() == DoorMode::Locked {
                out.push(Command::Release { door });
            }
        }
        let alarm = Alarm::Fire;
        out.push(Command::Record(if active {
            EventKind::AlarmRaised { door: None, reader: None, alarm }
        } else {
            EventKind::AlarmCleared { door: None, reader: None, alarm }
        }));
    }
}
