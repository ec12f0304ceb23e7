//! The plain form of an allowlist, versions 1 to 3: what is encrypted in the envelope's body.
//!
//! ```text
//! u8 version · [32] card key · u32 subjects · u32 cards, then for each subject, ids ascending:
//! [16] id · u8 flags (1 card, 2 face, 4 has from, 8 has until, 16 has a PIN, 32 has more) · u8 cards ·
//! u8 more? (1 has uses, 2 has a profile, 4 extended opening, 8 has a duress PIN) · u64 from? · u64 until? ·
//! [16] pin? · u16 uses? · u8 profile? · [16] duress pin? · [16] cards...
//! ```
//!
//! A list in which somebody has more has version 3; otherwise one with a PIN in it has version 2, and one
//! without has version 1, so that older gates read whatever they can obey. Little-endian; times are
//! milliseconds since 1970 and, like uses and `more`, not 0. A duress PIN is not the PIN. Nothing may follow
//! the last subject, no other flag may be set, no card may be there twice: one list has one form.

use super::CardKey;
use super::index::Index;
use crate::domain::{CredentialId, Entitlement, PinTag, RefusedUpdate, SubjectId, WallTime, Ways};
use crate::trust::Key256;
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const VERSION_WITH_PINS: u8 = 2;
const VERSION_WITH_MORE: u8 = 3;
const CARD: u8 = 1;
const FACE: u8 = 2;
const FROM: u8 = 4;
const UNTIL: u8 = 8;
const PIN: u8 = 16;
const MORE: u8 = 32;
const USES: u8 = 1;
const PROFILE: u8 = 2;
const EXTENDED: u8 = 4;
const DURESS: u8 = 8;

/// One subject's right at one gate, as the office writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub ways: Ways,
    pub from: Option<WallTime>,
    pub until: Option<WallTime>,
    /// What a reader with a keypad may ask for beside a card.
    pub pin: Option<PinTag>,
    /// In place of the PIN: opens as well, and calls for help.
    pub duress: Option<PinTag>,
    /// How often it may be used at this gate in all.
    pub uses: Option<NonZeroU16>,
    /// The weekly profile it holds in, by the site's number; hours that a gate doesn't know are none.
    pub profile: Option<u8>,
    /// The door stays open longer for this subject.
    pub extended: bool,
    /// At most 255.
    pub cards: Vec<CredentialId>,
}

impl Entry {
    /// Whether a face would be the only way in. Such a right is neither signed nor obeyed.
    pub fn is_face_only(&self) -> bool {
        is_face_only(self.ways, self.cards.len())
    }

    /// What only version 3 can say.
    fn more(&self) -> u8 {
        bit(self.uses.is_some(), USES)
            | bit(self.profile.is_some(), PROFILE)
            | bit(self.extended, EXTENDED)
            | bit(self.duress.is_some(), DURESS)
    }
}

fn bit(on: bool, flag: u8) -> u8 {
    if on { flag } else { 0 }
}

fn is_face_only(ways: Ways, cards: usize) -> bool {
    ways.face && !(ways.card && cards > 0)
}

/// A whole list to be published.
#[derive(Clone, Debug)]
pub struct Plain {
    pub card_key: CardKey,
    pub entries: BTreeMap<SubjectId, Entry>,
}

/// Why a list can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlistable {
    #[error("a subject's only way in would be a face")]
    FaceOnly(SubjectId),
    #[error("a subject has more than 255 cards, or the list more than 4 billion")]
    TooMany,
    #[error("a subject's duress PIN is its PIN")]
    NoDuress,
}

impl Plain {
    /// The bytes to be sealed.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Unlistable> {
        let cards: usize = self.entries.values().map(|entry| entry.cards.len()).sum();
        let mut out = Zeroizing::new(Vec::with_capacity(41 + 50 * self.entries.len() + 16 * cards));
        let count = |n: usize| u32::try_from(n).map_err(|_| Unlistable::TooMany);
        out.push(if self.entries.values().any(|entry| entry.more() != 0) {
            VERSION_WITH_MORE
        } else if self.entries.values().any(|entry| entry.pin.is_some()) {
            VERSION_WITH_PINS
        } else {
            VERSION
        });
        out.extend_from_slice(self.card_key.0.as_bytes());
        out.extend_from_slice(&count(self.entries.len())?.to_le_bytes());
        out.extend_from_slice(&count(cards)?.to_le_bytes());
        for (subject, entry) in &self.entries {
            if entry.is_face_only() {
                return Err(Unlistable::FaceOnly(*subject));
            }
            if entry.duress.is_some() && entry.duress == entry.pin {
                return Err(Unlistable::NoDuress);
            }
            let more = entry.more();
            out.extend_from_slice(&subject.0);
            out.push(
                bit(entry.ways.card, CARD)
                    | bit(entry.ways.face, FACE)
                    | bit(entry.from.is_some(), FROM)
                    | bit(entry.until.is_some(), UNTIL)
                    | bit(entry.pin.is_some(), PIN)
                    | bit(more != 0, MORE),
            );
            out.push(u8::try_from(entry.cards.len()).map_err(|_| Unlistable::TooMany)?);
            out.extend((more != 0).then_some(more));
            for time in [entry.from, entry.until].into_iter().flatten() {
                out.extend_from_slice(&time.0.to_le_bytes());
            }
            out.extend(entry.pin.iter().flat_map(|tag| tag.0));
            out.extend(entry.uses.iter().flat_map(|uses| uses.get().to_le_bytes()));
            out.extend(entry.profile);
            out.extend(entry.duress.iter().flat_map(|tag| tag.0));
            for card in &entry.cards {
                out.extend_from_slice(&card.0);
            }
        }
        Ok(out)
    }
}

