//! An enrolment before the camera, as whoever enrols follows it: asked for, asked after, and over. One at a time, and
//! only as long as somebody asks: nobody is to be enrolled with nobody looking. The templates are sealed all the
//! while, and are kept only once they are enrolled like those of pictures.

use super::control::Desk;
use super::face::FaceEvent;
use crate::domain::{Advice, Duration, SittingEnd, SubjectId};
use crate::wire::worker::Sat;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The longest somebody may take.
pub const MAX_SITTING_S: u32 = 300;
/// Nobody has asked for so long: another may begin. The worker lets go earlier.
const ABANDONED: std::time::Duration = std::time::Duration::from_secs(5);

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

struct Running {
    number: u64,
    subject: SubjectId,
    asked: Instant,
    progress: Progress,
}

/// The one sitting there may be.
#[derive(Default)]
pub(super) struct Sittings(Mutex<(u64, Option<Running>)>);

impl Sittings {
    /// Keeps what comes of a sitting; never waits.
    pub(super) fn note(&self, event: &FaceEvent) {
        let (_, running) = &mut *self.lock();
        let Some(Running { subject, progress, .. }) = running else { return };
        match event {
            FaceEvent::Sat { subject: of, sat } if of == subject => match sat {
                Sat::Advice(advice) => progress.advice = Some(*advice),
                Sat::Kept { sealed, more } if progress.sealed.len() < super::MAX_TEMPLATES => {
                    progress.advice = None;
                    progress.more = Some(*more);
                    progress.sealed.push(STANDARD.encode(&sealed.bytes));
                }
                Sat::Kept { .. } => {}
                Sat::Ended(end) => progress.ended = Some(*end),
            },
            FaceEvent::Degraded(_) => progress.ended = progress.ended.or(Some(SittingEnd::Down)),
            _ => {}
        }
    }

    fn begin(&self, now: Instant, subject: SubjectId) -> Result<u64, String> {
        let (number, running) = &mut *self.lock();
        let goes_on = |r: &Running| {
            r.progress.ended.is_none() && now.saturating_duration_since(r.asked) < ABANDONED
        };
        if running.as_ref().is_some_and(goes_on) {
            return Err(
                "somebody is being enrolled before the camera already: one at a time".into()
            );
        }
        *number += 1;
        let progress = Progress::default();
        *running = Some(Running { number: *number, subject, asked: now, progress });
        Ok(*number)
    }

    /// What there is so far, to whoever began it. What has ended is told once, and forgotten.
    fn progress(&self, now: Instant, number: u64) -> Result<Progress, String> {
        let (_, running) = &mut *self.lock();
        let Some(ours) = running.as_mut().filter(|r| r.number == number) else {
            return Err("this enrolment is over: nothing was enrolled".into());
        };
        ours.asked = now;
        let progress = ours.progress.clone();
        if progress.ended.is_some() {
            *running = None;
        }
        Ok(progress)
    }

    /// A subject is deleted: whatever was kept of them in a sitting goes too.
    pub(super) fn forget(&self, subject: &SubjectId) {
        let (_, running) = &mut *self.lock();
        running.take_if(|r| r.subject == *subject);
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<Running>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins one; the answer's number is what to ask after it with.
pub(super) fn begin(name: &str, seconds: u32, desk: &Desk) -> Result<Value, String> {
    // Before anybody stands there in vain; enrolling asks for it again.
    let id = super::enrolled::entitled(name, desk)?;
    if !(5..=MAX_SITTING_S).contains(&seconds) {
        return Err(format!("an enrolment takes 5 to {MAX_SITTING_S} seconds"));
    }
    if desk.shared.health().face.status != "up" {
        return Err("the camera or the face worker is down: `eithergate check` says why".into());
    }
    let number = desk.sittings.begin(Instant::now(), id)?;
    let face = desk.face.lock().unwrap_or_else(PoisonError::into_inner);
    let face = face.as_ref().ok_or("this gate has no face path")?;
    face.sit(id, Duration::from_secs(seconds.into())).map_err(|e| e.to_string())?;
    Ok(json!({ "number": number }))
}

/// How far it has got; and the worker goes on, because somebody asks.
pub(super) fn progress(number: u64, desk: &Desk) -> Result<Value, String> {
    let progress = desk.sittings.progress(Instant::now(), number)?;
    let face = desk.face.lock().unwrap_or_else(PoisonError::into_inner);
    // One that is too busy hears it the next time.
    let _ = face.as_ref().map(|face| face.stay());
    serde_json::to_value(progress).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FaceFault, Hint};
    use crate::wire::template::Sealed;

    const ANN: SubjectId = SubjectId([1; 16]);
    const BOB: SubjectId = SubjectId([2; 16]);

    fn note(sittings: &Sittings, subject: SubjectId, sat: Sat) {
        sittings.note(&FaceEvent::Sat { subject, sat });
    }

    fn kept(n: u8) -> Sat {
        Sat::Kept { sealed: Sealed { subject: ANN, bytes: vec![n] }, more: 2 }
    }

    #[test]
    fn progress_is_followed_to_its_end_and_then_gone() -> Result<(), String> {
        let (sittings, now) = (Sittings::default(), Instant::now());
        assert!(sittings.progress(now, 0).is_err(), "nobody sits");
        let number = sittings.begin(now, ANN)?;
        note(&sittings, ANN, Sat::Advice(Advice::Hint(Hint::ComeCloser)));
        // What is left of somebody else's is none of theirs.
        note(&sittings, BOB, Sat::Ended(SittingEnd::TimedOut));
        assert_eq!(sittings.progress(now, number)?.advice, Some(Advice::Hint(Hint::ComeCloser)));
        sittings.note(&FaceEvent::Up);
        note(&sittings, ANN, kept(7));
        let progress = sittings.progress(now, number)?;
        assert_eq!((progress.advice, progress.more, progress.sealed.len()), (None, Some(2), 1));
        // However many a worker says it has kept, so many are enrolled at most.
        (0..20).for_each(|n| note(&sittings, ANN, kept(n)));
        note(&sittings, ANN, Sat::Ended(SittingEnd::Done));
        let progress = sittings.progress(now, number)?;
        assert_eq!((progress.sealed.len(), progress.ended), (16, Some(SittingEnd::Done)));
        assert!(sittings.progress(now, number).is_err());
        Ok(())
    }

    #[test]
    fn one_sits_at_a_time_and_nobody_hears_of_anothers() -> Result<(), String> {
        let (sittings, now) = (Sittings::default(), Instant::now());
        let first = sittings.begin(now, ANN)?;
        assert!(sittings.begin(now, BOB).is_err());
        let later = now + ABANDONED;
        let second = sittings.begin(later, BOB)?;
        note(&sittings, ANN, kept(1));
        assert!(sittings.progress(later, first).is_err());
        assert_eq!(sittings.progress(later, second)?.sealed.len(), 0);
        // Deleted meanwhile; and a worker that goes takes its sitting along.
        sittings.forget(&BOB);
        assert!(sittings.progress(later, second).is_err());
        let third = sittings.begin(later, BOB)?;
        sittings.note(&FaceEvent::Degraded(FaceFault::WorkerHung));
        assert_eq!(sittings.progress(later, third)?.ended, Some(SittingEnd::Down));
        Ok(())
    }
}
