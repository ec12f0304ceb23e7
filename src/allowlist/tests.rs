//! Each refusal provoked, the bytes frozen, lookup held against what was written.

use super::*;
use crate::domain::{GateId, OperatorId, SiteId, Ways};
use crate::trust::{Certificate, Draft, Role, SealingKey, SecretKey, seal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use std::sync::OnceLock;

#[path = "rights_tests.rs"]
mod rights_tests;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const DAY_S: u64 = 86_400;
const NOW: WallTime = WallTime::from_secs(1_795_000_000);

fn later(days: u64) -> WallTime {
    WallTime::from_secs(NOW.as_secs() + days * DAY_S)
}

/// A site with one operator and one gate, whose every part a test may exchange.
struct World {
    site: SiteId,
    gate: GateId,
    root: SecretKey,
    operator: SecretKey,
    role: Role,
    certified_until: WallTime,
    gate_keys: GateKeys,
    seal_to: SealingKey,
    epoch_key: Key256,
    purpose: Purpose,
    version: u64,
    issued_at: WallTime,
    expires_at: WallTime,
}

impl World {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let gate_keys = GateKeys::generate();
        Ok(Self {
            site: "garden".parse()?,
            gate: "north".parse()?,
            root: SecretKey::generate(),
            operator: SecretKey::generate(),
            role: Role::Office,
            certified_until: later(365),
            seal_to: gate_keys.public().sealing,
            gate_keys,
            epoch_key: Key256::generate(),
            purpose: Purpose::Allowlist,
            version: 7,
            issued_at: NOW,
            expires_at: later(30),
        })
    }

    fn certificate(&self) -> Result<String, Box<dyn std::error::Error>> {
        let operator: OperatorId = "office".parse()?;
        let key = self.operator.public();
        let from = WallTime::from_secs(NOW.as_secs() - DAY_S);
        let until = self.certified_until;
        let cert = Certificate::new(self.site.clone(), operator, key, self.role, from, until);
        Ok(cert.issue(&self.root)?)
    }

    fn envelope(&self, plain: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let draft = Draft {
            site: &self.site,
            gate: &self.gate,
            seal_to: &self.seal_to,
            purpose: self.purpose,
            version: self.version,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            epoch: 1,
            epoch_key: &self.epoch_key,
            plain,
        };
        seal(&draft, &self.operator, &self.certificate()?).ok_or_else(|| "nothing sealed".into())
    }

    fn expected(&self) -> Expectation {
        let (site, gate) = (self.site.clone(), self.gate.clone());
        Expectation { site, gate, root: self.root.public(), now: Some(NOW) }
    }
}

fn subject(n: u8) -> SubjectId {
    SubjectId([n; 16])
}

fn entry(card: bool, face: bool, cards: &[u8]) -> Entry {
    let cards = cards.iter().map(|n| CredentialId([*n; 16])).collect();
    Entry { ways: Ways { card, face }, cards, ..Entry::default() }
}

fn list(entries: Vec<(u8, Entry)>) -> Plain {
    let entries = entries.into_iter().map(|(n, entry)| (subject(n), entry)).collect();
    Plain { card_key: CardKey(Key256::from_bytes([9; 32])), entries }
}

fn good() -> Result<(World, Vec<u8>), Box<dyn std::error::Error>> {
    let world = World::new()?;
    let plain = list(vec![(1, entry(true, false, &[11])), (2, entry(true, true, &[21, 22]))]);
    let envelope = world.envelope(&plain.to_bytes()?)?;
    Ok((world, envelope))
}

/// Opens what `forge` made against what an honest gate of an honest site expects.
fn refusal(forge: impl FnOnce(&mut World)) -> Result<RefusedUpdate, Box<dyn std::error::Error>> {
    let mut world = World::new()?;
    let (expected, keys) = (world.expected(), world.gate_keys.clone());
    forge(&mut world);
    let envelope = world.envelope(&list(vec![(1, entry(true, false, &[11]))]).to_bytes()?)?;
    let refused = Allowlist::open(&envelope, &keys, &expected, Some(6));
    refused.err().ok_or_else(|| "was accepted".into())
}

