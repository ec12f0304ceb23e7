//! What the worker does with a frame and with a template: all that ever holds either in the clear.

use crate::domain::{Instant, Observation, SubjectId};
use crate::vision::{Chain, ChainError, Face, Gallery, Options, Picture, Said, Template, Tracker};
use crate::wire::template::{ModelHash, OpenError, Sealed, TemplateKey, open};
use crate::wire::worker::{Hello, Refusal};

/// More templates than any gallery this project is measured with; it bounds the worker's memory.
const MAX_TEMPLATES: usize = 100_000;

pub struct Looker {
    chain: Chain,
    tracker: Tracker,
    gallery: Gallery,
    key: TemplateKey,
    width: u32,
    height: u32,
}

impl Looker {
    pub fn new(chain: Chain, hello: Hello) -> Self {
        let space = *chain.space();
        let told = hello.tracking;
        let options = Options {
            min_frames: told.min_frames,
            max_frames: told.max_frames,
            min_quality: told.min_quality,
            rearm: told.rearm,
            ..Options::new(told.threshold.unwrap_or(space.metric.threshold))
        };
        Self {
            chain,
            tracker: Tracker::new(options),
            gallery: Gallery::new(space),
            key: hello.template_key,
            width: hello.width,
            height: hello.height,
        }
    }

    pub fn model(&self) -> ModelHash {
        ModelHash(self.gallery.space().model)
    }

    pub fn enrol(&mut self, sealed: &Sealed) -> Result<(), Refusal> {
        if self.gallery.len() >= MAX_TEMPLATES {
            return Err(Refusal::Full);
        }
        let model = self.model();
        let mut numbers = open(&self.key, sealed, &model).map_err(|e| match e {
            OpenError::Malformed | OpenError::Version => Refusal::Malformed,
            OpenError::Model => Refusal::Model,
            OpenError::Refused => Refusal::Sealed,
        })?;
        // Moved, not copied; the template wipes them.
        let template = Template::new(model.0, std::mem::take(&mut *numbers))
            .map_err(|_| Refusal::Malformed)?;
        self.gallery.add(sealed.subject, &template).map_err(|_| Refusal::Model)
    }

    pub fn forget(&mut self, subject: &SubjectId) {
        self.gallery.remove(subject);
    }

    /// Who was seen, now that this frame is in. An error means that no frame can be looked at.
    pub fn look(&mut self, frame: &[u8], captured_at: Instant) -> Result<Vec<Observation>, String> {
        let picture = Picture::from_i420(self.width, self.height, frame)
            .map_err(|e| format!("a frame: {e}"))?;
        let faces = self.chain.faces_in_frame(&picture).map_err(|e| e.to_string())?;
        let sightings: Vec<_> = faces.iter().map(Face::sighting).collect();
        let chain = &mut self.chain;
        let said = self.tracker.handle(captured_at, &sightings, &self.gallery, |index| {
            let Some(face) = faces.get(index) else { return Ok(None) };
            match chain.template(&picture, face) {
                Ok(template) => Ok(Some(template)),
                // This face, in this frame; the next may be better.
                Err(ChainError::Alignment | ChainError::Template(_)) => Ok(None),
                Err(e @ ChainError::Model(_)) => Err(e.to_string()),
            }
        })?;
        let observations = said.into_iter().filter_map(|said| match said {
            Said::Observation(observation) => Some(observation),
            Said::Hint(_) => None,
        });
        Ok(observations.collect())
    }
}
