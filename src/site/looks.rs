//! How the site's readers see its cards: by which parts of a serial each is known to them, which cards are
//! one as far as anybody here knows, and which look the same to a reader though they are not.

use crate::domain::{CardNumber, SubjectId};
use crate::wire::card::{Known, Part, View, known};
use crate::wire::format::{self, Format};
use std::collections::{BTreeSet, HashMap};

/// A part of a serial, and its number.
type Look = (Part, u128);

/// Subjects whose cards a reader can't tell apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clash {
    /// By which part the reader compares.
    pub part: Part,
    pub subjects: BTreeSet<SubjectId>,
}

/// Every look that the cards noted so far have at the site's readers, and whose they are.
pub(super) struct Looks {
    views: Vec<View>,
    formats: Vec<Format>,
    holders: HashMap<Look, Vec<(SubjectId, Known)>>,
}

/// Whether this part is all that is known of the card.
fn is_all(part: Part, known: Known) -> bool {
    match known {
        Known::Serial(has) => has == part,
        Known::AsSent(bits) => bits == part.bits(),
    }
}

/// Whether two cards that share this look are one, as far as what is known of them goes. Two numbers of other
/// panels are not compared: each is its own card until a serial says otherwise.
fn is_same(part: Part, one: Known, other: Known) -> bool {
    let both_as_sent = matches!((one, other), (Known::AsSent(_), Known::AsSent(_)));
    !both_as_sent && (is_all(part, one) || is_all(part, other))
}

impl Looks {
    pub(super) fn new(views: &[View]) -> Self {
        Self { views: views.to_vec(), formats: format::builtins(), holders: HashMap::new() }
    }

