use super::*;
use crate::wire::serial::framing::SpecError;
use proptest::prelude::*;

const TAG: u128 = 0x01_0784_f221;
const NOW: Instant = Instant(5_000_000);

fn named(name: &str) -> Framing {
    preset(name).unwrap_or_else(|| panic!("{name} is no framing"))
}

/// Everything that comes of bytes that arrive without a pause.
fn feed_at(parser: &mut Parser, now: Instant, bytes: &[u8]) -> Vec<Result<u128, Corrupt>> {
    let mut found = Vec::new();
    let mut take = |outcome| match outcome {
        Parsed::Item(tag) => found.push(Ok(Tag::number(tag))),
        Parsed::Corrupt(why) => found.push(Err(why)),
        Parsed::NeedMore | Parsed::NotForUs => {}
    };
    for byte in bytes {
        take(parser.byte(now, *byte));
        while let Some(outcome) = parser.poll(now) {
            take(outcome);
        }
        assert!(parser.held.len() < MAX_FRAME, "held without end");
    }
    found
}

impl Tag {
    fn number(self) -> u128 {
        self.number
    }
}

fn feed(framing: &Framing, bytes: &[u8]) -> Vec<Result<u128, Corrupt>> {
    feed_at(&mut Parser::new(framing.clone()), NOW, bytes)
}

fn frame(framing: &Framing, number: u128) -> Vec<u8> {
    framing.encode(number).unwrap_or_else(|| panic!("{number:x} doesn't fit {framing:?}"))
}

/// The bytes a reader sent, from a recording.
#[test]
fn a_recorded_frame() {
    let framing = named("rdm6300");
    let mut parser = Parser::new(framing.clone());
    let outcomes: Vec<_> = b"\x02010784F22151\x03".iter().map(|b| parser.byte(NOW, *b)).collect();
    let (last, before) = outcomes.split_last().expect("fourteen");
    assert!(before.iter().all(|o| *o == Parsed::NeedMore));
    let Parsed::Item(tag) = *last else { panic!("{last:?}") };
    assert_eq!(tag.to_hex(), "010784f221");
    assert_eq!(tag.card(&framing).to_canonical(), format!("em4100:{TAG}"));
    assert_eq!(format!("{tag:?}"), "Tag(redacted)");
    assert!(!parser.is_midway());
}

/// The examples in the data sheets and shop pages that the presets were taken from.
#[test]
fn every_preset_reads_its_published_example() {
    let examples: [(&str, &[u8], &str); 9] = [
        ("rdm6300", b"\x0262E3086CED08\x03", "62e3086ced"),
        ("rdm6300", b"\x02010784F22151\x03", "010784f221"),
        ("id12la", b"\x0262E3086CED08\r\n\x03", "62e3086ced"),
        ("em18", b"4500C5D1E9B8", "4500c5d1e9"),
        ("7941e", b"\x02\x0a\x02\x06\x00\x8e\x6d\x5d\xb0\x03", "06008e6d5d"),
        ("7941e", b"\x02\x0a\x02\x2e\x00\xb6\xd7\xb5\xf2\x03", "2e00b6d7b5"),
        ("parallax", b"\n0F0184F07A\r", "0f0184f07a"),
        ("hex10-line", b"0F0184F07A\r\n", "0f0184f07a"),
        ("dec10-line", b"0012964329\r\n", "c5d1e9"),
    ];
    for (name, bytes, card) in examples {
        let mut parser = Parser::new(named(name));
        let outcomes: Vec<_> = bytes.iter().map(|b| parser.byte(NOW, *b)).collect();
        let Some(Parsed::Item(tag)) = outcomes.last() else { panic!("{name}: {outcomes:?}") };
        assert_eq!(tag.to_hex(), card, "{name}");
    }
    for preset in PRESETS {
        assert!(preset.framing().is_some(), "{}", preset.name);
        assert!(examples.iter().any(|(name, ..)| *name == preset.name), "{}", preset.name);
    }
}

