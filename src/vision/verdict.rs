//! From what is nearest to what may be said: one subject, one of two look-alikes, or nobody.
//!
//! Who may pass is not known here; the gate answers that.

use super::gallery::Nearest;
use crate::domain::SubjectId;
use std::collections::HashSet;

/// Pairs that were once taken for each other ("not me"): between them, nearly is not enough.
#[derive(Clone, Default)]
pub struct Separations(HashSet<(SubjectId, SubjectId)>);

/// What was seen, before anybody's rights are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Nobody,
    One(SubjectId),
    /// Nearest to the first, but not clearly nearer than to the second.
    Either(SubjectId, SubjectId),
}

/// What may be done about a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This subject; whether they may pass is for the gate to decide.
    Named(SubjectId),
    /// One of two who may both pass here now; nobody can say which, so nobody is named.
    Unnamed,
    /// Nobody, or two of whom one may not pass: a card decides.
    NoMatch,
}

/// How much nearer than the next one the nearest must be, in the metric's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margins {
    /// Nearer than this to somebody enrolled matches.
    pub threshold: f32,
    /// Where both of two are within the threshold.
    pub clear: f32,
    /// For a separated pair, wherever the second is.
    pub separated: f32,
}

impl Margins {
    /// The defaults for a threshold.
    pub fn new(threshold: f32) -> Self {
        Self { threshold, clear: 0.15 * threshold, separated: 0.3 * threshold }
    }
}

impl Verdict {
    /// Whether it is this subject, or may be.
    pub fn names(&self, subject: &SubjectId) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(a) => a == subject,
            Self::Either(a, b) => a == subject || b == subject,
        }
    }
}

fn ordered(a: SubjectId, b: SubjectId) -> (SubjectId, SubjectId) {
    if a <= b { (a, b) } else { (b, a) }
}

impl Separations {
    /// Somebody who is one of these was taken for the other.
    pub fn add(&mut self, a: SubjectId, b: SubjectId) {
        if a != b {
            self.0.insert(ordered(a, b));
        }
    }

    /// A subject has left; what was said of them goes too.
    pub fn forget(&mut self, subject: &SubjectId) {
        self.0.retain(|(a, b)| a != subject && b != subject);
    }

    pub fn contains(&self, a: SubjectId, b: SubjectId) -> bool {
        self.0.contains(&ordered(a, b))
    }
}

/// Judges what is nearest.
pub fn judge(nearest: &Nearest, margins: &Margins, separations: &Separations) -> Verdict {
    let matches = nearest.distance < margins.threshold;
    if !matches {
        return Verdict::Nobody;
    }
    let Some((second, distance)) = nearest.second else { return Verdict::One(nearest.subject) };
    let ahead = distance - nearest.distance;
    if separations.contains(nearest.subject, second) {
        let clear = ahead >= margins.separated;
        return if clear { Verdict::One(nearest.subject) } else { Verdict::Nobody };
    }
    if distance < margins.threshold && ahead < margins.clear {
        return Verdict::Either(nearest.subject, second);
    }
    Verdict::One(nearest.subject)
}

/// Applies rights: `may_pass` says whether a subject may pass here, now, by face.
pub fn settle(verdict: Verdict, may_pass: impl Fn(&SubjectId) -> bool) -> Outcome {
    match verdict {
        Verdict::Nobody => Outcome::NoMatch,
        Verdict::One(subject) => Outcome::Named(subject),
        Verdict::Either(a, b) if may_pass(&a) && may_pass(&b) => Outcome::Unnamed,
        Verdict::Either(..) => Outcome::NoMatch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> SubjectId {
        SubjectId([n; 16])
    }

    const MARGINS: Margins = Margins { threshold: 0.5, clear: 0.1, separated: 0.2 };

    fn judged(first: f32, second: Option<f32>, separations: &Separations) -> Verdict {
        let second = second.map(|d| (id(2), d));
        judge(&Nearest { subject: id(1), distance: first, second }, &MARGINS, separations)
    }

    #[test]
    fn look_alikes_with_equal_rights_pass_unnamed_and_without_dont() {
        let none = Separations::default();
        let either = judged(0.30, Some(0.35), &none);
        assert_eq!(either, Verdict::Either(id(1), id(2)));
        assert_eq!(settle(either, |_| true), Outcome::Unnamed);
        for only in [1, 2, 3] {
            assert_eq!(settle(either, |s| *s == id(only)), Outcome::NoMatch);
        }
    }

    #[test]
    fn one_who_is_clearly_nearer_is_named() {
        let none = Separations::default();
        for second in [None, Some(0.45), Some(0.55)] {
            assert_eq!(judged(0.30, second, &none), Verdict::One(id(1)), "{second:?}");
        }
        // A second one beyond the threshold is no match, however near to the first.
        assert_eq!(judged(0.49, Some(0.51), &none), Verdict::One(id(1)));
        assert_eq!(settle(Verdict::One(id(1)), |_| false), Outcome::Named(id(1)));
    }

    #[test]
    fn the_threshold_and_no_number_are_nobody() {
        let none = Separations::default();
        for d in [0.5, 0.9, f32::NAN, f32::INFINITY] {
            assert_eq!(judged(d, Some(0.9), &none), Verdict::Nobody);
        }
        assert_eq!(settle(Verdict::Nobody, |_| true), Outcome::NoMatch);
    }

    #[test]
    fn not_me_separates_a_pair_until_one_of_them_leaves() {
        let mut apart = Separations::default();
        apart.add(id(2), id(1));
        apart.add(id(3), id(3));
        // Good enough for others, not for these two.
        assert_eq!(judged(0.30, Some(0.45), &apart), Verdict::Nobody);
        assert_eq!(judged(0.45, Some(0.52), &apart), Verdict::Nobody);
        assert_eq!(judged(0.20, Some(0.45), &apart), Verdict::One(id(1)));
        assert!(!apart.contains(id(3), id(3)));
        apart.forget(&id(1));
        assert_eq!(judged(0.30, Some(0.45), &apart), Verdict::One(id(1)));
    }
}
