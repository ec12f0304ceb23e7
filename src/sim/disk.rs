//! A disk with a group commit, and the broker behind it: what is not flushed is gone in a power cut.

use super::watch::{Rule, Watch};
use crate::access::{Fact, FactKey, Ticket};
use crate::journal::{Journal, Kept};
use std::collections::BTreeMap;

/// The store's own.
pub(super) const COMMIT_US: u64 = 20_000;

enum Write {
    Event(u64),
    Fact(Fact),
    First(Ticket, Fact),
}

pub(super) struct Disk {
    queue: Vec<(u64, Write)>,
    pub facts: BTreeMap<FactKey, Fact>,
    journal: Journal,
    durable: u64,
    acked: u64,
    expected: u64,
    pub full: bool,
    /// When it was last full: what waited then may be older than a commit.
    full_until: u64,
    pub broker: bool,
    pub flush_at: Option<u64>,
}

const CAPACITY: u64 = 1_000_000;

impl Disk {
    pub(super) fn new() -> Self {
        Self {
            queue: Vec::new(),
            facts: BTreeMap::new(),
            journal: Journal::resume(Kept::default(), CAPACITY),
            durable: 0,
            acked: 0,
            expected: 1,
            full: false,
            full_until: 0,
            broker: true,
            flush_at: None,
        }
    }

    fn push(&mut self, now: u64, write: Write) {
        self.queue.push((now, write));
        self.flush_at.get_or_insert(now + COMMIT_US);
    }

    pub(super) fn record(&mut self, now: u64, watch: &mut Watch) {
        let seq = self.journal.append().seq;
        watch.hold(Rule::Gapless, seq == self.expected, || {
            format!("event {seq} follows {}", self.expected - 1)
        });
        self.expected = seq + 1;
        self.push(now, Write::Event(seq));
    }

    pub(super) fn keep(&mut self, now: u64, fact: Fact) {
        self.push(now, Write::Fact(fact));
    }

    pub(super) fn keep_first(&mut self, now: u64, ticket: Ticket, fact: Fact) {
        self.push(now, Write::First(ticket, fact));
    }

    fn apply(&mut self, fact: Fact) {
        if fact.is_over() {
            self.facts.remove(&fact.key());
        } else {
            self.facts.insert(fact.key(), fact);
        }
    }

    /// Commits what waits, or fails to. Gives the answers to those who wait for them.
    pub(super) fn flush(&mut self, now: u64, watch: &mut Watch) -> Vec<(Ticket, bool)> {
        self.flush_at = None;
        let mut answers = Vec::new();
        if self.full {
            self.full_until = now;
            let mut stay = Vec::new();
            for (at, write) in self.queue.drain(..) {
                match write {
                    Write::First(ticket, _) => answers.push((ticket, false)),
                    write => stay.push((at, write)),
                }
            }
            self.queue = stay;
            self.flush_at = Some(now + 5 * COMMIT_US);
            return answers;
        }
        for (_, write) in std::mem::take(&mut self.queue) {
            match write {
                Write::Event(seq) => {
                    self.durable = seq;
                    self.journal.durable(seq);
                }
                Write::Fact(fact) => self.apply(fact),
                Write::First(ticket, fact) => {
                    self.apply(fact);
                    answers.push((ticket, true));
                }
            }
        }
        self.publish(watch);
        answers
    }

    /// The broker takes what is durable, each once and in order.
    pub(super) fn publish(&mut self, watch: &mut Watch) {
        if !self.broker {
            return;
        }
        while self.acked < self.durable {
            let next = self.acked + 1;
            self.journal.ack(next);
            watch.hold(Rule::Published, self.journal.acked() == next, || {
                format!("event {next} was published and not acknowledged")
            });
            self.acked = next;
        }
    }

    /// The power is gone, and with it what was not flushed.
    pub(super) fn cut(&mut self, now: u64, watch: &mut Watch) {
        let lost = self.queue.iter().filter(|(_, write)| matches!(write, Write::Event(_)));
        let oldest = lost.map(|(at, _)| *at).min();
        let was_full = self.full || now.saturating_sub(self.full_until) < 10 * COMMIT_US;
        if let Some(oldest) = oldest
            && !was_full
        {
            watch.hold(Rule::LostInCommit, now - oldest <= 50_000, || {
                format!("an event of {} ms before the power cut is lost", (now - oldest) / 1_000)
            });
        }
        self.queue.clear();
        self.flush_at = None;
    }

    pub(super) fn resume(&mut self) {
        let last = (self.durable > 0).then_some(self.durable);
        self.journal = Journal::resume(Kept { first: 1, last, acked: self.acked }, CAPACITY);
        self.expected = self.durable + 1;
    }
}
