//! From lines, ports and buses to cards and door inputs: which line is whose. One file for each kind of
//! reader; the bits and bytes are `wire`'s business.
//!
//! Readers on lines are asked here, edge by edge. One that has a thread of its own (a port, a bus) sends
//! what it makes of its bytes to the loop as [`Meaning`]s.

mod book;
mod lamps;
#[cfg_attr(not(feature = "osdp"), path = "no_osdp.rs")]
mod osdp;
pub(super) mod serial;
mod silence;
mod wiegand;

pub(super) use book::{Book, LinkNews};
pub(super) use osdp::Buses;

use super::listen::Tap;
use crate::access::Input;
use crate::config::{Config, LampLines, Link, Output};
use crate::domain::{
    DoorId, Instant, Key, LineState, ReadFault, ReaderId, SecurityBreach, Signal, Wire,
};
use crate::io::PinEdge;
use lamps::Sequencer;
use std::sync::Arc;
use wiegand::Wiegand;

/// What edges or bytes meant.
#[derive(Debug)]
pub(super) enum Meaning {
    Input(Input),
    /// A key was pressed.
    Key {
        reader: ReaderId,
        key: Key,
    },
    /// A read that was no card.
    Fault {
        reader: ReaderId,
        fault: ReadFault,
    },
    /// The reader, or somebody on its cable, is not to be believed.
    #[cfg_attr(not(feature = "osdp"), allow(dead_code, reason = "a bus alone says it"))]
    Breach {
        reader: ReaderId,
        why: SecurityBreach,
    },
    /// An installer may give the reader a key.
    InstallOpened {
        reader: ReaderId,
        /// The user who asked for it.
        uid: u32,
        minutes: u8,
    },
    #[cfg_attr(not(feature = "osdp"), allow(dead_code, reason = "a bus alone says it"))]
    InstallEnded {
        reader: ReaderId,
        enrolled: bool,
    },
    /// The reader itself: there or not, opened, without power.
    Link {
        reader: ReaderId,
        news: LinkNews,
    },
}

/// All inputs of the gate.
pub(super) struct Readers {
    wiegand: Vec<Wiegand>,
    buses: Arc<Buses>,
    /// The lights and buzzers on lines, one for each reader.
    lamps: Vec<(LampLines, Sequencer)>,
    /// Line, the level that is active, what it means.
    inputs: Vec<(u32, bool, Kind)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Door(DoorId, Wire),
    Tamper(ReaderId),
    Fire,
}

impl Readers {
    pub(super) fn new(config: &Config, tap: Arc<Tap>, buses: Arc<Buses>) -> Self {
        let mut wiegand = Vec::new();
        for (i, reader) in config.readers.iter().enumerate() {
            let id = ReaderId(i as u8);
            match &reader.link {
                Link::Wiegand(lines) => wiegand.push(Wiegand::new(id, reader, *lines, tap.clone())),
                // On a thread of its own.
                Link::Serial(_) => {}
                Link::Osdp(_) => {}
            }
        }
        let mut inputs: Vec<_> =
            config.fire.iter().map(|i| (i.line, i.active_high, Kind::Fire)).collect();
        for (i, reader) in config.readers.iter().enumerate() {
            let kind = Kind::Tamper(ReaderId(i as u8));
            inputs.extend(reader.tamper.map(|i| (i.line, i.active_high, kind)));
        }
        for (i, door) in config.doors.iter().enumerate() {
            let id = DoorId(i as u8);
            let [passed_in, passed_out] = door.passed.map_or([None; 2], |pair| pair.map(Some));
            let [outer, inner] = door.beams.map_or([None; 2], |pair| pair.map(Some));
            let wires = [
                (Wire::Contact, door.contact),
                (Wire::Rex, door.rex),
                (Wire::PassedIn, passed_in),
                (Wire::PassedOut, passed_out),
                (Wire::OuterBeam, outer),
                (Wire::InnerBeam, inner),
            ];
            let there = wires.into_iter().filter_map(|(wire, input)| Some((wire, input?)));
            inputs.extend(there.map(|(wire, i)| (i.line, i.active_high, Kind::Door(id, wire))));
        }
        let lamps = config.readers.iter().map(|r| (r.lamps, Sequencer::default())).collect();
        Self { wiegand, buses, lamps, inputs }
    }

