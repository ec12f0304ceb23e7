//! What the loop does with the face path's advice and terms: lamps, health, one loud line in the log.

use super::Gate;
use crate::domain::{Clock, Heading, Hint, ReaderId, Signal};
use crate::wire::worker::Terms;

impl Gate {
    /// Shows advice at the door's readers, and counts it: what people stumble over says where the camera
    /// should hang. Who it was for is not known here.
    pub(super) fn advise(&mut self, hint: Hint) {
        *self.parts.shared.health().face.hints.entry(hint).or_default() += 1;
        let Some(face) = &self.parts.config.face else { return };
        let signal = match hint {
            Hint::UseCard => Signal::UseYourCard,
            Hint::ComeCloser
            | Hint::LookAtCamera
            | Hint::HoldStill
            | Hint::BetterLight
            | Hint::UncoverFace
            | Hint::TurnHead
            | Hint::Blink
            | Hint::GiveNumber => Signal::LookAtCamera,
        };
        let now = self.parts.clock.now();
        for (i, reader) in self.parts.config.readers.iter().enumerate() {
            if reader.door == face.door && reader.heading == Heading::In {
                self.readers.show(now, ReaderId(i as u8), signal);
            }
        }
    }

    /// By which terms people are found from now on. Said where it changes what somebody is promised.
    pub(super) fn terms(&mut self, terms: &Terms) {
        let before = self.parts.shared.health().face.terms.replace(*terms);
        let promised = |terms: &Terms| terms.certainty.map(|certainty| certainty.claim_needed);
        if terms.people == 0 || before.as_ref().map(promised) == Some(promised(terms)) {
            return;
        }
        match terms.certainty {
            None => tracing::warn!(
                "this embedding's manifest says nothing of its certainty: faces are compared with \
                 its plain threshold, and no share of strangers or residents is promised"
            ),
            Some(certainty) if certainty.claim_needed => tracing::warn!(
                enrolled = terms.people,
                supported = certainty.supported,
                "more faces than the model supports at this gate's targets: nobody is recognised \
                 without saying who they are; cards work"
            ),
            Some(certainty) => tracing::info!(
                enrolled = terms.people,
                supported = certainty.supported,
                threshold = terms.threshold,
                strangers_accepted = certainty.strangers_accepted.expected,
                residents_refused = certainty.residents_refused.expected,
                "the terms of recognition"
            ),
        }
    }
}
