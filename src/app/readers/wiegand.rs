//! One Wiegand reader: edges of its two lines to cards. The bits are `wire`'s business.

use super::Meaning;
use crate::access::Input;
use crate::config;
use crate::domain::{Instant, ReadFault, ReaderId};
use crate::io::PinEdge;
use crate::wire::format::{self, Format, Why};
use crate::wire::wiegand::{Assembler, Edge, Fault, Level, Line, Options, Outcome};

pub(super) struct Wiegand {
    id: ReaderId,
    name: String,
    lines: config::Wiegand,
    formats: Vec<Format>,
    assembler: Assembler,
}

impl Wiegand {
    pub(super) fn new(id: ReaderId, reader: &config::Reader, lines: config::Wiegand) -> Self {
        Self {
            id,
            name: reader.name.clone(),
            lines,
            formats: reader.formats.clone(),
            assembler: Assembler::new(Options {
                pinned_bits: format::pinned_bits(&reader.formats),
                ..Options::default()
            }),
        }
    }

    /// Whether this edge is on one of this reader's data lines.
    pub(super) fn owns(&self, edge: PinEdge) -> bool {
        edge.line == self.lines.d0 || edge.line == self.lines.d1
    }

    pub(super) fn edge(&mut self, edge: PinEdge) -> Option<Meaning> {
        let line = if edge.line == self.lines.d0 { Line::D0 } else { Line::D1 };
        let level = if edge.high { Level::High } else { Level::Low };
        let outcome = self.assembler.edge(Edge { at: edge.at, line, level })?;
        Some(self.meaning(outcome))
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Meaning> {
        let outcome = self.assembler.poll(now)?;
        Some(self.meaning(outcome))
    }

    pub(super) fn poison(&mut self, now: Instant) -> Option<Meaning> {
        let outcome = self.assembler.poison(now)?;
        Some(self.meaning(outcome))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.assembler.deadline()
    }

    fn meaning(&self, outcome: Outcome) -> Meaning {
        let (fault, why) = match outcome {
            Ok(frame) => match format::decode(frame.bits, &self.formats) {
                Ok(card) => return Meaning::Input(Input::Card { reader: self.id, card }),
                Err(why) => (fault_of_frame(&why), why.to_string()),
            },
            Err(spoilt) => (fault_of_edges(spoilt.why), spoilt.why.to_string()),
        };
        tracing::debug!(reader = %self.name, %why, "a read that is no card");
        Meaning::Fault { reader: self.id, fault }
    }
}

fn fault_of_edges(why: Fault) -> ReadFault {
    match why {
        Fault::PulseTooShort { .. } => ReadFault::Glitch,
        Fault::PulseTooLong { .. } => ReadFault::Stuck,
        Fault::TooClose { .. } => ReadFault::Bounce,
        Fault::Overlap => ReadFault::Overlap,
        Fault::Overflow => ReadFault::Flood,
        Fault::WrongLength { .. } => ReadFault::Length,
        Fault::LostEdge | Fault::Dropped => ReadFault::Lost,
    }
}

fn fault_of_frame(why: &Why) -> ReadFault {
    match why {
        Why::NoSuchLength { .. } => ReadFault::Length,
        Why::Parity { .. } => ReadFault::Parity,
        Why::Ambiguous { .. } => ReadFault::Ambiguous,
    }
}