    pub(super) fn of<'a>(
        views: &[View],
        cards: impl Iterator<Item = (&'a SubjectId, &'a CardNumber)>,
    ) -> Self {
        let mut all = Self::new(views);
        for (subject, card) in cards {
            all.note(*subject, card);
        }
        all
    }

    /// The card's looks at this site's readers.
    fn looks(&self, card: &CardNumber) -> Vec<(Look, Known)> {
        let Some(known) = known(card, &self.formats) else { return Vec::new() };
        let mut looks = Vec::with_capacity(1 + self.views.len());
        if let Known::Serial(part) = known {
            looks.push(((part, card.number()), known));
        }
        for view in &self.views {
            let look = view.of(card.number(), known).map(|number| ((view.part, number), known));
            looks.extend(look.filter(|look| !looks.contains(look)));
        }
        looks
    }

    pub(super) fn note(&mut self, subject: SubjectId, card: &CardNumber) {
        for (look, known) in self.looks(card) {
            let holders = self.holders.entry(look).or_default();
            if !holders.contains(&(subject, known)) {
                holders.push((subject, known));
            }
        }
    }

    /// Whether two numbers are one card as far as anybody here knows.
    pub(super) fn same(&self, one: &CardNumber, other: &CardNumber) -> bool {
        let others = self.looks(other);
        one == other
            || self.looks(one).iter().any(|(look, known)| {
                let shared = others.iter().find(|(other, _)| other == look);
                shared.is_some_and(|(_, other)| is_same(look.0, *known, *other))
            })
    }

    /// Who has a card that is this one as far as anybody here knows, and by which part that shows.
    pub(super) fn holders_of_same(&self, card: &CardNumber) -> Vec<(SubjectId, Part)> {
        let mut found: Vec<(SubjectId, Part)> = Vec::new();
        for (look, known) in self.looks(card) {
            for (subject, other) in self.holders.get(&look).into_iter().flatten() {
                let is_new = found.iter().all(|(known, _)| known != subject);
                if is_new && is_same(look.0, known, *other) {
                    found.push((*subject, look.0));
                }
            }
        }
        found
    }

    fn clashes_by(&self, look: &Look) -> bool {
        let holders = self.holders.get(look).map_or(&[][..], Vec::as_slice);
        holders
            .iter()
            .any(|(subject, _)| holders.first().is_some_and(|(first, _)| first != subject))
    }

    /// By which parts a card can't be told from another subject's.
    pub(super) fn clashes_of(&self, card: &CardNumber) -> Vec<Part> {
        let looks = self.looks(card).into_iter().map(|(look, _)| look);
        looks.filter(|look| self.clashes_by(look)).map(|(part, _)| part).collect()
    }

    /// All subjects whose cards some reader can't tell apart, a clash each.
    pub(super) fn clashes(&self) -> Vec<Clash> {
        let clashing = self.holders.iter().filter(|(look, _)| self.clashes_by(look));
        let mut clashes: Vec<Clash> = clashing
            .map(|((part, _), holders)| {
                let subjects = holders.iter().map(|(subject, _)| *subject).collect();
                Clash { part: *part, subjects }
            })
            .collect();
        clashes.sort();
        clashes
    }

    /// How many subjects' cards a reader with this view can tell anything of.
    pub(super) fn seen_by(&self, part: Part) -> usize {
        self.holders.keys().filter(|(other, _)| *other == part).count()
    }

    /// By what a gate finds this card: its own name, and its looks at this site's readers but those that
    /// another subject's card has too. A card's own name is one subject's alone.
    pub(super) fn names(&self, card: &CardNumber) -> Vec<CardNumber> {
        let looks = self.looks(card).into_iter().map(|(look, _)| look);
        let sound = looks.filter(|look| !self.clashes_by(look));
        let named = sound.filter_map(|(part, number)| part.card(number));
        let mut names = vec![card.clone()];
        names.extend(named.filter(|name| name != card));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn views(names: &[&str]) -> Vec<View> {
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    fn subject(n: u8) -> SubjectId {
        SubjectId([n; 16])
    }

    fn looks(names: &[&str], cards: &[(u8, &str)]) -> Looks {
        let mut looks = Looks::new(&views(names));
        for (n, card) in cards {
            looks.note(subject(*n), &card.parse().expect("a card"));
        }
        looks
    }

    fn names_of(looks: &Looks, card: &str) -> Vec<String> {
        let names = looks.names(&card.parse().expect("a card"));
        names.iter().map(CardNumber::to_canonical).collect()
    }

    /// 0x010784f221, 0x010684f221 and 0x020784f221: alike in their last 24, and in their last 32 bits.
    const TAG: &str = "em4100:4421120545";
    const LIKE_24: &str = "em4100:4404343329";
    const LIKE_32: &str = "em4100:8716087841";

    #[test]
    fn a_card_is_found_by_every_view_of_the_site() {
        let all = looks(&["low24", "low32-reversed"], &[(1, TAG)]);
        assert_eq!(names_of(&all, TAG), [TAG, "low24:8712737", "low32:126153249"]);
        let all = looks(&["low24", "low24-reversed"], &[(1, TAG), (1, "h10301:8712737")]);
        assert_eq!(names_of(&all, TAG), [TAG, "low24:8712737"]);
        let exported = names_of(&all, "h10301:8712737");
        assert_eq!(exported, ["h10301:8712737", "low24:8712737", "low24:2224772"]);
        assert_eq!(names_of(&all, "h99999:1"), ["h99999:1"]);
    }

    #[test]
    fn what_two_subjects_share_is_nobody_s() {
        let all = looks(&["low24", "low32"], &[(1, TAG), (2, LIKE_24)]);
        assert_eq!(names_of(&all, TAG), [TAG, "low32:126153249"]);
        assert_eq!(names_of(&all, LIKE_24), [LIKE_24, "low32:109376033"]);
        let both = [subject(1), subject(2)].into();
        assert_eq!(all.clashes(), [Clash { part: Part::Low(24), subjects: both }]);
        // One subject may have two cards that look the same.
        let all = looks(&["low24"], &[(1, TAG), (1, LIKE_24)]);
        assert_eq!(names_of(&all, TAG), [TAG, "low24:8712737"]);
        assert_eq!(all.clashes(), []);
    }

    #[test]
    fn one_card_known_in_several_ways_is_recognised() -> Outcome {
        let all = looks(&["low24", "low32"], &[(1, TAG)]);
        let holders = |card: &str| all.holders_of_same(&card.parse().expect("a card"));
        assert_eq!(holders("low32:126153249"), [(subject(1), Part::Low(32))]);
        assert_eq!(holders("low24:8712737"), [(subject(1), Part::Low(24))]);
        assert_eq!(holders("h10301:8712737"), [(subject(1), Part::Low(24))], "132,61985");
        assert_eq!(holders("h10301:8712736"), []);
        // Another whole serial is another card, whatever a reader makes of it.
        assert_eq!(holders(LIKE_32), []);
        assert_eq!(holders("uid32:126153249"), []);
        // Alike in 24 bits, but 32 are known and differ.
        assert_eq!(holders("low32:109376033"), []);
        assert_eq!(holders("h10306:109376033"), []);
        // Two panels' numbers are two cards until a serial says otherwise.
        let all = looks(&["low24"], &[(1, "h10301:8712737")]);
        assert_eq!(all.holders_of_same(&"h10306:126153249".parse()?), []);
        assert_eq!(all.holders_of_same(&TAG.parse()?), [(subject(1), Part::Low(24))]);
        assert!(all.same(&TAG.parse()?, &"h10301:8712737".parse()?));
        assert!(!all.same(&TAG.parse()?, &LIKE_24.parse()?));
        // Without the view nobody can know.
        assert_eq!(looks(&[], &[(1, TAG)]).holders_of_same(&"h10301:8712737".parse()?), []);
        Ok(())
    }

    proptest! {
        /// Against comparing every card with every other, each by every view.
        #[test]
        fn every_clash_is_found_and_none_invented(
            cards in prop::collection::vec((0u8..6, 0usize..4, 0u128..40), 0..40),
        ) {
            const NAMES: [&str; 4] = ["em4100", "uid32", "h10301", "low24"];
            let views = views(&["low24", "low32", "high24-reversed"]);
            let formats = format::builtins();
            let cards: Vec<(SubjectId, CardNumber)> = cards
                .into_iter()
                .map(|(n, name, number)| {
                    // Few low bits and few high ones, so that there are clashes.
                    let wide = number & 7 | (number >> 3) << 24;
                    let number = if name < 2 { wide } else { number };
                    let name = NAMES[name].parse().expect("a name");
                    (subject(n), CardNumber::new(name, number))
                })
                .collect();
            // No card has two subjects.
            let cards: Vec<_> = cards
                .iter()
                .enumerate()
                .filter(|(i, (_, card))| cards[..*i].iter().all(|(_, before)| before != card))
                .map(|(_, held)| held.clone())
                .collect();
            let all = Looks::of(&views, cards.iter().map(|(s, c)| (s, c)));
            let look = |card: &CardNumber, view: &View| {
                let own = known(card, &formats).expect("known");
                view.of(card.number(), own).map(|number| (view.part, number))
            };
            for (holder, card) in &cards {
                let others = cards.iter().filter(|(other, _)| other != holder);
                let expected: BTreeSet<Part> = others
                    .flat_map(|(_, other)| views.iter().filter_map(|view| {
                        let mine = look(card, view)?;
                        let met = views.iter().any(|v| look(other, v) == Some(mine));
                        met.then_some(mine.0)
                    }))
                    .collect();
                let found: BTreeSet<Part> = all.clashes_of(card).into_iter().collect();
                prop_assert_eq!(found, expected, "{}", card.to_canonical());
            }
        }
    }
}