#[test]
fn each_way_to_be_spoilt_and_the_next_frame_is_read() {
    let framing = named("rdm6300");
    let spoilt: [(&[u8], Corrupt); 6] = [
        (b"\x02010784F22152\x03", Corrupt::Checksum),
        (b"\x020107x", Corrupt::NotDigit),
        (b"\x020107\x03", Corrupt::NotDigit),
        (b"\x02010784F22151\x04", Corrupt::NoEnd),
        (b"\x02010784F2", Corrupt::CutShort),
        (b"\x02010784F22151", Corrupt::CutShort),
    ];
    for (bytes, why) in spoilt {
        let stream = [b"\x00\xffnoise", bytes, &frame(&framing, TAG)].concat();
        assert_eq!(feed(&framing, &stream), [Err(why), Ok(TAG)], "{bytes:?}");
    }
}

#[test]
fn a_good_frame_that_begins_inside_a_spoilt_one_is_not_lost() {
    // A stray start byte in front of a binary frame, whose data may hold anything.
    let binary = Framing::new(Spec {
        start: vec![0xaa],
        body: Body::Binary,
        data: (4, 4),
        mask: None,
        ..named("rdm6300").spec().clone()
    })
    .expect("a framing");
    let good = frame(&binary, 0x1122_3344);
    let stream = [&[0xaa], &good[..], &good[..]].concat();
    assert_eq!(feed(&binary, &stream), [Err(Corrupt::NoEnd), Ok(0x1122_3344), Ok(0x1122_3344)]);

    // A line that was cut, then a whole one.
    let line = named("dec10-line");
    assert_eq!(feed(&line, b"1234\r\n0000000042\r\n"), [Err(Corrupt::NotDigit), Ok(42)]);
    assert_eq!(feed(&line, b"1234567890123\r\n0000000042\r\n"), [Err(Corrupt::NoEnd), Ok(42)]);
}

#[test]
fn noise_is_not_for_us() {
    let mut parser = Parser::new(named("rdm6300"));
    for byte in (0..=255).filter(|b| *b != 0x02) {
        assert_eq!(parser.byte(NOW, byte), Parsed::NotForUs);
    }
    assert!(!parser.is_midway());
    assert_eq!(parser.deadline(), None);
}

#[test]
fn half_a_frame_does_not_wait_for_ever() {
    let framing = named("rdm6300");
    let whole = frame(&framing, TAG);
    let (front, back) = whole.split_at(7);
    let gap = framing.spec().gap;
    let mut parser = Parser::new(framing);
    feed_at(&mut parser, NOW, front);
    assert_eq!(parser.deadline(), Some(NOW + gap));
    assert_eq!(parser.poll(NOW + gap - Duration(1)), None);
    assert_eq!(parser.poll(NOW + gap), Some(Parsed::Corrupt(Corrupt::Stopped)));
    assert_eq!((parser.poll(NOW + gap), parser.deadline()), (None, None));
    // The rest belongs to nothing; and without anybody looking at the clock it is the same.
    assert_eq!(feed_at(&mut parser, NOW + gap, back), []);
    feed_at(&mut parser, NOW + gap, front);
    assert_eq!(feed_at(&mut parser, NOW + gap + gap, back), [Err(Corrupt::Stopped)]);
    assert_eq!(feed_at(&mut parser, NOW + gap + gap, &whole), [Ok(TAG)]);
}

/// Where nothing marks a frame's beginning, the pause does: never a number put together from two.
#[test]
fn without_a_start_byte_a_spoilt_frame_costs_all_until_the_pause() {
    let framing = named("em18");
    let whole = frame(&framing, TAG);
    let gap = framing.spec().gap;
    let mut parser = Parser::new(framing);
    assert_eq!(feed_at(&mut parser, NOW, &[&whole[..], &whole[..]].concat()), [Ok(TAG), Ok(TAG)]);
    let stray = [b"\x00", &whole[..], &whole[..]].concat();
    assert_eq!(feed_at(&mut parser, NOW, &stray), [Err(Corrupt::NotDigit)]);
    assert_eq!(feed_at(&mut parser, NOW + gap, &whole), [Ok(TAG)]);
}

