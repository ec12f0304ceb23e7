//! How far the loop may look: what the pins' thread has promised, and when to ask it again. `io::pump` says
//! why. No clock inside.

use crate::domain::{Duration, Instant};
use crate::io::SETTLE;

/// Without an answer for so long the pins' thread is taken for dead.
const PATIENCE: Duration = Duration::from_secs(2);
/// Asked at least this often, so that a dead one is noticed while nobody is at the gate.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Horizon {
    until: Instant,
    answered: Instant,
    asked: Option<Instant>,
    stalled: bool,
}

/// What to do about the pins' thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Wait,
    Ask,
    /// It has just been given up on; ask on.
    Stalled,
}

impl Horizon {
    pub(super) fn new(now: Instant) -> Self {
        Self { until: Instant(0), answered: now, asked: None, stalled: false }
    }

    /// Every edge up to `until` is in. Whether the thread was given up on before.
    pub(super) fn reached(&mut self, until: Instant, now: Instant) -> bool {
        self.until = self.until.max(until);
        self.answered = now;
        self.asked = None;
        std::mem::take(&mut self.stalled)
    }

    /// The time up to which silence is silence.
    pub(super) fn sight(&self, now: Instant) -> Instant {
        self.until.min(now)
    }

    /// When [`turn`](Self::turn) has something to say; `frame` is the next deadline of a frame under way.
    pub(super) fn wake(&self, frame: Option<Instant>) -> Instant {
        match (self.asked, frame) {
            (Some(asked), _) => asked + PATIENCE,
            // Asked sooner, the answer would stop short of the deadline.
            (None, Some(frame)) => (frame + SETTLE).min(self.answered + EVERY),
            (None, None) => self.answered + EVERY,
        }
    }

    pub(super) fn turn(&mut self, frame: Option<Instant>, now: Instant) -> Turn {
        if now < self.wake(frame) {
            return Turn::Wait;
        }
        let unanswered = self.asked.replace(now).is_some();
        if unanswered && !std::mem::replace(&mut self.stalled, true) {
            return Turn::Stalled;
        }
        Turn::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant(10_000_000);

    #[test]
    fn a_frame_s_end_is_asked_for_once_and_believed_only_when_it_was_answered() {
        let mut horizon = Horizon::new(START);
        let end = START + Duration::from_millis(6);
        assert_eq!(horizon.wake(Some(end)), end + SETTLE);
        assert_eq!(horizon.turn(Some(end), end), Turn::Wait);
        let asked = end + SETTLE;
        assert_eq!(horizon.turn(Some(end), asked), Turn::Ask);
        assert_eq!(horizon.turn(Some(end), asked + SETTLE), Turn::Wait);
        assert!(horizon.sight(asked) < end);
        // An older question's answer doesn't reach far enough: it is asked again at once.
        assert!(!horizon.reached(Instant(end.0 - 1), asked));
        assert_eq!(horizon.turn(Some(end), asked), Turn::Ask);
        assert!(!horizon.reached(end, asked));
        assert_eq!(horizon.sight(asked), end);
        // An answer never takes back what an earlier one promised.
        horizon.reached(START, asked);
        assert_eq!(horizon.sight(asked), end);
    }

    #[test]
    fn a_dead_thread_is_noticed_in_silence_told_once_and_welcomed_back() {
        let mut horizon = Horizon::new(START);
        let mut now = START + EVERY;
        assert_eq!(horizon.turn(None, now), Turn::Ask);
        now += PATIENCE;
        assert_eq!(horizon.turn(None, now), Turn::Stalled);
        assert_eq!(horizon.turn(None, now), Turn::Wait);
        now += PATIENCE;
        assert_eq!(horizon.turn(None, now), Turn::Ask);
        assert!(horizon.reached(now, now));
        assert!(!horizon.reached(now, now));
    }
}
