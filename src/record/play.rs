//! Playing a log: the same code, the same answers, and so the same decisions. A log is outside input: whatever
//! is wrong with it is said, and never followed.

use super::mask::{checksum, entitlement, number_of, subject_of};
use super::{Begin, Entry, Known, MAX_LINE, Right, Step, Told, VERSION};
use crate::access::{Command, Fact, Gate, Input, Order, Unsound};
use crate::domain::{
    CardNumber, Directory, Duration, Entitlement, Event, Instant, Key, Observation, Pin, SubjectId,
    WallTime,
};
use std::cell::Cell;
use std::collections::HashMap;

/// The end of the year 9999: later times are no times.
const LAST_WALL: WallTime = WallTime(253_402_300_799_999);
/// Half a million years of microseconds.
const LAST_NOW: Instant = Instant(1 << 54);
/// A gate is never so late for a deadline.
const LATE: Duration = Duration::from_secs(3_600);
/// Alarms are said again at most so often.
const SHORTEST_REPEAT: Duration = Duration::from_secs(1);
const MOST_DOORS: usize = 8;
const MOST_READERS: usize = 16;

/// Why a log can't be played.
#[derive(Debug, thiserror::Error)]
pub enum BadLog {
    #[error("is no line of a gate's input log: {0}")]
    Form(serde_json::Error),
    #[error("is longer than any line of a log ({MAX_LINE} bytes)")]
    Long,
    #[error("is of version {0} of the log; this program reads version {VERSION}")]
    Version(u8),
    #[error("has no beginning before it: a log starts with its gate's options")]
    NoBeginning,
    #[error("makes no gate: {0}")]
    Unsound(#[from] Unsound),
    #[error("makes no gate: {0}")]
    NoGate(&'static str),
    #[error("is no moment that can come here: {0}")]
    Time(&'static str),
}

/// What is to be shown, in its order.
#[derive(Debug)]
pub enum Shown<'a> {
    Began(&'a Begin),
    Input {
        now: Instant,
        wall: Option<WallTime>,
        input: &'a Told,
        known: &'a [Known],
    },
    Command {
        now: Instant,
        command: Command,
    },
    Note(&'a Event),
    /// What came of it is not what the gate did then.
    Differs {
        now: Instant,
    },
}

/// What the log knows of the list.
#[derive(Default)]
struct Answers {
    cards: HashMap<u32, Option<Right>>,
    subjects: HashMap<u32, Option<Right>>,
    pins: HashMap<u32, bool>,
    duress: HashMap<u32, bool>,
    missing: Cell<u64>,
}

impl Answers {
    fn learn(&mut self, known: &[Known]) {
        for known in known {
            match *known {
                Known::Card { card, right } => {
                    self.cards.insert(card, right);
                }
                Known::Subject { who, right } => {
                    self.subjects.insert(who, right);
                }
                Known::Pin { who, fits } => {
                    self.pins.insert(who, fits);
                }
                Known::Duress { who, is } => {
                    self.duress.insert(who, is);
                }
            }
        }
    }

    fn of<T: Copy + Default>(&self, answers: &HashMap<u32, T>, of: u32) -> T {
        answers.get(&of).copied().unwrap_or_else(|| {
            self.missing.set(self.missing.get().saturating_add(1));
            T::default()
        })
    }
}

impl Directory for Answers {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        let right = self.of(&self.cards, u32::try_from(card.number()).ok()?);
        right.as_ref().map(entitlement)
    }

    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        self.of(&self.subjects, number_of(subject)).as_ref().map(entitlement)
    }

    fn pin_fits(&self, subject: &SubjectId, _: &Pin) -> bool {
        self.of(&self.pins, number_of(subject))
    }

    fn is_duress(&self, subject: &SubjectId, _: &Pin) -> bool {
        self.of(&self.duress, number_of(subject))
    }
}

/// Plays logs, line by line.
#[derive(Default)]
pub struct Player {
    gate: Option<Gate>,
    answers: Answers,
    now: Instant,
    steps: u64,
    differing: u64,
    /// The last step that differed, counted from the beginning of its log.
    last_differing: u64,
}

impl Player {
    /// Steps played, how many of them came out otherwise than they did at the gate, and which was the last.
    pub fn tally(&self) -> (u64, u64, u64) {
        (self.steps, self.differing, self.last_differing)
    }

    /// Questions that the log has no answer to.
    pub fn missing(&self) -> u64 {
        self.answers.missing.get()
    }

    /// Plays one line and shows what there is to see.
    pub fn line(&mut self, text: &[u8], show: &mut impl FnMut(Shown<'_>)) -> Result<(), BadLog> {
        if text.len() > MAX_LINE {
            return Err(BadLog::Long);
        }
        match serde_json::from_slice(text).map_err(BadLog::Form)? {
            Entry::Begin(begin) => {
                self.begin(&begin)?;
                show(Shown::Began(&begin));
            }
            Entry::Note(event) => show(Shown::Note(&event)),
            Entry::Step(step) => self.step(&step, show)?,
        }
        Ok(())
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), BadLog> {
        if begin.v != VERSION {
            return Err(BadLog::Version(begin.v));
        }
        let options = &begin.options;
        let (doors, readers) = (options.doors.len(), options.readers.len());
        if doors > MOST_DOORS || readers > MOST_READERS {
            return Err(BadLog::NoGate("it has too many doors or readers"));
        }
        if begin.doors.len() != doors || begin.readers.len() != readers {
            return Err(BadLog::NoGate("each door and reader has one name"));
        }
        if options.alarms.repeat < SHORTEST_REPEAT {
            return Err(BadLog::NoGate("alarms are repeated too often"));
        }
        let is_here = |fact: &Fact| match fact {
            Fact::Alarm { door, reader, .. } => {
                door.is_none_or(|d| usize::from(d.0) < doors)
                    && reader.is_none_or(|r| usize::from(r.0) < readers)
            }
            Fact::Floor { wall } => *wall <= LAST_WALL,
            _ => true,
        };
        if !begin.facts.iter().all(is_here) {
            return Err(BadLog::NoGate("a fact is about something that is not there"));
        }
        is_time(begin.now, begin.wall)?;
        let facts = begin.facts.clone();
        self.gate = Some(Gate::restore(options.clone(), facts, begin.now, begin.wall)?);
        self.answers = Answers { missing: self.answers.missing.clone(), ..Answers::default() };
        self.now = begin.now;
        Ok(())
    }

    fn step(&mut self, step: &Step, show: &mut impl FnMut(Shown<'_>)) -> Result<(), BadLog> {
        let gate = self.gate.as_mut().ok_or(BadLog::NoBeginning)?;
        let (now, wall) = (step.now, step.wall);
        is_time(now, wall)?;
        if now < self.now {
            return Err(BadLog::Time("it lies before the one before"));
        }
        if gate.deadline().is_some_and(|due| now.since(due) > LATE) {
            return Err(BadLog::Time("a deadline passed an hour ago"));
        }
        let input = input(&step.input)?;
        self.now = now;
        self.answers.learn(&step.known);
        let mut commands = Vec::new();
        gate.handle(now, wall, input, &self.answers, &mut commands);
        let Some(did) = step.did else { return Ok(()) };
        self.steps += 1;
        let sum = checksum(&commands);
        show(Shown::Input { now, wall, input: &step.input, known: &step.known });
        for command in commands {
            show(Shown::Command { now, command });
        }
        if sum != did {
            self.differing += 1;
            self.last_differing = self.steps;
            show(Shown::Differs { now });
        }
        Ok(())
    }
}

fn is_time(now: Instant, wall: Option<WallTime>) -> Result<(), BadLog> {
    if now > LAST_NOW || wall.is_some_and(|wall| wall > LAST_WALL) {
        return Err(BadLog::Time("it is too far in the future"));
    }
    Ok(())
}

fn input(told: &Told) -> Result<Input, BadLog> {
    let digit = Key::Digit(0);
    Ok(match told.clone() {
        Told::Card { reader, card } => {
            let format = "card".parse().map_err(|_| BadLog::NoGate("no format"))?;
            Input::Card { reader, card: CardNumber::new(format, card.into()) }
        }
        Told::Digit { reader } => Input::Key { reader, key: digit },
        Told::Clear { reader } => Input::Key { reader, key: Key::Clear },
        Told::Enter { reader } => Input::Key { reader, key: Key::Enter },
        Told::Face { captured_at, who, look_alike, liveness } => Input::Face(Observation {
            captured_at,
            subject: who.map(subject_of),
            look_alike: look_alike.map(subject_of),
            distance: 0.0,
            quality: 0.0,
            liveness,
        }),
        Told::Line { door, line, state } => Input::Line { door, line, state },
        Told::Rex { door } => Input::Rex { door },
        Told::Reader { reader, up } => Input::Reader { reader, up },
        Told::FacePath { up } => Input::FacePath { up },
        Told::Alarm { door, reader, alarm, active } => Input::Alarm { door, reader, alarm, active },
        Told::Order { by, order } => {
            if let Order::SetFloor { floor } = &order {
                is_time(Instant(0), Some(*floor))?;
            }
            Input::Order { by, order }
        }
        Told::Kept { ticket, durable } => Input::Kept { ticket, durable },
        Told::Tick => Input::Tick,
    })
}
