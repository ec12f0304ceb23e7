//! Slows whoever tries one card after the other at a reader: among 2,000 cards of one facility code every
//! 33rd number opens. A valid card is not refused meanwhile, it is answered later; only where cards go on
//! coming at this very reader may one have to be shown again. Nothing is looked up before its answer is due,
//! since an early answer to valid cards would tell them from others.

use crate::access::options::Lockout;
use crate::domain::{CardNumber, Duration, Instant};
use std::collections::VecDeque;

/// Cards that wait for their answer at one reader.
const MOST: usize = 4;

/// What a slowed reader does with a card.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::access) enum Turned {
    /// It is not slow: to be decided now.
    Now(CardNumber),
    /// It waits for its answer.
    Waits,
    /// It waits, and the one that has waited longest does no more: whoever came last is still there.
    Displaces,
}

#[derive(Clone, Debug, Default)]
pub(in crate::access) struct Guessing {
    /// Unknown cards and wrong PINs, one after the other.
    count: u16,
    waiting: VecDeque<CardNumber>,
}

impl Guessing {
    pub(in crate::access) fn count(&self) -> u16 {
        self.count
    }

    pub(in crate::access) fn is_slow(&self, options: &Lockout) -> bool {
        options.after > 0 && self.count >= options.after
    }

    /// Takes a card as it is presented.
    pub(in crate::access) fn take(&mut self, card: CardNumber, options: &Lockout) -> Turned {
        if !self.is_slow(options) && self.waiting.is_empty() {
            return Turned::Now(card);
        }
        // Held before the reader once more, it keeps its place.
        if self.waiting.contains(&card) {
            return Turned::Waits;
        }
        self.waiting.push_back(card);
        if self.waiting.len() > MOST {
            self.waiting.pop_front();
            return Turned::Displaces;
        }
        Turned::Waits
    }

    /// The next card's time has come.
    pub(in crate::access) fn next(&mut self) -> Option<CardNumber> {
        self.waiting.pop_front()
    }

    pub(in crate::access) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How long an answer takes now.
    pub(in crate::access) fn delay(&self, options: &Lockout) -> Duration {
        let times = u64::from(self.count.saturating_sub(options.after)) + 1;
        let delay = options.delay.as_micros().saturating_mul(times);
        Duration::from_micros(delay).min(options.longest)
    }

    /// Another unknown card.
    pub(in crate::access) fn failed(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    pub(in crate::access) fn calm(&mut self) {
        self.count = 0;
    }

    pub(in crate::access) fn restore(&mut self, count: u16) {
        self.count = count;
    }

    /// When a card that has just begun to wait is answered.
    pub(in crate::access) fn answer_at(&self, now: Instant, options: &Lockout) -> Instant {
        now + self.delay(options)
    }
}
