//! Who is enrolled at this gate: taken in, taken out, kept apart from each other. The store is told first and
//! the worker after it, and what the worker acknowledges is waited for, because whoever asks for a removal
//! wants to know that it is done.

use super::control::{Desk, FacePath, MAX_TEMPLATES};
use super::face::{Enrolled, FaceEvent, Supervisor};
use crate::domain::{Directory, SubjectId};
use crate::io::store::{OfSubject, Store, StoreError};
use crate::wire::enrolled::{Consent, Record};
use crate::wire::template::{MAX_SEALED, Sealed};
use crate::wire::worker::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The worker's answers kept for somebody who waits: more than one question brings.
const ANSWERS: usize = 64;
/// How long somebody waits for them. A worker between two frames answers in a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Subjects to an answer: with the longest templates, and as many as one may have, they fit into it.
const PAGE: usize = 32;

/// The enrolled, as they are changed: on disk, and then in the worker's memory.
pub(super) struct Roll {
    store: Store,
    face: FacePath,
    /// Held from the one to the other, so that nobody who is deleted meanwhile comes back.
    changing: Mutex<()>,
}

impl Roll {
    pub(super) fn new(store: Store, face: FacePath) -> Self {
        Self { store, face, changing: Mutex::default() }
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        // Nothing is left half-done under this lock that the next change doesn't do anew.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A subject's, readable ones alone.
    fn of(&self, subject: &SubjectId) -> Result<Vec<Record>, StoreError> {
        let records = self.store.templates_of(&subject.0)?;
        Ok(records.iter().flat_map(|record| Record::from_bytes(*subject, record)).collect())
    }
}

/// What the worker answered of late.
#[derive(Default)]
pub(super) struct Answers {
    got: Mutex<VecDeque<FaceEvent>>,
    changed: Condvar,
}

impl Answers {
    /// Keeps what is an answer; never waits.
    pub(super) fn note(&self, event: &FaceEvent) {
        let answers = matches!(
            event,
            FaceEvent::Enrolled { .. }
                | FaceEvent::Forgotten { .. }
                | FaceEvent::LookAlikes { .. }
                | FaceEvent::Unanswered { .. }
        );
        if answers {
            let mut got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
            if got.len() == ANSWERS {
                got.pop_front();
            }
            got.push_back(event.clone());
            drop(got);
            self.changed.notify_all();
        }
    }

