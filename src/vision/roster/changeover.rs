//! A change of the embedding model, resident by resident. Both models look at whoever is asking; those the
//! current one doesn't know yet are found by the former. Somebody whom the former knows beyond doubt, and who
//! then passes, is enrolled with what the current model saw of them; after a few such passages the former
//! model's templates of them go. No picture has to be taken again, and none was kept.
//!
//! A stranger has two models to get past, so each is held to half of what the gate may let through.

use super::{Crossing, Found, Roster, TEMPLATES};
use crate::domain::SubjectId;
use crate::vision::certainty::{Expected, Targets, Terms};
use crate::vision::template::Template;
use crate::vision::verdict::Verdict;

impl Roster {
    /// Beside a former model's, empty as yet. Before anybody is added.
    pub fn after(mut self, mut former: Roster) -> Self {
        for roster in [&mut self, &mut former] {
            let accepted = roster.targets.strangers_accepted / 2.0;
            roster.targets = Targets { strangers_accepted: accepted, ..roster.targets };
        }
        self.former = Some(Box::new(former));
        self
    }

    /// Subjects who have yet to move across; `None` where no model is being changed.
    pub fn to_move(&self) -> Option<usize> {
        self.former.as_ref().map(|former| former.gallery.subjects())
    }

    /// Templates of this subject by this model.
    pub(super) fn own(&self, subject: &SubjectId) -> u32 {
        let gathered = self.gathered.get(subject).map(|fusion| fusion.frames());
        gathered.unwrap_or_else(|| self.gallery.templates(subject) as u32)
    }

    /// As many as this model's certainty was measured with.
    pub(super) fn wanted(&self) -> u32 {
        self.evidence.as_ref().map_or(TEMPLATES, |evidence| evidence.templates).max(1)
    }

    pub(super) fn crossing(
        &self,
        template: &Template,
        own: &Found,
        former: &Roster,
        before: &Found,
    ) -> Option<Crossing> {
        let Verdict::One(subject) = before.verdict else { return None };
        let sure = former.settled.as_ref().is_some_and(|s| before.distance < s.sure);
        let known = self.own(&subject);
        // Whom the current model takes for somebody else, or finds unlike what it has seen of them before, isn't
        // enrolled: one false recognition must not become a lasting one.
        let agrees = match own.verdict {
            Verdict::One(same) => same == subject,
            Verdict::Nobody => known == 0,
            Verdict::Either(..) => false,
        };
        let new = self.space().admit(template).is_ok() && known < self.wanted();
        (sure && agrees && new).then_some(Crossing { subject, last: known + 1 >= self.wanted() })
    }
}

/// What two models make of one face. One that knows nobody leaves it to the other; two that don't agree know
/// nobody.
pub(super) fn agree(own: Found, former: Found) -> Found {
    match (own.verdict, former.verdict) {
        (_, Verdict::Nobody) => own,
        (Verdict::Nobody, _) => former,
        (Verdict::One(subject), other) if other.names(&subject) => own,
        (Verdict::Either(a, b), other) if other.names(&a) || other.names(&b) => own,
        _ => Found { verdict: Verdict::Nobody, ..own },
    }
}

/// What can be promised of both together. A stranger may get past either; a resident is known by at least
/// one of them, of which the worse is assumed.
pub(super) fn both(own: Terms, former: Terms) -> Terms {
    let worse = if former.residents_refused.share > own.residents_refused.share {
        former.residents_refused
    } else {
        own.residents_refused
    };
    let (a, b) = (own.strangers_accepted, former.strangers_accepted);
    Terms {
        threshold: own.threshold,
        compared: own.compared + former.compared,
        claim_needed: own.claim_needed || former.claim_needed,
        strangers_accepted: Expected {
            share: a.share + b.share,
            at_most: a.at_most + b.at_most,
            extrapolated: a.extrapolated || b.extrapolated,
        },
        residents_refused: worse,
        supported: own.supported.min(former.supported),
    }
}

#[cfg(test)]
mod tests;
