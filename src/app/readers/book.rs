//! What is known of one reader: what it read, what was wrong and how often, how it is. `now` and what
//! happened in, what is to be said out; no clock, no log, no pin inside.

use super::silence::Silence;
use crate::domain::{Duration, Instant, ReadFault, ReaderState, SecurityBreach};
use std::collections::BTreeMap;

/// A fault is logged at once, and then once in this time with its count, however much noise there is.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// A reader that was not believed stays in health for this long.
const BREACH_SHOWN: Duration = Duration::from_secs(600);

/// What a reader, or the contact on it, says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum LinkNews {
    Up,
    Down,
    /// Whether its tamper contact is active.
    Tamper(bool),
    /// Whether its power is failing.
    #[cfg_attr(not(feature = "osdp"), allow(dead_code, reason = "a bus alone says it"))]
    Power(bool),
}

impl std::fmt::Display for LinkNews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Tamper(true) => "tampered",
            Self::Tamper(false) => "no longer tampered",
            Self::Power(true) => "power failing",
            Self::Power(false) => "power is back",
        })
    }
}

/// Lets the first through at once, and then gathers: noise must not become a log.
#[derive(Debug, Default)]
struct Limiter {
    /// Until when hits are gathered.
    until: Option<Instant>,
    held: u32,
}

impl Limiter {
    /// How many to log now: this one, if nothing was logged lately.
    fn hit(&mut self, now: Instant) -> Option<u32> {
        if self.until.is_none() {
            self.until = Some(now + LOG_EVERY);
            return Some(1);
        }
        self.held = self.held.saturating_add(1);
        None
    }

    /// What was gathered, once its time is over.
    fn poll(&mut self, now: Instant) -> Option<u32> {
        if self.until? > now {
            return None;
        }
        let held = std::mem::take(&mut self.held);
        self.until = (held > 0).then(|| now + LOG_EVERY);
        (held > 0).then_some(held)
    }
}

#[derive(Debug, Default)]
struct Count {
    total: u64,
    /// Not in an event yet.
    unreported: u32,
    log: Limiter,
}

/// One reader's book.
#[derive(Debug)]
pub(in crate::app) struct Book {
    reads: u64,
    faults: BTreeMap<ReadFault, Count>,
    last_read: Option<Instant>,
    /// Whether it answers, for one that can be asked.
    answers: Option<bool>,
    tampered: bool,
    powerless: bool,
    silence: Silence,
    breaches: BTreeMap<SecurityBreach, Limiter>,
    last_breach: Option<(SecurityBreach, Instant)>,
}

impl Book {
    pub(in crate::app) fn new(now: Instant) -> Self {
        Self {
            reads: 0,
            faults: BTreeMap::new(),
            last_read: None,
            answers: None,
            tampered: false,
            powerless: false,
            silence: Silence::new(now),
            breaches: BTreeMap::new(),
            last_breach: None,
        }
    }

    /// A card was read. Whether that ends a silence that was told.
    pub(in crate::app) fn read(&mut self, now: Instant) -> bool {
        self.reads += 1;
        self.last_read = Some(now);
        self.silence.heard(now)
    }

    /// Whether the reader has just been silent for much longer than is usual for it.
    pub(in crate::app) fn falls_silent(&mut self, now: Instant) -> bool {
        self.silence.poll(now)
    }

    /// A read was no card. How many of the kind to log now.
    pub(in crate::app) fn fault(&mut self, now: Instant, fault: ReadFault) -> Option<u32> {
        let count = self.faults.entry(fault).or_default();
        count.total += 1;
        count.unreported = count.unreported.saturating_add(1);
        count.log.hit(now)
    }

    /// The reader said something of itself; whether that is a change.
    pub(in crate::app) fn news(&mut self, news: LinkNews) -> bool {
        match news {
            LinkNews::Up | LinkNews::Down => {
                let answers = news == LinkNews::Up;
                // Coming up for the first time is what is expected.
                let before = self.answers.replace(answers);
                before.unwrap_or(true) != answers
            }
            LinkNews::Tamper(active) => std::mem::replace(&mut self.tampered, active) != active,
            LinkNews::Power(failing) => std::mem::replace(&mut self.powerless, failing) != failing,
        }
    }

    /// It was not believed. How many of the kind to tell now: this one, and those kept back before it.
    pub(in crate::app) fn breach(&mut self, now: Instant, why: SecurityBreach) -> Option<u32> {
        self.last_breach = Some((why, now));
        let limiter = self.breaches.entry(why).or_default();
        let held = if limiter.until.is_some_and(|until| until <= now) {
            limiter.until = None;
            std::mem::take(&mut limiter.held)
        } else {
            0
        };
        Some(limiter.hit(now)?.saturating_add(held))
    }

    /// Why it was not believed, if that is not long ago.
    pub(in crate::app) fn last_breach(&self, now: Instant) -> Option<SecurityBreach> {
        self.last_breach.filter(|(_, at)| now.since(*at) < BREACH_SHOWN).map(|(why, _)| why)
    }

