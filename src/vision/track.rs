//! Faces over frames: who is who from frame to frame, who of them is asking, and one conclusion for each
//! presentation. Nobody but the one who is asking is ever embedded.

mod presence;

use super::fusion::Fusion;
use super::geometry::Bounds;
use super::liveness::Alive;
use super::roster::{Crossing, Found, Roster};
use super::template::{Space, Template};
use super::verdict::Verdict;
use crate::domain::{Duration, Hint, Instant, Liveness, LivenessPolicy, Observation, SubjectId};
pub use presence::Presence;
use presence::{Lasting, pupils_px};

/// More faces than pass any gate at once; it bounds the memory a crowd can take.
const MAX_TRACKS: usize = 32;
/// How often a concluded face is looked at again, lest the next in a queue, who stepped into its place,
/// be taken for it.
const GLANCE: Duration = Duration::from_millis(400);
/// How long a claim waits for its face.
const CLAIM_LASTS: Duration = Duration::from_secs(10);

/// How evidence becomes a conclusion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// A template nearer than this to what a track has gathered is surely the same face, farther than
    /// `other_face` another one; in the model's own metric.
    pub same_face: f32,
    pub other_face: f32,
    /// No match before this many good frames.
    pub min_frames: u32,
    /// Without a match by this many good frames: nobody.
    pub max_frames: u32,
    /// Frames of a lower quality are no evidence.
    pub min_quality: f32,
    /// A face unseen for this long has left; the next one there is a new presentation.
    pub rearm: Duration,
    pub presence: Presence,
    pub liveness: LivenessPolicy,
    /// Somebody known who has not been shown alive this long after beginning to ask is refused.
    pub alive_within: Duration,
}

impl Options {
    /// The defaults for the threshold of the model's manifest, without a test of liveness.
    pub fn new(threshold: f32) -> Self {
        Self {
            same_face: threshold,
            min_frames: 3,
            max_frames: 5,
            min_quality: 0.3,
            other_face: 1.5 * threshold,
            rearm: Duration::from_millis(1_500),
            presence: Presence::default(),
            liveness: LivenessPolicy::Off,
            alive_within: Duration::from_secs(4),
        }
    }
}

/// One face in one frame. `Debug` leaves its points out.
#[derive(Clone, Copy, PartialEq)]
pub struct Sighting<'a> {
    pub bounds: Bounds,
    /// The eyes' centres, in picture coordinates.
    pub eyes: [[f32; 2]; 2],
    /// As [`super::Face::quality`].
    pub quality: f32,
    /// What is wrong with it, if anything is: such a frame is no evidence and no denial.
    pub flaw: Option<Hint>,
    /// The landmarks, in picture coordinates, and their depths as the model guesses them.
    pub points: &'a [[f32; 2]],
    pub depths: &'a [f32],
    /// As [`super::Face::patch`].
    pub patch: &'a [f32],
}

/// What a closer look at a face gives.
pub struct Look {
    pub template: Template,
    /// By the embedding model that is being replaced, where one is.
    pub former: Option<Template>,
    /// What an anti-spoofing model gave, less what it asks for; `None` without one.
    pub living: Option<f32>,
}

/// What the tracker has to say after a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Observation(Observation),
    /// After an observation that names somebody who is to move across to the current model: what it has seen of
    /// them, to be enrolled once they have passed.
    Crossing(Crossing, Template),
    /// Said when it changes.
    Hint(Hint),
}

/// Follows faces over frames. Sans-IO: time and faces come in, what is to be said goes out.
pub struct Tracker {
    options: Options,
    /// As it applies to this frame.
    presence: Presence,
    last_frame_at: Option<Instant>,
    tracks: Vec<Track>,
    claim: Option<Claim>,
}

/// Somebody says to be one of these.
struct Claim {
    among: Vec<SubjectId>,
    until: Instant,
}

/// One face, followed. Its evidence comes from its own frames alone.
struct Track {
    bounds: Bounds,
    seen_at: Instant,
    /// In the region; in the region and near enough.
    here: Lasting,
    asking: Lasting,
    pupils_px: f32,
    /// When a template last fitted.
    checked_at: Instant,
    /// The templates of its good frames, up to an answer; those of the former model beside them.
    fusion: Fusion,
    former: Fusion,
    /// Who it is; waits for the face to be shown alive.
    answer: Option<Found>,
    alive: Alive,
    /// Whether it matched, once that is settled.
    concluded: Option<bool>,
    hint: Option<Hint>,
}

/// What to do about one of a frame's faces.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// The one who is asking: gather evidence.
    Gather { track: usize, sighting: usize },
    /// One who is done: see whether it is still the same person.
    Glance { track: usize, sighting: usize },
}

