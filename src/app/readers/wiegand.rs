//! One Wiegand reader: edges of its two lines to cards and keys. The bits are `wire`'s business.

use super::Meaning;
use crate::access::Input;
use crate::app::listen::{Sound, Tap};
use crate::config;
use crate::domain::{Instant, ReadFault, ReaderId};
use crate::io::PinEdge;
use crate::wire::Parsed;
use crate::wire::format::{self, Format};
use crate::wire::keypad::{self, Keypad};
use crate::wire::wiegand::{Assembler, Bits, Edge, Lengths, Level, Line, Options, Outcome};
use std::sync::Arc;

pub(super) struct Wiegand {
    id: ReaderId,
    name: String,
    lines: config::Wiegand,
    formats: Vec<Format>,
    assembler: Assembler,
    /// While somebody listens: takes frames of any length, whatever is configured.
    ear: Option<Assembler>,
    tap: Arc<Tap>,
}

impl Wiegand {
    pub(super) fn new(
        id: ReaderId,
        reader: &config::Reader,
        lines: config::Wiegand,
        tap: Arc<Tap>,
    ) -> Self {
        Self {
            ear: None,
            tap,
            id,
            name: reader.name.clone(),
            lines,
            formats: reader.formats.clone(),
            assembler: Assembler::new(Options {
                lengths: Lengths::of(
                    format::lengths(&reader.formats).chain(lines.keypad.map(Keypad::bits)),
                ),
                ..Options::default()
            }),
        }
    }

    /// Whether this edge is on one of this reader's data lines.
    pub(super) fn owns(&self, edge: PinEdge) -> bool {
        edge.line == self.lines.d0 || edge.line == self.lines.d1
    }

    /// Whether one of its data lines is among these.
    pub(super) fn is_on(&self, lines: &[u32]) -> bool {
        lines.contains(&self.lines.d0) || lines.contains(&self.lines.d1)
    }

    pub(super) fn edge(&mut self, edge: PinEdge) -> Option<Meaning> {
        let line = if edge.line == self.lines.d0 { Line::D0 } else { Line::D1 };
        let level = if edge.high { Level::High } else { Level::Low };
        let edge = Edge { at: edge.at, line, level };
        if self.tap.is_on() {
            let ear = self.ear.get_or_insert_with(|| Assembler::new(Options::default()));
            let outcome = ear.edge(edge);
            self.overheard(outcome);
        }
        let outcome = self.assembler.edge(edge)?;
        Some(self.meaning(outcome))
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Meaning> {
        if let Some(ear) = &mut self.ear {
            let outcome = ear.poll(now);
            self.overheard(outcome);
        }
        let outcome = self.assembler.poll(now)?;
        Some(self.meaning(outcome))
    }

    pub(super) fn poison(&mut self, now: Instant) -> Option<Meaning> {
        if let Some(ear) = &mut self.ear {
            let outcome = ear.poison(now);
            self.overheard(outcome);
        }
        let outcome = self.assembler.poison(now)?;
        Some(self.meaning(outcome))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let ear = self.ear.as_ref().and_then(Assembler::deadline);
        self.assembler.deadline().into_iter().chain(ear).min()
    }

    fn overheard(&mut self, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        let (tap, name) = (&self.tap, &self.name);
        match outcome {
            Ok(frame) => match self.lines.keypad.map(|keypad| keypad::decode(frame.bits, keypad)) {
                Some(Parsed::Item(key)) => tap.tell_key(frame.last, name, key),
                _ => tap.tell_frame(frame.last, name, frame.bits),
            },
            Err(spoilt) => {
                let (fault, why) = (spoilt.why.read_fault(), spoilt.why.to_string());
                tap.tell(spoilt.first, name, Sound::Fault { fault, why });
            }
        }
        if !tap.is_on() {
            self.ear = None;
        }
    }

    fn meaning(&self, outcome: Outcome) -> Meaning {
        let reader = self.id;
        let (fault, why) = match outcome {
            Ok(frame) => match self.read(frame.bits) {
                Ok(meaning) => return meaning,
                Err(fault) => fault,
            },
            Err(spoilt) => (spoilt.why.read_fault(), spoilt.why.to_string()),
        };
        tracing::debug!(reader = %self.name, %why, "a read that is no card");
        Meaning::Fault { reader, fault }
    }

    /// A whole frame: a key where the reader has a keypad that sends so few bits, or else a card.
    fn read(&self, bits: Bits) -> Result<Meaning, (ReadFault, String)> {
        let reader = self.id;
        match self.lines.keypad.map(|keypad| keypad::decode(bits, keypad)) {
            Some(Parsed::Item(key)) => return Ok(Meaning::Key { reader, key }),
            Some(Parsed::Corrupt(why)) => return Err((why.read_fault(), why.to_string())),
            Some(Parsed::NotForUs | Parsed::NeedMore) | None => {}
        }
        match format::decode(bits, &self.formats) {
            Ok(card) => Ok(Meaning::Input(Input::Card { reader, card })),
            Err(why) => Err((why.read_fault(), why.to_string())),
        }
    }
}
