//! A disk behind the gate's own group commit, and the broker behind that: what is not flushed is gone in a
//! power cut, and a full disk takes nothing.

use super::watch::{Rule, Watch};
use crate::access::{Fact, FactKey, Ticket};
use crate::app::ledger::{Ledger, Sink};
use crate::domain::{Event, EventKind, Instant};
use crate::io::store::Told;
use crate::io::store::commit::{Append, Batch, Committer, Disk as Platter, RETRY};
use crate::journal::{Journal, Kept};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What survives.
#[derive(Default)]
struct Durable {
    full: bool,
    facts: BTreeMap<Vec<u8>, Fact>,
    events: BTreeSet<u64>,
    last: u64,
}

impl Platter for Durable {
    type Error = &'static str;

    fn commit(&mut self, batch: &Batch) -> Result<(), &'static str> {
        if self.full {
            return Err("full");
        }
        for (key, value) in &batch.facts {
            match value.as_ref().map(|bytes| serde_json::from_slice(bytes)) {
                Some(Ok(fact)) => self.facts.insert(key.clone(), fact),
                Some(Err(_)) => return Err("no fact"),
                None => self.facts.remove(key),
            };
        }
        for event in &batch.events {
            self.events.insert(event.seq);
            self.last = event.seq;
            if let Some(gone) = event.drop_through {
                self.events.remove(&gone);
            }
        }
        Ok(())
    }
}

/// What waits, and what was given to it in which order.
struct Queue {
    committer: Committer,
    now: Instant,
    given: Vec<u64>,
    /// As counted by the records of loss.
    told_lost: u64,
    loss_records: u64,
}

impl Sink for Queue {
    fn has_room(&self) -> bool {
        self.committer.has_room()
    }

    fn append(&mut self, seq: u64, bytes: Vec<u8>, drop_through: Option<u64>) -> bool {
        // Only these are looked into: there are few.
        if bytes.windows(10).any(|w| w == b"EventsLost")
            && let Ok(Event { what: EventKind::EventsLost { count, through_seq: 0 }, .. }) =
                serde_json::from_slice(&bytes)
        {
            self.told_lost += count;
            self.loss_records += 1;
        } else if bytes.windows(10).any(|w| w == b"EventsLost") {
            self.loss_records += 1;
        }
        self.given.push(seq);
        self.committer.append(self.now, Append { seq, bytes, drop_through })
    }

    fn keep(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, ticket: Option<u64>) {
        self.committer.keep(self.now, key, value, ticket);
    }
}

pub(super) struct Disk {
    queue: Queue,
    ledger: Ledger,
    durable: Durable,
    room: usize,
    capacity: u64,
    acked: u64,
    expected: u64,
    /// Numbers that wait, and since when.
    waiting: VecDeque<(u64, u64)>,
    /// What was recorded since the start, and the number before it.
    recorded: u64,
    base: u64,
    /// When it was last full: what waited then may be older than a commit.
    full_until: u64,
    pub broker: bool,
}

fn queue(room: usize) -> Queue {
    let committer = Committer::with_room(room);
    Queue { committer, now: Instant(0), given: Vec::new(), told_lost: 0, loss_records: 0 }
}

impl Disk {
    /// So many events may wait for the disk, and so many are kept on it.
    pub(super) fn new(room: usize, capacity: u64) -> Self {
        Self {
            queue: queue(room),
            ledger: Ledger::new(Journal::resume(Kept::default(), capacity)),
            durable: Durable::default(),
            room,
            capacity,
            acked: 0,
            expected: 1,
            waiting: VecDeque::new(),
            recorded: 0,
            base: 0,
            full_until: 0,
            broker: true,
        }
    }

    pub(super) fn set_full(&mut self, full: bool) {
        self.durable.full = full;
    }

    pub(super) fn flush_at(&self) -> Option<u64> {
        self.queue.committer.deadline().map(|at| at.0)
    }

    /// What is durable under this key.
    pub(super) fn fact(&self, key: FactKey) -> Option<&Fact> {
        self.durable.facts.get(&serde_json::to_vec(&key).ok()?)
    }

