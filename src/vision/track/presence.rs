//! Who is asking to pass, and who merely passes by: where somebody must stand, how near, for how long; and what
//! to tell them when it doesn't work out.

use super::{Instant, Track};
use crate::domain::{Duration, Hint};
use crate::vision::geometry::Bounds;

/// Where and how a person stands who is asking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Presence {
    /// The point between the eyes must be in here, in picture coordinates; `None` is the whole picture.
    pub region: Option<Bounds>,
    /// The least distance between the pupils, in pixels.
    pub min_pupils_px: f32,
    /// Nobody is embedded before having stood so for this long.
    pub dwell: Duration,
    /// Out of the region, too far or unseen for this long is gone. Shorter absences are a blink of the
    /// detector.
    pub away: Duration,
    /// Without a match this long after coming into the region, a card is asked for.
    pub card_after: Duration,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            region: None,
            min_pupils_px: 24.0,
            dwell: Duration::from_millis(400),
            away: Duration::from_millis(300),
            // A frame's time below the 1.5 s that are promised.
            card_after: Duration::from_millis(1_250),
        }
    }
}

/// Since when, and until when, something holds that may be interrupted for a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lasting(Option<(Instant, Instant)>);

impl Lasting {
    pub fn update(&mut self, now: Instant, holds: bool, gap: Duration) {
        let began = self.since(now, gap);
        self.0 = match (holds, began) {
            (true, began) => Some((began.unwrap_or(now), now)),
            (false, Some(_)) => self.0,
            (false, None) => None,
        };
    }

    /// Since when it has held, if it still does.
    pub fn since(&self, now: Instant, gap: Duration) -> Option<Instant> {
        self.0.filter(|(_, last)| now.since(*last) <= gap).map(|(began, _)| began)
    }

    pub fn for_at_least(&self, now: Instant, least: Duration, gap: Duration) -> bool {
        self.since(now, gap).is_some_and(|began| now.since(began) >= least)
    }
}

/// However slow the frames come, who is out of sight for longer has gone.
const LONGEST_AWAY: Duration = Duration::from_secs(1);

impl Presence {
    /// As it applies to the frame after one: nobody was away only because nobody looked.
    pub(super) fn between(self, before: Option<Instant>, now: Instant) -> Self {
        let interval = before.map_or(Duration::ZERO, |before| now.since(before));
        Self { away: self.away.max(interval.min(LONGEST_AWAY)), ..self }
    }

    pub(in crate::vision) fn in_region(&self, eyes: &[[f32; 2]; 2]) -> bool {
        let [a, b] = eyes;
        let (x, y) = ((a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0);
        self.region.is_none_or(|r| {
            (r.x..=r.x + r.width).contains(&x) && (r.y..=r.y + r.height).contains(&y)
        })
    }

    pub(in crate::vision) fn is_near(&self, eyes: &[[f32; 2]; 2]) -> bool {
        pupils_px(eyes) >= self.min_pupils_px
    }

    /// Whether this track's person is still there, asking or not.
    pub(super) fn is_here(&self, now: Instant, track: &Track) -> bool {
        track.here.since(now, self.away).is_some()
    }

    /// What to say about a track now, given what keeps its frame from being used.
    pub(super) fn hint(&self, now: Instant, track: &Track, flaw: Option<Hint>) -> Option<Hint> {
        if track.concluded.is_some() || !track.here.for_at_least(now, self.dwell, self.away) {
            return None;
        }
        if track.here.for_at_least(now, self.card_after, self.away) {
            return Some(Hint::UseCard);
        }
        let near = track.asking.since(now, self.away).is_some();
        if near { flaw } else { Some(Hint::ComeCloser) }
    }
}

/// The distance between the pupils, in pixels of the picture.
pub(super) fn pupils_px(eyes: &[[f32; 2]; 2]) -> f32 {
    let [a, b] = eyes;
    (a[0] - b[0]).hypot(a[1] - b[1])
}
