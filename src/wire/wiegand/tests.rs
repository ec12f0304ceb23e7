use super::*;
use proptest::prelude::*;

const START: u64 = 1_000_000;

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

fn edges(value: u128, len: u8, pulse_us: u64, interval_us: u64) -> Vec<Edge> {
    let bits = Bits::new(value, len).expect("fits");
    edges_of(bits, Instant(START), us(pulse_us), us(interval_us)).collect()
}

fn pulse(at: u64, line: Line, width_us: u64) -> [Edge; 2] {
    let fall = Edge { at: Instant(at), line, level: Level::Low };
    [fall, Edge { at: Instant(at + width_us), level: Level::High, ..fall }]
}

/// Feeds edges as a gate does: poll at the deadline wherever one falls between two edges.
fn run(options: Options, mut edges: Vec<Edge>) -> Vec<Outcome> {
    edges.sort_by_key(|e| e.at);
    let mut assembler = Assembler::new(options);
    let mut outcomes = Vec::new();
    for edge in edges {
        if let Some(deadline) = assembler.deadline().filter(|d| *d <= edge.at) {
            outcomes.extend(assembler.poll(deadline));
        }
        outcomes.extend(assembler.edge(edge));
    }
    while let Some(deadline) = assembler.deadline() {
        outcomes.extend(assembler.poll(deadline));
    }
    outcomes
}

fn faults(outcomes: &[Outcome]) -> Vec<Fault> {
    outcomes.iter().filter_map(|o| o.err().map(|s| s.why)).collect()
}

fn values(outcomes: &[Outcome]) -> Vec<(u128, u8)> {
    let frames = outcomes.iter().filter_map(|o| o.ok());
    frames.map(|f| (f.bits.value(), f.bits.count())).collect()
}

fn pinned(bits: u8) -> Options {
    Options { lengths: Lengths::of([bits]), ..Options::default() }
}

#[test]
fn pinned_length_ends_three_intervals_after_the_last_bit() {
    let mut assembler = Assembler::new(pinned(26));
    for edge in edges(0x2f657ae, 26, 50, 2_000) {
        assert_eq!(assembler.edge(edge), None);
    }
    let last_fall = START + 25 * 2_000;
    assert_eq!(assembler.deadline(), Some(Instant(last_fall + 6_000)));
    assert_eq!(assembler.poll(Instant(last_fall + 5_999)), None);
    let frame = assembler.poll(Instant(last_fall + 6_000)).expect("ended").expect("good");
    assert_eq!((frame.bits.value(), frame.bits.count()), (0x2f657ae, 26));
    assert_eq!((frame.first, frame.last), (Instant(START), Instant(last_fall)));
    assert_eq!(assembler.deadline(), None);
}

#[test]
fn unknown_length_ends_with_the_gap() {
    let mut assembler = Assembler::new(Options::default());
    for edge in edges(0x2f657ae, 26, 50, 2_000) {
        assembler.edge(edge);
    }
    let last_edge = START + 25 * 2_000 + 50;
    assert_eq!(assembler.deadline(), Some(Instant(last_edge + 25_000)));
    assert!(assembler.poll(Instant(last_edge + 25_000)).expect("ended").is_ok());
}

#[test]
fn a_late_extra_edge_disqualifies() {
    let mut trace = edges(0x2f657ae, 26, 50, 2_000);
    trace.extend(pulse(START + 26 * 2_000 + 3_000, Line::D0, 50));
    let outcomes = run(pinned(26), trace);
    assert_eq!(faults(&outcomes), [Fault::WrongLength { seen: 27, lengths: Lengths::of([26]) }]);
    assert_eq!(values(&outcomes), []);
}

#[test]
fn a_frame_that_may_go_on_waits_for_the_gap() {
    // A keypad's four bits, a card's 26 or 34.
    let options = Options { lengths: Lengths::of([4, 26, 34]), ..Options::default() };
    for (bits, wait) in [(4, 25_000), (26, 25_000), (34, 6_000 - 50)] {
        let mut assembler = Assembler::new(options);
        let trace = edges(5, bits, 50, 2_000);
        let last = trace.last().expect("edges").at;
        assert_eq!(trace.into_iter().find_map(|edge| assembler.edge(edge)), None);
        assert_eq!(assembler.deadline(), Some(last + us(wait)), "{bits} bits");
        assert!(assembler.poll(last + us(wait)).expect("ended").is_ok());
    }
    let lengths = options.lengths;
    assert_eq!(lengths.to_string(), "4, 26 or 34");
    assert_eq!(
        faults(&run(options, edges(5, 25, 50, 2_000))),
        [Fault::WrongLength { seen: 25, lengths }]
    );
}

