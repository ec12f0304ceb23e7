//! Wiegand from a card to edges and back, for every built-in format; and what single errors on the wires make
//! of it.

#[path = "wiegand/measure.rs"]
mod measure;

use eithergate::domain::{Duration, Instant};
use eithergate::wire::format::{builtins, decode};
use eithergate::wire::wiegand::{Assembler, Edge, Lengths, Level, Line, Options};
use measure::{Ending, measure};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Each bit with a pulse and an interval of its own, anywhere in the legal range.
    #[test]
    fn every_card_of_every_format_comes_back_through_any_legal_timing(
        which in 0..builtins().len(),
        number: u128,
        timing in prop::collection::vec((20u64..=1_000, 200u64..=20_000), 128),
        pinned: bool,
    ) {
        let format = &builtins()[which];
        let frame = std::iter::successors(Some(number), |n| Some(n >> 1))
            .find_map(|n| format.encode_card(n).ok())
            .expect("0 fits");
        let lengths = if pinned { Lengths::of([format.bits()]) } else { Lengths::default() };
        let mut assembler = Assembler::new(Options { lengths, ..Options::default() });
        let mut fall = Instant(1_000_000);
        let mut last = fall;
        for (bit, (width, interval)) in (0..frame.count()).rev().zip(&timing) {
            let line = if frame.value() >> bit & 1 == 1 { Line::D1 } else { Line::D0 };
            // A pulse ends before the next begins.
            let rise = fall + Duration(*width.min(&(interval - 20)));
            for (at, level) in [(fall, Level::Low), (rise, Level::High)] {
                prop_assert!(assembler.deadline().is_none_or(|deadline| deadline > at));
                prop_assert_eq!(assembler.edge(Edge { at, line, level }), None);
            }
            last = rise;
            fall += Duration(*interval);
        }
        let deadline = assembler.deadline().expect("under way");
        prop_assert!(deadline.since(last) <= Options::default().gap);
        let read = assembler.poll(deadline).expect("ended").expect("a frame");
        let card = decode(read.bits, std::slice::from_ref(format));
        prop_assert_eq!(card.map(|c| c.number()), Ok(format.card(frame).expect("its own").number()));
    }
}

/// What `docs/wiegand.md` claims: with a pinned format and the quiet, a pulse or an edge too many or too few is
/// never a number, and one on the other line never where parity covers every bit.
#[test]
fn where_parity_can_tell_no_single_error_makes_a_wrong_number() {
    for format in builtins() {
        let only = std::slice::from_ref(&format);
        let shares = measure(&format, only, Ending::Quiet, 5);
        for (what, share) in
            [("added", shares.added), ("lost", shares.lost), ("edges", shares.edges)]
        {
            assert_eq!(share.wrong, 0, "{} {what} {share:?}", format.name());
            assert!(share.of > 100, "{} {what} {share:?}", format.name());
        }
        let swapped = shares.swapped;
        let none = if format.tells_wrong_bit() { 0 } else { swapped.of };
        assert_eq!(swapped.wrong, none, "{} {swapped:?}", format.name());
    }
}

/// The measure can tell: cut at its length, a 26-bit frame with a pulse too many is often another card.
#[test]
fn without_the_quiet_an_added_pulse_makes_wrong_numbers() {
    let h10301 = &builtins()[..1];
    let added = measure(&h10301[0], h10301, Ending::AtOnce, 5).added;
    assert!(added.wrong * 5 > added.of, "{added:?}");
}

/// Nor does the quiet help a reader whose lengths are not pinned: a bit lost is another format's frame.
#[test]
fn without_a_pinned_length_a_lost_pulse_makes_wrong_numbers() {
    let all = builtins();
    let c1k35s = all.iter().find(|f| f.name().as_str() == "c1k35s").expect("built in");
    let lost = measure(c1k35s, &all, Ending::Gap, 20).lost;
    assert!(lost.wrong * 10 > lost.of, "{lost:?}");
}
