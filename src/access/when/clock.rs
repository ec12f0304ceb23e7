//! Whether the wall clock may be believed. A clock that was stepped back would make expired rights valid
//! again, so there is a floor: the highest time that was ever trusted, kept over restarts.

use crate::domain::{Duration, Instant, WallTime};

/// A clock that is corrected by so little was not stepped back.
const SLEW_MS: u64 = 2_000;
/// How far the floor may lie behind what is kept: at a restart the clock could go back so far unnoticed.
const KEEP_EVERY: Duration = Duration::from_secs(600);

/// What a reading turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::access) struct Judged {
    pub wall: Option<WallTime>,
    /// Trust was lost or won by this reading.
    pub changed: bool,
    /// The floor to be kept.
    pub keep: Option<WallTime>,
}

#[derive(Clone, Debug, Default)]
pub(in crate::access) struct Guard {
    floor: Option<WallTime>,
    kept: Option<(WallTime, Instant)>,
    trusted: Option<bool>,
}

impl Guard {
    pub(in crate::access) fn restore(&mut self, floor: WallTime, now: Instant) {
        self.floor = Some(floor);
        self.kept = Some((floor, now));
    }

    /// Lets an operator put right what a wrong clock has raised.
    pub(in crate::access) fn set_floor(&mut self, floor: WallTime, now: Instant) {
        self.restore(floor, now);
    }

    /// What there is to believe of a reading: nothing that lies below the floor.
    pub(in crate::access) fn believe(&self, wall: Option<WallTime>) -> Option<WallTime> {
        let floor = self.floor.unwrap_or(WallTime(0));
        wall.filter(|wall| wall.0.saturating_add(SLEW_MS) >= floor.0).map(|wall| wall.max(floor))
    }

    /// `wall` is what the machine says, absent where it says itself that it doesn't know.
    pub(in crate::access) fn judge(&mut self, now: Instant, wall: Option<WallTime>) -> Judged {
        let wall = self.believe(wall);
        let changed = self.trusted.is_some_and(|before| before != wall.is_some());
        self.trusted = Some(wall.is_some());
        let mut keep = None;
        if let Some(wall) = wall {
            self.floor = Some(wall);
            if self.kept.is_none_or(|(_, at)| now.since(at) >= KEEP_EVERY) {
                self.kept = Some((wall, now));
                keep = Some(wall);
            }
        }
        Judged { wall, changed, keep }
    }
}