#[test]
fn lengths_are_bounded() {
    let lengths = Lengths::of([0, 1, 128, 129, 255]);
    assert_eq!(lengths.to_string(), "1 or 128");
    assert!(lengths.contain(128) && lengths.end_with(128) && !lengths.end_with(1));
    for none in [0, 2, 127, 129, u16::MAX] {
        assert!(!lengths.contain(none), "{none}");
    }
    assert!(!Lengths::of([]).are_known());
}

/// A reader may pause between bytes: the quiet is measured by its longest interval.
#[test]
fn uneven_bits_ask_for_a_longer_quiet() {
    let mut trace = edges(0x2f657ae, 26, 50, 1_000);
    trace[16..].iter_mut().for_each(|e| e.at += us(3_000));
    let mut assembler = Assembler::new(pinned(26));
    for edge in &trace {
        assembler.edge(*edge);
    }
    let last_fall = trace[50].at;
    assert_eq!(assembler.deadline(), Some(last_fall + us(3 * 4_000)));
}

#[test]
fn pulses_soon_after_a_frame_are_told_and_no_frame() {
    let frame = edges(0x2f657ae, 26, 50, 2_000);
    let last_edge = frame[51].at;
    let after = |wait: u64, what: &[Edge]| {
        let shift = us(last_edge.since(what[0].at).0 + wait);
        let mut trace = frame.clone();
        trace.extend(what.iter().map(|e| Edge { at: e.at + shift, ..*e }));
        run(pinned(26), trace)
    };
    let stray = pulse(START, Line::D1, 50);
    for (wait, fault) in [(24_999, Fault::Late), (25_000, Fault::Stray { bits: 1 })] {
        let outcomes = after(wait, &stray);
        assert_eq!(values(&outcomes), [(0x2f657ae, 26)], "the frame was out already");
        assert_eq!(faults(&outcomes), [fault]);
    }
    assert_eq!(faults(&after(10_000, &frame)), [Fault::Late], "a whole frame too");
    assert_eq!(values(&after(25_000, &frame)).len(), 2);
    let short = pulse(START, Line::D1, 5);
    assert_eq!(faults(&after(10_000, &short)), [Fault::PulseTooShort { us: 5 }]);
}

#[test]
fn a_few_stray_pulses_are_no_frame_unless_a_frame_is_so_short() {
    for bits in 1..=4 {
        let outcomes = run(Options::default(), edges(0, bits, 50, 2_000));
        let stray = (bits < 4).then_some(Fault::Stray { bits: bits.into() });
        assert_eq!(faults(&outcomes), Vec::from_iter(stray), "{bits}");
        assert_eq!(values(&run(pinned(bits), edges(0, bits, 50, 2_000))), [(0, bits)]);
    }
}

/// A line without a pull-up follows the mains: low for half of each 20 ms, never idle for a gap.
#[test]
fn a_line_that_hums_floats() {
    let hum = (0..1_000).flat_map(|i| pulse(START + i * 20_000, Line::D0, 10_000));
    let outcomes = run(Options::default(), hum.collect());
    assert_eq!(faults(&outcomes), [Fault::Floating]);
}

/// Each fault has its own outcome, and they are counted apart where their remedies differ.
#[test]
fn what_each_fault_is_counted_as() {
    use ReadFault::*;
    let lengths = Lengths::of([26]);
    for (fault, counted) in [
        (Fault::PulseTooShort { us: 5 }, Glitch),
        (Fault::PulseTooLong { us: 2_000 }, Floating),
        (Fault::TooClose { us: 5 }, Bounce),
        (Fault::Overlap, Overlap),
        (Fault::Stuck { us: 25_000 }, Stuck),
        (Fault::Stray { bits: 1 }, Floating),
        (Fault::Floating, Floating),
        (Fault::Overflow, Flood),
        (Fault::WrongLength { seen: 25, lengths }, Length),
        (Fault::Late, Length),
        (Fault::LostEdge, Lost),
        (Fault::Dropped, Lost),
    ] {
        assert_eq!(fault.read_fault(), counted);
    }
}