    /// What was kept back from the log and is due: fault and count.
    pub(in crate::app) fn take_due_for_log(&mut self, now: Instant) -> Vec<(ReadFault, u32)> {
        let due = |(fault, count): (&ReadFault, &mut Count)| Some((*fault, count.log.poll(now)?));
        self.faults.iter_mut().filter_map(due).collect()
    }

    /// When there may be something [`take_due_for_log`](Self::take_due_for_log), or the reader [`falls
    /// silent`](Self::falls_silent).
    pub(in crate::app) fn deadline(&self) -> Option<Instant> {
        let logs = self.faults.values().filter_map(|count| count.log.until);
        logs.chain(self.silence.deadline()).min()
    }

    /// Faults since this was last asked, for an event.
    pub(in crate::app) fn take_unreported(&mut self) -> BTreeMap<ReadFault, u32> {
        let taken = self.faults.iter_mut().map(|(fault, count)| {
            let unreported = std::mem::take(&mut count.unreported);
            (*fault, unreported)
        });
        taken.filter(|(_, count)| *count > 0).collect()
    }

    pub(in crate::app) fn reads(&self) -> u64 {
        self.reads
    }

    /// Since the start, by kind.
    pub(in crate::app) fn faults(&self) -> BTreeMap<ReadFault, u64> {
        self.faults.iter().map(|(fault, count)| (*fault, count.total)).collect()
    }

    pub(in crate::app) fn last_read(&self) -> Option<Instant> {
        self.last_read
    }

    /// What matters most first.
    pub(in crate::app) fn state(&self) -> ReaderState {
        if self.tampered {
            ReaderState::Tampered
        } else if self.answers == Some(false) {
            ReaderState::Down
        } else if self.silence.is_told() {
            ReaderState::Silent
        } else if self.answers == Some(true) || self.last_read.is_some() {
            ReaderState::Up
        } else {
            ReaderState::Unheard
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant(s * 1_000_000)
    }

    #[test]
    fn a_breach_is_told_at_once_and_then_counted() {
        let mut book = Book::new(at(0));
        let why = SecurityBreach::Plaintext;
        assert_eq!(book.breach(at(1), why), Some(1));
        assert_eq!(book.breach(at(2), why), None);
        assert_eq!(book.breach(at(3), SecurityBreach::Replay), Some(1), "another reason");
        assert_eq!(book.breach(at(61), why), Some(2));
        assert_eq!(book.last_breach(at(660)), Some(why));
        assert_eq!(book.last_breach(at(661)), None);
    }

    #[test]
    fn noise_is_one_line_a_minute_for_each_kind_with_its_count() {
        let mut book = Book::new(at(0));
        assert_eq!(book.fault(at(1), ReadFault::Bounce), Some(1), "the first at once");
        for _ in 0..500 {
            assert_eq!(book.fault(at(2), ReadFault::Bounce), None);
        }
        assert_eq!(book.fault(at(3), ReadFault::Parity), Some(1), "another kind");
        assert_eq!(book.take_due_for_log(at(60)), []);
        assert_eq!(book.deadline(), Some(at(61)));
        assert_eq!(book.take_due_for_log(at(61)), [(ReadFault::Bounce, 500)]);
        assert_eq!(book.fault(at(62), ReadFault::Bounce), None, "still within a minute of a line");
        assert_eq!(book.take_due_for_log(at(121)), [(ReadFault::Bounce, 1)]);
        // A quiet minute, and the next one is told at once again.
        assert_eq!(book.take_due_for_log(at(181)), []);
        assert_eq!(book.deadline(), book.silence.deadline(), "nothing to log");
        assert_eq!(book.fault(at(500), ReadFault::Bounce), Some(1));
        assert_eq!(book.faults(), [(ReadFault::Bounce, 503), (ReadFault::Parity, 1)].into());
    }

    #[test]
    fn an_event_has_what_came_since_the_last_one() {
        let mut book = Book::new(at(0));
        book.fault(at(1), ReadFault::Stuck);
        book.fault(at(1), ReadFault::Stuck);
        assert_eq!(book.take_unreported(), [(ReadFault::Stuck, 2)].into());
        assert_eq!(book.take_unreported(), BTreeMap::new());
        book.fault(at(9), ReadFault::Length);
        assert_eq!(book.take_unreported(), [(ReadFault::Length, 1)].into());
    }

    #[test]
    fn the_state_is_the_worst_of_what_is_known() {
        let mut book = Book::new(at(0));
        assert_eq!(book.state(), ReaderState::Unheard);
        book.read(at(1));
        assert_eq!(book.state(), ReaderState::Up);
        assert!(!book.news(LinkNews::Up), "coming up first is no news");
        assert!(book.news(LinkNews::Down));
        assert!(!book.news(LinkNews::Down));
        assert_eq!(book.state(), ReaderState::Down);
        assert!(book.news(LinkNews::Tamper(true)));
        assert_eq!(book.state(), ReaderState::Tampered);
        assert!(book.news(LinkNews::Tamper(false)) && book.news(LinkNews::Up));
        let week = at(8 * 24 * 3_600);
        assert!(book.falls_silent(week) && !book.falls_silent(week), "once");
        assert_eq!(book.state(), ReaderState::Silent);
        assert!(book.read(week), "it is heard again");
        assert_eq!(book.state(), ReaderState::Up);
    }
}
