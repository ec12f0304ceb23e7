//! Every deadline of the gate in one table: a timeout is data, never a stray sleep.

use crate::domain::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// One deadline for each key, so arming twice replaces and nothing can pile up. Each operation takes
/// time in the logarithm of how many are armed.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    due: BTreeSet<(Instant, K)>,
    at: BTreeMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { due: BTreeSet::new(), at: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Timers<K> {
    pub fn arm(&mut self, key: K, at: Instant) {
        if let Some(before) = self.at.insert(key, at) {
            self.due.remove(&(before, key));
        }
        self.due.insert((at, key));
    }

    pub fn disarm(&mut self, key: K) {
        if let Some(before) = self.at.remove(&key) {
            self.due.remove(&(before, key));
        }
    }

    /// When this key is due, if it is armed.
    pub fn get(&self, key: K) -> Option<Instant> {
        self.at.get(&key).copied()
    }

    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline that is not after `now`; of several at one time, the first by key.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, K)> {
        let (at, key) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, key));
        self.at.remove(&key);
        Some((at, key))
    }

    pub fn len(&self) -> usize {
        self.due.len()
    }

    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_their_order_each_once() {
        let mut timers = Timers::default();
        timers.arm('b', Instant(5));
        timers.arm('a', Instant(5));
        timers.arm('c', Instant(9));
        timers.arm('c', Instant(2));
        timers.arm('d', Instant(1));
        timers.disarm('d');
        timers.disarm('x');
        assert_eq!((timers.next(), timers.len()), (Some(Instant(2)), 3));
        assert!(!timers.is_empty());
        assert_eq!(timers.get('c'), Some(Instant(2)));
        let mut seen = Vec::new();
        while let Some((at, key)) = timers.pop_due(Instant(5)) {
            seen.push((at.0, key));
        }
        assert_eq!(seen, [(2, 'c'), (5, 'a'), (5, 'b')]);
        assert!(timers.is_empty());
        assert_eq!(timers.get('c'), None);
        timers.arm('e', Instant(7));
        assert_eq!(timers.pop_due(Instant(6)), None);
    }
}