#[test]
fn the_next_frame_concludes_one_that_was_not_polled() {
    let mut assembler = Assembler::new(pinned(26));
    for edge in edges(0x2f657ae, 26, 50, 2_000) {
        assembler.edge(edge);
    }
    let [fall, _] = pulse(START + 10_000_000, Line::D1, 50);
    assert!(assembler.edge(fall).expect("the first frame").is_ok());
    assert!(assembler.deadline().is_some(), "the second has begun");
}

#[test]
fn what_is_no_clean_pulse_spoils_the_frame() {
    let bad = |width: u64, fault: Fault| {
        let mut trace = edges(5, 4, 50, 2_000);
        trace.extend(pulse(START + 7_000, Line::D0, width));
        assert_eq!(faults(&run(Options::default(), trace.clone())), [fault]);
        assert_eq!(values(&run(Options::default(), trace)), []);
    };
    bad(19, Fault::PulseTooShort { us: 19 });
    bad(1_001, Fault::PulseTooLong { us: 1_001 });
    for width in [20, 400, 1_000] {
        let trace = edges(5, 4, width, 2_000);
        assert_eq!(values(&run(Options::default(), trace)), [(5, 4)], "{width} us");
    }
}

#[test]
fn both_lines_low_is_an_overlap() {
    let mut trace = edges(0, 8, 50, 2_000);
    trace.extend(pulse(START + 2_010, Line::D1, 50));
    assert_eq!(faults(&run(Options::default(), trace)), [Fault::Overlap]);
}

#[test]
fn a_stuck_line_is_reported_once_and_decodes_nothing_until_it_is_free() {
    let stuck = Edge { at: Instant(10), line: Line::D0, level: Level::Low };
    let mut trace = vec![stuck];
    trace.extend(edges(1, 8, 50, 2_000).into_iter().filter(|e| e.line == Line::D1));
    trace.push(Edge { at: Instant(START + 500_000), level: Level::High, ..stuck });
    let mut next = edges(0xa5, 8, 50, 2_000);
    next.iter_mut().for_each(|e| e.at += Duration::from_secs(1));
    trace.extend(next);
    let outcomes = run(Options::default(), trace);
    assert_eq!(faults(&outcomes), [Fault::Stuck { us: 25_000 }]);
    assert_eq!(values(&outcomes), [(0xa5, 8)]);
}

#[test]
fn after_an_overflow_nothing_until_an_idle_gap() {
    // 200 bits, a pause just short of the gap, a good frame, a gap, a good frame.
    let mut trace = Vec::new();
    let mut at = START;
    for _ in 0..200 {
        trace.extend(pulse(at, Line::D1, 50));
        at += 1_000;
    }
    at += 23_000;
    for wait in [0, 25_000] {
        at += wait;
        for edge in edges(0xa5, 8, 50, 1_000) {
            trace.push(Edge { at: Instant(at + edge.at.0 - START), ..edge });
        }
        at += 7_050;
    }
    let outcomes = run(Options::default(), trace);
    assert_eq!(faults(&outcomes), [Fault::Overflow]);
    assert_eq!(values(&outcomes), [(0xa5, 8)], "the second alone");
}

#[test]
fn endless_rising_edges_overflow_too() {
    let rise = |i: u64| Edge { at: Instant(i * 500), line: Line::D0, level: Level::High };
    let outcomes = run(Options::default(), (0..5_000).map(rise).collect());
    assert_eq!(faults(&outcomes), [Fault::Overflow]);
}

#[test]
fn poison_spoils_what_is_under_way_and_what_follows_at_once() {
    let trace = edges(0x2f657ae, 26, 50, 2_000);
    for (drop_from, drop_to) in [(0, 5), (10, 12), (48, 52)] {
        let mut assembler = Assembler::new(pinned(26));
        let mut outcomes = Vec::new();
        for (i, edge) in trace.iter().enumerate() {
            if i == drop_from {
                outcomes.extend(assembler.poison(edge.at));
            }
            if !(drop_from..drop_to).contains(&i) {
                outcomes.extend(assembler.edge(*edge));
            }
        }
        outcomes.extend(assembler.poll(Instant(u64::MAX)));
        assert_eq!(faults(&outcomes), [Fault::Dropped], "{drop_from}..{drop_to}");
        assert_eq!(outcomes.len(), 1);
    }
}

#[test]
fn poison_does_not_take_back_a_frame_that_had_ended() {
    let mut assembler = Assembler::new(pinned(26));
    for edge in edges(0x2f657ae, 26, 50, 2_000) {
        assembler.edge(edge);
    }
    assert!(assembler.poison(Instant(START + 1_000_000)).expect("the frame").is_ok());
}

