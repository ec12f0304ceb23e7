//! Lookup in flat sorted arrays: 20 bytes a card, 17 a subject; 24 more for each of the few that have a
//! period, 8 for uses or a profile, 20 for a PIN. A million cards of a million subjects are 37 MB, and a look
//! is twenty comparisons.

use crate::domain::{CredentialId, Entitlement, PinTag, SubjectId, WallTime, Ways};

#[derive(Clone, Copy)]
struct Subject {
    id: SubjectId,
    flags: u8,
}

/// Byte-aligned, so that a million take 20 MB and not 24.
#[derive(Clone, Copy)]
struct Card {
    id: CredentialId,
    subject: [u8; 4],
}

#[derive(Clone, Copy)]
struct Period {
    subject: u32,
    from: Option<std::num::NonZeroU64>,
    until: Option<std::num::NonZeroU64>,
}

const CARD: u8 = 1;
const FACE: u8 = 2;
const PERIOD: u8 = 4;
const LIMITS: u8 = 8;
const EXTENDED: u8 = 16;

/// How often, and when in the week. 0 uses are without limit.
#[derive(Clone, Copy)]
struct Limits {
    subject: u32,
    uses: u16,
    profile: Option<u8>,
}

/// Byte-aligned: 20 bytes for each subject that has a PIN.
#[derive(Clone, Copy)]
struct Pin {
    subject: [u8; 4],
    tag: PinTag,
}

/// Subjects, cards, and what few subjects have, each sorted by its key.
#[derive(Default)]
pub(super) struct Index {
    subjects: Vec<Subject>,
    cards: Vec<Card>,
    periods: Vec<Period>,
    limits: Vec<Limits>,
    pins: Vec<Pin>,
    duress: Vec<Pin>,
}

/// Why an index can't be made of what was added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsound {
    /// Subjects not in ascending order, or one twice.
    Order,
    /// A card of two subjects.
    SharedCard,
}

impl Index {
    pub(super) fn with_capacity(subjects: usize, cards: usize) -> Self {
        Self {
            subjects: Vec::with_capacity(subjects),
            cards: Vec::with_capacity(cards),
            ..Self::default()
        }
    }

    /// Adds a subject; ids must ascend. A time of 0 (1970) is no time, 0 uses are no limit.
    pub(super) fn add(&mut self, right: &Entitlement) -> Result<(), Unsound> {
        if self.subjects.last().is_some_and(|last| last.id >= right.subject) {
            return Err(Unsound::Order);
        }
        let index = u32::try_from(self.subjects.len()).map_err(|_| Unsound::Order)?;
        let time = |t: Option<WallTime>| t.and_then(|t| std::num::NonZeroU64::new(t.0));
        let (from, until) = (time(right.from), time(right.until));
        let mut flags = 0;
        if right.ways.card {
            flags |= CARD;
        }
        if right.ways.face {
            flags |= FACE;
        }
        if from.is_some() || until.is_some() {
            flags |= PERIOD;
            self.periods.push(Period { subject: index, from, until });
        }
        if right.uses.is_some() || right.profile.is_some() {
            flags |= LIMITS;
            let (uses, profile) = (right.uses.unwrap_or(0), right.profile);
            self.limits.push(Limits { subject: index, uses, profile });
        }
        if right.extended {
            flags |= EXTENDED;
        }
        self.subjects.push(Subject { id: right.subject, flags });
        Ok(())
    }

    /// Adds a card of the subject added last.
    pub(super) fn add_card(&mut self, id: CredentialId) {
        self.cards.push(Card { id, subject: self.last() });
    }

    /// Gives the subject added last its PIN.
    pub(super) fn add_pin(&mut self, tag: PinTag) {
        self.pins.push(Pin { subject: self.last(), tag });
    }

    /// Gives the subject added last the PIN that calls for help.
    pub(super) fn add_duress(&mut self, tag: PinTag) {
        self.duress.push(Pin { subject: self.last(), tag });
    }

    fn last(&self) -> [u8; 4] {
        (self.subjects.len().saturating_sub(1) as u32).to_ne_bytes()
    }

    /// Makes lookup possible; to be called once, after the last addition.
    pub(super) fn finish(&mut self) -> Result<(), Unsound> {
        self.cards.sort_unstable_by_key(|card| card.id);
        self.periods.shrink_to_fit();
        self.limits.shrink_to_fit();
        self.pins.shrink_to_fit();
        self.duress.shrink_to_fit();
        if self.cards.windows(2).any(|pair| matches!(pair, [a, b] if a.id == b.id)) {
            return Err(Unsound::SharedCard);
        }
        Ok(())
    }

    pub(super) fn subjects(&self) -> u32 {
        self.subjects.len() as u32
    }

    pub(super) fn cards(&self) -> u32 {
        self.cards.len() as u32
    }

    pub(super) fn by_card(&self, id: &CredentialId) -> Option<Entitlement> {
        let at = self.cards.binary_search_by_key(id, |card| card.id).ok()?;
        self.entitlement(u32::from_ne_bytes(self.cards.get(at)?.subject))
    }

    pub(super) fn by_subject(&self, id: &SubjectId) -> Option<Entitlement> {
        let at = self.subjects.binary_search_by_key(id, |subject| subject.id).ok()?;
        self.entitlement(at as u32)
    }

    pub(super) fn has_pins(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Everybody who has a PIN.
    pub(super) fn pins(&self) -> impl Iterator<Item = (Entitlement, PinTag)> {
        let of = |pin: &Pin| Some((self.entitlement(u32::from_ne_bytes(pin.subject))?, pin.tag));
        self.pins.iter().filter_map(of)
    }

    pub(super) fn pin(&self, id: &SubjectId) -> Option<PinTag> {
        self.tag(&self.pins, id)
    }

    pub(super) fn duress(&self, id: &SubjectId) -> Option<PinTag> {
        self.tag(&self.duress, id)
    }

    fn tag(&self, pins: &[Pin], id: &SubjectId) -> Option<PinTag> {
        let at = self.subjects.binary_search_by_key(id, |subject| subject.id).ok()? as u32;
        let pin = pins.binary_search_by_key(&at, |pin| u32::from_ne_bytes(pin.subject)).ok()?;
        pins.get(pin).map(|pin| pin.tag)
    }

    fn entitlement(&self, index: u32) -> Option<Entitlement> {
        let subject = self.subjects.get(index as usize)?;
        let ways = Ways { card: subject.flags & CARD != 0, face: subject.flags & FACE != 0 };
        let mut right = Entitlement::unlimited(subject.id, ways);
        if subject.flags & PERIOD != 0 {
            // A period that can't be found must not widen a right into one without end.
            let at = self.periods.binary_search_by_key(&index, |p| p.subject).ok()?;
            let period = self.periods.get(at)?;
            right.from = period.from.map(|t| WallTime(t.get()));
            right.until = period.until.map(|t| WallTime(t.get()));
        }
        if subject.flags & LIMITS != 0 {
            // Nor must limits that can't be found.
            let at = self.limits.binary_search_by_key(&index, |l| l.subject).ok()?;
            let limits = self.limits.get(at)?;
            right.uses = Some(limits.uses).filter(|uses| *uses > 0);
            right.profile = limits.profile;
        }
        right.extended = subject.flags & EXTENDED != 0;
        Some(right)
    }
}
