//! An enrolment before the camera, as whoever enrols follows it: asked for, asked after, and over. The templates are
//! sealed all the while, and are kept only once they are enrolled like those of pictures.

use super::control::Desk;
use super::face::FaceEvent;
use crate::domain::{Advice, Directory, Duration, SittingEnd, SubjectId};
use crate::wire::worker::Sat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// The longest somebody may take.
pub const MAX_SITTING_S: u32 = 300;

/// How far it has got.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// What was said last, until one more template was kept.
    pub advice: Option<Advice>,
    /// Sealed, in base64.
    pub sealed: Vec<String>,
    /// How many are still wanted; unknown before the first.
    pub more: Option<u8>,
    pub ended: Option<SittingEnd>,
}

/// The one sitting there may be.
#[derive(Default)]
pub(super) struct Sittings(Mutex<Progress>);

impl Sittings {
    /// Keeps what comes of a sitting; never waits.
    pub(super) fn note(&self, event: &FaceEvent) {
        let FaceEvent::Sat(sat) = event else { return };
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match sat {
            Sat::Advice(advice) => progress.advice = Some(*advice),
            Sat::Kept { sealed, more } if progress.sealed.len() < super::MAX_TEMPLATES => {
                progress.advice = None;
                progress.more = Some(*more);
                progress.sealed.push(STANDARD.encode(&sealed.bytes));
            }
            Sat::Kept { .. } => {}
            Sat::Ended(end) => progress.ended = Some(*end),
        }
    }

    /// What there is so far. What has ended is told once, and forgotten.
    pub(super) fn progress(&self) -> Progress {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.ended.is_some() { std::mem::take(&mut progress) } else { progress.clone() }
    }

    fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Progress::default();
    }
}

/// Begins one, in place of whatever was going on.
pub(super) fn begin(name: &str, seconds: u32, desk: &Desk) -> Result<Value, String> {
    let id: SubjectId = name.parse().map_err(|e| format!("subject: {e}"))?;
    if !(5..=MAX_SITTING_S).contains(&seconds) {
        return Err(format!("an enrolment takes 5 to {MAX_SITTING_S} seconds"));
    }
    // Before anybody stands there in vain; enrolling asks for it again.
    let right = desk.shared.allowlist().subject(&id).ok_or(
        "the allowlist of this gate doesn't have this subject: publish one that does, then enrol",
    )?;
    if !right.ways.card || !right.ways.face {
        return Err("this subject has not got both a card and the wish to use a face in the \
                    allowlist: a face is never the only way in"
            .into());
    }
    desk.sittings.clear();
    let face = desk.face.lock().unwrap_or_else(PoisonError::into_inner);
    let face = face.as_ref().ok_or("this gate has no face path")?;
    if desk.shared.health().face.status != "up" {
        return Err("the camera or the face worker is down: `eithergate check` says why".into());
    }
    face.sit(id, Duration::from_secs(seconds.into())).map_err(|e| e.to_string())?;
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Hint;
    use crate::wire::template::Sealed;

    #[test]
    fn progress_is_followed_to_its_end_and_then_gone() {
        let sittings = Sittings::default();
        let note = |sat| sittings.note(&FaceEvent::Sat(sat));
        let kept = |n: u8| Sat::Kept {
            sealed: Sealed { subject: SubjectId([1; 16]), bytes: vec![n] },
            more: 2,
        };
        note(Sat::Advice(Advice::Hint(Hint::ComeCloser)));
        assert_eq!(sittings.progress().advice, Some(Advice::Hint(Hint::ComeCloser)));
        sittings.note(&FaceEvent::Up);
        note(kept(7));
        let progress = sittings.progress();
        assert_eq!((progress.advice, progress.more, progress.sealed.len()), (None, Some(2), 1));
        // However many a worker says it has kept, so many are enrolled at most.
        (0..20).for_each(|n| note(kept(n)));
        note(Sat::Ended(SittingEnd::Done));
        let progress = sittings.progress();
        assert_eq!((progress.sealed.len(), progress.ended), (16, Some(SittingEnd::Done)));
        assert_eq!(sittings.progress().sealed.len(), 0);
    }
}