/// Takes fixed-size pieces off the front of what is left.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RefusedUpdate> {
        let (piece, rest) = self.0.split_first_chunk::<N>().ok_or(RefusedUpdate::Malformed)?;
        self.0 = rest;
        Ok(*piece)
    }

    fn byte(&mut self) -> Result<u8, RefusedUpdate> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn uses(&mut self) -> Result<u16, RefusedUpdate> {
        match u16::from_le_bytes(self.take()?) {
            0 => Err(RefusedUpdate::Malformed),
            uses => Ok(uses),
        }
    }

    fn count(&mut self) -> Result<usize, RefusedUpdate> {
        let n = u32::from_le_bytes(self.take()?);
        usize::try_from(n).map_err(|_| RefusedUpdate::Malformed)
    }

    fn time(&mut self, there: bool) -> Result<Option<WallTime>, RefusedUpdate> {
        if !there {
            return Ok(None);
        }
        match u64::from_le_bytes(self.take()?) {
            0 => Err(RefusedUpdate::Malformed),
            ms => Ok(Some(WallTime(ms))),
        }
    }
}

/// Reads, checks and indexes a list.
pub(super) fn read(bytes: &[u8]) -> Result<(CardKey, Index), RefusedUpdate> {
    let malformed = RefusedUpdate::Malformed;
    let mut reader = Reader(bytes);
    let known = match reader.byte()? {
        VERSION => CARD | FACE | FROM | UNTIL,
        VERSION_WITH_PINS => CARD | FACE | FROM | UNTIL | PIN,
        VERSION_WITH_MORE => CARD | FACE | FROM | UNTIL | PIN | MORE,
        _ => return Err(malformed),
    };
    let card_key = CardKey(Key256::from_bytes(reader.take()?));
    let (subjects, cards) = (reader.count()?, reader.count()?);
    // Memory is set aside for no more than the bytes can hold.
    let floor = subjects.checked_mul(18).zip(cards.checked_mul(16));
    let floor = floor.and_then(|(s, c)| s.checked_add(c)).ok_or(malformed)?;
    if floor > reader.0.len() {
        return Err(malformed);
    }
    let mut index = Index::with_capacity(subjects, cards);
    let mut cards_left = cards;
    let mut any_more = false;
    for _ in 0..subjects {
        let subject = SubjectId(reader.take()?);
        let flags = reader.byte()?;
        let n = usize::from(reader.byte()?);
        if flags & !known != 0 {
            return Err(malformed);
        }
        let ways = Ways { card: flags & CARD != 0, face: flags & FACE != 0 };
        if is_face_only(ways, n) {
            return Err(RefusedUpdate::FaceOnly);
        }
        let more = if flags & MORE != 0 { reader.byte()? } else { 0 };
        if more & !(USES | PROFILE | EXTENDED | DURESS) != 0 || (flags & MORE != 0) != (more != 0) {
            return Err(malformed);
        }
        any_more |= more != 0;
        let mut right = Entitlement::unlimited(subject, ways);
        right.from = reader.time(flags & FROM != 0)?;
        right.until = reader.time(flags & UNTIL != 0)?;
        let pin = (flags & PIN != 0).then(|| reader.take().map(PinTag)).transpose()?;
        right.uses = (more & USES != 0).then(|| reader.uses()).transpose()?;
        right.profile = (more & PROFILE != 0).then(|| reader.byte()).transpose()?;
        right.extended = more & EXTENDED != 0;
        let duress = (more & DURESS != 0).then(|| reader.take().map(PinTag)).transpose()?;
        if duress.is_some() && duress == pin {
            return Err(malformed);
        }
        index.add(&right).map_err(|_| malformed)?;
        pin.into_iter().for_each(|tag| index.add_pin(tag));
        duress.into_iter().for_each(|tag| index.add_duress(tag));
        cards_left = cards_left.checked_sub(n).ok_or(malformed)?;
        for _ in 0..n {
            index.add_card(CredentialId(reader.take()?));
        }
    }
    // One list has one form: a version that isn't needed is no version.
    let needless =
        if known & MORE != 0 { !any_more } else { known & PIN != 0 && !index.has_pins() };
    if cards_left != 0 || needless || !reader.0.is_empty() {
        return Err(malformed);
    }
    index.finish().map_err(|_| malformed)?;
    Ok((card_key, index))
}
