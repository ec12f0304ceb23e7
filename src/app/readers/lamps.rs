//! What a reader's lights and buzzer do for each [`Signal`]: timed patterns, as data, and the sequencer that
//! plays them. `now` in, what is to be lit out; no line and no bus inside.

use crate::domain::{Duration, Instant, Signal};

/// What is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct Lamps {
    pub green: bool,
    pub red: bool,
    pub buzzer: bool,
}

const OFF: Lamps = Lamps { green: false, red: false, buzzer: false };
const GREEN: Lamps = Lamps { green: true, ..OFF };
const GREEN_BEEP: Lamps = Lamps { buzzer: true, ..GREEN };
const RED: Lamps = Lamps { red: true, ..OFF };
const RED_BEEP: Lamps = Lamps { buzzer: true, ..RED };

/// Each step with how many milliseconds it lasts. After the last one all is off.
type Pattern = &'static [(Lamps, u64)];

/// They differ by ear as well as by eye: one beep, three, a long one, two, one short.
const fn pattern(signal: Signal) -> Pattern {
    match signal {
        Signal::Granted => &[(GREEN_BEEP, 200), (GREEN, 1_800)],
        Signal::Denied => {
            &[(RED_BEEP, 120), (RED, 120), (RED_BEEP, 120), (RED, 120), (RED_BEEP, 120), (RED, 900)]
        }
        Signal::Fault => &[(RED_BEEP, 800), (OFF, 300), (RED, 300), (OFF, 300), (RED, 300)],
        Signal::LookAtCamera => {
            &[(GREEN, 250), (OFF, 250), (GREEN, 250), (OFF, 250), (GREEN, 250), (OFF, 250)]
        }
        Signal::UseYourCard => &[
            (GREEN_BEEP, 120),
            (RED, 240),
            (GREEN_BEEP, 120),
            (RED, 240),
            (GREEN, 360),
            (RED, 360),
        ],
        // On for as long as a PIN is usually waited for; the decision's own signal replaces it.
        Signal::EnterPin => &[
            (GREEN_BEEP, 60),
            (GREEN, 440),
            (OFF, 500),
            (GREEN, 500),
            (OFF, 500),
            (GREEN, 500),
            (OFF, 500),
            (GREEN, 500),
            (OFF, 500),
            (GREEN, 500),
        ],
    }
}

/// One reader's lights and buzzer.
#[derive(Debug, Default)]
pub(in crate::app) struct Sequencer {
    /// The steps still to come, and when the first of them begins.
    left: Pattern,
    due: Option<Instant>,
    lit: Lamps,
}

impl Sequencer {
    /// Begins a signal, in place of one that is still going on.
    pub(in crate::app) fn show(&mut self, now: Instant, signal: Signal) {
        self.left = pattern(signal);
        self.due = Some(now);
    }

    /// When to [`poll`](Self::poll) next.
    pub(in crate::app) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// What is to be lit from `now` on, if that is something else than before. A late call skips what is
    /// over, so that a signal never lasts longer than it should.
    pub(in crate::app) fn poll(&mut self, now: Instant) -> Option<Lamps> {
        let mut lit = self.lit;
        while let Some(due) = self.due.filter(|due| *due <= now) {
            self.due = None;
            lit = OFF;
            if let Some(((lamps, ms), rest)) = self.left.split_first() {
                lit = *lamps;
                self.left = rest;
                self.due = Some(due + Duration::from_millis(*ms));
            }
        }
        (std::mem::replace(&mut self.lit, lit) != lit).then_some(lit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Instant(ms * 1_000)
    }

    const ALL: [Signal; 6] = [
        Signal::Granted,
        Signal::Denied,
        Signal::Fault,
        Signal::LookAtCamera,
        Signal::UseYourCard,
        Signal::EnterPin,
    ];

    /// Everything a signal does, as (milliseconds, lamps).
    fn played(signal: Signal) -> Vec<(u64, Lamps)> {
        let mut sequencer = Sequencer::default();
        sequencer.show(ms(0), signal);
        let mut played = Vec::new();
        while let Some(due) = sequencer.deadline() {
            played.extend(sequencer.poll(due).map(|lamps| (due.0 / 1_000, lamps)));
        }
        played
    }

    #[test]
    fn a_grant_is_green_with_one_beep_and_then_dark() {
        assert_eq!(played(Signal::Granted), [(0, GREEN_BEEP), (200, GREEN), (2_000, OFF)]);
    }

    #[test]
    fn each_signal_is_its_own_and_ends_dark_within_five_seconds() {
        for (i, signal) in ALL.into_iter().enumerate() {
            let steps = played(signal);
            assert!(matches!(steps.last(), Some((end, OFF)) if *end <= 5_000), "{signal:?}");
            assert!(ALL[..i].iter().all(|other| played(*other) != steps), "{signal:?}");
        }
    }

    #[test]
    fn a_new_signal_replaces_the_old_and_a_late_call_skips() {
        let mut sequencer = Sequencer::default();
        sequencer.show(ms(0), Signal::Denied);
        assert_eq!(sequencer.poll(ms(0)), Some(RED_BEEP));
        assert_eq!(sequencer.poll(ms(50)), None, "nothing has changed");
        sequencer.show(ms(60), Signal::Granted);
        assert_eq!(sequencer.poll(ms(60)), Some(GREEN_BEEP));
        assert_eq!(sequencer.poll(ms(1_000)), Some(GREEN));
        assert_eq!(sequencer.poll(ms(9_000)), Some(OFF));
        assert_eq!(sequencer.deadline(), None);
    }
}
