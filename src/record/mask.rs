//! Numbers in place of cards and subjects.

use super::{Known, Right, Told};
use crate::access::{Command, Fact, Input};
use crate::domain::{CardNumber, Entitlement, Key, SubjectId, Ways};
use std::collections::HashMap;

/// The way back from a log, which stays in memory and ends with the log.
#[derive(Default)]
pub(super) struct Mask {
    cards: HashMap<CardNumber, u32>,
    subjects: HashMap<SubjectId, u32>,
}

impl Mask {
    pub(super) fn card(&mut self, card: &CardNumber) -> u32 {
        let next = self.cards.len() as u32 + 1;
        *self.cards.entry(card.clone()).or_insert(next)
    }

    pub(super) fn subject(&mut self, subject: &SubjectId) -> u32 {
        let next = self.subjects.len() as u32 + 1;
        *self.subjects.entry(*subject).or_insert(next)
    }

    pub(super) fn right(&mut self, right: &Entitlement) -> Right {
        let Entitlement { subject, ways, from, until, profile, uses, extended } = *right;
        let Ways { card, face } = ways;
        Right { who: self.subject(&subject), card, face, from, until, profile, uses, extended }
    }

    pub(super) fn fact(&mut self, fact: &Fact) -> Fact {
        let mut fact = fact.clone();
        if let Fact::Inside { subject, .. } | Fact::Spent { subject, .. } = &mut fact {
            *subject = subject_of(self.subject(subject));
        }
        fact
    }

    pub(super) fn command(&mut self, command: &Command) -> Command {
        match command {
            Command::Keep(fact) => Command::Keep(self.fact(fact)),
            Command::KeepFirst { ticket, fact } => {
                Command::KeepFirst { ticket: *ticket, fact: self.fact(fact) }
            }
            other => other.clone(),
        }
    }

    pub(super) fn input(&mut self, input: &Input) -> Told {
        match input {
            Input::Card { reader, card } => Told::Card { reader: *reader, card: self.card(card) },
            Input::Key { reader, key: Key::Digit(_) } => Told::Digit { reader: *reader },
            Input::Key { reader, key: Key::Clear } => Told::Clear { reader: *reader },
            Input::Key { reader, key: Key::Enter } => Told::Enter { reader: *reader },
            Input::Face(seen) => Told::Face {
                captured_at: seen.captured_at,
                who: seen.subject.as_ref().map(|who| self.subject(who)),
                look_alike: seen.look_alike.as_ref().map(|who| self.subject(who)),
                liveness: seen.liveness,
            },
            Input::Line { door, line, state } => {
                Told::Line { door: *door, line: *line, state: *state }
            }
            Input::Rex { door } => Told::Rex { door: *door },
            Input::Reader { reader, up } => Told::Reader { reader: *reader, up: *up },
            Input::FacePath { up } => Told::FacePath { up: *up },
            Input::Alarm { door, reader, alarm, active } => {
                Told::Alarm { door: *door, reader: *reader, alarm: *alarm, active: *active }
            }
            Input::Order { by, order } => Told::Order { by: by.clone(), order: order.clone() },
            Input::Kept { ticket, durable } => Told::Kept { ticket: *ticket, durable: *durable },
            Input::Tick => Told::Tick,
        }
    }
}

/// The subject that stands for a number.
pub(super) fn subject_of(number: u32) -> SubjectId {
    let mut id = [0; 16];
    id[12..].copy_from_slice(&number.to_be_bytes());
    SubjectId(id)
}

pub(super) fn number_of(subject: &SubjectId) -> u32 {
    let [.., a, b, c, d] = subject.0;
    u32::from_be_bytes([a, b, c, d])
}

pub(super) fn entitlement(right: &Right) -> Entitlement {
    let Right { who, card, face, from, until, profile, uses, extended } = *right;
    let ways = Ways { card, face };
    Entitlement { subject: subject_of(who), ways, from, until, profile, uses, extended }
}

/// A checksum of commands whose subjects are masked (FNV-1a). In which order facts of one step are kept
/// together may follow from the subjects' ids, which the log doesn't have: their order doesn't count.
pub(super) fn checksum<'a>(commands: impl IntoIterator<Item = &'a Command>) -> u32 {
    let fnv = |seed: u32, text: &str| {
        text.bytes().fold(seed, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    let (mut ordered, mut kept) = (0x811c_9dc5, 0u32);
    for command in commands {
        match command {
            Command::Keep(fact) => {
                let text = serde_json::to_string(fact).unwrap_or_default();
                kept = kept.wrapping_add(fnv(0x811c_9dc5, &text));
            }
            Command::KeepFirst { ticket, fact } => {
                let text = serde_json::to_string(fact).unwrap_or_default();
                ordered = fnv(ordered, &format!("{ticket:?}{text}"));
            }
            // No field of these names anybody.
            other => ordered = fnv(ordered, &format!("{other:?}")),
        }
    }
    ordered ^ kept
}

impl Known {
    pub(super) fn of(mask: &mut Mask, asked: &super::note::Asked) -> Self {
        use super::note::Asked;
        match asked {
            Asked::Card(card, right) => Self::Card {
                card: mask.card(card),
                right: right.as_ref().map(|right| mask.right(right)),
            },
            Asked::Subject(who, right) => Self::Subject {
                who: mask.subject(who),
                right: right.as_ref().map(|right| mask.right(right)),
            },
            Asked::Pin(who, fits) => Self::Pin { who: mask.subject(who), fits: *fits },
            Asked::Duress(who, is) => Self::Duress { who: mask.subject(who), is: *is },
        }
    }
}
