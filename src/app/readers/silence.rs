//! A Wiegand reader that has nothing to say can't be told from a dead one. So each reader's usual silence is
//! learned, and one that is far longer is told. `now` in, whether to warn out.
//!
//! The statistic is the longest silence of each of the last [`DAYS`] days on which the reader was heard. It
//! is learned anew after a restart: until [`LEARNING`] is over only [`CAP`] counts.

use crate::domain::{Duration, Instant};

const HOUR_S: u64 = 3_600;
const DAY: Duration = Duration::from_secs(24 * HOUR_S);
const DAYS: usize = 14;
/// Days that a reader is known before its own silences count: a weekend may lie between them.
const LEARNING: Duration = Duration::from_secs(3 * 24 * HOUR_S);
/// So many times the longest silence known is too long.
const TIMES: u64 = 3;
/// A busy reader's nights are no alarm.
const FLOOR: Duration = Duration::from_secs(12 * HOUR_S);
/// Even a reader that is hardly used, or was never heard, is to be looked at once a week.
const CAP: Duration = Duration::from_secs(7 * 24 * HOUR_S);

#[derive(Debug)]
pub(super) struct Silence {
    /// The last read, or the start.
    since: Instant,
    first_read: Option<Instant>,
    /// The day of the last entry in `longest`, counted from the clock's zero.
    day: u64,
    /// By day, the newest last.
    longest: [Duration; DAYS],
    warned: bool,
}

impl Silence {
    pub(super) fn new(now: Instant) -> Self {
        let longest = [Duration::ZERO; DAYS];
        Self { since: now, first_read: None, day: now.0 / DAY.0, longest, warned: false }
    }

    /// It was heard. Whether that ends a silence that was told.
    pub(super) fn heard(&mut self, now: Instant) -> bool {
        let was_told = std::mem::take(&mut self.warned);
        let today = now.0 / DAY.0;
        if today > self.day {
            self.day = today;
            self.longest.rotate_left(1);
            self.longest[DAYS - 1] = Duration::ZERO;
        }
        // A silence that was told is no usual one, and nobody knows how long the first one had been.
        if !was_told && self.first_read.is_some() {
            let newest = &mut self.longest[DAYS - 1];
            *newest = (*newest).max(now.since(self.since));
        }
        self.first_read.get_or_insert(now);
        self.since = now;
        was_told
    }

    /// How long it may be silent.
    fn limit(&self) -> Duration {
        let known = self.first_read.is_some_and(|first| self.since.since(first) >= LEARNING);
        let longest = self.longest.iter().max().copied().unwrap_or_default();
        let usual = Duration(longest.0.saturating_mul(TIMES));
        if known { usual.max(FLOOR).min(CAP) } else { CAP }
    }

    /// When it will have been silent for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.warned).then(|| self.since + self.limit())
    }

    /// Whether it has just been silent for too long: once for each silence.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        let over = self.deadline().is_some_and(|due| due <= now);
        self.warned |= over;
        over
    }

    pub(super) fn is_told(&self) -> bool {
        self.warned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(h: u64) -> Instant {
        Instant(h * HOUR_S * 1_000_000)
    }

    /// Heard every `every` hours from `from` to `to`.
    fn used(silence: &mut Silence, from: u64, to: u64, every: u64) {
        let mut at = from;
        while at <= to {
            assert!(!silence.poll(hours(at)), "a warning at hour {at}");
            silence.heard(hours(at));
            at += every;
        }
    }

    #[test]
    fn three_times_the_usual_silence_is_told_once_and_over_with_the_next_read() {
        let mut silence = Silence::new(hours(0));
        used(&mut silence, 1, 97, 6);
        assert_eq!(silence.deadline(), Some(hours(97 + 18)));
        assert!(!silence.poll(hours(114)) && silence.poll(hours(115)));
        assert!(!silence.poll(hours(200)) && silence.is_told(), "once");
        assert!(silence.heard(hours(201)), "it is back");
        assert!(!silence.is_told());
        assert_eq!(silence.deadline(), Some(hours(201 + 18)), "the outage is not what is usual");
    }

    #[test]
    fn nobody_is_told_of_a_night_and_everybody_of_a_week() {
        let mut busy = Silence::new(hours(0));
        used(&mut busy, 1, 100, 1);
        assert_eq!(busy.deadline(), Some(hours(112)), "the floor");
        let mut seldom = Silence::new(hours(0));
        used(&mut seldom, 1, 101, 100);
        assert_eq!(seldom.deadline(), Some(hours(101 + 168)), "the cap");
        let mut never = Silence::new(hours(0));
        assert!(!never.poll(hours(167)) && never.poll(hours(168)), "never heard at all");
        let mut new = Silence::new(hours(0));
        used(&mut new, 1, 48, 1);
        assert_eq!(new.deadline(), Some(hours(48 + 168)), "two days teach nothing");
    }

    #[test]
    fn what_was_usual_a_fortnight_ago_is_forgotten() {
        let mut silence = Silence::new(hours(0));
        used(&mut silence, 1, 201, 50);
        assert_eq!(silence.deadline(), Some(hours(201 + 150)));
        used(&mut silence, 202, 202 + 24 * 16, 5);
        let last = 202 + (24 * 16 / 5) * 5;
        assert_eq!(silence.deadline(), Some(hours(last + 15)));
    }
}
