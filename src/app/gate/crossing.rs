//! Residents who move across to another embedding model: what the worker saw of them waits here, sealed, until
//! the core says that they have passed. Nobody who was let in and turned round is enrolled anew.

use super::Gate;
use crate::app::enrolled;
use crate::domain::{Clock, Duration, Instant, SubjectId};
use crate::wire::template::Sealed;
use std::collections::VecDeque;

/// Templates that wait: more than the grants that a door queues.
const WAITING: usize = 8;
/// Longer than any grant's turn lasts, and what it may have waited for that.
const WITHIN: Duration = Duration::from_secs(120);

/// What is kept of somebody once they have passed.
#[derive(Default)]
pub(super) struct Crossings(VecDeque<(Instant, Sealed, bool)>);

impl Crossings {
    /// Whoever is deleted, or enrolled anew, has nothing waiting.
    pub(super) fn forget(&mut self, subject: &SubjectId) {
        self.0.retain(|(_, waiting, _)| waiting.subject != *subject);
    }

    fn put(&mut self, now: Instant, sealed: Sealed, last: bool) {
        self.forget(&sealed.subject);
        if self.0.len() == WAITING {
            self.0.pop_front();
        }
        self.0.push_back((now, sealed, last));
    }

    fn take(&mut self, now: Instant, subject: &SubjectId) -> Option<(Sealed, bool)> {
        self.0.retain(|(since, ..)| now.since(*since) < WITHIN);
        let at = self.0.iter().position(|(_, sealed, _)| sealed.subject == *subject)?;
        self.0.remove(at).map(|(_, sealed, last)| (sealed, last))
    }
}

impl Gate {
    /// Somebody is known by the former model; they have yet to pass.
    pub(super) fn crosses(&mut self, sealed: Sealed, last: bool) {
        self.crossings.put(self.parts.clock.now(), sealed, last);
    }

    /// Somebody who was let in has passed, as far as the door can tell.
    pub(super) fn passed(&mut self, subject: &SubjectId) {
        let Some((sealed, last)) = self.crossings.take(self.parts.clock.now(), subject) else {
            return;
        };
        // The disk may take its time, and no card may wait for it.
        let roll = self.parts.roll.clone();
        let kept = std::thread::Builder::new()
            .name("crossing".into())
            .spawn(move || enrolled::cross(sealed, last, &roll));
        if let Err(error) = kept {
            tracing::warn!(%error, "a resident does not move to the new model; next time they may");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(n: u8) -> Sealed {
        Sealed { subject: SubjectId([n; 16]), bytes: vec![n] }
    }

    #[test]
    fn one_template_waits_for_a_passage_and_not_for_ever() {
        let mut crossings = Crossings::default();
        let id = |n: u8| SubjectId([n; 16]);
        let at = |s: u64| Instant(0) + Duration::from_secs(s);
        crossings.put(at(0), sealed(1), false);
        crossings.put(at(1), Sealed { bytes: vec![7], ..sealed(1) }, true);
        assert_eq!(crossings.take(at(2), &id(2)), None);
        // The newest of somebody, once.
        let newest = Some((Sealed { bytes: vec![7], ..sealed(1) }, true));
        assert_eq!(crossings.take(at(2), &id(1)), newest);
        assert_eq!(crossings.take(at(2), &id(1)), None);
        crossings.put(at(3), sealed(1), false);
        crossings.forget(&id(1));
        assert_eq!(crossings.take(at(3), &id(1)), None, "forgotten");
        crossings.put(at(3), sealed(1), false);
        assert_eq!(crossings.take(at(3) + WITHIN, &id(1)), None, "too long ago");
        for n in 0..=WAITING as u8 {
            crossings.put(at(200), sealed(n), false);
        }
        assert_eq!(crossings.take(at(200), &id(0)), None, "the oldest went");
        assert!(crossings.take(at(200), &id(1)).is_some());
    }
}
