//! From the lines' edges to cards and door inputs: which line is whose. The bits are `wire`'s business.

use crate::access::Input;
use crate::config::Config;
use crate::domain::{DoorId, Instant, ReaderId};
use crate::io::PinEdge;
use crate::wire::format::{self, Format};
use crate::wire::wiegand::{Assembler, Edge, Level, Line, Options, Outcome};

/// What an edge meant.
pub(super) enum Meaning {
    Input(Input),
    /// A read that was no card, from this reader; why was logged, without the bits.
    Fault(ReaderId),
}

struct Reader {
    id: ReaderId,
    name: String,
    d0: u32,
    d1: u32,
    formats: Vec<Format>,
    assembler: Assembler,
}

/// All inputs of the gate.
pub(super) struct Readers {
    readers: Vec<Reader>,
    /// Line, the level that is active, what it means.
    inputs: Vec<(u32, bool, Kind)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Contact(DoorId),
    Rex(DoorId),
    Fire,
}

impl Readers {
    pub(super) fn new(config: &Config) -> Self {
        let readers = config.readers.iter().enumerate().map(|(i, reader)| Reader {
            id: ReaderId(i as u8),
            name: reader.name.clone(),
            d0: reader.d0,
            d1: reader.d1,
            formats: reader.formats.clone(),
            assembler: Assembler::new(Options {
                pinned_bits: format::pinned_bits(&reader.formats),
                ..Options::default()
            }),
        });
        let mut inputs: Vec<_> =
            config.fire.iter().map(|i| (i.line, i.active_high, Kind::Fire)).collect();
        for (i, door) in config.doors.iter().enumerate() {
            let id = DoorId(i as u8);
            inputs.extend(door.contact.map(|i| (i.line, i.active_high, Kind::Contact(id))));
            inputs.extend(door.rex.map(|i| (i.line, i.active_high, Kind::Rex(id))));
        }
        Self { readers: readers.collect(), inputs }
    }

    /// Takes one edge. Asks nothing of lines it doesn't know.
    pub(super) fn edge(&mut self, edge: PinEdge) -> Option<Meaning> {
        for reader in &mut self.readers {
            let line = match edge.line {
                l if l == reader.d0 => Line::D0,
                l if l == reader.d1 => Line::D1,
                _ => continue,
            };
            let level = if edge.high { Level::High } else { Level::Low };
            let outcome = reader.assembler.edge(Edge { at: edge.at, line, level })?;
            return Some(reader.meaning(outcome));
        }
        let (_, active_high, kind) = self.inputs.iter().find(|(line, ..)| *line == edge.line)?;
        let active = edge.high == *active_high;
        Some(Meaning::Input(match kind {
            Kind::Contact(door) => Input::Contact { door: *door, open: active },
            Kind::Rex(door) if active => Input::Rex { door: *door },
            Kind::Rex(_) => return None,
            Kind::Fire => Input::Fire { active },
        }))
    }

    /// Frames that ended by `now`.
    pub(super) fn poll(&mut self, now: Instant) -> impl Iterator<Item = Meaning> {
        self.readers.iter_mut().filter_map(move |reader| {
            let outcome = reader.assembler.poll(now)?;
            Some(reader.meaning(outcome))
        })
    }

    /// Edges were lost somewhere: no frame under way can be believed.
    pub(super) fn poison(&mut self, now: Instant) -> impl Iterator<Item = Meaning> {
        self.readers.iter_mut().filter_map(move |reader| {
            let outcome = reader.assembler.poison(now)?;
            Some(reader.meaning(outcome))
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.readers.iter().filter_map(|reader| reader.assembler.deadline()).min()
    }
}

impl Reader {
    fn meaning(&self, outcome: Outcome) -> Meaning {
        let why = match outcome {
            Ok(frame) => match format::decode(frame.bits, &self.formats) {
                Ok(card) => return Meaning::Input(Input::Card { reader: self.id, card }),
                Err(why) => why.to_string(),
            },
            Err(spoilt) => spoilt.why.to_string(),
        };
        tracing::debug!(reader = %self.name, %why, "a read that is no card");
        Meaning::Fault(self.id)
    }
}
