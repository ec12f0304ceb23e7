//! The group commit: what waits for the disk, when it is written, and what becomes of it while the disk takes
//! nothing. No disk, thread or clock inside, so that the simulator loses its power in the middle of this very
//! code.
//!
//! A commit that fails loses nothing: all of it waits and is tried again. What may wait is bounded. Facts
//! replace each other by their key, so there are never more than the gate remembers anyway; an event for which
//! there is no room is refused before it has a number, and whoever recorded it counts it as lost.

use crate::domain::{Duration, Instant};
use std::collections::{BTreeMap, VecDeque};

/// What waits at most before it is flushed; the promise is 50 ms, the flush itself takes some of them.
pub const COMMIT_WITHIN: Duration = Duration::from_millis(20);
/// So many are not kept waiting for more.
const COMMIT_AT: usize = 256;
/// More than a minute of the busiest gate, about 1 MB.
pub const ROOM: usize = 4_096;
/// From a failed commit to the next try. Whoever waits at a reader for a use to be written down hears of a
/// failure within this.
pub const RETRY: Duration = Duration::from_millis(100);

/// An event with its number, and up to which number the oldest have to go for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    pub seq: u64,
    pub bytes: Vec<u8>,
    pub drop_through: Option<u64>,
}

/// What is written together. Facts come before the events that tell of them: an event may be missing after a
/// crash, its fact not.
#[derive(Debug, Default)]
pub struct Batch {
    /// `None` under a key: to be forgotten.
    pub facts: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pub events: VecDeque<Append>,
    pub acked: Option<u64>,
    tickets: Vec<u64>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.events.is_empty() && self.acked.is_none()
    }
}

/// What a batch is written to.
pub trait Disk {
    type Error: std::fmt::Display;
    /// All of it is durable, or it is an error and may be tried again, in part or whole written already.
    fn commit(&mut self, batch: &Batch) -> Result<(), Self::Error>;
}

/// What whoever asked is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Events up to this number are on disk.
    Durable(u64),
    /// What was kept with this ticket is on disk, or could not be written in time.
    Kept { ticket: u64, durable: bool },
}

/// What waits for the disk.
#[derive(Debug)]
pub struct Committer {
    room: usize,
    waiting: Batch,
    due: Option<Instant>,
    /// Events of the batch that is being written: they may come back.
    under_way: usize,
    failing: bool,
}

impl Default for Committer {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Committer {
    /// Room for so many events.
    pub fn with_room(room: usize) -> Self {
        Self { room, waiting: Batch::default(), due: None, under_way: 0, failing: false }
    }

    /// Whether another event may wait.
    pub fn has_room(&self) -> bool {
        self.waiting.events.len() + self.under_way < self.room
    }

    /// Queues an event; `false` if there is no room, and nothing was queued.
    #[must_use]
    pub fn append(&mut self, now: Instant, event: Append) -> bool {
        if !self.has_room() {
            return false;
        }
        self.waiting.events.push_back(event);
        self.wake(now);
        true
    }

    /// Queues what is to be remembered under this key in place of what was there, or `None` to forget it.
    pub fn keep(
        &mut self,
        now: Instant,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        ticket: Option<u64>,
    ) {
        self.waiting.facts.insert(key, value);
        self.waiting.tickets.extend(ticket);
        self.wake(now);
    }

    /// Queues what the broker has.
    pub fn acked(&mut self, now: Instant, through: u64) {
        self.waiting.acked = Some(through);
        self.wake(now);
    }

    fn wake(&mut self, now: Instant) {
        let full = self.waiting.events.len() >= COMMIT_AT && !self.failing;
        let due = if full { now } else { now + COMMIT_WITHIN };
        match self.due {
            Some(at) if at <= due => {}
            // A disk that takes nothing is not asked more often because more waits.
            Some(_) if self.failing => {}
            _ => self.due = Some(due),
        }
    }

    /// When [`Committer::commit`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0
    }

    /// Takes what waits, to be written. [`Committer::end`] is to follow.
    pub fn begin(&mut self) -> Batch {
        self.due = None;
        let batch = std::mem::take(&mut self.waiting);
        self.under_way = batch.events.len();
        batch
    }

    /// What became of a batch. Gives what is to be told, and whether the disk has changed its ways.
    pub fn end(&mut self, now: Instant, batch: Batch, written: bool) -> (Vec<Told>, bool) {
        self.under_way = 0;
        let changed = std::mem::replace(&mut self.failing, !written) == written;
        let answers = batch.tickets.iter().map(|&ticket| Told::Kept { ticket, durable: written });
        let mut told: Vec<Told> = answers.collect();
        if written {
            told.extend(batch.events.back().map(|event| Told::Durable(event.seq)));
            return (told, changed);
        }
        // Back to where it was, before and under what has come since.
        let newer = std::mem::take(&mut self.waiting);
        let Batch { facts, events, acked, .. } = batch;
        self.waiting = Batch {
            facts,
            events,
            acked: newer.acked.or(acked),
            // Those of the batch have their answer.
            tickets: newer.tickets,
        };
        self.waiting.facts.extend(newer.facts);
        self.waiting.events.extend(newer.events);
        self.due = Some(now + RETRY);
        (told, changed)
    }

    /// Writes what waits. For whoever has the disk at hand and no lock to let go meanwhile.
    pub fn commit<D: Disk>(&mut self, now: Instant, disk: &mut D) -> Vec<Told> {
        let batch = self.begin();
        let written = disk.commit(&batch).is_ok();
        self.end(now, batch, written).0
    }
}
