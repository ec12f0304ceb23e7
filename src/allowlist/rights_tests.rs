//! What version 3 adds: uses, profile, extended opening, the PIN that calls for help.

use super::*;
use std::num::NonZeroU16;

fn pass() -> Entry {
    Entry {
        from: Some(WallTime(0x0102)),
        pin: Some(PinTag([7; 16])),
        duress: Some(PinTag([8; 16])),
        uses: NonZeroU16::new(0x0304),
        profile: Some(5),
        extended: true,
        ..entry(true, true, &[21])
    }
}

/// The bytes of version 3, written out: gates in the field read exactly these.
#[test]
fn version_3_is_frozen_and_read() -> Outcome {
    let plain = list(vec![(1, entry(true, false, &[11])), (2, pass())]);
    let bytes = plain.to_bytes()?;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let expected = [
        "03",
        &"09".repeat(32),
        "0200000002000000",
        &"01".repeat(16),
        "0101",
        &"0b".repeat(16),
        &"02".repeat(16),
        "37010f",
        "0201000000000000",
        &"07".repeat(16),
        "0403",
        "05",
        &"08".repeat(16),
        &"15".repeat(16),
    ];
    assert_eq!(hex, expected.concat());
    let (_, index) = plain::read(&bytes).map_err(|e| format!("{e:?}"))?;
    let right = Entitlement {
        from: Some(WallTime(0x0102)),
        uses: Some(0x0304),
        profile: Some(5),
        extended: true,
        ..Entitlement::unlimited(subject(2), Ways { card: true, face: true })
    };
    assert_eq!(index.by_card(&CredentialId([21; 16])), Some(right));
    assert_eq!(
        index.by_card(&CredentialId([11; 16])).map(|r| (r.uses, r.extended)),
        Some((None, false))
    );
    Ok(())
}

#[test]
fn a_list_has_the_lowest_version_that_can_say_it() -> Outcome {
    let version =
        |entry: Entry| Ok::<_, Unlistable>(list(vec![(1, entry)]).to_bytes()?.first().copied());
    let plain = || entry(true, false, &[11]);
    assert_eq!(version(plain())?, Some(1));
    assert_eq!(version(Entry { pin: Some(PinTag([7; 16])), ..plain() })?, Some(2));
    for more in [
        Entry { uses: NonZeroU16::new(1), ..plain() },
        Entry { profile: Some(0), ..plain() },
        Entry { extended: true, ..plain() },
        Entry { duress: Some(PinTag([7; 16])), ..plain() },
    ] {
        assert_eq!(version(more)?, Some(3));
    }
    Ok(())
}

#[test]
fn one_list_has_one_form_in_version_3_too() -> Outcome {
    let refused = |bytes: &[u8]| plain::read(bytes).err();
    let bytes = list(vec![(2, pass())]).to_bytes()?;
    assert_eq!(refused(&bytes), None);
    for n in 0..bytes.len() {
        assert_eq!(refused(&bytes[..n]), Some(RefusedUpdate::Malformed), "cut at {n}");
    }
    let with = |changes: &[(usize, u8)]| {
        let mut changed = bytes.to_vec();
        changes.iter().for_each(|(at, byte)| changed[*at] = *byte);
        refused(&changed)
    };
    let (flags, more, uses) = (41 + 16, 41 + 18, 41 + 19 + 8 + 16);
    assert_eq!(with(&[(0, 2)]), Some(RefusedUpdate::Malformed), "no flag of version 2");
    assert_eq!(with(&[(flags, 0x77)]), Some(RefusedUpdate::Malformed), "unknown flag");
    assert_eq!(with(&[(more, 0x1f)]), Some(RefusedUpdate::Malformed), "unknown flag of more");
    assert_eq!(with(&[(uses, 0), (uses + 1, 0)]), Some(RefusedUpdate::Malformed), "no use at all");
    let pin_as_duress: Vec<_> = (0..16).map(|i| (uses + 3 + i, 7)).collect();
    assert_eq!(with(&pin_as_duress), Some(RefusedUpdate::Malformed), "a PIN that says both");
    // `more` that says nothing, and a version that isn't needed.
    let plain = list(vec![(1, entry(true, false, &[11]))]).to_bytes()?;
    let mut empty = plain.to_vec();
    empty[0] = 3;
    assert_eq!(refused(&empty), Some(RefusedUpdate::Malformed), "a needless version");
    empty[flags] |= 32;
    empty.insert(more, 0);
    assert_eq!(refused(&empty), Some(RefusedUpdate::Malformed), "more that is nothing");
    empty[more] = 4;
    assert_eq!(refused(&empty), None);
    let same = Entry { duress: Some(PinTag([7; 16])), ..pass() };
    assert_eq!(list(vec![(1, same)]).to_bytes().err(), Some(Unlistable::NoDuress));
    Ok(())
}

