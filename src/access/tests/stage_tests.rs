//! Plays a timeline. Each line is `at TIME WHAT -> this, that`; what is not said to happen must not. What may
//! be written for WHAT is in `line`, next to what it means.

use super::line_tests::{self as line, What};
use crate::access::*;
use crate::domain::*;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Monday, 23 November 2026, 08:00 in China.
pub(super) const MONDAY_8: WallTime = WallTime::from_secs(1_795_363_200 + 8 * 3_600);

/// Between two lines: a schedule has one each minute.
const MOST_DEADLINES: usize = 20_000;

/// What a person in a timeline has.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub right: Entitlement,
    pub pin: Option<Pin>,
    pub duress: Option<Pin>,
}

/// By their number, which is their card's.
pub(super) struct People(pub BTreeMap<u8, Person>);

pub(super) struct Stage {
    options: Options,
    gate: Gate,
    people: People,
    facts: BTreeMap<FactKey, Fact>,
    now: Instant,
    /// Monotonic time at which the wall said 1970.
    wall_offset_ms: Option<i64>,
    disk: Disk,
    /// What a slow disk has still to say.
    unanswered: Vec<Input>,
    shows: bool,
}

/// How what must be durable first is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    Works,
    Full,
    /// Says so only when it is asked to.
    Slow,
}

impl Directory for People {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        self.0.get(&u8::try_from(card.number()).ok()?).map(|person| person.right)
    }

    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        self.0.get(&subject.0[0]).map(|person| person.right)
    }

    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool {
        self.0.get(&subject.0[0]).is_some_and(|person| person.pin.as_ref() == Some(pin))
    }

    fn is_duress(&self, subject: &SubjectId, pin: &Pin) -> bool {
        self.0.get(&subject.0[0]).is_some_and(|person| person.duress.as_ref() == Some(pin))
    }
}

/// One strike with a contact, a reader outside, a camera.
pub(super) fn usual() -> Options {
    of(DoorKind::Strike)
}

/// The usual gate with another kind of door.
pub(super) fn of(kind: DoorKind) -> Options {
    let outside = ReaderOptions { door: DoorId(0), heading: Heading::In, pin: None };
    Options {
        face: Some(FaceOptions { door: DoorId(0), max_age: Duration::from_secs(1) }),
        calendar: calendar(),
        ..Options::usual(vec![DoorOptions::usual(kind)], vec![outside])
    }
}

pub(super) fn with_exit_reader(mut options: Options) -> Options {
    options.readers.push(ReaderOptions { door: DoorId(0), heading: Heading::Out, pin: None });
    options
}

/// Profile 0: Monday to Friday 9 to 17. Profile 1: nights, which no right names. China; Tuesday is a holiday.
fn calendar() -> Calendar {
    let office = vec![Span { from: 9 * 60, to: 17 * 60 }];
    let mut days: [Vec<Span>; 7] = Default::default();
    days[..5].fill(office);
    let week = Profile { number: Some(0), days, holiday: vec![] };
    let night = vec![Span { from: 0, to: 6 * 60 }, Span { from: 22 * 60, to: 24 * 60 }];
    let days = std::array::from_fn(|_| night.clone());
    let nights = Profile { number: None, days, holiday: night };
    let zone = Zone::new(480, None).expect("sound");
    let tuesday = Date { year: 2026, month: 11, day: 24 };
    Calendar::new(zone, vec![week, nights], [tuesday].into()).expect("sound")
}

/// Plays `text` at a gate made of `options`.
pub(super) fn play(options: Options, text: &str) {
    let mut stage = Stage::new(options);
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(person) = line.strip_prefix("person ") {
            let (id, person) = line::person(person);
            stage.people.0.insert(id, person);
            continue;
        }
        let (late, line) = line.strip_prefix("late ").map_or((false, line), |l| (true, l));
        let (happens, expected) = line.split_once("->").unwrap_or((line, ""));
        let happens = happens.trim().strip_prefix("at ").unwrap_or_else(|| panic!("at? {line}"));
        let (time, what) = happens.split_once(' ').unwrap_or_else(|| panic!("what? {line}"));
        let at = Instant(0) + line::time(time);
        if !late {
            stage.nothing_before(at, line);
        }
        let done = stage.happens(at, what.trim());
        assert_eq!(done, expected.trim(), "\n  {line}\nin\n{text}");
    }
}

impl Stage {
    fn new(options: Options) -> Self {
        let gate = Gate::new(options.clone()).expect("a sound gate");
        let mut stage = Self {
            options,
            gate,
            people: line::usual_people(),
            facts: BTreeMap::new(),
            now: Instant(0),
            wall_offset_ms: Some(MONDAY_8.0 as i64),
            disk: Disk::Works,
            unanswered: Vec::new(),
            shows: false,
        };
        stage.start();
        stage
    }

    /// The outputs take their first state, the lines say theirs.
    fn start(&mut self) {
        self.input(Input::Tick);
        for (i, door) in self.options.doors.clone().iter().enumerate() {
            let door_id = Some(DoorId(i as u8));
            if door.contact {
                let state = LineState::Normal;
                self.input(Input::Line { door: door_id, line: Wire::Contact, state });
            }
        }
    }

    fn wall(&self) -> Option<WallTime> {
        Some(WallTime((self.wall_offset_ms? + self.now.0 as i64 / 1_000) as u64))
    }

