//! Which event has which number, what is durable, what the broker has acknowledged, what had to go.
//! Numbers only: the events' bytes, the disk and the broker are elsewhere.
//!
//! A number is given once in an epoch. Only durable events are published, so a number that a crash took
//! back was never seen outside and is given again to the next event.

use serde::{Deserialize, Serialize};

/// How many lost events are gathered before the loss itself is recorded, so that a full journal doesn't
/// spend its room on records of loss.
const LOSS_BATCH: u64 = 1_000;

/// What is known of a journal at start, read from the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The oldest event kept; meaningless if there is none.
    pub first: u64,
    /// The newest event kept, if there is one.
    pub last: Option<u64>,
    /// Everything up to here was acknowledged.
    pub acked: u64,
}

/// The state of one epoch's journal. Numbers begin at 1; 0 stands for "none".
#[derive(Debug)]
pub struct Journal {
    capacity: u64,
    first: u64,
    next: u64,
    durable: u64,
    acked: u64,
    lost: u64,
    lost_through: u64,
}

/// The outcome of [`Journal::append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub seq: u64,
    /// Everything up to this number is to be deleted to make room.
    pub drop_through: Option<u64>,
}

/// Events that were dropped before the broker had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    pub count: u64,
    pub through_seq: u64,
}

impl Journal {
    /// Goes on where `kept` ends. `capacity` is how many events the disk keeps, at least 1.
    pub fn resume(kept: Kept, capacity: u64) -> Self {
        let last = kept.last.unwrap_or(0).max(kept.acked);
        Self {
            capacity: capacity.max(1),
            first: if kept.last.is_some() { kept.first } else { last + 1 },
            next: last + 1,
            durable: last,
            acked: kept.acked,
            lost: 0,
            lost_through: 0,
        }
    }

    /// Gives the next event its number, and says what has to go for it.
    pub fn append(&mut self) -> Appended {
        let seq = self.next;
        self.next += 1;
        let mut drop_through = None;
        if self.next - self.first > self.capacity {
            let gone = self.first;
            self.first += 1;
            drop_through = Some(gone);
            if gone > self.acked {
                self.lost += 1;
                self.lost_through = gone;
                // What is gone needs no acknowledgement any more.
                self.acked = gone;
            }
        }
        Appended { seq, drop_through }
    }

    /// The disk has everything up to `seq`.
    pub fn durable(&mut self, seq: u64) {
        self.durable = self.durable.max(seq.min(self.next - 1));
    }

    /// The broker has everything up to `seq`. A claim about what was never durable is cut down.
    pub fn ack(&mut self, seq: u64) {
        self.acked = self.acked.max(seq.min(self.durable));
    }

    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Durable and not yet acknowledged.
    pub fn outbox_len(&self) -> u64 {
        self.durable.saturating_sub(self.acked)
    }

    /// A loss to be recorded now: when enough has gathered, or when `draining` says the broker is taking
    /// events again.
    pub fn take_loss(&mut self, draining: bool) -> Option<Loss> {
        if self.lost == 0 || (!draining && self.lost < LOSS_BATCH) {
            return None;
        }
        let loss = Loss { count: self.lost, through_seq: self.lost_through };
        self.lost = 0;
        Some(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(capacity: u64) -> Journal {
        Journal::resume(Kept::default(), capacity)
    }

    #[test]
    fn numbers_are_gapless_and_go_on_after_a_restart() {
        let mut j = fresh(10);
        assert_eq!([j.append().seq, j.append().seq], [1, 2]);
        let mut j = Journal::resume(Kept { first: 1, last: Some(2), acked: 1 }, 10);
        assert_eq!(j.outbox_len(), 1);
        assert_eq!(j.append().seq, 3);
    }

    #[test]
    fn an_acknowledged_number_is_not_given_again_even_if_its_event_is_gone() {
        let mut j = Journal::resume(Kept { first: 0, last: None, acked: 7 }, 10);
        assert_eq!(j.append().seq, 8);
        let mut j = Journal::resume(Kept { first: 2, last: Some(5), acked: 7 }, 10);
        assert_eq!(j.append().seq, 8);
    }

    #[test]
    fn acknowledgement_never_passes_what_is_durable() {
        let mut j = fresh(10);
        j.append();
        j.append();
        j.durable(1);
        j.ack(2);
        assert_eq!(j.acked(), 1);
        j.durable(99);
        j.ack(99);
        assert_eq!((j.acked(), j.outbox_len()), (2, 0));
    }

    #[test]
    fn a_full_journal_drops_the_oldest_and_says_how_many_nobody_saw() {
        let mut j = fresh(3);
        for _ in 0..3 {
            assert_eq!(j.append().drop_through, None);
        }
        j.durable(3);
        j.ack(1);
        assert_eq!(j.append().drop_through, Some(1));
        assert_eq!(j.take_loss(true), None, "event 1 had been acknowledged");
        assert_eq!(j.append().drop_through, Some(2));
        assert_eq!(j.append().drop_through, Some(3));
        assert_eq!(j.take_loss(false), None, "too few to spend a record on while offline");
        assert_eq!(j.take_loss(true), Some(Loss { count: 2, through_seq: 3 }));
        assert_eq!(j.take_loss(true), None);
    }

    #[test]
    fn a_thousand_lost_are_worth_a_record_while_offline() {
        let mut j = fresh(1);
        for _ in 0..1_000 {
            j.append();
        }
        assert_eq!(j.take_loss(false), None, "999 had to make room");
        j.append();
        assert_eq!(j.take_loss(false), Some(Loss { count: 1_000, through_seq: 1_000 }));
        assert_eq!(j.take_loss(false), None);
    }
}
