use super::*;
use proptest::prelude::*;

fn hello() -> ToWorker {
    ToWorker::Hello(Hello {
        version: VERSION,
        width: 640,
        height: 480,
        tracking: Tracking::default(),
        watch: Watch::default(),
        template_key: TemplateKey::new([5; 32]),
    })
}

fn observed() -> FromWorker {
    FromWorker::Observed(Observation {
        captured_at: Instant(1_000_000),
        subject: Some(SubjectId([1; 16])),
        look_alike: None,
        distance: 0.25,
        quality: 1.0,
        liveness: Liveness::NotChecked,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn version_3_is_frozen() {
    let key = "05".repeat(32);
    assert_eq!(
        hex(&encode(&hello()).unwrap()),
        format!(
            "5000000000038005e00303059a99993ee0c65b000000c04180b518017b14ae47e17a843f9a9999999999\
             a93f00c08db701000000{key}"
        )
    );
    assert_eq!(
        hex(&encode(&observed()).unwrap()),
        format!("1f00000002c0843d01{}000000803e0000803f00", "01".repeat(16))
    );
    let alive = FromWorker::Alive { seen: 3, processed: 2, last_frame_at: None };
    assert_eq!(hex(&encode(&alive).unwrap()), "0400000003030200");
    let sealed = Sealed { subject: SubjectId([1; 16]), bytes: vec![7, 8] };
    let crossing = FromWorker::Crossing { sealed, last: true };
    let expected = format!("150000000b{}02070801", "01".repeat(16));
    assert_eq!(hex(&encode(&crossing).unwrap()), expected);
    let sat = FromWorker::Sat { subject: SubjectId([1; 16]), sat: Sat::Ended(SittingEnd::Another) };
    assert_eq!(hex(&encode(&sat).unwrap()), format!("130000000c{}0202", "01".repeat(16)));
    assert_eq!(hex(&encode(&ToWorker::Stay).unwrap()), "010000000a");
    assert_eq!(hex(&encode(&ToWorker::Frames).unwrap()), "0100000001");
    assert_eq!(hex(&encode(&ToWorker::Quit).unwrap()), "0100000004");
}

#[test]
fn the_longest_template_fits() {
    let sealed = Sealed { subject: SubjectId([255; 16]), bytes: vec![255; MAX_SEALED] };
    let bytes = encode(&ToWorker::Enrol(sealed.clone())).unwrap();
    let mut decoder = Decoder::new();
    decoder.feed(&bytes);
    assert!(decoder.next() == Parsed::Item(ToWorker::Enrol(sealed.clone())));
    assert!(encode(&FromWorker::Crossing { sealed, last: true }).is_some());
}

#[test]
fn the_longest_lists_fit() {
    let id = SubjectId([255; 16]);
    let others = vec![id; MAX_LOOK_ALIKES];
    assert!(encode(&FromWorker::LookAlikes { subject: id, others }).is_some());
    assert!(encode(&ToWorker::Claim(vec![id; MAX_CLAIMED])).is_some());
}

#[test]
fn a_message_that_is_too_long_is_refused_before_it_is_there() {
    let mut decoder = Decoder::<FromWorker>::new();
    decoder.feed(&u32::MAX.to_le_bytes());
    let outcome = Parsed::Corrupt(Corrupt::TooLong(u32::MAX as usize));
    assert_eq!(decoder.next(), outcome);
    assert_eq!(decoder.next(), outcome, "and the stream stays broken");
    let long = FromWorker::Unfit { why: "x".repeat(MAX_MESSAGE) };
    assert_eq!(encode(&long), None);
}

#[test]
fn trailing_bytes_inside_a_message_are_corrupt() {
    let mut decoder = Decoder::<ToWorker>::new();
    decoder.feed(&[2, 0, 0, 0, 4, 0]);
    assert!(decoder.next() == Parsed::Corrupt(Corrupt::Malformed));
}

#[test]
fn reasons_are_cut_between_characters() {
    let FromWorker::Unfit { why } = FromWorker::unfit(&"ä".repeat(MAX_REASON)) else {
        unreachable!()
    };
    assert_eq!(why.len(), MAX_REASON);
}

#[test]
fn frame_sizes_are_bounded() {
    assert_eq!(frame_len(640, 480), Some(460_800));
    for (w, h) in [(0, 2), (2, 3), (MAX_SIDE + 2, 2), (u32::MAX - 1, u32::MAX - 1)] {
        assert_eq!(frame_len(w, h), None);
    }
}

fn messages() -> impl Strategy<Value = ToWorker> {
    let id = any::<[u8; 16]>().prop_map(SubjectId);
    prop_oneof![
        Just(hello()),
        Just(ToWorker::Frames),
        Just(ToWorker::Quit),
        id.clone().prop_map(ToWorker::Forget),
        id.clone().prop_map(ToWorker::LookAlikes),
        (id.clone(), id.clone()).prop_map(ToWorker::Separate),
        proptest::collection::vec(id.clone(), 0..=MAX_CLAIMED).prop_map(ToWorker::Claim),
        (id.clone(), any::<u64>())
            .prop_map(|(subject, us)| ToWorker::Sit { subject, within: Duration(us) }),
        (id, proptest::collection::vec(any::<u8>(), 0..600))
            .prop_map(|(subject, bytes)| ToWorker::Enrol(Sealed { subject, bytes })),
    ]
}

proptest! {
    #[test]
    fn round_trip_in_any_pieces(
        sent in proptest::collection::vec(messages(), 1..8),
        step in 1usize..700,
    ) {
        let stream: Vec<u8> = sent.iter().flat_map(|m| encode(m).unwrap().to_vec()).collect();
        let mut decoder = Decoder::<ToWorker>::new();
        let mut got = Vec::new();
        for piece in stream.chunks(step) {
            decoder.feed(piece);
            while let Parsed::Item(item) = decoder.next() {
                got.push(item);
            }
        }
        prop_assert!(got == sent);
    }

    #[test]
    fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let mut decoder = Decoder::<FromWorker>::new();
        for piece in bytes.chunks(97) {
            decoder.feed(piece);
            while let Parsed::Item(_) = decoder.next() {}
        }
        prop_assert!(decoder.room() > 0 || !matches!(decoder.next(), Parsed::NeedMore));
    }
}
