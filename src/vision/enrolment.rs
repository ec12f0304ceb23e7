//! Enrolling somebody who stands before the camera: good and varied frames of one person, and advice until there
//! are enough. Whoever merely passes is not looked at; two people are one too many. What is kept is a template;
//! the frame is gone with the next one.

use super::geometry::Bounds;
use super::template::{Space, Template};
use super::track::{Presence, Sighting};
use crate::domain::{Advice, Duration, Hint, Instant, SittingEnd};

/// A face with fewer of its pixels, or farther from upright, makes a template that strangers come near.
pub const MIN_QUALITY: f32 = 0.3;
/// Nearer than this share of the threshold to one that is kept, a picture adds nothing.
pub const SAME_AGAIN: f32 = 0.1;
/// A second face this large, as a share of the largest one's area, and nobody can say whose picture it is.
pub const SECOND_FACE: f32 = 0.4;

/// Frames that follow each other are alike.
const PAUSE: Duration = Duration::from_millis(500);
/// So many frames of somebody else in a row, and it is not known any more whose templates these are.
const OTHERS: u32 = 3;

/// One person's enrolment before the camera. Sans-IO: time and faces come in, what is to be said goes out.
pub struct Sitting {
    space: Space,
    presence: Presence,
    wanted: usize,
    until: Instant,
    /// Since when somebody has stood there alone.
    since: Option<Instant>,
    kept: Vec<Template>,
    kept_at: Option<Instant>,
    others: u32,
    told: Option<Advice>,
}

/// What comes of a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Sat {
    /// Said when it changes.
    Advice(Advice),
    /// One more to be kept; so many are still wanted.
    Kept { template: Template, more: usize },
    /// Nothing comes after it.
    Ended(SittingEnd),
}

impl Sitting {
    /// Until `wanted` templates are kept or the time is over.
    pub fn new(space: Space, presence: Presence, wanted: usize, until: Instant) -> Self {
        Self {
            space,
            presence,
            wanted: wanted.max(1),
            until,
            since: None,
            kept: Vec::new(),
            kept_at: None,
            others: 0,
            told: None,
        }
    }

    /// One frame's faces, captured at `now`; `look` gives the template of the one it is given the index of, or
    /// `None` where that can't be done. It is called for at most one, and for nobody who merely passes.
    pub fn handle<E>(
        &mut self,
        now: Instant,
        faces: &[Sighting<'_>],
        look: impl FnOnce(usize) -> Result<Option<Template>, E>,
    ) -> Result<Vec<Sat>, E> {
        if now >= self.until {
            return Ok(vec![Sat::Ended(SittingEnd::TimedOut)]);
        }
        let index = match self.sitter(now, faces) {
            Ok(index) => index,
            Err(advice) => return Ok(self.tell(advice)),
        };
        let paused = self.kept_at.is_some_and(|at| now.since(at) < PAUSE);
        if paused || self.since.is_none_or(|at| now.since(at) < self.presence.dwell) {
            return Ok(Vec::new());
        }
        let Some(template) = look(index)?.filter(|t| self.space.admit(t).is_ok()) else {
            return Ok(self.tell(Some(Advice::Hint(Hint::LookAtCamera))));
        };
        let threshold = self.space.metric.threshold;
        let far = |kept: &Template| self.space.distance(kept, &template).unwrap_or(f32::INFINITY);
        if self.kept.iter().any(|kept| far(kept) >= threshold) {
            self.others += 1;
            if self.others >= OTHERS {
                return Ok(vec![Sat::Ended(SittingEnd::Another)]);
            }
            return Ok(self.tell(Some(Advice::Another)));
        }
        self.others = 0;
        if self.kept.iter().any(|kept| far(kept) < SAME_AGAIN * threshold) {
            return Ok(self.tell(Some(Advice::Hint(Hint::TurnHead))));
        }
        self.kept.push(template.clone());
        self.kept_at = Some(now);
        self.told = None;
        let more = self.wanted.saturating_sub(self.kept.len());
        let kept = Sat::Kept { template, more };
        Ok(if more == 0 { vec![kept, Sat::Ended(SittingEnd::Done)] } else { vec![kept] })
    }

    /// The one who sits, if the frame is a good one of them; else what to say, where there is something.
    fn sitter(&mut self, now: Instant, faces: &[Sighting<'_>]) -> Result<usize, Option<Advice>> {
        let area = |face: &Sighting<'_>| Bounds::area(&face.bounds);
        let mut here: Vec<_> = faces
            .iter()
            .enumerate()
            .filter(|(_, face)| self.presence.in_region(&face.eyes))
            .collect();
        here.sort_by(|a, b| area(b.1).total_cmp(&area(a.1)));
        let Some((index, face)) = here.first().copied() else {
            self.since = None;
            return Err(Some(Advice::Nobody));
        };
        if here.get(1).is_some_and(|(_, second)| area(second) > SECOND_FACE * area(face)) {
            self.since = None;
            return Err(Some(Advice::Several));
        }
        if !self.presence.is_near(&face.eyes) {
            self.since = None;
            return Err(Some(Advice::Hint(Hint::ComeCloser)));
        }
        self.since.get_or_insert(now);
        match face.flaw {
            Some(flaw) => Err(Some(Advice::Hint(flaw))),
            None if face.quality < MIN_QUALITY => Err(Some(Advice::Hint(Hint::LookAtCamera))),
            None => Ok(index),
        }
    }

    fn tell(&mut self, advice: Option<Advice>) -> Vec<Sat> {
        let news = advice.filter(|_| self.told != advice);
        self.told = advice.or(self.told);
        news.map(Sat::Advice).into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
