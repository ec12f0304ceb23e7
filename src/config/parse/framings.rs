//! `[[framing]]`: what serial readers put around their number, for those that no preset describes.

use crate::config::NamedFraming;
use crate::config::raw::Section;
use crate::domain::{Duration, FormatName};
use crate::wire::card::is_reserved;
use crate::wire::serial::{
    self, Body, ByteOrder, CHECKSUMS, Checksum, Covers, Framing, LengthCounts, MAX_FRAME, Spec,
};

/// All of them; names that appear twice, or are a preset's, are noted.
pub(super) fn framings(root: &Section<'_>) -> Vec<NamedFraming> {
    let mut named: Vec<NamedFraming> = Vec::new();
    for s in root.sections("framing") {
        let name = s.required_text("name", "\"ours\"");
        if let Some(name) = &name {
            let preset = serial::preset(&name.value).is_some();
            if preset || named.iter().any(|known| known.name == name.value) {
                let what = "another framing has this name: give each its own";
                s.note(name.span.clone(), "name", what);
            }
        }
        let framing = spec(&s).and_then(|spec| match Framing::new(spec) {
            Ok(framing) => Some(framing),
            Err(wrong) => {
                wrong.into_iter().for_each(|e| s.note_key(e.part, e.what));
                None
            }
        });
        s.finish();
        if let (Some(name), Some(framing)) = (name, framing) {
            named.push(NamedFraming { name: name.value, framing });
        }
    }
    named
}

fn spec(s: &Section<'_>) -> Option<Spec> {
    let order = [("big", ByteOrder::Big), ("little", ByteOrder::Little)];
    let (start, end) = (bytes(s, "start"), bytes(s, "end"));
    let length_byte = s.choice(
        "length_byte",
        &[
            ("data", Some(LengthCounts::Data)),
            ("rest", Some(LengthCounts::Rest)),
            ("frame", Some(LengthCounts::Frame)),
        ],
        None,
    );
    s.missing_unless_wrong("body", "\"hex\", \"decimal\" or \"binary\"");
    let body = s.choice(
        "body",
        &[("hex", Body::Hex), ("decimal", Body::Decimal), ("binary", Body::Binary)],
        Body::Hex,
    );
    s.missing_unless_wrong("data", "10, the digits or bytes of the number");
    let data = s.whole_or_range("data", 1..=MAX_FRAME as u64);
    let mask = s.text("mask").map(|mask| {
        if !mask.value.chars().all(|c| matches!(c, '#' | '-')) {
            s.note(
                mask.span,
                "mask",
                "is made of # for the card's digits or bytes and - for others",
            );
        }
        mask.value.chars().map(|c| c == '#').collect()
    });
    let byte_order = s.choice("byte_order", &order, ByteOrder::Big);
    // Asked for by name: whoever has none should know that nothing notices a disturbed byte.
    s.missing_unless_wrong("checksum", "\"xor\", or \"none\" if the reader sends none");
    let checksum = s.choice("checksum", CHECKSUMS, Checksum::None);
    let covers = s.choice(
        "covers",
        &[("data", Covers::Data), ("length", Covers::Length), ("start", Covers::Start)],
        if length_byte.is_some() { Covers::Length } else { Covers::Data },
    );
    let of_characters = s.choice("checksum_of", &[("bytes", false), ("characters", true)], false);
    let checksum_order = s.choice("checksum_order", &order, ByteOrder::Big);
    let gap = s.whole_or("gap_ms", 5..=5_000, serial::GAP.as_millis());
    let format =
        s.parsed("format", "\"shouter\", a name of your own: the office's list of cards uses it");
    if let Some(name) = format.as_ref().filter(|name: &&FormatName| is_reserved(name.as_str())) {
        let what =
            format!("{name} is a part of a serial, which a reader's view names: choose another");
        s.note(s.span(), "format", what);
    }
    let (start, end, data) = (start?, end?, data?.value);
    Some(Spec {
        start,
        length_byte,
        body,
        data: (data.0 as usize, data.1 as usize),
        mask,
        byte_order,
        checksum,
        covers,
        of_characters,
        checksum_order,
        end,
        gap: Duration::from_millis(gap),
        format: format?,
    })
}

/// Bytes as hex: `"02"`, `"0D 0A"`. Without the key there are none; `None` if they are wrong.
fn bytes(s: &Section<'_>, key: &'static str) -> Option<Vec<u8>> {
    let Some(text) = s.text(key) else { return Some(Vec::new()) };
    let words = text.value.split_ascii_whitespace();
    let bytes: Option<Vec<u8>> = words
        .map(|word| {
            let hex = word.len() == 2 && word.bytes().all(|b| b.is_ascii_hexdigit());
            u8::from_str_radix(word, 16).ok().filter(|_| hex)
        })
        .collect();
    if bytes.is_none() {
        s.note(text.span, key, "must be bytes in hex with a space between: \"0D 0A\"");
    }
    bytes
}
