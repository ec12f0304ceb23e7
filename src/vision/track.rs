//! Faces over frames: who is who from frame to frame, and one conclusion for each presentation.

use super::fusion::Fusion;
use super::gallery::Gallery;
use super::geometry::Bounds;
use super::template::{Space, Template};
use crate::domain::{Duration, Instant, Liveness, Observation};

/// More faces than pass any gate at once; it bounds the memory a crowd can take.
const MAX_TRACKS: usize = 32;
/// How often a concluded face is looked at again, lest the next in a queue, who stepped into its place,
/// be taken for it.
const GLANCE: Duration = Duration::from_millis(400);

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
    /// A template farther than this from what its track has gathered is another person's.
    pub other_face: f32,
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
            other_face: 1.5 * threshold,
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
    tracks: Vec<Track>,
}

/// One face, followed. Its evidence comes from its own frames alone.
struct Track {
    bounds: Bounds,
    seen_at: Instant,
    /// When a template last fitted.
    checked_at: Instant,
    /// The templates of its good frames.
    fusion: Fusion,
    concluded: bool,
}

impl Tracker {
    pub fn new(options: Options) -> Self {
        Self { options, tracks: Vec::new() }
    }

    /// Whether a face seen here now may need a template: not if it belongs to a concluded track
    /// that was looked at a moment ago. Computing one anyway does no harm.
    pub fn wants_template(&self, now: Instant, bounds: &Bounds) -> bool {
        let mut here = self.live(now).filter(|t| t.closeness(bounds).is_some()).peekable();
        here.peek().is_none() || here.any(|t| !t.concluded || now.since(t.checked_at) > GLANCE)
    }

    /// One frame's faces, captured at `now`. Call it for frames without a face too: absence is what
    /// re-arms. Each presentation gives one observation, with liveness not checked; its distance is
    /// infinite while nobody is enrolled.
    pub fn handle(
        &mut self,
        now: Instant,
        mut sightings: Vec<Sighting>,
        gallery: &Gallery,
    ) -> Vec<Observation> {
        self.tracks.retain(|t| now.since(t.seen_at) < self.options.rearm);
        let space = gallery.space();
        for sighting in &mut sightings {
            let good = sighting.quality >= self.options.min_quality;
            sighting.template = sighting.template.take().filter(|t| good && space.admit(t).is_ok());
        }
        let owners = self.associate(&sightings, space);
        let mut observations = Vec::new();
        for (sighting, owner) in sightings.into_iter().zip(owners) {
            let index = owner.unwrap_or_else(|| self.begin(&sighting, now));
            let Some(track) = self.tracks.get_mut(index) else { continue };
            track.bounds = sighting.bounds;
            track.seen_at = now;
            let Some(template) = sighting.template else { continue };
            track.checked_at = now;
            if !track.concluded {
                track.fusion.add(&template, sighting.quality);
                observations.extend(track.conclude(&self.options, now, gallery));
            }
        }
        observations
    }

    fn live(&self, now: Instant) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(move |t| now.since(t.seen_at) < self.options.rearm)
    }

    /// Which track each sighting belongs to: the best pairs first, by likeness where it is known, then by
    /// place; no track twice.
    fn associate(&self, sightings: &[Sighting], space: &Space) -> Vec<Option<usize>> {
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            let gathered = track.fusion.template(space);
            for (s, sighting) in sightings.iter().enumerate() {
                let unlikeness = gathered
                    .as_ref()
                    .zip(sighting.template.as_ref())
                    .and_then(|(a, b)| space.distance(a, b).ok());
                if unlikeness.is_some_and(|d| d > self.options.other_face) {
                    continue;
                }
                // Somebody already recognised who turns up elsewhere is still the one presentation.
                let again =
                    track.concluded && unlikeness.is_some_and(|d| d < self.options.threshold);
                let Some(closeness) =
                    track.closeness(&sighting.bounds).or(again.then_some(f32::INFINITY))
                else {
                    continue;
                };
                pairs.push((unlikeness.unwrap_or(0.0), closeness, t, s));
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut owners = vec![None; sightings.len()];
        let mut taken = vec![false; self.tracks.len()];
        for (_, _, t, s) in pairs {
            if owners[s].is_none() && !taken[t] {
                owners[s] = Some(t);
                taken[t] = true;
            }
        }
        owners
    }

    /// Starts a track and gives its index; in a crowd, instead of starting one, gives no valid index.
    fn begin(&mut self, sighting: &Sighting, now: Instant) -> usize {
        let index = self.tracks.len();
        if index < MAX_TRACKS {
            self.tracks.push(Track {
                bounds: sighting.bounds,
                seen_at: now,
                checked_at: now,
                fusion: Fusion::default(),
                concluded: false,
            });
        }
        index
    }
}

impl Track {
    /// How far a box is from where this face was last, in face sizes; `None` if that is too far, or the
    /// size too different, to be the same face a few frames later.
    fn closeness(&self, bounds: &Bounds) -> Option<f32> {
        let ((ax, ay), (bx, by)) = (self.bounds.centre(), bounds.centre());
        let (a, b) = (self.bounds.area().sqrt(), bounds.area().sqrt());
        let closeness = (ax - bx).hypot(ay - by) / ((a + b) / 2.0);
        (closeness < 1.0 && a < 2.0 * b && b < 2.0 * a).then_some(closeness)
    }

    fn conclude(
        &mut self,
        options: &Options,
        now: Instant,
        gallery: &Gallery,
    ) -> Option<Observation> {
        let nearest = gallery.nearest(&self.fusion.template(gallery.space())?).ok()?;
        let matched = nearest.filter(|n| n.distance < options.threshold);
        self.concluded = match matched {
            Some(_) => self.fusion.frames() >= options.min_frames,
            None => self.fusion.frames() >= options.max_frames,
        };
        self.concluded.then(|| Observation {
            captured_at: now,
            subject: matched.map(|n| n.subject),
            distance: nearest.map_or(f32::INFINITY, |n| n.distance),
            quality: self.fusion.quality(),
            liveness: Liveness::NotChecked,
        })
    }
}

#[cfg(test)]
mod tests;
