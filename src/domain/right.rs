//! What the allowlist grants, as the decision sees it.

use super::{CardNumber, Pin, SubjectId, WallTime};

/// The ways in that a subject has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ways {
    pub card: bool,
    pub face: bool,
}

/// One subject's right to pass this gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    pub subject: SubjectId,
    pub ways: Ways,
    /// Not before, where there is a beginning.
    pub from: Option<WallTime>,
    /// Not at or after, where there is an end.
    pub until: Option<WallTime>,
}

/// Who may pass: what a decision asks. `allowlist` implements it for the signed list, tests and the
/// simulator as they need.
pub trait Directory {
    fn card(&self, card: &CardNumber) -> Option<Entitlement>;
    fn subject(&self, subject: &SubjectId) -> Option<Entitlement>;
    /// Whether this is the subject's PIN. Nobody without one has any; takes the same time for any PIN.
    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool;
}