#[test]
fn time_running_backwards_spoils() {
    let mut assembler = Assembler::new(Options::default());
    assembler.edge(Edge { at: Instant(5_000), line: Line::D0, level: Level::Low });
    assembler.edge(Edge { at: Instant(4_900), line: Line::D0, level: Level::High });
    let outcome = assembler.poll(Instant(u64::MAX)).expect("ended");
    assert_eq!(outcome.map_err(|s| s.why), Err(Fault::LostEdge));
}

#[test]
fn falling_edges_alone_are_enough() {
    let options = Options { edges: Edges::Falling, ..pinned(26) };
    let falls = edges(0x2f657ae, 26, 50, 2_000);
    assert_eq!(values(&run(options, falls.clone())), [(0x2f657ae, 26)]);
    let only: Vec<Edge> = falls.into_iter().filter(|e| e.level == Level::Low).collect();
    assert_eq!(values(&run(options, only.clone())), [(0x2f657ae, 26)]);
    let mut bounced = only;
    bounced.push(Edge { at: bounced[3].at + us(40), ..bounced[3] });
    assert_eq!(faults(&run(options, bounced)), [Fault::TooClose { us: 40 }]);
}

#[test]
fn debug_shows_no_number() {
    let bits = Bits::new(0x2f657ae, 26).expect("fits");
    assert_eq!(format!("{bits:?}"), "Bits(26:redacted)");
}

#[test]
fn bits_are_bounded() {
    assert_eq!(Bits::new(4, 2), None);
    assert_eq!(Bits::new(0, 0), None);
    assert_eq!(Bits::new(0, 129), None);
    assert!(Bits::new(u128::MAX, 128).is_some());
}

fn any_bits() -> impl Strategy<Value = Bits> {
    (4u8..=MAX_BITS, any::<u128>())
        .prop_map(|(len, value)| Bits::new(value & low_bits(len), len).expect("fits"))
}

proptest! {
    #[test]
    fn every_frame_comes_back(
        bits in any_bits(), pulse in 20u64..=1_000, space in 100u64..=7_000, pin in any::<bool>(),
    ) {
        let options = if pin { pinned(bits.count()) } else { Options::default() };
        let trace = edges_of(bits, Instant(START), us(pulse), us(pulse + space)).collect();
        let outcomes = run(options, trace);
        prop_assert_eq!(values(&outcomes), vec![(bits.value(), bits.count())]);
    }

    /// The reason for the quiet after the last bit: with a pinned length, a pulse too many or too few
    /// never makes a number.
    #[test]
    fn one_pulse_more_or_less_is_no_frame(
        value in 0u128..1 << 26, at in 0u64..26, add in any::<bool>(), one in any::<bool>(),
        offset in 200u64..1_700,
    ) {
        let mut trace = edges(value, 26, 50, 2_000);
        if add {
            let line = if one { Line::D1 } else { Line::D0 };
            trace.extend(pulse(START + at * 2_000 + offset, line, 50));
        } else {
            trace.drain(2 * at as usize..2 * at as usize + 2);
        }
        let outcomes = run(pinned(26), trace);
        prop_assert_eq!(values(&outcomes), vec![]);
        let seen = if add { 27 } else { 25 };
        prop_assert_eq!(faults(&outcomes), vec![Fault::WrongLength { seen, lengths: Lengths::of([26]) }]);
    }

    #[test]
    fn any_edges_whatever_are_survived_and_concluded(
        steps in prop::collection::vec((0u64..40_000, any::<bool>(), any::<bool>(), any::<bool>()), 0..600),
        falling in any::<bool>(), pin in prop::option::of(1u8..=128),
    ) {
        let edges = if falling { Edges::Falling } else { Edges::Both };
        let options = Options { lengths: Lengths::of(pin), edges, ..Options::default() };
        let mut assembler = Assembler::new(options);
        let mut at = Instant(0);
        for (step, one, low, poison) in steps {
            at += us(step);
            let line = if one { Line::D1 } else { Line::D0 };
            let level = if low { Level::Low } else { Level::High };
            if poison && step % 17 == 0 {
                assembler.poison(at);
            }
            assembler.edge(Edge { at, line, level });
        }
        if let Some(deadline) = assembler.deadline() {
            prop_assert!(assembler.poll(deadline).is_some());
        }
        prop_assert_eq!(assembler.deadline(), None);
    }
}
