//! Who came in and has not left, as far as this gate's own doors can tell.

use crate::access::memory::{Fact, instant_of};
use crate::access::options::{Passback, PassbackRule};
use crate::domain::{Heading, Instant, SubjectId, WallTime};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(in crate::access) struct Inside {
    options: Passback,
    /// Since when; `None` for a time that could not be told over a restart.
    since: BTreeMap<SubjectId, Option<Instant>>,
}

impl Inside {
    pub(in crate::access) fn new(options: Passback) -> Self {
        Self { options, since: BTreeMap::new() }
    }

    pub(in crate::access) fn rule(&self) -> PassbackRule {
        self.options.rule
    }

    /// Whether coming in now would be coming in twice.
    pub(in crate::access) fn is_in(&self, who: &SubjectId, now: Instant) -> bool {
        match (self.since.get(who), self.options.timeout) {
            (None, _) => false,
            (Some(Some(at)), Some(timeout)) => now.since(*at) < timeout,
            (Some(_), _) => true,
        }
    }

    /// Somebody passed. Gives what is to be kept.
    pub(in crate::access) fn passed(
        &mut self,
        who: SubjectId,
        heading: Heading,
        now: Instant,
        wall: Option<WallTime>,
    ) -> Option<Fact> {
        if self.options.rule == PassbackRule::Off {
            return None;
        }
        let since = match heading {
            Heading::In => {
                self.since.insert(who, Some(now));
                Some(wall)
            }
            Heading::Out => {
                self.since.remove(&who)?;
                None
            }
        };
        Some(Fact::Inside { subject: who, since })
    }

    /// Everybody's place is forgotten. Gives what is to be kept.
    pub(in crate::access) fn amnesty(&mut self) -> impl Iterator<Item = Fact> + use<> {
        let all = std::mem::take(&mut self.since);
        all.into_keys().map(|subject| Fact::Inside { subject, since: None })
    }

    pub(in crate::access) fn restore(
        &mut self,
        who: SubjectId,
        since: Option<WallTime>,
        now: Instant,
        wall: Option<WallTime>,
    ) {
        if self.options.rule == PassbackRule::Off {
            return;
        }
        // With a timeout, one whose age can't be told begins it anew rather than never end it.
        let at = since.and_then(|since| instant_of(since, now, wall)).unwrap_or(now);
        self.since.insert(who, Some(at));
    }
}
