//! Any bytes, pauses and losses to any serial framing. Nothing is held without end, an RDM6300's card comes out
//! only where its whole frame went in, and after a pause a frame of any framing gives its card.
#![no_main]

use eithergate::domain::{Duration, Instant};
use eithergate::wire::Parsed;
use eithergate::wire::serial::{
    Body, ByteOrder, CHECKSUMS, Covers, Framing, GAP, LengthCounts, MAX_FRAME, PRESETS, Parser,
    Spec, preset,
};
use libfuzzer_sys::fuzz_target;

/// A framing out of twelve bytes: a preset, or one put together by them.
fn framing(choice: &[u8; 12]) -> Option<Framing> {
    let &[kind, start, length, body, least, more, skip, sum, covers, end, mark, order] = choice;
    if kind & 1 == 0 {
        return PRESETS.get(usize::from(kind >> 1) % PRESETS.len())?.framing();
    }
    let order = |bit: u8| if order & bit == 0 { ByteOrder::Big } else { ByteOrder::Little };
    let marks =
        |n: u8, first: u8| -> Vec<u8> { (0..n % 4).map(|i| first.wrapping_add(i)).collect() };
    let mask: Vec<bool> = (0..least % 40).map(|i| i >= skip % 8).collect();
    Framing::new(Spec {
        start: marks(kind >> 1, start),
        length_byte: [
            None,
            Some(LengthCounts::Data),
            Some(LengthCounts::Rest),
            Some(LengthCounts::Frame),
        ][usize::from(length % 4)],
        body: [Body::Hex, Body::Decimal, Body::Binary][usize::from(body % 3)],
        data: ((least % 40).into(), (least % 40 + more % 8).into()),
        mask: (skip & 0x80 != 0).then_some(mask),
        byte_order: order(1),
        checksum: CHECKSUMS.get(usize::from(sum) % CHECKSUMS.len())?.1,
        covers: [Covers::Data, Covers::Length, Covers::Start][usize::from(covers % 3)],
        of_characters: covers & 0x80 != 0,
        checksum_order: order(2),
        end: marks(end, mark),
        gap: GAP,
        format: "own".parse().ok()?,
    })
    .ok()
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, ops)) = data.split_first_chunk::<12>() else { return };
    let Some(framing) = framing(choice) else { return };
    let rdm6300 = preset("rdm6300").filter(|known| *known == framing);
    let mut parser = Parser::new(framing.clone());
    let mut now = Instant(1_000_000);
    let mut sent: Vec<u8> = Vec::new();
    let mut cards = 0;
    for op in ops.chunks(2) {
        match *op {
            [0xff] => {
                parser.poison(now);
                sent.clear();
                cards = 0;
            }
            [byte] | [_, byte] => {
                // Now and then a pause, sometimes a long one.
                let wait = if op[0] >= 0xfa { u64::from(op[0] - 0xf9) * 30 } else { 1 };
                now += Duration::from_millis(wait);
                sent.push(byte);
                let first = parser.byte(now, byte);
                let others = std::iter::from_fn(|| parser.poll(now));
                for outcome in std::iter::once(first).chain(others) {
                    let Parsed::Item(tag) = outcome else { continue };
                    cards += 1;
                    if let Some(framing) = &rdm6300 {
                        let number = tag.card(framing).number();
                        let frame = framing.encode(number).expect("its own card");
                        let tail = &sent[sent.len() - frame.len()..];
                        assert!(tail.eq_ignore_ascii_case(&frame));
                    }
                }
            }
            _ => {}
        }
        if let Some(deadline) = parser.deadline() {
            assert!(deadline <= now + framing.spec().gap);
        }
    }
    assert!(cards <= sent.len(), "more cards than bytes");
    assert!(parser.is_midway() || parser.deadline().is_none());
    // Whatever came before, after a pause the next frame is read.
    now += framing.spec().gap;
    while parser.poll(now).is_some() {}
    let Some(frame) = framing.encode(5) else { return };
    assert!(frame.len() <= MAX_FRAME);
    let mut found = Vec::new();
    for byte in frame {
        let first = parser.byte(now, byte);
        found.extend(std::iter::once(first).chain(std::iter::from_fn(|| parser.poll(now))));
    }
    found.extend(parser.poll(now + framing.spec().gap));
    let cards: Vec<u128> = found
        .iter()
        .filter_map(|o| {
            if let Parsed::Item(tag) = o { Some(tag.card(&framing).number()) } else { None }
        })
        .collect();
    assert_eq!(cards, [5]);
});