    /// Hands in one input and performs what comes of it, as a shell would.
    fn input(&mut self, input: Input) -> Vec<Command> {
        let mut out = Vec::new();
        self.gate.handle(self.now, self.wall(), input, &self.people, &mut out);
        let mut all = Vec::new();
        for command in out {
            let mut then = Vec::new();
            match &command {
                Command::Keep(fact) => self.keep(fact),
                Command::KeepFirst { ticket, fact } => {
                    let durable = self.disk != Disk::Full;
                    if durable {
                        self.keep(fact);
                    }
                    then = vec![Input::Kept { ticket: *ticket, durable }];
                    if self.disk == Disk::Slow {
                        self.unanswered.append(&mut then);
                    }
                }
                _ => {}
            }
            all.push(command);
            for input in then {
                all.extend(self.input(input));
            }
        }
        all
    }

    fn keep(&mut self, fact: &Fact) {
        if fact.is_over() {
            self.facts.remove(&fact.key());
        } else {
            self.facts.insert(fact.key(), fact.clone());
        }
    }

    fn nothing_before(&mut self, at: Instant, line: &str) {
        for _ in 0..MOST_DEADLINES {
            let Some(due) = self.gate.deadline().filter(|due| *due < at) else { return };
            self.now = due;
            let done = self.input(Input::Tick);
            let said = self.describe(&done);
            assert!(said.is_empty(), "\nbefore  {line}\nat {}ms: {said}", due.0 / 1_000);
        }
        panic!("\nbefore  {line}\nthe gate goes on wanting to be called");
    }

    fn happens(&mut self, at: Instant, what: &str) -> String {
        if what == "time" {
            assert_eq!(
                self.gate.deadline(),
                Some(at),
                "the gate wants to be called at its deadlines"
            );
        }
        self.now = at;
        let done = match line::what(what, at) {
            What::Inputs(inputs) => {
                inputs.into_iter().flat_map(|input| self.input(input)).collect()
            }
            What::Clock(None) => {
                self.wall_offset_ms = None;
                self.input(Input::Tick)
            }
            What::Clock(Some(step_ms)) => {
                let offset = self.wall_offset_ms.unwrap_or(MONDAY_8.0 as i64);
                self.wall_offset_ms = Some(offset + step_ms);
                self.input(Input::Tick)
            }
            What::Disk(disk) => {
                self.disk = disk;
                let answers = std::mem::take(&mut self.unanswered);
                answers.into_iter().flat_map(|input| self.input(input)).collect()
            }
            What::Shows => {
                self.shows = true;
                Vec::new()
            }
            What::Restart => {
                let facts = self.facts.values().cloned();
                let wall = self.wall();
                self.gate = Gate::restore(self.options.clone(), facts, self.now, wall)
                    .expect("a sound gate");
                self.input(Input::Tick)
            }
            What::Alarms => {
                let standing = self.gate.alarms().map(|((.., alarm), standing)| {
                    let Standing { active, acknowledged } = standing;
                    let alarm = serde_json::to_value(alarm).expect("serialises");
                    let alarm = alarm.as_str().expect("a name").to_owned();
                    let gone = if active { "" } else { " (cause gone)" };
                    let seen = if acknowledged { " (seen)" } else { "" };
                    alarm + gone + seen
                });
                return standing.collect::<Vec<_>>().join(", ");
            }
            What::Would(order) => {
                let heeded = self.gate.heeds(&order);
                return heeded.map_or_else(|why| format!("{why:?}"), |()| "obeyed".into());
            }
            What::Believed => {
                return self.gate.time(self.wall()).map_or("unknown".into(), |wall| {
                    format!("{} minutes after 8:00", (wall.0 as i64 - MONDAY_8.0 as i64) / 60_000)
                });
            }
            What::Mode(door) => {
                let status = self.gate.status(door);
                return status.map_or("none".into(), |s| {
                    let path = |p: Option<bool>| match p {
                        None => "none",
                        Some(true) => "up",
                        Some(false) => "down",
                    };
                    let (card, face) = (path(s.card_path), path(s.face_path));
                    format!("{:?}, cards {card}, faces {face}", s.mode)
                });
            }
        };
        self.describe(&done)
    }

    fn describe(&self, commands: &[Command]) -> String {
        let mut said = String::new();
        for command in commands {
            let words = match command {
                Command::Switch { output, on } => self.switch(*output, *on),
                Command::Record(event) => line::event(&event.what),
                Command::KeepFirst { fact: Fact::Spent { uses, .. }, .. } => {
                    format!("use {uses} kept first")
                }
                Command::Show { reader, signal } if self.shows => {
                    format!("reader {} shows {signal:?}", reader.0)
                }
                Command::Claim { pin } if self.shows => format!("claim {:?}", pin.digits()),
                Command::Passed { subject } if self.shows => {
                    format!("person {} passed", subject.0[0])
                }
                Command::Claim { .. }
                | Command::Passed { .. }
                | Command::Show { .. }
                | Command::Keep(_)
                | Command::KeepFirst { .. } => continue,
            };
            let comma = if said.is_empty() { "" } else { ", " };
            let _ = write!(said, "{comma}{words}");
        }
        said
    }

    fn switch(&self, output: Output, on: bool) -> String {
        let state = if on { "on" } else { "off" };
        match output {
            Output::Lock(door) => {
                let options = &self.options.doors[usize::from(door.0)];
                let which = if door.0 == 0 { String::new() } else { format!(" door {}", door.0) };
                match (options.kind, options.fail) {
                    (DoorKind::Turnstile, _) => format!("in {state}"),
                    (_, Fail::Secure) => format!("{}{which}", if on { "unlock" } else { "lock" }),
                    (_, Fail::Safe) if on => format!("lock (coil on){which}"),
                    (_, Fail::Safe) => format!("unlock (coil off){which}"),
                }
            }
            Output::LockOut(_) => format!("out {state}"),
            Output::Stop(_) => format!("stop {state}"),
            Output::Warning(_) => format!("warning {state}"),
            Output::Siren => format!("siren {state}"),
        }
    }
}
