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
    /// The weekly profile it holds in, by its number in the site's numbering; `None` for always. Hours of a
    /// number that the gate doesn't know are none.
    pub profile: Option<u8>,
    /// How often it may be used in all; `None` for without limit.
    pub uses: Option<u16>,
    /// Whether the door stays open longer for this subject.
    pub extended: bool,
}

impl Entitlement {
    /// A right without any limit.
    pub const fn unlimited(subject: SubjectId, ways: Ways) -> Self {
        Self { subject, ways, from: None, until: None, profile: None, uses: None, extended: false }
    }
}

/// Who may pass: what a decision asks. `allowlist` implements it for the signed list, tests and the
/// simulator as they need.
pub trait Directory {
    fn card(&self, card: &CardNumber) -> Option<Entitlement>;
    fn subject(&self, subject: &SubjectId) -> Option<Entitlement>;
    /// Whether this is the subject's PIN. Nobody without one has any; takes the same time for any PIN.
    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool;
    /// Whether this is the PIN the subject gives under threat.
    fn is_duress(&self, _subject: &SubjectId, _pin: &Pin) -> bool {
        false
    }
}