#[test]
fn a_card_and_a_subject_are_found_with_their_rights() -> Outcome {
    let world = World::new()?;
    let card: CardNumber = "h10301:8072151".parse()?;
    let mut plain = list(vec![(1, entry(true, false, &[11])), (2, entry(true, true, &[]))]);
    let credential = plain.card_key.credential(&card);
    let visitor = Entry {
        from: Some(NOW),
        until: Some(later(1)),
        cards: vec![credential],
        ..entry(true, true, &[])
    };
    plain.entries.insert(subject(2), visitor);
    let envelope = world.envelope(&plain.to_bytes()?)?;
    let open = Allowlist::open(&envelope, &world.gate_keys, &world.expected(), None);
    let list = open.map_err(|e| format!("{e:?}"))?;
    assert_eq!((list.version(), list.subjects(), list.cards()), (7, 2, 2));
    assert_eq!((list.issued_at(), list.expires_at()), (Some(NOW), Some(later(30))));
    let ways = Ways { card: true, face: true };
    let right = Entitlement {
        from: Some(NOW),
        until: Some(later(1)),
        ..Entitlement::unlimited(subject(2), ways)
    };
    assert_eq!(list.card(&card), Some(right));
    assert_eq!(list.subject(&subject(2)), Some(right));
    assert_eq!(list.card(&"h10301:8072152".parse()?), None);
    // One number in another format is another card.
    assert_eq!(list.card(&"h10306:8072151".parse()?), None);
    assert_eq!(list.subject(&subject(3)), None);
    assert!(list.subject(&subject(1)).is_some_and(|r| !r.ways.face && r.until.is_none()));
    Ok(())
}

#[test]
fn a_subject_whose_ways_are_closed_is_known_and_has_none() -> Outcome {
    let plain = list(vec![(1, entry(true, false, &[11])), (2, entry(false, false, &[21]))]);
    let (_, index) = plain::read(&plain.to_bytes()?).map_err(|e| format!("{e:?}"))?;
    let ways = Ways { card: false, face: false };
    let right = Some(Entitlement::unlimited(subject(2), ways));
    assert_eq!(index.by_subject(&subject(2)), right);
    assert_eq!(index.by_card(&CredentialId([21; 16])), right);
    Ok(())
}

#[test]
fn a_gate_without_a_list_lets_nobody_in() -> Outcome {
    let list = Allowlist::default();
    assert_eq!((list.version(), list.subjects(), list.cards()), (0, 0, 0));
    assert_eq!(list.card(&"h10301:8072151".parse()?), None);
    assert_eq!(list.subject(&subject(1)), None);
    Ok(())
}

#[test]
fn only_a_newer_version_replaces_what_is_applied() -> Outcome {
    let (world, envelope) = good()?;
    let open = |current| {
        Allowlist::open(&envelope, &world.gate_keys, &world.expected(), current)
            .map(|l| l.version())
    };
    assert_eq!(open(None), Ok(7));
    assert_eq!(open(Some(6)), Ok(7));
    assert_eq!(open(Some(7)), Err(RefusedUpdate::Older));
    assert_eq!(open(Some(8)), Err(RefusedUpdate::Older));
    Ok(())
}

#[test]
fn each_forgery_has_its_refusal() -> Outcome {
    use RefusedUpdate::*;
    let other: GateId = "south".parse()?;
    assert_eq!(refusal(|w| w.gate = other)?, NotForUs);
    let other: SiteId = "park".parse()?;
    assert_eq!(refusal(|w| w.site = other)?, NotForUs);
    assert_eq!(refusal(|w| w.root = SecretKey::generate())?, BadSignature);
    for role in [Role::Guard, Role::Installer] {
        assert_eq!(refusal(|w| w.role = role)?, Uncertified);
    }
    assert_eq!(refusal(|w| w.purpose = Purpose::Configuration)?, Uncertified);
    assert_eq!(refusal(|w| w.purpose = Purpose::Command)?, NotForUs);
    assert_eq!(refusal(|w| w.purpose = Purpose::Erasure)?, NotForUs);
    assert_eq!(refusal(|w| w.expires_at = NOW)?, Expired);
    assert_eq!(refusal(|w| w.certified_until = NOW)?, Expired);
    assert_eq!(refusal(|w| w.issued_at = later(400))?, Expired);
    assert_eq!(refusal(|w| w.seal_to = GateKeys::generate().public().sealing)?, Sealed);
    assert_eq!(refusal(|w| w.version = 0)?, Malformed);
    assert_eq!(refusal(|w| w.version = 1 << 53)?, Malformed);
    assert_eq!(refusal(|w| w.version = 6)?, Older);
    Ok(())
}