    /// Takes one edge. Asks nothing of lines it doesn't know.
    pub(super) fn edge(&mut self, edge: PinEdge) -> Option<Meaning> {
        if let Some(reader) = self.wiegand.iter_mut().find(|reader| reader.owns(edge)) {
            return reader.edge(edge);
        }
        let (_, active_high, kind) = self.inputs.iter().find(|(line, ..)| *line == edge.line)?;
        let active = edge.high == *active_high;
        Some(Meaning::Input(match kind {
            Kind::Door(door, wire) => line(Some(*door), *wire, active),
            Kind::Fire => line(None, Wire::Fire, active),
            Kind::Tamper(reader) => {
                let news = LinkNews::Tamper(active);
                return Some(Meaning::Link { reader: *reader, news });
            }
        }))
    }

    /// How a switch stands before anything happened on it. A button that is held down says nothing: who
    /// pressed it is long gone, or it is stuck. Nor does a contact of somebody having passed.
    pub(super) fn level(&mut self, at: PinEdge) -> Option<Meaning> {
        let is_held = self.inputs.iter().any(|(line, active_high, kind)| {
            *line == at.line
                && matches!(kind, Kind::Door(_, Wire::Rex | Wire::PassedIn | Wire::PassedOut))
                && at.high == *active_high
        });
        if is_held { None } else { self.edge(at) }
    }

    /// Edges of these lines were lost: no frame of theirs under way can be believed.
    pub(super) fn lost(&mut self, lines: &[u32], at: Instant) -> impl Iterator<Item = Meaning> {
        let theirs = self.wiegand.iter_mut().filter(|reader| reader.is_on(lines));
        theirs.filter_map(move |reader| reader.poison(at))
    }

    /// Frames that ended by `now`.
    pub(super) fn poll(&mut self, now: Instant) -> impl Iterator<Item = Meaning> {
        self.wiegand.iter_mut().filter_map(move |reader| reader.poll(now))
    }

    /// Edges were lost somewhere: no frame under way can be believed.
    pub(super) fn poison(&mut self, now: Instant) -> impl Iterator<Item = Meaning> {
        self.wiegand.iter_mut().filter_map(move |reader| reader.poison(now))
    }

    /// Cards that the loop had no room for, on all buses.
    pub(super) fn dropped(&self) -> u64 {
        self.buses.lost()
    }

    /// Tells whoever stands at a reader.
    pub(super) fn show(&mut self, now: Instant, reader: ReaderId, signal: Signal) {
        self.buses.show(reader, signal);
        if let Some((lines, sequencer)) = self.lamps.get_mut(usize::from(reader.0))
            && *lines != LampLines::default()
        {
            sequencer.show(now, signal);
        }
    }

    /// Lights and buzzers that change by `now`: line and level.
    pub(super) fn lamps(&mut self, now: Instant) -> Vec<(u32, bool)> {
        let mut levels = Vec::new();
        for (lines, sequencer) in &mut self.lamps {
            let Some(lit) = sequencer.poll(now) else { continue };
            let lines =
                [(lines.green, lit.green), (lines.red, lit.red), (lines.buzzer, lit.buzzer)];
            let levels_of =
                |(line, on): (Option<Output>, bool)| line.map(|l| (l.line, l.level(on)));
            levels.extend(lines.into_iter().filter_map(levels_of));
        }
        levels
    }

    /// When a frame under way ends, if nothing more of it comes.
    pub(super) fn frame_deadline(&self) -> Option<Instant> {
        self.wiegand.iter().filter_map(Wiegand::deadline).min()
    }

    pub(super) fn lamp_deadline(&self) -> Option<Instant> {
        self.lamps.iter().filter_map(|(_, sequencer)| sequencer.deadline()).min()
    }
}

fn line(door: Option<DoorId>, line: Wire, active: bool) -> Input {
    let state = if active { LineState::Active } else { LineState::Normal };
    Input::Line { door, line, state }
}
