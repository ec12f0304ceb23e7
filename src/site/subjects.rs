//! The residents' rights as the office keeps them: `subjects.jsonl`, one subject a line, ids ascending.

use super::looks::Looks;
use crate::allowlist::{CardKey, Entry};
use crate::domain::{CardNumber, GateId, PinTag, SubjectId, WallTime, Ways};
use crate::wire::card::View;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::num::NonZeroU16;
use zeroize::Zeroizing;

/// What one subject may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// The resident chose the face as well as the card.
    pub face: bool,
    /// `None`: all gates.
    pub gates: Option<BTreeSet<GateId>>,
    pub from: Option<WallTime>,
    pub until: Option<WallTime>,
    /// For readers with a keypad. The office keeps the hash alone, too.
    pub pin: Option<PinTag>,
    /// Opens in place of the PIN, and calls for help.
    pub duress: Option<PinTag>,
    /// How often it may be used at each gate.
    pub uses: Option<NonZeroU16>,
    /// The weekly profile it holds in, by its number at the gates.
    pub profile: Option<u8>,
    /// Doors stay open longer.
    pub extended: bool,
    /// A visitor's: its card is free for the next one.
    pub pass: bool,
    pub cards: Vec<CardNumber>,
}

impl Resident {
    /// Everything but the cards, to see whether something has changed.
    pub(super) fn rights(&self) -> Self {
        Self { cards: Vec::new(), ..self.clone() }
    }

    pub(super) fn passes(&self, gate: &GateId) -> bool {
        self.gates.as_ref().is_none_or(|gates| gates.contains(gate))
    }

    /// What a gate is told: each card under every name that its readers may find it by.
    pub(super) fn entry(&self, key: &CardKey, looks: &Looks) -> Entry {
        let mut names: Vec<CardNumber> = Vec::with_capacity(self.cards.len());
        for name in self.cards.iter().flat_map(|card| looks.names(card)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Entry {
            ways: Ways { card: true, face: self.face },
            from: self.from,
            until: self.until,
            pin: self.pin,
            duress: self.duress,
            uses: self.uses,
            profile: self.profile,
            extended: self.extended,
            cards: names.iter().map(|name| key.credential(name)).collect(),
        }
    }
}

/// All subjects, and which of them has a card.
#[derive(Clone, Debug, Default)]
pub struct Subjects {
    residents: BTreeMap<SubjectId, Resident>,
    by_card: HashMap<CardNumber, SubjectId>,
}

/// A line of the file. Written by hand-picked fields, since a card number has no `Serialize`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    subject: String,
    cards: Vec<String>,
    #[serde(default)]
    face: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gates: Option<BTreeSet<GateId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<WallTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<WallTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duress: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uses: Option<NonZeroU16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<u8>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    extended: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pass: bool,
}

/// Another subject has that card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CardTaken;

/// Why a card was not taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Unknown,
    /// A face would be the only way in that is left.
    FaceOnly,
}

impl Subjects {
    pub fn iter(&self) -> impl Iterator<Item = (&SubjectId, &Resident)> {
        self.residents.iter()
    }

    pub fn len(&self) -> usize {
        self.residents.len()
    }

    pub fn is_empty(&self) -> bool {
        self.residents.is_empty()
    }

    pub fn cards(&self) -> usize {
        self.by_card.len()
    }

    pub fn faces(&self) -> usize {
        self.residents.values().filter(|r| r.face).count()
    }

    pub fn get(&self, subject: &SubjectId) -> Option<&Resident> {
        self.residents.get(subject)
    }

    pub fn holder(&self, card: &CardNumber) -> Option<SubjectId> {
        self.by_card.get(card).copied()
    }

    /// How the site's readers see all these cards.
    pub(super) fn looks(&self, views: &[View]) -> Looks {
        let cards = self.residents.iter();
        Looks::of(views, cards.flat_map(|(s, r)| r.cards.iter().map(move |card| (s, card))))
    }

    /// The subject's rights, to be changed; a new subject begins with none. Cards go through `give`.
    pub(super) fn entry(&mut self, subject: SubjectId) -> &mut Resident {
        self.residents.entry(subject).or_default()
    }

    /// Gives a card to a subject: whether it is new to them.
    pub(super) fn give(&mut self, subject: SubjectId, card: CardNumber) -> Result<bool, CardTaken> {
        match self.by_card.get(&card) {
            Some(holder) if *holder == subject => Ok(false),
            Some(_) => Err(CardTaken),
            None => {
                self.by_card.insert(card.clone(), subject);
                self.entry(subject).cards.push(card);
                Ok(true)
            }
        }
    }