    /// Before a question: earlier answers are none to it.
    fn clear(&self) {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The first answer that is wanted, or `None` if it doesn't come in time.
    fn wait<T>(&self, until: Instant, wanted: impl Fn(&FaceEvent) -> Option<T>) -> Option<T> {
        let mut got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = got.iter().find_map(&wanted) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            got = self.changed.wait_timeout(got, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// All that is enrolled, for a worker that starts.
pub(super) fn roll(store: &Store) -> Enrolled {
    let sealed = |record: Result<OfSubject, StoreError>| {
        let (id, record) = record.ok()?;
        Record::from_bytes(SubjectId(id), &record).ok().map(|record| record.sealed)
    };
    let templates = Box::new(store.templates().map(sealed));
    Enrolled { templates, apart: apart(store) }
}

fn apart(store: &Store) -> Vec<(SubjectId, SubjectId)> {
    let pairs = store.apart().unwrap_or_else(|error| {
        tracing::error!(%error, "the pairs kept apart can't be read");
        Vec::new()
    });
    pairs.into_iter().map(|[a, b]| (SubjectId(a), SubjectId(b))).collect()
}

fn subject(text: &str) -> Result<SubjectId, String> {
    text.parse().map_err(|e| format!("subject: {e}"))
}

/// Keeps these templates for a subject who consented, in place of any before.
pub(super) fn enrol(
    name: &str,
    sealed: &[String],
    consent: Consent,
    desk: &Desk,
) -> Result<Value, String> {
    let id = entitled(name, desk)?;
    if sealed.is_empty() || sealed.len() > MAX_TEMPLATES {
        return Err(format!("enrol 1 to {MAX_TEMPLATES} templates"));
    }
    if consent.notice.trim().is_empty() || consent.notice.len() > 200 {
        return Err("name the notice that was consented to".into());
    }
    let mut records = Vec::new();
    for text in sealed {
        let bytes = STANDARD.decode(text).map_err(|_| "a template is no base64")?;
        let sealed = Sealed { subject: id, bytes };
        if sealed.model().is_none() || sealed.bytes.len() > MAX_SEALED {
            return Err("a template is not sealed as `face embed --seal` seals it".into());
        }
        let record = Record { sealed, consent: consent.clone() };
        records.push(record.to_bytes().map_err(|e| e.to_string())?);
    }
    let before = desk.store.templates_of(&id.0).map_err(|e| e.to_string())?;
    let count = records.len();
    desk.answers.clear();
    let told = replace(id, &records, desk)?;
    tell(desk, |face| {
        let _ = face.look_alikes(id);
    });
    let unconfirmed = json!({ "templates": count, "taken": null, "look_alikes": null });
    if !told {
        return Ok(unconfirmed);
    }
    let until = Instant::now() + PATIENCE;
    let answer = desk.answers.wait(until, |event| match event {
        FaceEvent::LookAlikes { subject, others } if *subject == id => Some(Some(others.len())),
        FaceEvent::Unanswered { subject } if *subject == id => Some(None),
        _ => None,
    });
    // They were sent before, so they are answered by now.
    let (taken, refused) = outcomes(desk, id);
    let why = match (answer, refused) {
        // No worker is ready: one that starts has them from the store.
        (Some(None), None) => return Ok(unconfirmed),
        (Some(Some(look_alikes)), None) if taken == count => {
            return Ok(json!({ "templates": count, "taken": taken, "look_alikes": look_alikes }));
        }
        (_, Some(why)) => format!("the face worker refused a template: {why}"),
        _ => "the face worker doesn't answer; try again when it does".into(),
    };
    replace(id, &before, desk)?;
    Err(format!("{why}. What was enrolled before stays"))
}

/// Who may be enrolled. The office refuses others too; a gate doesn't rely on it.
pub(super) fn entitled(name: &str, desk: &Desk) -> Result<SubjectId, String> {
    let id = subject(name)?;
    let right = desk.shared.allowlist().subject(&id).ok_or(
        "the allowlist of this gate doesn't have this subject: publish one that does, then enrol",
    )?;
    if !right.ways.card || !right.ways.face {
        return Err("this subject has not got both a card and the wish to use a face in the \
                    allowlist: a face is never the only way in"
            .into());
    }
    Ok(id)
}

/// Puts these records in place of a subject's: in the store, and in the worker's memory. `false` where there is no face
/// path to tell; one that is too busy has them from the store at the worker's next start.
fn replace(id: SubjectId, records: &[Vec<u8>], desk: &Desk) -> Result<bool, String> {
    let _changing = desk.roll.change();
    desk.store.put_templates(&id.0, records).map_err(|e| e.to_string())?;
    if let Ok(all) = desk.store.template_count() {
        desk.shared.health().face.templates = all;
    }
    let apart = apart(&desk.store);
    Ok(tell(desk, |face| {
        let _ = face.forget(id);
        for record in records.iter().flat_map(|record| Record::from_bytes(id, record)) {
            let _ = face.enrol(record.sealed);
        }
        // To forget somebody is to forget from whom they were kept apart, too.
        for (a, b) in apart.iter().filter(|(a, b)| *a == id || *b == id) {
            let _ = face.separate(*a, *b);
        }
    }))
}

fn outcomes(desk: &Desk, id: SubjectId) -> (usize, Option<Refusal>) {
    let got = desk.answers.got.lock().unwrap_or_else(PoisonError::into_inner);
    let outcomes = got.iter().filter_map(|event| match event {
        FaceEvent::Enrolled { subject, outcome } if *subject == id => Some(*outcome),
        _ => None,
    });
    outcomes.fold((0, None), |(taken, refused), outcome| match outcome {
        Ok(()) => (taken + 1, refused),
        Err(why) => (taken, Some(why)),
    })
}

/// Some of the templates kept, still sealed, each with its subject: of those that come after `after` in the
/// store's order. Also for a gate that isn't running. `unreadable` is whose others were; `last` is where to go on,
/// null when none were left.
pub fn sealed(after: Option<&str>, store: &Store) -> Result<Value, String> {
    let after = after.map(subject).transpose()?;
    let records = store.templates_after(after.map(|id| id.0).as_ref(), PAGE);
    let records = records.map_err(|e| e.to_string())?;
    let last = records.last().map(|(id, _)| SubjectId(*id).to_hex());
    let (mut page, mut unreadable) = (Vec::new(), Vec::new());
    for (id, record) in &records {
        let id = SubjectId(*id);
        let bytes = Record::from_bytes(id, record).map(|record| record.sealed.bytes);
        // What is longer is no template; no worker takes it.
        match bytes.ok().filter(|bytes| bytes.len() <= MAX_SEALED) {
            Some(bytes) => {
                let sealed = STANDARD.encode(&bytes);
                page.push(json!({ "subject": id.to_hex(), "sealed": sealed }));
            }
            None => unreadable.push(id.to_hex()),
        }
    }
    Ok(json!({ "unreadable": unreadable, "templates": page, "last": last }))
}

/// Deletes a subject's templates and what was said of them: from the store, and from the worker's memory.
/// `removed` is what the worker has acknowledged, or null where none runs.
pub(super) fn forget(name: &str, desk: &Desk) -> Result<Value, String> {
    let id = subject(name)?;
    desk.sittings.forget(&id);
    let changing = desk.roll.change();
    // Whatever the disk says, the worker forgets.
    let removed = desk.store.remove_enrolled(&id.0);
    if let Ok(all) = desk.store.template_count() {
        desk.shared.health().face.templates = all;
    }
    desk.answers.clear();
    let mut busy = false;
    let told = tell(desk, |face| busy = face.forget(id).is_err());
    drop(changing);
    let templates = removed.map_err(|e| {
        format!(
            "{e}. The face worker was told to forget all the same; do it again once there is room"
        )
    })?;
    let removed = (told && !busy).then(|| {
        desk.answers.wait(Instant::now() + PATIENCE, |event| match event {
            FaceEvent::Forgotten { subject } if *subject == id => Some(()),
            _ => None,
        })
    });
    let removed = match removed {
        Some(acknowledged) => json!(acknowledged.is_some()),
        None if told => json!(false),
        None => Value::Null,
    };
    Ok(json!({ "templates": templates, "removed": removed }))
}

/// Somebody has passed whom the former model knew: keeps what the current model saw of them, by the consent that
/// their other templates rest on, which go with the last one. Who was deleted meanwhile stays deleted.
pub(super) fn cross(sealed: Sealed, last: bool, roll: &Roll) {
    let changing = roll.change();
    let kept = add(&sealed, last, roll);
    match kept {
        Ok(true) => {
            tracing::info!(last, "a resident moves across to the current embedding model");
            let face = roll.face.lock().unwrap_or_else(PoisonError::into_inner);
            // One that is too busy has it from the store at the worker's next start.
            let _ = face.as_ref().map(|face| face.enrol(sealed));
        }
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(%error, "a resident does not move to the current model; next time they may");
        }
    }
    drop(changing);
}

fn add(sealed: &Sealed, last: bool, roll: &Roll) -> Result<bool, StoreError> {
    let mut held = roll.of(&sealed.subject)?;
    let Some(first) = held.first() else { return Ok(false) };
    let consent = first.consent.clone();
    if last {
        held.retain(|of| of.sealed.model() == sealed.model());
    }
    // Those of the former model go first.
    held.sort_by_key(|of| of.sealed.model() == sealed.model());
    let spare = (held.len() + 1).saturating_sub(MAX_TEMPLATES);
    let new = Record { sealed: sealed.clone(), consent };
    let records: Result<Vec<_>, _> =
        held.drain(spare..).chain([new]).map(|of| of.to_bytes()).collect();
    let Ok(records) = records else { return Ok(false) };
    roll.store.put_templates(&sealed.subject.0, &records)?;
    Ok(true)
}

/// Somebody who is `name` was taken for `other`: from now on nearly is not enough between them.
pub(super) fn not_me(name: &str, other: &str, desk: &Desk) -> Result<Value, String> {
    let (a, b) = (subject(name)?, subject(other)?);
    if a == b {
        return Err("name two subjects: who it was, and who it was taken for".into());
    }
    let list = desk.shared.allowlist();
    if [a, b].iter().any(|id| list.subject(id).is_none()) {
        return Err(
            "one of these two is not in this gate's allowlist: look at the subjects again".into()
        );
    }
    desk.store.put_apart(&a.0, &b.0).map_err(|e| e.to_string())?;
    let mut busy = false;
    let told = tell(desk, |face| busy = face.separate(a, b).is_err());
    Ok(json!({ "now": told && !busy }))
}

/// Whether there is a face path to tell.
fn tell(desk: &Desk, say: impl FnOnce(&Supervisor)) -> bool {
    let face = desk.face.lock().unwrap_or_else(PoisonError::into_inner);
    face.as_ref().map(say).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the store has it, of a template that begins as one of this model.
    fn record(model: u8, n: u8) -> Vec<u8> {
        let consent = Consent { notice: "2026-04".into(), given_at: 7 };
        Record { sealed: sealed(model, n), consent }.to_bytes().unwrap_or_default()
    }

    fn sealed(model: u8, n: u8) -> Sealed {
        let mut bytes = vec![2];
        bytes.extend([model; 32]);
        bytes.push(n);
        Sealed { subject: SubjectId([1; 16]), bytes }
    }

    #[test]
    fn who_crosses_keeps_the_consent_and_the_former_templates_until_the_last()
    -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(dir.path())?;
        let roll = Roll::new(store.clone(), FacePath::default());
        let id = [1; 16];
        // Of somebody who isn't enrolled, or no more, nothing is kept.
        cross(sealed(9, 0), false, &roll);
        assert_eq!(store.template_count()?, 0);

        let former: Vec<_> = (0..MAX_TEMPLATES as u8).map(|n| record(8, n)).collect();
        store.put_templates(&id, &former)?;
        cross(sealed(9, 100), false, &roll);
        // There is room for so many; of the former model's, the first has gone.
        let held = roll.of(&SubjectId(id))?;
        let last_byte = |of: &Record| of.sealed.bytes.last().copied();
        assert_eq!((held.len(), held.first().and_then(last_byte)), (MAX_TEMPLATES, Some(1)));
        assert_eq!(held.last().and_then(last_byte), Some(100));
        cross(sealed(9, 101), true, &roll);
        let held = roll.of(&SubjectId(id))?;
        assert_eq!(held.iter().map(last_byte).collect::<Vec<_>>(), [Some(100), Some(101)]);
        assert!(held.iter().all(|of| of.consent.notice == "2026-04"));
        Ok(())
    }

    #[test]
    fn only_answers_are_kept_and_not_for_ever() {
        let answers = Answers::default();
        let id = |n: u8| SubjectId([n; 16]);
        answers.note(&FaceEvent::Up);
        for n in 0..=ANSWERS as u8 {
            answers.note(&FaceEvent::Forgotten { subject: id(n) });
        }
        let now = Instant::now();
        let forgotten = |n: u8| {
            answers.wait(now, |e| (*e == FaceEvent::Forgotten { subject: id(n) }).then_some(()))
        };
        assert_eq!((forgotten(0), forgotten(1)), (None, Some(())), "the oldest went");
        assert_eq!(answers.wait(now, |e| (*e == FaceEvent::Up).then_some(())), None);
        answers.clear();
        assert_eq!(answers.wait(now, |_| Some(())), None);
    }
}