#[test]
fn a_certificate_of_another_key_does_not_help() -> Outcome {
    let (world, _) = good()?;
    let stranger = World { operator: SecretKey::generate(), ..World::new()? };
    let plain = list(vec![]).to_bytes()?;
    let draft = Draft {
        site: &world.site,
        gate: &world.gate,
        seal_to: &world.seal_to,
        purpose: Purpose::Allowlist,
        version: 8,
        issued_at: NOW,
        expires_at: later(30),
        epoch: 1,
        epoch_key: &world.epoch_key,
        plain: &plain,
    };
    let forged = seal(&draft, &stranger.operator, &world.certificate()?).ok_or("not sealed")?;
    let refused = Allowlist::open(&forged, &world.gate_keys, &world.expected(), None);
    assert_eq!(refused.err(), Some(RefusedUpdate::BadSignature));
    Ok(())
}

#[test]
fn a_body_of_another_envelope_does_not_fit() -> Outcome {
    let (mut world, old) = good()?;
    world.version = 8;
    let new = world.envelope(&list(vec![]).to_bytes()?)?;
    let cut = |bytes: &[u8]| bytes.iter().position(|b| *b == b'\n').unwrap_or_default();
    let mixed = [&new[..cut(&new)], &old[cut(&old)..]].concat();
    let refused = Allowlist::open(&mixed, &world.gate_keys, &world.expected(), None);
    assert_eq!(refused.err(), Some(RefusedUpdate::BadSignature));
    Ok(())
}

#[test]
fn without_a_trusted_clock_newer_versions_count_and_an_accepted_list_goes_on() -> Outcome {
    let (world, envelope) = good()?;
    let mut expected = world.expected();
    expected.now = Some(later(31));
    let late = Allowlist::open(&envelope, &world.gate_keys, &expected, None);
    assert_eq!(late.err(), Some(RefusedUpdate::Expired));
    expected.now = None;
    assert!(Allowlist::open(&envelope, &world.gate_keys, &expected, None).is_ok());
    Ok(())
}

#[test]
fn a_face_as_the_only_way_in_is_refused_at_both_ends() -> Outcome {
    for cannot in [entry(false, true, &[11]), entry(true, true, &[]), entry(false, true, &[])] {
        let plain = list(vec![(1, entry(true, false, &[3])), (2, cannot)]);
        assert_eq!(plain.to_bytes().err(), Some(Unlistable::FaceOnly(subject(2))));
    }
    // A dishonest office: the face flag set by hand on a subject without cards.
    let world = World::new()?;
    let mut bytes = list(vec![(1, entry(true, false, &[]))]).to_bytes()?;
    bytes[41 + 16] |= 2;
    let envelope = world.envelope(&bytes)?;
    let refused = Allowlist::open(&envelope, &world.gate_keys, &world.expected(), None);
    assert_eq!(refused.err(), Some(RefusedUpdate::FaceOnly));
    Ok(())
}

#[test]
fn one_list_has_one_form() -> Outcome {
    let plain = list(vec![(1, entry(true, false, &[11])), (2, entry(true, true, &[21, 22]))]);
    let bytes = plain.to_bytes()?;
    let refused = |bytes: &[u8]| plain::read(bytes).err();
    assert_eq!(refused(&bytes), None);
    for n in 0..bytes.len() {
        assert_eq!(refused(&bytes[..n]), Some(RefusedUpdate::Malformed), "cut at {n}");
    }
    assert_eq!(refused(&[&bytes[..], &[0]].concat()), Some(RefusedUpdate::Malformed));
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.to_vec();
        changed[at] = byte;
        refused(&changed)
    };
    assert_eq!(with(0, 2), Some(RefusedUpdate::Malformed), "version");
    assert_eq!(with(36, 0xff), Some(RefusedUpdate::Malformed), "more subjects than bytes");
    assert_eq!(with(41 + 16, 17), Some(RefusedUpdate::Malformed), "unknown flag");
    assert_eq!(with(41, 3), Some(RefusedUpdate::Malformed), "subjects out of order");
    let shared = list(vec![(1, entry(true, false, &[11])), (2, entry(true, false, &[11]))]);
    assert_eq!(refused(&shared.to_bytes()?), Some(RefusedUpdate::Malformed), "shared card");
    Ok(())
}