    /// Takes a card away from whoever has it; a subject without a card and without a face is forgotten.
    pub(super) fn take(&mut self, card: &CardNumber) -> Result<(), NotTaken> {
        let subject = *self.by_card.get(card).ok_or(NotTaken::Unknown)?;
        let resident = self.entry(subject);
        if resident.face && resident.cards.len() <= 1 {
            return Err(NotTaken::FaceOnly);
        }
        resident.cards.retain(|other| other != card);
        if resident.cards.is_empty() {
            self.residents.remove(&subject);
        }
        self.by_card.remove(card);
        Ok(())
    }

    pub(super) fn to_lines(&self) -> Result<Zeroizing<String>, serde_json::Error> {
        let mut out = Zeroizing::new(String::with_capacity(128 * self.residents.len()));
        for (subject, resident) in &self.residents {
            let line = Line {
                subject: subject.to_hex(),
                cards: resident.cards.iter().map(CardNumber::to_canonical).collect(),
                face: resident.face,
                gates: resident.gates.clone(),
                from: resident.from,
                until: resident.until,
                pin: resident.pin.map(|tag| tag.to_hex()),
                duress: resident.duress.map(|tag| tag.to_hex()),
                uses: resident.uses,
                profile: resident.profile,
                extended: resident.extended,
                pass: resident.pass,
            };
            // Writing to a String can't fail.
            let _ = writeln!(out, "{}", serde_json::to_string(&line)?);
        }
        Ok(out)
    }

    /// The number of the first bad line, counted from 1, if there is one.
    pub(super) fn from_lines(text: &str) -> Result<Self, usize> {
        let mut all = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line: Line = serde_json::from_str(line).map_err(|_| number)?;
            let subject: SubjectId = line.subject.parse().map_err(|_| number)?;
            if all.residents.contains_key(&subject) {
                return Err(number);
            }
            let tag = |text: &Option<String>| {
                text.as_deref().map(str::parse::<PinTag>).transpose().map_err(|_| number)
            };
            let (pin, duress, cards) = (tag(&line.pin)?, tag(&line.duress)?, Vec::new());
            let Line { face, gates, from, until, uses, profile, extended, pass, .. } = line;
            *all.entry(subject) = Resident {
                face,
                gates,
                from,
                until,
                pin,
                duress,
                uses,
                profile,
                extended,
                pass,
                cards,
            };
            for card in &line.cards {
                let card = card.parse().map_err(|_| number)?;
                all.give(subject, card).map_err(|_| number)?;
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_again() -> Result<(), Box<dyn std::error::Error>> {
        let mut all = Subjects::default();
        let card: CardNumber = "h10301:8072151".parse()?;
        let (one, two) = (SubjectId([1; 16]), SubjectId([2; 16]));
        assert_eq!(all.give(two, card.clone()), Ok(true));
        assert_eq!(all.give(two, card.clone()), Ok(false));
        assert_eq!(all.give(one, card.clone()), Err(CardTaken));
        all.entry(two).gates = Some(["north".parse::<GateId>()?].into());
        all.entry(two).until = Some(WallTime(5));
        all.entry(two).pin = Some(PinTag([7; 16]));
        let plain = all.to_lines()?;
        for member in ["duress", "uses", "profile", "extended", "pass"] {
            assert!(!plain.contains(member), "{member}");
        }
        let more = all.entry(two);
        (more.duress, more.uses) = (Some(PinTag([8; 16])), NonZeroU16::new(3));
        (more.profile, more.extended, more.pass) = (Some(0), true, true);
        let read = Subjects::from_lines(&all.to_lines()?).map_err(|n| format!("line {n}"))?;
        assert_eq!(read.residents, all.residents);
        assert_eq!(read.holder(&card), Some(two));
        let mut fewer = read.clone();
        fewer.give(two, "h10301:5".parse()?).map_err(|_| "taken")?;
        fewer.entry(two).face = true;
        assert_eq!(fewer.take(&card), Ok(()));
        assert_eq!(fewer.take(&card), Err(NotTaken::Unknown));
        assert_eq!(fewer.take(&"h10301:5".parse()?), Err(NotTaken::FaceOnly));
        fewer.entry(two).face = false;
        assert_eq!(fewer.take(&"h10301:5".parse()?), Ok(()));
        assert_eq!((fewer.len(), fewer.cards()), (0, 0));
        let twice = [all.to_lines()?.as_str(), all.to_lines()?.as_str()].concat();
        assert_eq!(Subjects::from_lines(&twice).err(), Some(2));
        assert_eq!(Subjects::from_lines("{}").err(), Some(1));
        Ok(())
    }
}