#[test]
fn a_duress_pin_is_no_other_subject_s_and_not_the_pin() -> Outcome {
    let world = World::new()?;
    let mut plain = list(vec![(1, entry(true, false, &[11])), (2, entry(true, false, &[12]))]);
    let (pin, help): (Pin, Pin) = ("0407".parse()?, "0512".parse()?);
    let key = plain.card_key.clone();
    let one = plain.entries.get_mut(&subject(1)).ok_or("no entry")?;
    (one.pin, one.duress) = (Some(key.pin(&subject(1), &pin)), Some(key.pin(&subject(1), &help)));
    let envelope = world.envelope(&plain.to_bytes()?)?;
    let open = Allowlist::open(&envelope, &world.gate_keys, &world.expected(), None);
    let list = open.map_err(|e| format!("{e:?}"))?;
    assert!(list.is_duress(&subject(1), &help) && !list.is_duress(&subject(1), &pin));
    assert!(list.pin_fits(&subject(1), &pin) && !list.pin_fits(&subject(1), &help));
    assert!(!list.is_duress(&subject(2), &help), "has none");
    assert!(!list.is_duress(&subject(9), &help), "nobody");
    Ok(())
}

fn rights() -> impl Strategy<Value = Entry> {
    let tag = || prop::option::weighted(0.3, any::<[u8; 16]>().prop_map(PinTag));
    let time = || prop::option::weighted(0.3, (1..u64::MAX).prop_map(WallTime));
    let uses = prop::option::weighted(
        0.3,
        (1..=u16::MAX).prop_map(|n| NonZeroU16::MIN.saturating_add(n - 1)),
    );
    let profile = prop::option::weighted(0.3, any::<u8>());
    (time(), time(), tag(), tag(), uses, profile, any::<bool>()).prop_map(
        |(from, until, pin, duress, uses, profile, extended)| {
            let ways = Ways { card: true, face: false };
            Entry { ways, from, until, pin, duress, uses, profile, extended, cards: vec![] }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_is_written_is_found_again(
        mut entries in prop::collection::btree_map(any::<[u8; 16]>(), rights(), 0..40)
    ) {
        for (id, entry) in &mut entries {
            entry.cards = vec![CredentialId(*id)];
        }
        let entries = entries.into_iter().map(|(id, entry)| (SubjectId(id), entry)).collect();
        let plain = Plain { card_key: CardKey(Key256::from_bytes([9; 32])), entries };
        let (_, index) = plain::read(&plain.to_bytes()?)
            .map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        for (subject, entry) in &plain.entries {
            let right = Entitlement {
                from: entry.from,
                until: entry.until,
                uses: entry.uses.map(NonZeroU16::get),
                profile: entry.profile,
                extended: entry.extended,
                ..Entitlement::unlimited(*subject, entry.ways)
            };
            prop_assert_eq!(index.by_card(&CredentialId(subject.0)), Some(right));
            prop_assert_eq!((index.pin(subject), index.duress(subject)), (entry.pin, entry.duress));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        version in 0..5u8, flags in any::<u8>(), more in any::<u8>(),
        rest in prop::collection::vec(any::<u8>(), 0..90)
    ) {
        let mut bytes = vec![version];
        bytes.extend([9; 32]);
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([1; 16]);
        bytes.extend([flags, 0, more]);
        bytes.extend(rest);
        let _ = plain::read(&bytes);
    }
}