/// The bytes of version 1, written out: gates in the field read exactly these.
#[test]
fn version_1_is_frozen() -> Outcome {
    let visitor = Entry {
        from: Some(WallTime(0x0102)),
        until: Some(WallTime(0x0304)),
        ..entry(true, true, &[21, 22])
    };
    let plain = list(vec![(2, visitor), (1, entry(true, false, &[11]))]);
    let hex: String = plain.to_bytes()?.iter().map(|b| format!("{b:02x}")).collect();
    let expected = [
        "01",
        &"09".repeat(32),
        "0200000003000000",
        &"01".repeat(16),
        "0101",
        &"0b".repeat(16),
        &"02".repeat(16),
        "0f0202010000000000000403000000000000",
        &"15".repeat(16),
        &"16".repeat(16),
    ];
    assert_eq!(hex, expected.concat());
    // HMAC-SHA256 as Python's `hmac` computes it over the same bytes.
    let credential = plain.card_key.credential(&"h10301:8072151".parse()?);
    assert_eq!(credential.to_hex(), FROZEN_CREDENTIAL);
    Ok(())
}

const FROZEN_CREDENTIAL: &str = "025cd12832fa76adf2db1347ebfbdc34";

/// A whole envelope of version 1 as it was first made, with keys made of one byte repeated.
#[test]
fn an_envelope_of_version_1_is_still_opened() -> Outcome {
    let secret =
        |prefix: &str, byte: u8| format!("{prefix}:{}", URL_SAFE_NO_PAD.encode([byte; 32]));
    let keys = GateKeys::from_file_text(&format!(
        "{}\n{}\n",
        secret("ed25519-secret", 3),
        secret("x25519-secret", 4)
    ))?;
    let root: SecretKey = secret("ed25519-secret", 1).parse()?;
    let expected = Expectation {
        site: "garden".parse()?,
        gate: "north".parse()?,
        root: root.public(),
        now: Some(NOW),
    };
    let (text, body) =
        include_str!("envelope_v1.txt").trim_end().split_once('\n').ok_or("no body")?;
    let mut envelope = format!("{text}\n").into_bytes();
    envelope.extend(URL_SAFE_NO_PAD.decode(body)?);
    let list = Allowlist::open(&envelope, &keys, &expected, None).map_err(|e| format!("{e:?}"))?;
    assert_eq!((list.version(), list.subjects(), list.cards()), (7, 2, 3));
    Ok(())
}

#[test]
fn the_version_refused_can_be_told() -> Outcome {
    let (_, envelope) = good()?;
    assert_eq!(trust::claimed_version(&envelope), Some(7));
    assert_eq!(trust::claimed_version(b"hello\n"), None);
    Ok(())
}

#[test]
fn debug_tells_counts_only() -> Outcome {
    let (world, envelope) = good()?;
    let list = Allowlist::open(&envelope, &world.gate_keys, &world.expected(), None);
    let list = list.map_err(|e| format!("{e:?}"))?;
    assert_eq!(format!("{list:?}"), "Allowlist { version: 7, subjects: 2, cards: 3, .. }");
    Ok(())
}

