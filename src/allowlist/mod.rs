//! The signed allowlist: what an envelope must hold to be applied, and lookup.
//!
//! `Allowlist::open` either gives a whole, verified list or says why not; there is nothing in between to
//! apply. Cards are there as keyed hashes only. No disk, no MQTT, no clock.

mod index;
mod plain;

pub use plain::{Entry, Plain, Unlistable};

use crate::domain::{
    CardNumber, CredentialId, Directory, Entitlement, Pin, PinTag, RefusedUpdate, SubjectId,
    WallTime,
};
use crate::trust::{self, Expectation, GateKeys, Key256, Purpose};
use hmac::{Hmac, Mac};
use index::Index;
use sha2::Sha256;
use std::fmt;

/// The site's card key: what card numbers are hashed under. A keyed hash of a 26-bit number is guessed in
/// seconds by whoever holds the key, so the key travels encrypted only.
#[derive(Clone, PartialEq, Eq)]
pub struct CardKey(pub Key256);

impl CardKey {
    fn pin_mac(&self, subject: &SubjectId, pin: &Pin) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(b"eithergate pin v1\0");
        mac.update(&subject.0);
        mac.update(pin.digits());
        Some(mac)
    }

    /// The first 16 bytes of HMAC-SHA256 over `"eithergate pin v1\0"`, the subject's id and the digits, a
    /// byte of 0 to 9 each. Like a card's, it is guessed by whoever holds the key.
    pub fn pin(&self, subject: &SubjectId, pin: &Pin) -> PinTag {
        let mut tag = [0; 16];
        if let Some(mac) = self.pin_mac(subject, pin) {
            tag.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        }
        PinTag(tag)
    }

    /// The first 16 bytes of HMAC-SHA256 over `"eithergate card v1\0"` and the card's canonical form.
    pub fn credential(&self, card: &CardNumber) -> CredentialId {
        // HMAC takes a key of any length, so the fallback is never reached.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else {
            return CredentialId([0; 16]);
        };
        mac.update(b"eithergate card v1\0");
        mac.update(card.to_canonical().as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        CredentialId(id)
    }
}

impl fmt::Debug for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardKey(redacted)")
    }
}

/// Who may pass this gate. The default is the empty list of a gate that never got one: nobody passes.
#[derive(Default)]
pub struct Allowlist {
    version: u64,
    issued_at: Option<WallTime>,
    expires_at: Option<WallTime>,
    card_key: Option<CardKey>,
    index: Index,
}

impl Allowlist {
    /// Verifies, decrypts, checks and indexes an envelope. `current` is the version now applied: the
    /// envelope must be newer.
    ///
    /// The gate reads its stored copy after a restart through this same function, with neither `current`
    /// nor `expected.now`: expiry limits how long an envelope may be *delivered*. A list once accepted
    /// goes on for cards until a newer one comes, since a gate cut off from its office must not lock
    /// everybody out; [`issued_at`](Self::issued_at) lets the face path be stricter.
    pub fn open(
        envelope: &[u8],
        keys: &GateKeys,
        expected: &Expectation,
        current: Option<u64>,
    ) -> Result<Self, RefusedUpdate> {
        let opened = trust::verify(envelope, expected, Purpose::Allowlist)?;
        let claims = &opened.claims;
        if current.is_some_and(|current| claims.version <= current) {
            return Err(RefusedUpdate::Older);
        }
        let plain = opened.unseal(keys)?;
        let (card_key, index) = plain::read(&plain)?;
        Ok(Self {
            version: claims.version,
            issued_at: Some(claims.issued_at()),
            expires_at: Some(claims.expires_at()),
            card_key: Some(card_key),
            index,
        })
    }

    /// 0 for a gate that never got a list.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn subjects(&self) -> u32 {
        self.index.subjects()
    }

    pub fn cards(&self) -> u32 {
        self.index.cards()
    }

    /// Whose PIN this is, of those who may come in by face, at most `limit`. Takes a hash for each of them:
    /// milliseconds for thousands.
    pub fn claimed(&self, pin: &Pin, limit: usize) -> Vec<SubjectId> {
        let Some(key) = &self.card_key else { return Vec::new() };
        let by_face = self.index.pins().filter(|(right, _)| right.ways.face);
        let theirs = by_face.filter(|(right, PinTag(tag))| {
            let mac = key.pin_mac(&right.subject, pin);
            mac.is_some_and(|mac| mac.verify_truncated_left(tag).is_ok())
        });
        theirs.map(|(right, _)| right.subject).take(limit).collect()
    }

    /// When the office signed it: how fresh what we know is.
    pub fn issued_at(&self) -> Option<WallTime> {
        self.issued_at
    }

    /// Until when it may be delivered.
    pub fn expires_at(&self) -> Option<WallTime> {
        self.expires_at
    }
}

impl Allowlist {
    /// Compared in constant time; without a tag against something, so that it takes as long.
    fn is_tag_of(&self, tag: Option<PinTag>, subject: &SubjectId, pin: &Pin) -> bool {
        let mac = self.card_key.as_ref().and_then(|key| key.pin_mac(subject, pin));
        let (PinTag(bytes), has_one) = (tag.unwrap_or(PinTag([0; 16])), tag.is_some());
        mac.is_some_and(|mac| mac.verify_truncated_left(&bytes).is_ok()) && has_one
    }
}

impl Directory for Allowlist {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        self.index.by_card(&self.card_key.as_ref()?.credential(card))
    }

    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        self.index.by_subject(subject)
    }

    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool {
        self.is_tag_of(self.index.pin(subject), subject, pin)
    }

    fn is_duress(&self, subject: &SubjectId, pin: &Pin) -> bool {
        self.is_tag_of(self.index.duress(subject), subject, pin)
    }
}

impl fmt::Debug for Allowlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allowlist")
            .field("version", &self.version)
            .field("subjects", &self.subjects())
            .field("cards", &self.cards())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