impl Tracker {
    pub fn new(options: Options) -> Self {
        let (presence, tracks) = (options.presence, Vec::new());
        Self { options, presence, last_frame_at: None, tracks, claim: None }
    }

    /// Somebody at the gate's keypad says to be one of these subjects; where nobody is looked for without a
    /// claim, the next face is compared with them alone.
    pub fn claim(&mut self, now: Instant, among: Vec<SubjectId>) {
        self.claim = Some(Claim { among, until: now + CLAIM_LASTS });
    }

    /// Where and how somebody stands who is asking.
    pub fn presence(&self) -> Presence {
        self.options.presence
    }

    /// A subject has left the roster: an answer that names them is none any more.
    pub fn forget(&mut self, subject: &SubjectId) {
        let named = |t: &&mut Track| t.answer.is_some_and(|found| found.verdict.names(subject));
        self.tracks.iter_mut().filter(named).for_each(|t| *t = Track::new(t.seen_at, t.bounds));
    }

    /// One frame's faces, captured at `now`. Call it for frames without a face too: absence is what
    /// re-arms. `look` takes a closer look at the face it is given the index of, or `None` where that can't be
    /// done; it is called for at most one face, and only for one that is asking or has been
    /// answered. Each presentation gives one observation; its distance is infinite while nobody is enrolled.
    pub fn handle<E>(
        &mut self,
        now: Instant,
        sightings: &[Sighting<'_>],
        roster: &Roster,
        look: impl FnOnce(usize) -> Result<Option<Look>, E>,
    ) -> Result<Vec<Said>, E> {
        let before = self.last_frame_at.replace(now);
        self.presence = self.options.presence.between(before, now);
        self.tracks.retain(|t| now.since(t.seen_at) < self.options.rearm);
        self.claim.take_if(|claim| claim.until <= now);
        let without_claim = roster.wants_claim() && self.claim.is_none();
        let owners = self.follow(now, sightings);
        let mut said = Vec::new();
        let ours = |look: &Look| roster.space().admit(&look.template).is_ok();
        match self.turn(now, sightings, &owners) {
            Some(Turn::Gather { track, sighting }) if !without_claim => {
                let seen = sightings.get(sighting);
                if let (Some(seen), Some(look)) = (seen, look(sighting)?.filter(ours)) {
                    said.extend(self.gather(now, track, seen, &look, roster));
                }
            }
            Some(Turn::Glance { track, sighting }) => {
                if let Some(Look { template, .. }) = look(sighting)? {
                    self.glance(now, track, &template, roster.space());
                }
            }
            _ => {}
        }
        said.extend(self.hint(now, sightings, &owners, without_claim));
        Ok(said)
    }

    /// Gives each sighting its track, by place; the best pairs first, no track twice.
    fn follow(&mut self, now: Instant, sightings: &[Sighting<'_>]) -> Vec<Option<usize>> {
        let mut pairs = Vec::new();
        for (t, track) in self.tracks.iter().enumerate() {
            for (s, sighting) in sightings.iter().enumerate() {
                pairs.extend(track.closeness(&sighting.bounds).map(|c| (c, t, s)));
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut owners = vec![None; sightings.len()];
        let mut taken = vec![false; self.tracks.len()];
        for (_, t, s) in pairs {
            if owners[s].is_none() && !taken[t] {
                owners[s] = Some(t);
                taken[t] = true;
            }
        }
        for (sighting, owner) in sightings.iter().zip(&mut owners) {
            if owner.is_none() {
                *owner = self.begin(now, sighting.bounds);
            }
            let Some(track) = owner.and_then(|t| self.tracks.get_mut(t)) else { continue };
            let Presence { away, min_pupils_px, .. } = self.presence;
            let here = self.presence.in_region(&sighting.eyes);
            track.bounds = sighting.bounds;
            track.seen_at = now;
            track.pupils_px = pupils_px(&sighting.eyes);
            track.here.update(now, here, away);
            track.asking.update(now, here && track.pupils_px >= min_pupils_px, away);
        }
        owners
    }

    /// Whose turn it is. Somebody who got a match must leave before anybody else is looked at; of several who
    /// are asking it is the nearest one's turn, and where they have not stood for long enough, nobody's.
    fn turn(
        &self,
        now: Instant,
        sightings: &[Sighting<'_>],
        owners: &[Option<usize>],
    ) -> Option<Turn> {
        let presence = &self.presence;
        let seen = || {
            owners.iter().enumerate().filter_map(|(sighting, owner)| {
                let track = (*owner)?;
                Some((track, sighting, self.tracks.get(track)?, sightings.get(sighting)?))
            })
        };
        let is_good = |s: &Sighting<'_>| s.flaw.is_none() && s.quality >= self.options.min_quality;
        let due = |t: &Track| t.concluded.is_some() && now.since(t.checked_at) > GLANCE;
        let glance = seen()
            .filter(|(_, _, t, s)| due(t) && is_good(s) && presence.is_here(now, t))
            .min_by_key(|(_, _, t, _)| t.checked_at)
            .map(|(track, sighting, ..)| Turn::Glance { track, sighting });
        let answered = |t: &Track| t.concluded == Some(true) && presence.is_here(now, t);
        if glance.is_some() || self.tracks.iter().any(answered) {
            return glance;
        }
        let (track, sighting, t, s) = seen()
            .filter(|(_, _, t, _)| t.concluded.is_none())
            .filter(|(_, _, t, _)| t.asking.since(now, presence.away).is_some())
            .max_by(|a, b| a.2.pupils_px.total_cmp(&b.2.pupils_px))?;
        let stood = t.asking.for_at_least(now, presence.dwell, presence.away);
        (stood && is_good(s)).then_some(Turn::Gather { track, sighting })
    }

    fn gather(
        &mut self,
        now: Instant,
        index: usize,
        seen: &Sighting<'_>,
        look: &Look,
        roster: &Roster,
    ) -> Vec<Said> {
        let (template, space) = (&look.template, roster.space());
        let Options { same_face, other_face, liveness, .. } = self.options;
        // Somebody already answered who turns up elsewhere is still the one presentation.
        let again = |t: &Track| t.concluded.is_some() && t.unlikeness(template, space) < same_face;
        if let Some(earlier) = self.tracks.iter().position(again) {
            self.join(now, earlier, index);
            return Vec::new();
        }
        let Some(track) = self.tracks.get_mut(index) else { return Vec::new() };
        let unlike = track.unlikeness(template, space);
        if track.fusion.frames() > 0 && unlike > other_face {
            // Somebody else stands there now, and has yet to stay. Nothing gathered so far is theirs.
            *track = Track::new(now, track.bounds);
            return Vec::new();
        }
        track.checked_at = now;
        if track.answer.is_none() {
            track.fusion.add(template, seen.quality);
            look.former.iter().for_each(|template| track.former.add(template, seen.quality));
        }
        // Whose life this is must not be in doubt: another face in this place may be alive.
        if unlike < same_face || track.fusion.frames() == 1 {
            track.alive.see(now, liveness, seen, look.living);
        }
        let claimed = self.claim.as_ref().map(|claim| claim.among.as_slice());
        let options = Options { presence: self.presence, ..self.options };
        let Some(observation) = track.conclude(&options, now, roster, claimed) else {
            return Vec::new();
        };
        let crossing = track.crossing(&observation, roster.space());
        // One claim, one presentation.
        self.claim = None;
        let crossing = crossing.map(|(who, template)| Said::Crossing(who, template));
        [Said::Observation(observation)].into_iter().chain(crossing).collect()
    }

    /// Looks whether somebody who was answered is still the one who stands there.
    fn glance(&mut self, now: Instant, index: usize, template: &Template, space: &Space) {
        let other_face = self.options.other_face;
        let Some(track) = self.tracks.get_mut(index) else { return };
        if track.unlikeness(template, space) <= other_face {
            track.checked_at = now;
            return;
        }
        // The one who was answered has left this place, and may be seen again elsewhere.
        let bounds = track.bounds;
        (track.here, track.asking) = (Lasting::default(), Lasting::default());
        track.bounds = Bounds::NOWHERE;
        self.begin(now, bounds);
    }

    /// What was taken for a new face at `index` is that of an earlier track.
    fn join(&mut self, now: Instant, earlier: usize, index: usize) {
        if earlier == index {
            return;
        }
        // Indices must stay, others are about to use them.
        self.tracks.swap(earlier, index);
        let Some(new) = self.tracks.get_mut(earlier) else { return };
        // Gone with the next frame.
        let new = std::mem::replace(new, Track::new(Instant(0), Bounds::NOWHERE));
        if let Some(track) = self.tracks.get_mut(index) {
            (track.bounds, track.pupils_px) = (new.bounds, new.pupils_px);
            (track.here, track.asking) = (new.here, new.asking);
            (track.seen_at, track.checked_at) = (now, now);
        }
    }

    /// The hint for the nearest one who is here, if it is news. There is one display.
    fn hint(
        &mut self,
        now: Instant,
        sightings: &[Sighting<'_>],
        owners: &[Option<usize>],
        without_claim: bool,
    ) -> Option<Said> {
        let (presence, liveness) = (self.presence, self.options.liveness);
        let (index, track) = self
            .tracks
            .iter_mut()
            .enumerate()
            .filter(|(_, t)| presence.is_here(now, t))
            .max_by(|a, b| a.1.pupils_px.total_cmp(&b.1.pupils_px))?;
        let seen = sightings.iter().zip(owners).find(|(_, owner)| **owner == Some(index));
        let claim = without_claim.then_some(Hint::TypePin);
        let flaw = seen.and_then(|(s, _)| s.flaw);
        let flaw = claim.or(flaw).or_else(|| track.alive.hint(liveness));
        let nobody = (track.concluded == Some(false)).then_some(Hint::UseCard);
        let hint = nobody.or_else(|| presence.hint(now, track, flaw))?;
        // After a card was asked for, advice on standing better would only confuse.
        let news = track.hint != Some(hint) && track.hint != Some(Hint::UseCard);
        track.hint = if news { Some(hint) } else { track.hint };
        news.then_some(Said::Hint(hint))
    }

    /// Starts a track and gives its index; in a crowd, `None`.
    fn begin(&mut self, now: Instant, bounds: Bounds) -> Option<usize> {
        let index = self.tracks.len();
        (index < MAX_TRACKS).then(|| {
            self.tracks.push(Track::new(now, bounds));
            index
        })
    }
}

impl Track {
    fn new(now: Instant, bounds: Bounds) -> Self {
        Self {
            bounds,
            seen_at: now,
            here: Lasting::default(),
            asking: Lasting::default(),
            pupils_px: 0.0,
            checked_at: now,
            fusion: Fusion::default(),
            former: Fusion::default(),
            answer: None,
            alive: Alive::default(),
            concluded: None,
            hint: None,
        }
    }

    /// How far a template is from what was gathered; infinite where nothing was.
    fn unlikeness(&self, template: &Template, space: &Space) -> f32 {
        let gathered = self.fusion.template(space);
        gathered.and_then(|g| space.distance(&g, template).ok()).unwrap_or(f32::INFINITY)
    }

    /// How far a box is from where this face was last, in face sizes; `None` if that is too far, or the
    /// size too different, to be the same face a few frames later.
    fn closeness(&self, bounds: &Bounds) -> Option<f32> {
        let ((ax, ay), (bx, by)) = (self.bounds.centre(), bounds.centre());
        let (a, b) = (self.bounds.area().sqrt(), bounds.area().sqrt());
        let closeness = (ax - bx).hypot(ay - by) / ((a + b) / 2.0);
        (closeness < 1.0 && a < 2.0 * b && b < 2.0 * a).then_some(closeness)
    }

    /// What may be enrolled of somebody once they have passed: nobody of whom a test of life was still wanting.
    fn crossing(&self, seen: &Observation, space: &Space) -> Option<(Crossing, Template)> {
        let crossing = self.answer?.crossing.filter(|_| seen.liveness != Liveness::NotShown)?;
        Some((crossing, self.fusion.template(space)?))
    }

    fn conclude(
        &mut self,
        options: &Options,
        now: Instant,
        roster: &Roster,
        claimed: Option<&[SubjectId]>,
    ) -> Option<Observation> {
        let found = match self.answer {
            Some(found) => found,
            None => {
                let template = self.fusion.template(roster.space())?;
                let formerly = roster.former().and_then(|space| self.former.template(space));
                let found = roster.find(&template, formerly.as_ref(), claimed)?;
                let matched = found.verdict != Verdict::Nobody;
                let enough = if matched { options.min_frames } else { options.max_frames };
                if self.fusion.frames() < enough {
                    return None;
                }
                *self.answer.insert(found)
            }
        };
        let (subject, look_alike) = match found.verdict {
            Verdict::Nobody => (None, None),
            Verdict::One(subject) => (Some(subject), None),
            Verdict::Either(subject, other) => (Some(subject), Some(other)),
        };
        let liveness = match self.alive.liveness(options.liveness) {
            // Of nobody it doesn't matter.
            Liveness::NotShown if subject.is_none() => Liveness::NotChecked,
            Liveness::NotShown => {
                let Presence { away, .. } = options.presence;
                let late = self.asking.for_at_least(now, options.alive_within, away);
                late.then_some(Liveness::NotShown)?
            }
            shown => shown,
        };
        self.concluded = Some(subject.is_some() && liveness != Liveness::NotShown);
        Some(Observation {
            captured_at: now,
            subject,
            look_alike,
            distance: found.distance,
            quality: self.fusion.quality(),
            liveness,
        })
    }
}

impl std::fmt::Debug for Sighting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bounds, quality, flaw, .. } = self;
        write!(f, "Sighting({bounds:?}, quality {quality}, {flaw:?})")
    }
}

#[cfg(test)]
mod tests;
