use super::*;
use proptest::prelude::*;

fn format(name: &str) -> Format {
    builtin(name).expect("built in")
}

fn bits(value: u128, len: u8) -> Bits {
    Bits::new(value, len).expect("fits")
}

/// Facility and number printed on cards whose frames are known: proxmark3's tables, and a frame
/// recorded from a 34-bit reader.
const VECTORS: [(&str, u128, u8, u128, u128); 4] = [
    ("h10301", 0x2f657ae, 26, 123, 11223),
    ("h10301", 0x3c00a73, 26, 224, 1337),
    ("h10301", 0x2f623ae, 26, 123, 4567),
    ("h10306", 0x8a640910, 34, 17714, 1160),
];

#[test]
fn known_cards_both_ways() {
    for (name, raw, len, facility, number) in VECTORS {
        let format = format(name);
        let fields = format.fields(bits(raw, len)).expect("fits");
        assert_eq!((fields.facility, fields.number), (Some(facility), number), "{raw:x}");
        assert_eq!(format.encode(Some(facility), number).map(Bits::value), Ok(raw));
        let card = decode(bits(raw, len), &builtins()).expect("one format");
        assert_eq!(card.format().as_str(), name);
        assert_eq!(card.number(), facility << 16 | number);
        assert_eq!(format.encode_card(card.number()).map(Bits::value), Ok(raw));
    }
}

/// Worked by hand: 35 data bits, the first and the last 18 under parity, the middle one under both.
#[test]
fn parity_of_37_bits_shares_the_middle_bit() {
    let middle = 1 << 17;
    let frame = format("h10302").encode(None, middle).expect("fits");
    assert_eq!(frame.value(), 1 << 36 | middle << 1, "even bit set, odd bit clear");
    let frame = format("h10304").encode(Some(1), 0).expect("fits");
    assert_eq!(frame.value(), 1 << 36 | 1 << 20 | 1);
    assert_eq!(format("h10304").fields(frame).map(|f| f.number), Some(0));
}

#[test]
fn two_formats_that_fit_are_ambiguous_until_one_is_pinned() {
    let frame = format("h10304").encode(Some(7), 42).expect("fits");
    let Err(Why::Ambiguous { formats }) = decode(frame, &builtins()) else {
        panic!("not ambiguous");
    };
    assert_eq!(names(&formats), "h10302 and h10304");
    let card = decode(frame, &[format("h10304")]).expect("pinned");
    assert_eq!(card.number(), 7 << 19 | 42);
}

#[test]
fn other_lengths_and_wrong_parity_are_no_cards() {
    assert_eq!(decode(bits(1, 25), &builtins()), Err(Why::NoSuchLength { bits: 25 }));
    let wrong = decode(bits(0x2f657af, 26), &builtins());
    assert!(matches!(wrong, Err(Why::Parity { .. })), "{wrong:?}");
}

#[test]
fn every_built_in_format_is_there_shortest_first() {
    let text = include_str!("../../../config/formats.toml");
    assert_eq!(parse_all(text).map(|all| all.len()), Ok(15));
    let lengths: Vec<u8> = lengths(&builtins()).collect();
    assert_eq!(lengths, [26, 32, 34, 35, 36, 36, 37, 37, 40, 40, 48, 56, 58, 64, 66]);
    assert!(builtin_names().starts_with("h10301 (26 bits), uid32 (32), h10306 (34), "));
}

/// Frames worked out apart from this code, with the arithmetic and the masks of proxmark3's tables.
#[test]
fn formats_with_parity_of_their_own_kind() {
    for (name, facility, number, raw) in [
        ("c1k35s", 222, 12345, 0x21bc06072),
        ("c1k35s", 3001, 700_001, 0x177355cc3),
        ("c1k48s", 222, 12345, 0xc000de006073),
        ("c1k48s", 3_000_001, 7_000_001, 0xadc6c1d59f82),
        ("s12906", 222, 12345, 0xef0006073),
        ("s12906", 118, 1603, 0x3b0000c86),
        ("c15001", 222, 12345, 0x709bc6073),
        ("c15001", 118, 1603, 0xf08ec0c86),
    ] {
        let frame = format(name).encode(Some(facility), number).expect("fits");
        assert_eq!(frame.value(), raw, "{name} {facility} {number}");
        let fields = format(name).fields(frame).expect("its own");
        assert_eq!((fields.facility, fields.number), (Some(facility), number));
    }
}

#[test]
fn the_last_byte_of_p10001_is_the_others_exclusive_or() {
    let frame = format("p10001").encode(Some(0xabc), 0x1234).expect("fits").value();
    assert_eq!(frame, 0xfa_bc12_3400 | (0xfa ^ 0xbc ^ 0x12 ^ 0x34));
}

#[test]
fn exchanged_wires_are_told_where_parity_can_tell() {
    for format in builtins() {
        let frame = format.encode_card(5).expect("fits");
        let only = std::slice::from_ref(&format);
        match decode(frame.exchanged(), only) {
            Err(Why::Swapped { formats }) => {
                assert_eq!(formats, [format.name().clone()]);
                assert!(format.tells_swapped());
            }
            Ok(_) => assert!(!format.tells_swapped(), "{}", format.name()),
            Err(why) => panic!("{}: {why}", format.name()),
        }
    }
    let cannot: Vec<String> =
        builtins().iter().filter(|f| !f.tells_swapped()).map(|f| f.name().to_string()).collect();
    assert_eq!(cannot, ["uid32", "em4100", "uid56", "uid64"]);
}

#[test]
fn fields_too_large_are_refused() {
    let h10301 = format("h10301");
    assert_eq!(h10301.encode(Some(256), 1), Err(DoesNotFit::Facility));
    assert_eq!(h10301.encode(Some(1), 65_536), Err(DoesNotFit::Number));
    assert_eq!(format("h10302").encode(Some(1), 1), Err(DoesNotFit::Facility));
    assert_eq!(h10301.encode_card(1 << 24), Err(DoesNotFit::Number));
}

proptest! {
    #[test]
    fn every_card_comes_back(which in 0usize..15, facility: u32, number: u64) {
        let format = &builtins()[which];
        let facility = u128::from(facility) & low_bits(format.facility.count_ones() as u8);
        let number = u128::from(number) & low_bits(format.number.count_ones() as u8);
        let has_facility = format.facility != 0;
        let frame = format.encode(has_facility.then_some(facility), number).expect("fits");
        let fields = format.fields(frame).expect("its own frame");
        prop_assert_eq!(fields.facility, has_facility.then_some(facility));
        prop_assert_eq!(fields.number, number);
        let card = format.card(frame).expect("its own frame");
        prop_assert_eq!(format.encode_card(card.number()), Ok(frame));
    }

    /// Any single flipped bit is caught, where parity covers all of a frame.
    #[test]
    fn one_flipped_bit_is_no_card(which in 0usize..15, number: u16, flip in 0u8..66) {
        let format = &builtins()[which];
        let frame = format.encode_card(number.into()).expect("fits");
        let flipped = Bits::new(frame.value() ^ 1 << (flip % frame.count()), frame.count());
        let fits = format.fits(flipped.expect("as long"));
        prop_assert!(!fits || !format.tells_wrong_bit());
        prop_assert!(format.tells_wrong_bit() || format.parities.is_empty());
    }
}
