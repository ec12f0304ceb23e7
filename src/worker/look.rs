//! What the worker does with a frame and with a template: all that ever holds either in the clear.

use crate::domain::{Duration, Instant, LivenessPolicy, SittingEnd, SubjectId};
use crate::vision::{
    self, Bounds, Chain, ChainError, Crossing, Embedder, Expected, Face, Gates, Look, Options,
    Picture, Presence, Quality, Roster, Said, Sitting, Targets, Template, Tracker,
};
use crate::wire::template::{ModelHash, NONCE_LEN, OpenError, Sealed, TemplateKey, open, seal};
use crate::wire::worker::{
    Certainty, FromWorker, Hello, MAX_CLAIMED, MAX_LOOK_ALIKES, Refusal, SIT_LEASE, Sat, Share,
    Terms, Tracking,
};

/// More templates than any gallery this project is measured with; it bounds the worker's memory.
const MAX_TEMPLATES: usize = 100_000;
/// No gate's people report more wrong recognitions than this; it bounds the memory for them.
const MAX_APART: usize = 10_000;

pub struct Looker {
    chain: Chain,
    tracker: Tracker,
    roster: Roster,
    gates: Gates,
    /// Pairs kept apart.
    apart: usize,
    key: TemplateKey,
    /// Of frames that are upright.
    width: u32,
    height: u32,
    /// A face was in the last frame.
    somebody: bool,
    sitter: Option<Sitter>,
}

/// Whoever is being enrolled, and as whom.
struct Sitter {
    subject: SubjectId,
    sitting: Sitting,
    /// Without a word of whoever enrols it is over then.
    lease: Instant,
}

impl Looker {
    /// The error says, to whoever configures the gate, what can't work.
    pub fn new(chain: Chain, hello: Hello) -> Result<Self, String> {
        let told = hello.tracking;
        if told.liveness == LivenessPolicy::Model && !chain.has_liveness_model() {
            return Err("liveness = \"model\" needs liveness_model, the manifest of one".into());
        }
        let targets = Targets {
            strangers_accepted: told.strangers_accepted,
            residents_refused: told.residents_refused,
            ..Targets::default()
        };
        let roster = |embedding: &Embedder| {
            let (evidence, cohort) = embedding.certainty();
            Roster::new(*embedding.space(), evidence, cohort, targets)
        };
        let former = chain.former().map(roster);
        let roster = roster(chain.embedding());
        let roster = match former {
            Some(former) => roster.after(former),
            None => roster,
        };
        let (width, height) = hello.upright();
        let options = options(&told, &roster, width, height);
        Ok(Self {
            chain,
            tracker: Tracker::new(options),
            roster,
            gates: Gates::default(),
            apart: 0,
            key: hello.template_key,
            width,
            height,
            somebody: false,
            sitter: None,
        })
    }

    pub fn model(&self) -> ModelHash {
        ModelHash(self.roster.space().model)
    }

    pub fn enrol(&mut self, sealed: &Sealed) -> Result<(), Refusal> {
        if self.roster.held() >= MAX_TEMPLATES {
            return Err(Refusal::Full);
        }
        // Of the former model, if it is; whatever else it says, it is held against the current one.
        let former = self.chain.former().map(|former| ModelHash(former.space().model));
        let model = former.filter(|f| sealed.model() == Some(*f)).unwrap_or(self.model());
        let mut numbers = open(&self.key, sealed, &model).map_err(|e| match e {
            OpenError::Malformed | OpenError::Version => Refusal::Malformed,
            OpenError::Model => Refusal::Model,
            OpenError::Refused => Refusal::Sealed,
        })?;
        // Moved, not copied; the template wipes them.
        let template = Template::new(model.0, std::mem::take(&mut *numbers))
            .map_err(|_| Refusal::Malformed)?;
        self.roster.add(sealed.subject, &template).map_err(|_| Refusal::Model)
    }

    /// Enrols whoever stands before the camera, as this subject.
    pub fn sit(&mut self, subject: SubjectId, now: Instant, within: Duration) {
        let (space, presence) = (*self.roster.space(), self.tracker.presence());
        let wanted = self.roster.templates_wanted();
        let sitting = Sitting::new(space, presence, wanted, now + within);
        self.sitter = Some(Sitter { subject, sitting, lease: now + SIT_LEASE });
    }

    /// Whoever enrols is still there.
    pub fn stay(&mut self, now: Instant) {
        if let Some(sitter) = &mut self.sitter {
            sitter.lease = now + SIT_LEASE;
        }
    }

    pub fn has_sitter(&self) -> bool {
        self.sitter.is_some()
    }