    pub(super) fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.durable.facts.values()
    }

    pub(super) fn record(&mut self, now: u64, event: &Event, watch: &mut Watch) {
        self.queue.now = Instant(now);
        self.recorded += 1;
        self.ledger.record(&mut self.queue, event);
        self.numbered(now, watch);
    }

    fn numbered(&mut self, now: u64, watch: &mut Watch) {
        for seq in std::mem::take(&mut self.queue.given) {
            watch.hold(Rule::Gapless, seq == self.expected, || {
                format!("event {seq} follows {}", self.expected - 1)
            });
            self.expected = seq + 1;
            self.waiting.push_back((seq, now));
        }
    }

    pub(super) fn keep(&mut self, now: u64, fact: &Fact, ticket: Option<Ticket>) {
        self.queue.now = Instant(now);
        self.ledger.keep(&mut self.queue, fact, ticket);
    }

    /// Commits what waits, or fails to. Gives the answers to those who wait for them.
    pub(super) fn flush(&mut self, now: u64, watch: &mut Watch) -> Vec<(Ticket, bool)> {
        let mut answers = Vec::new();
        if self.durable.full {
            self.full_until = now;
        }
        for told in self.queue.committer.commit(Instant(now), &mut self.durable) {
            match told {
                Told::Kept { ticket, durable } => answers.push((Ticket(ticket), durable)),
                Told::Durable(through) => self.is_durable(now, through, watch),
            }
        }
        answers
    }

    fn is_durable(&mut self, now: u64, through: u64, watch: &mut Watch) {
        let wrote: Vec<u64> = self.waiting.iter().map(|w| w.0).filter(|s| *s <= through).collect();
        self.waiting.retain(|(seq, _)| *seq > through);
        let kept = wrote.iter().all(|seq| {
            through.saturating_sub(*seq) >= self.capacity || self.durable.events.contains(seq)
        });
        watch.hold(Rule::DurableIsThere, kept, || format!("events up to {through} are not there"));
        self.ledger.journal.durable(through);
        self.queue.now = Instant(now);
        let at = Instant(now);
        self.ledger.tell_losses(&mut self.queue, false, |what| Event { at, wall: None, what });
        self.numbered(now, watch);
        if self.ledger.lost() > 0 && self.queue.committer.has_room() {
            let numbers = self.expected - 1 - self.base;
            let all = self.recorded + self.queue.loss_records;
            watch.hold(Rule::LossCounted, numbers + self.queue.told_lost == all, || {
                format!("{numbers} numbered, {} lost, of {all}", self.queue.told_lost)
            });
        }
        self.publish(now, watch);
    }

    /// The broker takes what is durable, each once and in order.
    pub(super) fn publish(&mut self, now: u64, watch: &mut Watch) {
        if !self.broker {
            return;
        }
        // What had to go for want of room needs no acknowledgement.
        self.acked = self.acked.max(self.ledger.journal.acked());
        while self.acked < self.durable.last {
            let next = self.acked + 1;
            self.ledger.journal.ack(next);
            let is_acked = self.ledger.journal.acked() == next;
            watch.hold(Rule::Published, is_acked, || {
                format!("event {next} was published and not acknowledged")
            });
            self.acked = next;
        }
        self.queue.now = Instant(now);
        self.queue.committer.acked(Instant(now), self.acked);
        let at = Instant(now);
        self.ledger.tell_losses(&mut self.queue, true, |what| Event { at, wall: None, what });
        self.numbered(now, watch);
    }

    /// The power is gone, and with it what was not flushed.
    pub(super) fn cut(&mut self, now: u64, watch: &mut Watch) {
        let was_full =
            self.durable.full || now.saturating_sub(self.full_until) < 2 * RETRY.as_micros();
        if let Some((_, oldest)) = self.waiting.front()
            && !was_full
        {
            watch.hold(Rule::LostInCommit, now - oldest <= 50_000, || {
                format!("an event of {} ms before the power cut is lost", (now - oldest) / 1_000)
            });
        }
        self.waiting.clear();
        self.queue = queue(self.room);
    }

    pub(super) fn resume(&mut self) {
        let last = (self.durable.last > 0).then_some(self.durable.last);
        let first = self.durable.events.first().copied().unwrap_or(1);
        let kept = Kept { first, last, acked: self.acked };
        self.ledger = Ledger::new(Journal::resume(kept, self.capacity));
        (self.expected, self.base) = (self.durable.last + 1, self.durable.last);
        self.recorded = 0;
        (self.queue.told_lost, self.queue.loss_records) = (0, 0);
    }
}
