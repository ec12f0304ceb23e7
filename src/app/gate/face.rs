//! What the loop does with the face path's advice and terms: lamps, health, one loud line in the log.

use super::Gate;
use crate::domain::{Clock, Duration, Heading, Hint, Instant, Pin, ReaderId, Signal};
use crate::wire::worker::{MAX_CLAIMED, Terms};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Whoever was answered at a reader isn't given the camera's advice for so long.
const ANSWERED: Duration = Duration::from_secs(5);
/// And so long the answer itself is to be seen, whatever the camera makes of who stands there.
const SPEAKS: Duration = Duration::from_secs(2);

impl Gate {
    /// Notes what a reader is about to show, and says whether it should: somebody who is served by their card, and
    /// stands before the camera with it, must not be told to use it.
    pub(super) fn attend(&mut self, now: Instant, reader: ReaderId, signal: Signal) -> bool {
        let Some(face) = &self.parts.config.face else { return true };
        let reader = self.parts.config.readers.get(usize::from(reader.0));
        match signal {
            Signal::Granted | Signal::Denied | Signal::EnterPin => {
                if reader.is_some_and(|r| r.door == face.door && r.heading == Heading::In) {
                    self.answered = Some(now);
                }
                true
            }
            Signal::UseYourCard => self.answered.is_none_or(|at| now.since(at) >= SPEAKS),
            _ => true,
        }
    }

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
            | Hint::Blink => Signal::LookAtCamera,
            Hint::TypePin => Signal::EnterPin,
        };
        let now = self.parts.clock.now();
        if self.answered.is_some_and(|at| now.since(at) < ANSWERED) {
            return;
        }
        for (i, reader) in self.parts.config.readers.iter().enumerate() {
            if reader.door == face.door && reader.heading == Heading::In {
                self.readers.show(now, ReaderId(i as u8), signal);
            }
        }
    }

    /// Whoever stands before the camera says that this is their PIN. Whose it is takes a hash a resident, which
    /// no card may wait for.
    pub(super) fn claim(&mut self, pin: Pin) {
        let needed = |terms: &Terms| terms.certainty.is_some_and(|c| c.claim_needed);
        if !self.parts.shared.health().face.terms.as_ref().is_some_and(needed) {
            return;
        }
        let (list, face) = (self.parts.allowlist.clone(), self.parts.face.clone());
        // A second one while the first is looked up is dropped: it can be typed again.
        let claiming = self.claiming.clone();
        if claiming.swap(true, Ordering::AcqRel) {
            return;
        }
        let look_up = move || {
            let among = list.claimed(&pin, MAX_CLAIMED);
            let face = face.lock().unwrap_or_else(PoisonError::into_inner);
            if face.as_ref().is_some_and(|face| face.claim(among).is_err()) {
                tracing::warn!("the face path is too busy for a claim");
            }
            claiming.store(false, Ordering::Release);
        };
        if let Err(error) = std::thread::Builder::new().name("claim".into()).spawn(look_up) {
            tracing::warn!(%error, "a claim can't be looked up");
            self.claiming.store(false, Ordering::Release);
        }
    }

    /// By which terms people are found from now on. Said where it changes what somebody is promised.
    pub(super) fn terms(&mut self, terms: &Terms) {
        // Of nobody, nothing is said.
        let before = self.parts.shared.health().face.terms.replace(*terms);
        let before = before.filter(|before| before.people > 0);
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