#[test]
fn after_lost_bytes_the_rest_of_a_frame_is_no_card() {
    for name in ["em18", "dec10-line", "rdm6300"] {
        let framing = named(name);
        let whole = frame(&framing, 42);
        let gap = framing.spec().gap;
        let mut parser = Parser::new(framing);
        for cut in 0..whole.len() {
            feed_at(&mut parser, NOW, &whole[..cut]);
            parser.poison(NOW);
            assert_eq!(feed_at(&mut parser, NOW, &whole[cut.max(1)..]), [], "{name} at {cut}");
            parser.poison(NOW);
            assert_eq!(feed_at(&mut parser, NOW + gap, &whole), [Ok(42)], "{name} at {cut}");
        }
    }
}

#[test]
fn a_flood_is_told_once_for_each_four_longest_frames() {
    let framing = named("rdm6300");
    let mut parser = Parser::new(framing.clone());
    let found = feed_at(&mut parser, NOW, &[0x55; 2 * FLOOD]);
    assert_eq!(found, [Err(Corrupt::Flood); 2]);
    assert_eq!(feed_at(&mut parser, NOW, &frame(&framing, TAG)), [Ok(TAG)]);
    let many = frame(&framing, TAG).repeat(100);
    assert!(feed_at(&mut parser, NOW, &many).iter().all(Result::is_ok), "frames are no flood");
}

#[test]
fn field_mask_and_byte_order() {
    let hex = Spec {
        mask: Some("--########".bytes().map(|b| b == b'#').collect()),
        byte_order: ByteOrder::Little,
        ..named("rdm6300").spec().clone()
    };
    let hex = Framing::new(hex).expect("a framing");
    assert_eq!(feed(&hex, b"\x02010784F22151\x03"), [Ok(0x21f2_8407)]);
    assert_eq!(frame(&hex, 0x21f2_8407), b"\x02000784F22150\x03");
    let binary = Spec {
        body: Body::Binary,
        data: (3, 3),
        mask: None,
        byte_order: ByteOrder::Little,
        ..named("7941e").spec().clone()
    };
    let binary = Framing::new(binary).expect("a framing");
    assert_eq!(feed(&binary, &[2, 7, 0x11, 0x22, 0x33, 7, 3]), [Ok(0x33_2211)]);
}

#[test]
fn framings_that_make_no_sense_are_told_whole() {
    let base = named("rdm6300").spec().clone();
    let wrong = |spec: Spec| -> Vec<&str> {
        let errors: Vec<SpecError> = Framing::new(spec).err().unwrap_or_default();
        errors.iter().map(|e| e.part).collect()
    };
    assert_eq!(wrong(Spec { data: (0, 0), ..base.clone() }), ["data", "mask"]);
    assert_eq!(wrong(Spec { data: (4, 10), ..base.clone() }), ["data"]);
    assert_eq!(wrong(Spec { data: (9, 9), ..base.clone() }), ["checksum"]);
    assert_eq!(wrong(Spec { data: (34, 34), ..base.clone() }), ["mask"]);
    assert_eq!(wrong(Spec { mask: Some(vec![true]), ..base.clone() }), ["mask"]);
    assert_eq!(wrong(Spec { body: Body::Decimal, ..base.clone() }), ["checksum"]);
    assert_eq!(wrong(Spec { covers: Covers::Length, ..base.clone() }), ["covers"]);
    let open = Spec { checksum: Checksum::None, end: vec![], data: (4, 10), ..base.clone() };
    assert_eq!(wrong(open), ["end"]);
    // Some of these lengths are half a byte too long.
    let halves = Spec {
        checksum: Checksum::None,
        data: (8, 10),
        byte_order: ByteOrder::Little,
        ..base.clone()
    };
    assert_eq!(wrong(halves), ["byte_order"]);
    let long = Spec { start: vec![1; 9], end: vec![2; 9], ..base.clone() };
    assert_eq!(wrong(long), ["start", "end"]);
    let mask = Some(vec![false; 120].into_iter().chain([true; 4]).collect());
    assert_eq!(wrong(Spec { data: (124, 124), mask, ..base.clone() }), ["data"]);
    let odd = Spec { length_byte: Some(LengthCounts::Data), of_characters: true, ..base };
    assert_eq!(wrong(odd), ["length_byte"]);
}

