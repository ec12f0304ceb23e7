//! The property office of a simulated day: lists signed, sealed and opened by the code of the gate.

use super::plan::{MIDNIGHT, Person};
use crate::allowlist::{Allowlist, CardKey, Entry, Plain};
use crate::domain::{
    CardNumber, Directory, Entitlement, GateId, OperatorId, Pin, SiteId, SubjectId, WallTime, Ways,
};
use crate::trust::{
    Certificate, Draft, Expectation, GateKeys, Key256, Purpose, Role, SecretKey, seal,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A list as the gate has it, with what the list's form has no place for yet.
pub(super) struct List {
    allowlist: Allowlist,
    people: Rc<Vec<Person>>,
}

pub(super) fn subject(i: usize) -> SubjectId {
    SubjectId([i as u8 + 1; 16])
}

pub(super) fn whose(subject: &SubjectId) -> usize {
    usize::from(subject.0[0]) - 1
}

/// The whole number of a resident's card.
pub(super) fn number(i: usize) -> u32 {
    1_000 + i as u32
}

/// Everybody's own; under threat the first digit is one higher.
pub(super) fn pin_of(i: usize, duress: bool) -> [u8; 4] {
    [1 + u8::from(duress), 0, (i / 10 % 10) as u8, (i % 10) as u8]
}

impl Directory for List {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        self.allowlist.card(card).map(|right| self.limited(right))
    }

    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        self.allowlist.subject(subject).map(|right| self.limited(right))
    }

    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool {
        self.allowlist.pin_fits(subject, pin)
    }

    fn is_duress(&self, subject: &SubjectId, pin: &Pin) -> bool {
        pin.digits() == pin_of(whose(subject), true)
    }
}

impl List {
    fn limited(&self, right: Entitlement) -> Entitlement {
        let Some(person) = self.people.get(whose(&right.subject)) else { return right };
        let profile = person.profile.then_some(0);
        Entitlement { profile, uses: person.uses, extended: person.extended, ..right }
    }
}

fn minute(of_day: u64) -> WallTime {
    WallTime(MIDNIGHT.0 + of_day * 60_000)
}

/// Keys that every day shares: making them takes longer than a day.
pub(super) struct Office {
    site: SiteId,
    gate: GateId,
    root: SecretKey,
    operator: SecretKey,
    gate_keys: GateKeys,
    certificate: String,
    epoch_key: Key256,
}

impl Office {
    pub(super) fn new() -> Option<Self> {
        let site: SiteId = "garden".parse().ok()?;
        let operator_name: OperatorId = "office".parse().ok()?;
        let (root, operator) = (SecretKey::generate(), SecretKey::generate());
        let from = WallTime(MIDNIGHT.0 - 86_400_000);
        let until = WallTime(MIDNIGHT.0 + 864_000_000);
        let key = operator.public();
        let certificate =
            Certificate::new(site.clone(), operator_name, key, Role::Office, from, until)
                .issue(&root)
                .ok()?;
        Some(Self {
            site,
            gate: "north".parse().ok()?,
            root,
            operator,
            gate_keys: GateKeys::generate(),
            certificate,
            epoch_key: Key256::generate(),
        })
    }

    /// The day's `version`th list, through seal and open.
    pub(super) fn list(&self, people: &Rc<Vec<Person>>, version: usize) -> Option<List> {
        let card_key = CardKey(Key256::from_bytes([7; 32]));
        let mut entries = BTreeMap::new();
        for (i, person) in people.iter().enumerate() {
            if person.removed_in.is_some_and(|gone| version >= gone) {
                continue;
            }
            let card = CardNumber::new("h10301".parse().ok()?, number(i).into());
            let cards = vec![card_key.credential(&card)];
            let ways = Ways { card: true, face: person.face };
            let (from, until) = (person.from.map(minute), person.until.map(minute));
            let mut pin = Pin::default();
            pin_of(i, false).into_iter().for_each(|digit| {
                pin.push(digit);
            });
            let pin = Some(card_key.pin(&subject(i), &pin));
            entries.insert(subject(i), Entry { ways, from, until, pin, cards, ..Entry::default() });
        }
        let plain = Plain { card_key, entries }.to_bytes().ok()?;
        let draft = Draft {
            site: &self.site,
            gate: &self.gate,
            seal_to: &self.gate_keys.public().sealing,
            purpose: Purpose::Allowlist,
            version: version as u64 + 1,
            issued_at: MIDNIGHT,
            expires_at: WallTime(MIDNIGHT.0 + 172_800_000),
            epoch: 1,
            epoch_key: &self.epoch_key,
            plain: &plain,
        };
        let envelope = seal(&draft, &self.operator, &self.certificate)?;
        let (site, gate) = (self.site.clone(), self.gate.clone());
        let expected = Expectation { site, gate, root: self.root.public(), now: None };
        let current = (version > 0).then_some(version as u64);
        let allowlist = Allowlist::open(&envelope, &self.gate_keys, &expected, current).ok()?;
        Some(List { allowlist, people: people.clone() })
    }
}