    /// Seals what is to be enrolled of somebody, as the gate keeps it.
    fn seal(&self, subject: SubjectId, template: &Template) -> Result<Sealed, String> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|e| format!("no randomness: {e}"))?;
        seal(&self.key, subject, &self.model(), template.values(), nonce)
            .map_err(|e| format!("a template can't be sealed: {e}"))
    }

    pub fn forget(&mut self, subject: &SubjectId) {
        self.roster.remove(subject);
        self.tracker.forget(subject);
        self.sitter.take_if(|sitter| sitter.subject == *subject);
    }

    pub fn separate(&mut self, (a, b): (SubjectId, SubjectId)) {
        if self.apart < MAX_APART {
            self.apart += 1;
            self.roster.separate(a, b);
        }
    }

    pub fn claim(&mut self, now: Instant, mut among: Vec<SubjectId>) {
        among.truncate(MAX_CLAIMED);
        self.tracker.claim(now, among);
    }

    pub fn look_alikes(&mut self, subject: &SubjectId) -> Vec<SubjectId> {
        let mut others = self.roster.look_alikes(subject);
        others.truncate(MAX_LOOK_ALIKES);
        others
    }

    /// By which terms people are found from now on, if people came or went.
    pub fn terms(&mut self) -> Option<Terms> {
        let terms = self.roster.settle()?;
        let share = |e: Expected| Share {
            expected: e.share,
            at_most: e.at_most,
            extrapolated: e.extrapolated,
        };
        Some(Terms {
            people: self.roster.subjects() as u64,
            to_move: self.roster.to_move().map(|n| n as u64),
            threshold: terms.map_or(self.roster.space().metric.threshold, |t| t.threshold),
            certainty: terms.map(|t| Certainty {
                supported: t.supported,
                claim_needed: t.claim_needed,
                compared: t.compared,
                strangers_accepted: share(t.strangers_accepted),
                residents_refused: share(t.residents_refused),
            }),
        })
    }

    /// Whether the last frame that was looked at had a face in it.
    pub fn sees_somebody(&self) -> bool {
        self.somebody
    }

    /// Nobody is looked at any more: leaves nothing of whoever was. An error means that no model runs.
    pub fn rest(&mut self) -> Result<(), String> {
        self.somebody = false;
        self.chain.forget().map_err(|e| e.to_string())
    }

    /// What is to be said, now that this frame is in. An error means that no frame can be looked at.
    pub fn look(&mut self, frame: &[u8], captured_at: Instant) -> Result<Vec<FromWorker>, String> {
        let picture = Picture::from_i420(self.width, self.height, frame)
            .map_err(|e| format!("a frame: {e}"))?;
        let faces = self.chain.faces_in_frame(&picture).map_err(|e| e.to_string())?;
        self.somebody = !faces.is_empty();
        let sighting = |face: &Face| {
            let flaw = Quality::of(&picture, face).map(|quality| quality.flaw(&self.gates));
            // One whose landmarks make no face is no evidence either.
            let quality = if flaw.is_some() { face.quality } else { 0.0 };
            (flaw.flatten(), quality)
        };
        let judged: Vec<_> = faces.iter().map(sighting).collect();
        let sightings: Vec<_> = faces
            .iter()
            .zip(judged)
            .map(|(face, (flaw, quality))| {
                let mut seen = face.sighting(flaw);
                seen.quality = quality;
                seen
            })
            .collect();
        let chain = &mut self.chain;
        if let Some(mut sitter) = self.sitter.take() {
            let sat = if captured_at > sitter.lease {
                vec![vision::Sat::Ended(SittingEnd::TimedOut)]
            } else {
                sitter.sitting.handle(captured_at, &sightings, |index| {
                    let Some(face) = faces.get(index) else { return Ok(None) };
                    unless_unfit(chain.template(&picture, face))
                })?
            };
            let (subject, ended) =
                (sitter.subject, sat.iter().any(|sat| matches!(sat, vision::Sat::Ended(_))));
            self.sitter = (!ended).then_some(sitter);
            return sat.into_iter().map(|sat| self.put_sat(subject, sat)).collect();
        }
        // Once everybody has moved across, nobody pays for the former model any more.
        let changing = self.roster.former().is_some();
        let said = self.tracker.handle(captured_at, &sightings, &self.roster, |index| {
            let Some(face) = faces.get(index) else { return Ok(None) };
            let mut look = || {
                let template = chain.template(&picture, face)?;
                let former = if changing { chain.former_template(&picture, face)? } else { None };
                Ok(Look { template, former, living: chain.living(&picture, face)? })
            };
            unless_unfit(look())
        })?;
        said.into_iter().map(|said| self.put(said)).collect()
    }

    /// What was said, as the daemon is told it.
    fn put(&self, said: Said) -> Result<FromWorker, String> {
        Ok(match said {
            Said::Observation(observation) => FromWorker::Observed(observation),
            Said::Hint(hint) => FromWorker::Hint(hint),
            Said::Crossing(Crossing { subject, last }, template) => {
                FromWorker::Crossing { sealed: self.seal(subject, &template)?, last }
            }
        })
    }

    fn put_sat(&self, subject: SubjectId, sat: vision::Sat) -> Result<FromWorker, String> {
        let sat = match sat {
            vision::Sat::Advice(advice) => Sat::Advice(advice),
            vision::Sat::Kept { template, more } => {
                let more = u8::try_from(more).unwrap_or(u8::MAX);
                Sat::Kept { sealed: self.seal(subject, &template)?, more }
            }
            vision::Sat::Ended(end) => Sat::Ended(end),
        };
        Ok(FromWorker::Sat { subject, sat })
    }
}

/// What fails for this face, in this frame, may work in the next; a model that doesn't run won't.
fn unless_unfit<T>(outcome: Result<T, ChainError>) -> Result<Option<T>, String> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(ChainError::Alignment | ChainError::Template(_)) => Ok(None),
        Err(e @ ChainError::Model(_)) => Err(e.to_string()),
    }
}

fn options(told: &Tracking, roster: &Roster, width: u32, height: u32) -> Options {
    let (width, height) = (width as f32, height as f32);
    let region = told.region.map(|[x, y, w, h]| Bounds {
        x: x * width,
        y: y * height,
        width: w * width,
        height: h * height,
    });
    let presence = Presence {
        region,
        min_pupils_px: told.min_pupils_px,
        dwell: told.dwell,
        ..Presence::default()
    };
    Options {
        // What certainty was measured with is what it holds for.
        min_frames: roster.frames().unwrap_or(told.min_frames),
        max_frames: roster.frames().unwrap_or(told.max_frames),
        min_quality: told.min_quality,
        rearm: told.rearm,
        presence,
        liveness: told.liveness,
        ..Options::new(roster.space().metric.threshold)
    }
}