/// One envelope for all cases: making one costs more than opening it.
fn shared() -> Option<&'static (World, Vec<u8>)> {
    static SHARED: OnceLock<Option<(World, Vec<u8>)>> = OnceLock::new();
    SHARED.get_or_init(|| good().ok()).as_ref()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_altered_byte_passes(at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let (world, envelope) = shared().ok_or_else(|| TestCaseError::fail("no envelope"))?;
        let mut altered = envelope.clone();
        let at = at.index(altered.len());
        altered[at] ^= 1 << bit;
        let refused = Allowlist::open(&altered, &world.gate_keys, &world.expected(), None);
        prop_assert!(refused.is_err(), "bit {bit} of byte {at}");
    }

    #[test]
    fn no_cut_passes(at in any::<prop::sample::Index>()) {
        let (world, envelope) = shared().ok_or_else(|| TestCaseError::fail("no envelope"))?;
        let cut = &envelope[..at.index(envelope.len())];
        prop_assert!(Allowlist::open(cut, &world.gate_keys, &world.expected(), None).is_err());
    }

    #[test]
    fn any_plain_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut versioned = vec![1];
        versioned.extend(bytes);
        let _ = plain::read(&versioned);
    }

    #[test]
    fn what_is_written_is_found_again(
        entries in prop::collection::btree_map(
            any::<[u8; 16]>(), (any::<bool>(), 0..4u8, prop::option::of(1..u64::MAX)), 0..40)
    ) {
        let mut next = 0u32;
        let entries = entries.into_iter().map(|(id, (face, cards, until))| {
            let cards: Vec<_> = (0..cards).map(|_| {
                next += 1;
                let mut id = [0; 16];
                id[..4].copy_from_slice(&next.wrapping_mul(2_654_435_761).to_le_bytes());
                CredentialId(id)
            }).collect();
            let ways = Ways { card: true, face: face && !cards.is_empty() };
            (SubjectId(id), Entry { ways, until: until.map(WallTime), cards, ..Entry::default() })
        }).collect();
        let plain = Plain { card_key: CardKey(Key256::from_bytes([9; 32])), entries };
        let bytes = plain.to_bytes()?;
        let (_, index) = plain::read(&bytes).map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        prop_assert_eq!(index.subjects() as usize, plain.entries.len());
        for (subject, entry) in &plain.entries {
            let right = Entitlement {
                from: entry.from, until: entry.until, ..Entitlement::unlimited(*subject, entry.ways) };
            prop_assert_eq!(index.by_subject(subject), Some(right));
            for card in &entry.cards {
                prop_assert_eq!(index.by_card(card), Some(right));
            }
        }
    }
}

#[test]
fn a_pin_fits_its_subject_alone() -> Outcome {
    let world = World::new()?;
    let mut plain = list(vec![
        (1, entry(true, true, &[11])),
        (2, entry(true, true, &[12])),
        (3, entry(true, false, &[13])),
    ]);
    let without = plain.to_bytes()?;
    assert_eq!(without.first(), Some(&1), "a list without PINs is what older gates read");
    let (right, wrong): (Pin, Pin) = ("0407".parse()?, "0408".parse()?);
    for id in [1, 3] {
        let tag = plain.card_key.pin(&subject(id), &right);
        plain.entries.get_mut(&subject(id)).ok_or("no entry")?.pin = Some(tag);
    }
    let bytes = plain.to_bytes()?;
    assert_eq!((bytes.first(), bytes.len()), (Some(&2), without.len() + 32));
    let envelope = world.envelope(&bytes)?;
    let open = Allowlist::open(&envelope, &world.gate_keys, &world.expected(), None);
    let list = open.map_err(|e| format!("{e:?}"))?;
    assert!(list.pin_fits(&subject(1), &right) && list.pin_fits(&subject(3), &right));
    // Three has the PIN, too, and no face.
    assert_eq!(list.claimed(&right, 8), [subject(1)]);
    assert_eq!((list.claimed(&right, 0), list.claimed(&wrong, 8)), (vec![], vec![]));
    assert!(!list.pin_fits(&subject(1), &wrong));
    assert!(!list.pin_fits(&subject(2), &right), "no PIN, and so none that fits");
    assert!(!list.pin_fits(&subject(9), &right), "nobody");
    // Version 1 has no such flag.
    let mut older = bytes.to_vec();
    older[0] = 1;
    let envelope = world.envelope(&older)?;
    let refused = Allowlist::open(&envelope, &world.gate_keys, &world.expected(), None);
    assert_eq!(refused.err(), Some(RefusedUpdate::Malformed));
    Ok(())
}

#[test]
fn a_visitor_may_have_a_pin_a_face_and_a_time() -> Outcome {
    let tag = PinTag([7; 16]);
    let visitor = Entry {
        from: Some(NOW),
        until: Some(later(1)),
        pin: Some(tag),
        ..entry(true, true, &[21])
    };
    let bytes = list(vec![(1, visitor)]).to_bytes()?;
    assert_eq!(bytes.first(), Some(&2));
    let (_, index) = plain::read(&bytes).map_err(|e| format!("{e:?}"))?;
    let ways = Ways { card: true, face: true };
    let right = Entitlement {
        from: Some(NOW),
        until: Some(later(1)),
        ..Entitlement::unlimited(subject(1), ways)
    };
    assert_eq!(index.by_subject(&subject(1)), Some(right));
    assert_eq!(index.pin(&subject(1)).map(|pin| pin.0), Some(tag.0));
    Ok(())
}