/// Any framing that makes sense, and a number that fits it.
fn framings() -> impl Strategy<Value = (Framing, u128)> {
    let marks = || prop::collection::vec(prop_oneof![Just(2u8), Just(13), any::<u8>()], 0..3);
    let order = || prop_oneof![Just(ByteOrder::Big), Just(ByteOrder::Little)];
    let bodies = prop_oneof![Just(Body::Hex), Just(Body::Decimal), Just(Body::Binary)];
    let counts = prop::option::of(prop_oneof![
        Just(LengthCounts::Data),
        Just(LengthCounts::Rest),
        Just(LengthCounts::Frame)
    ]);
    let covers = prop_oneof![Just(Covers::Data), Just(Covers::Length), Just(Covers::Start)];
    let sums = (0..CHECKSUMS.len()).prop_map(|i| CHECKSUMS[i].1);
    let lengths = (1usize..14, prop_oneof![4 => Just(0usize), 1 => 1..4usize]);
    let masks = prop::option::of(prop::collection::vec(any::<bool>(), 1..14));
    let spec = (
        (marks(), counts, bodies, lengths, masks),
        (order(), sums, covers, any::<bool>(), order(), marks()),
    );
    (spec, any::<u128>()).prop_filter_map("no framing", |((front, back), number)| {
        let (start, length_byte, body, (least, more), mask) = front;
        let (byte_order, checksum, covers, of_characters, checksum_order, end) = back;
        let gap = presets::GAP;
        let format = "any".parse().ok()?;
        let data = (least, least + more);
        let framing = Framing::new(Spec {
            start,
            length_byte,
            body,
            data,
            mask,
            byte_order,
            checksum,
            covers,
            of_characters,
            checksum_order,
            end,
            gap,
            format,
        })
        .ok()?;
        // A number of the field's own size.
        let number = (0..128).map(|bits| number >> bits).find(|n| framing.encode(*n).is_some())?;
        Some((framing, number))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_number_comes_back_after_noise_and_a_pause(
        (framing, number) in framings(), noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let whole = frame(&framing, number);
        prop_assert!(whole.len() <= MAX_FRAME);
        let mut parser = Parser::new(framing);
        feed_at(&mut parser, NOW, &noise);
        let found = feed_at(&mut parser, NOW + Duration::from_secs(1), &[&whole[..], &whole].concat());
        let found: Vec<_> = found.into_iter().filter(|f| *f != Err(Corrupt::Stopped)).collect();
        prop_assert_eq!(found, [Ok(number), Ok(number)]);
    }

    /// With a checksum, and data of one length.
    #[test]
    fn one_changed_byte_never_makes_another_number(
        (framing, number) in framings(), at: prop::sample::Index, to: u8,
    ) {
        let spec = framing.spec();
        prop_assume!(framing.is_checked() && spec.data.0 == spec.data.1);
        let mut changed = frame(&framing, number);
        let at = at.index(changed.len());
        changed[at] = to;
        for found in feed(&framing, &changed) {
            prop_assert!(found.is_err() || found == Ok(number), "{found:x?}");
        }
    }

    #[test]
    fn any_bytes_in_any_rhythm_leave_a_parser_that_works(
        (framing, number) in framings(),
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0u64..200_000), 0..12),
    ) {
        let whole = frame(&framing, number);
        let mut parser = Parser::new(framing);
        let mut now = NOW;
        for (bytes, pause) in pieces {
            feed_at(&mut parser, now, &bytes);
            now += Duration(pause);
        }
        let now = now + Duration::from_secs(1);
        let found = feed_at(&mut parser, now, &whole);
        prop_assert_eq!(found.last(), Some(&Ok(number)));
    }
}
