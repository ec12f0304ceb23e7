//! The machine's clocks.

use crate::domain::{Clock, Instant, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// 2026-01-01: a clock that says earlier was never set. A board without a battery starts in 1970.
const FLOOR: WallTime = WallTime::from_secs(1_767_225_600);

/// `CLOCK_MONOTONIC`, which kernel GPIO timestamps and the face worker share, and the system's wall
/// clock as far as it can be trusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let t = clock_gettime(ClockId::Monotonic);
        Instant(t.tv_sec as u64 * 1_000_000 + t.tv_nsec as u64 / 1_000)
    }

    fn wall(&self) -> Option<WallTime> {
        let t = clock_gettime(ClockId::Realtime);
        let ms = u64::try_from(t.tv_sec).ok()? * 1_000 + t.tv_nsec as u64 / 1_000_000;
        Some(WallTime(ms)).filter(|wall| *wall >= FLOOR)
    }
}
