//! Writing a log: a witness between the judgement and the list, and the lines.

use super::mask::{Mask, checksum};
use super::{Begin, Entry, Known, Step, VERSION};
use crate::access::{Command, Fact, FactKey, Input, Options};
use crate::domain::{
    CardNumber, Directory, DoorId, Entitlement, Event, Instant, LineState, Pin, ReaderId,
    SubjectId, WallTime, Wire,
};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What was asked, and the answer.
pub(super) enum Asked {
    Card(CardNumber, Option<Entitlement>),
    Subject(SubjectId, Option<Entitlement>),
    Pin(SubjectId, bool),
    Duress(SubjectId, bool),
}

/// Answers as the list does, and remembers it.
pub struct Witness<'a, D> {
    list: &'a D,
    asked: RefCell<Vec<Asked>>,
}

impl<'a, D: Directory> Witness<'a, D> {
    pub fn new(list: &'a D) -> Self {
        Self { list, asked: RefCell::default() }
    }

    fn note(&self, asked: Asked) {
        self.asked.borrow_mut().push(asked);
    }
}

impl<D: Directory> Directory for Witness<'_, D> {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        let right = self.list.card(card);
        self.note(Asked::Card(card.clone(), right));
        right
    }

    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        let right = self.list.subject(subject);
        self.note(Asked::Subject(*subject, right));
        right
    }

    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool {
        let fits = self.list.pin_fits(subject, pin);
        self.note(Asked::Pin(*subject, fits));
        fits
    }

    fn is_duress(&self, subject: &SubjectId, pin: &Pin) -> bool {
        let is = self.list.is_duress(subject, pin);
        self.note(Asked::Duress(*subject, is));
        is
    }
}

/// Makes a log's lines. What it must remember for a log that begins in the middle: what the gate had kept, and
/// how its lines stand.
pub struct Recorder {
    doors: Vec<String>,
    readers: Vec<String>,
    options: Options,
    mask: Mask,
    facts: BTreeMap<FactKey, Fact>,
    lines: BTreeMap<(Option<DoorId>, Wire), LineState>,
    readers_up: BTreeMap<ReaderId, bool>,
    face_up: Option<bool>,
}

impl Recorder {
    pub fn new(doors: Vec<String>, readers: Vec<String>, options: Options) -> Self {
        Self {
            doors,
            readers,
            options,
            mask: Mask::default(),
            facts: BTreeMap::new(),
            lines: BTreeMap::new(),
            readers_up: BTreeMap::new(),
            face_up: None,
        }
    }

    /// The gate starts with these facts. The first line of a log.
    pub fn start(&mut self, facts: &[Fact], now: Instant, wall: Option<WallTime>) -> String {
        self.facts = facts.iter().map(|fact| (fact.key(), fact.clone())).collect();
        self.lines.clear();
        self.readers_up.clear();
        self.face_up = None;
        self.begin(now, wall, true)
    }

    /// A new log in the middle of a gate's life, with numbers of its own. Its first lines.
    pub fn go_on(&mut self, now: Instant, wall: Option<WallTime>) -> String {
        self.mask = Mask::default();
        let mut text = self.begin(now, wall, false);
        let lines = self.lines.clone().into_iter();
        let lines = lines.map(|((door, line), state)| Input::Line { door, line, state });
        let readers = self.readers_up.clone().into_iter();
        let readers = readers.map(|(reader, up)| Input::Reader { reader, up });
        let face = self.face_up.map(|up| Input::FacePath { up });
        for input in lines.chain(readers).chain(face) {
            let input = self.mask.input(&input);
            text += &line(&Entry::Step(Step { now, wall, input, known: Vec::new(), did: None }));
        }
        text
    }

    fn begin(&mut self, now: Instant, wall: Option<WallTime>, whole: bool) -> String {
        line(&Entry::Begin(Box::new(Begin {
            v: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            doors: self.doors.clone(),
            readers: self.readers.clone(),
            options: self.options.clone(),
            facts: self.facts.values().map(|fact| self.mask.fact(fact)).collect(),
            now,
            wall,
            whole,
        })))
    }

    /// One input, what was asked for it, and what came of it.
    pub fn step<D>(
        &mut self,
        now: Instant,
        wall: Option<WallTime>,
        input: &Input,
        witness: Witness<'_, D>,
        commands: &[Command],
    ) -> String {
        match input {
            Input::Line { door, line, state } => {
                self.lines.insert((*door, *line), *state);
            }
            Input::Reader { reader, up } => {
                self.readers_up.insert(*reader, *up);
            }
            Input::FacePath { up } => self.face_up = Some(*up),
            _ => {}
        }
        for command in commands {
            if let Command::Keep(fact) | Command::KeepFirst { fact, .. } = command {
                if fact.is_over() {
                    self.facts.remove(&fact.key());
                } else {
                    self.facts.insert(fact.key(), fact.clone());
                }
            }
        }
        let input = self.mask.input(input);
        let asked = witness.asked.into_inner();
        let known = asked.iter().map(|asked| Known::of(&mut self.mask, asked)).collect();
        let masked: Vec<Command> = commands.iter().map(|c| self.mask.command(c)).collect();
        let did = Some(checksum(&masked));
        line(&Entry::Step(Step { now, wall, input, known, did }))
    }

    /// An event that was recorded beside the judgement.
    pub fn note(&self, event: &Event) -> String {
        line(&Entry::Note(event.clone()))
    }
}

/// Nothing in an entry can fail to be written: its keys are words.
fn line(entry: &Entry) -> String {
    let mut text = serde_json::to_string(entry).unwrap_or_default();
    text.push('\n');
    text
}
