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
mod switches;
mod wiegand;

pub(super) use book::{Book, LinkNews};
pub(super) use osdp::Buses;

use super::listen::Tap;
use crate::access::Input;
use crate::config::{Config, LampLines, Link, Output};
use crate::domain::{Instant, Key, ReadFault, ReaderId, SecurityBreach, Signal};
use crate::io::PinEdge;
use lamps::Sequencer;
use std::sync::Arc;
use switches::Switches;
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
    /// The line that says when to look through the camera.
    Camera {
        active: bool,
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
    switches: Switches,
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
        let lamps = config.readers.iter().map(|r| (r.lamps, Sequencer::default())).collect();
        Self { wiegand, buses, lamps, switches: Switches::new(config) }
    }

    /// Takes one edge. Asks nothing of lines it doesn't know.
    pub(super) fn edge(&mut self, edge: PinEdge) -> Option<Meaning> {
        if let Some(reader) = self.wiegand.iter_mut().find(|reader| reader.owns(edge)) {
            return reader.edge(edge);
        }
        self.switches.edge(edge)
    }

    /// How a switch stands before anything happened on it.
    pub(super) fn level(&mut self, at: PinEdge) -> Option<Meaning> {
        self.switches.level(at)
    }

    /// Edges of these lines were lost: no frame of theirs under way can be believed.
    pub(super) fn lost(&mut self, lines: &[u32], at: Instant) -> impl Iterator<Item = Meaning> {
        let theirs = self.wiegand.iter_mut().filter(|reader| reader.is_on(lines));
        theirs.filter_map(move |reader| reader.poison(at))
    }

    /// Switches that have settled and frames that ended by `now`.
    pub(super) fn poll(&mut self, now: Instant) -> impl Iterator<Item = Meaning> {
        let frames = self.wiegand.iter_mut().filter_map(move |reader| reader.poll(now));
        self.switches.poll(now).chain(frames)
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

    /// When a frame under way ends, if nothing more of it comes, or a switch has settled.
    pub(super) fn frame_deadline(&self) -> Option<Instant> {
        let frame = self.wiegand.iter().filter_map(Wiegand::deadline).min();
        frame.into_iter().chain(self.switches.deadline()).min()
    }

    pub(super) fn lamp_deadline(&self) -> Option<Instant> {
        self.lamps.iter().filter_map(|(_, sequencer)| sequencer.deadline()).min()
    }
}
