//! The gate's judgement: presentations and sensors in, commands out.
//!
//! [`Gate::handle`] takes the time and one input and appends commands to a list. There is no clock, pin,
//! disk or socket inside, so a test compares lists and the simulator runs the very code of the gate.
//! Nothing here logs, so nothing that names a person can reach a log from here.
//!
//! The order of the commands is the order they are to be performed in: the relay first, the record next.

mod decide;
mod door;
mod timer;

#[cfg(test)]
mod tests;

pub use decide::UntrustedClock;
pub use door::DoorOptions;

use crate::domain::{
    Alarm, CardNumber, Directory, DoorId, DoorMode, Duration, EventKind, Instant, Observation,
    ReaderId, WallTime, Way,
};
use door::Door;
use timer::{Timer, Timers};

/// What the gate is made of. Validated by `config`: ids are positions in these lists.
#[derive(Clone, Debug)]
pub struct Options {
    pub doors: Vec<DoorOptions>,
    /// The door that each reader opens, by `ReaderId`.
    pub readers: Vec<DoorId>,
    /// The door the camera opens, where there is one.
    pub face: Option<FaceOptions>,
    pub untrusted_clock: UntrustedClock,
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
}

/// One gate: its doors, its deadlines, and the rules.
#[derive(Debug)]
pub struct Gate {
    options: Options,
    doors: Vec<Door>,
    timers: Timers,
    fire: bool,
}

impl Gate {
    /// A gate with every door locked and closed as far as it knows.
    pub fn new(options: Options) -> Self {
        let doors: Vec<Door> = options.doors.iter().map(|o| Door::new(o.clone())).collect();
        Self { timers: Timers::new(doors.len()), doors, options, fire: false }
    }

    /// When [`Gate::handle`] wants to be called with [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
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
        while let Some((timer, door)) = self.timers.pop_due(now) {
            self.expire(timer, door, out);
        }
        match input {
            Input::Card { reader, card } => {
                let Some(&door) = self.options.readers.get(usize::from(reader.0)) else { return };
                let verdict = decide::card(
                    directory.card(&card).as_ref(),
                    wall,
                    self.options.untrusted_clock,
                );
                self.conclude(now, door, Way::Card, verdict, out);
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
            }
            Input::Contact { door, open } => self.contact(now, door, open, out),
            // Exit is never denied, whatever else goes on.
            Input::Rex { door } => self.conclude(now, door, Way::Rex, Ok(()), out),
            Input::Fire { active } => self.fire(active, out),
            Input::Tick => {}
        }
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
