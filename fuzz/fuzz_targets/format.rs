//! Any text as a file of formats. What it makes of a good one holds: a card's frame fits, gives the card back,
//! and its fields give the frame back where all data bits are printed.
#![no_main]

use eithergate::wire::format::{decode, parse_all};
use eithergate::wire::wiegand::Bits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first 16 bytes are a number, the rest the text.
    let (number, text) = match data.split_first_chunk::<16>() {
        Some((number, text)) => (u128::from_le_bytes(*number), text),
        None => (0, data),
    };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(formats) = parse_all(text) else { return };
    for format in &formats {
        let only = std::slice::from_ref(format);
        let mut whole = number;
        let frame = loop {
            match format.encode_card(whole) {
                Ok(frame) => break frame,
                Err(_) => whole >>= 1,
            }
        };
        assert_eq!(frame.count(), format.bits());
        let card = decode(frame, only).expect("its own frame");
        assert!(card.number() == whole && card.format() == format.name());
        let fields = format.fields(frame).expect("its own frame");
        let again = format.encode(fields.facility, fields.number).expect("its own fields");
        assert!(format.fits(again) && format.fields(again).is_some_and(|f| f == fields));
        if format.tells_wrong_bit() {
            for bit in 0..frame.count() {
                let wrong = Bits::new(frame.value() ^ 1 << bit, frame.count()).expect("as long");
                assert!(!format.fits(wrong));
            }
        }
        let exchanged = !frame.value() & u128::MAX >> (128 - frame.count());
        let exchanged = Bits::new(exchanged, frame.count()).expect("as long");
        assert!(!format.tells_swapped() || decode(exchanged, only).is_err());
    }
    let width = (number as u8 % 128) + 1;
    if let Some(bits) = Bits::new(number & u128::MAX >> (128 - width), width) {
        let _ = decode(bits, &formats);
    }
});
