//! Faces over frames: who is who from frame to frame, and one conclusion for each presentation.

use super::gallery::Gallery;
use super::geometry::Bounds;
use super::template::Template;
use crate::domain::{Duration, Instant, Observation};

/// How evidence becomes a conclusion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// A fused template nearer than this to an enrolled subject matches; the metric's own unit.
    pub threshold: f32,
    /// No match before this many good frames.
    pub min_frames: u32,
    /// Without a match by this many good frames: nobody.
    pub max_frames: u32,
    /// Frames of a lower quality are no evidence.
    pub min_quality: f32,
    /// A face unseen for this long has left; the next one there is a new presentation.
    pub rearm: Duration,
}

impl Options {
    /// The defaults for a threshold.
    pub fn new(threshold: f32) -> Self {
        Self {
            threshold,
            min_frames: 3,
            max_frames: 5,
            min_quality: 0.3,
            rearm: Duration::from_millis(1_500),
        }
    }
}

/// One face in one frame.
#[derive(Debug)]
pub struct Sighting {
    pub bounds: Bounds,
    /// As [`super::Face::quality`].
    pub quality: f32,
    /// `None` where [`Tracker::wants_template`] said there is no need.
    pub template: Option<Template>,
}

/// Follows faces over frames. Sans-IO: time and faces come in, observations go out.
pub struct Tracker {
    options: Options,
}

impl Tracker {
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Whether a face seen here now may need a template: not if it belongs to a concluded track.
    /// Computing one anyway does no harm.
    pub fn wants_template(&self, now: Instant, bounds: &Bounds) -> bool {
        let _ = (self.options, now, bounds);
        todo!()
    }

    /// One frame's faces, captured at `now`. Call it for frames without a face too: absence is what
    /// re-arms. Each presentation gives one observation, with liveness not checked.
    pub fn handle(
        &mut self,
        now: Instant,
        sightings: Vec<Sighting>,
        gallery: &Gallery,
    ) -> Vec<Observation> {
        let _ = (now, sightings, gallery);
        todo!()
    }
}
