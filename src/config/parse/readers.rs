//! `[[reader]]`: how each reader is connected and what it may send.

use super::buses::Buses;
use super::calendar::Profiles;
use super::lines::{ActiveAt, LINES, Lines, bias, input, output};
use super::ports::Ports;
use super::{door_named, serial};
use crate::access::{Hours, PinOptions};
use crate::config::raw::Section;
use crate::config::{LampLines, Link, NamedFraming, Reader, Wiegand};
use crate::domain::{Assurance, DoorId, Duration, Heading};
use crate::wire::card::View;
use crate::wire::format::Format;
use crate::wire::keypad::Keypad;
use std::collections::BTreeMap;

/// What readers that are on no line are connected with.
pub(super) struct Sockets<'a> {
    pub framings: &'a [NamedFraming],
    pub ports: &'a mut Ports,
    pub buses: &'a mut Buses,
}

pub(super) fn reader(
    s: Section<'_>,
    doors: &BTreeMap<String, DoorId>,
    known: &[Format],
    profiles: &Profiles,
    lines: &mut Lines,
    sockets: Sockets<'_>,
) -> Option<Reader> {
    let name = s.required_text("name", "\"entrance\"");
    let door = door_named(&s, doors);
    let label = name.as_ref().map_or("?", |n| n.value.as_str()).to_owned();
    let Sockets { framings, ports, buses } = sockets;
    let kind = s.choice("kind", KINDS, Kind::Wiegand);
    let levels = &[("low", Assurance::Low), ("high", Assurance::High)];
    // Whoever taps a cable without a secure channel has the cards, unless nobody can reach it.
    let usual = if kind == Kind::Osdp { Assurance::High } else { Assurance::Low };
    let assurance = s.choice("assurance", levels, usual);
    let (link, formats) = match kind {
        Kind::Wiegand => (wiegand(&s, &label, lines).map(Link::Wiegand), formats(&s, known)),
        // Its framing says what it sends.
        Kind::Serial => (serial::reader(&s, &label, framings, ports).map(Link::Serial), Vec::new()),
        Kind::Osdp => (buses.seat(&s, &label, assurance).map(Link::Osdp), formats(&s, known)),
    };
    let sides = &[("outside", Heading::In), ("inside", Heading::Out)];
    let heading = s.choice("side", sides, Heading::In);
    let view = view(&s, &formats);
    let tamper = input(&s, "tamper", format!("reader {label}'s tamper"), ActiveAt::High, lines);
    if let Some(Link::Wiegand(Wiegand { keypad: Some(keypad), .. })) = &link
        && let Some(format) = formats.iter().find(|f| f.bits() == keypad.bits())
    {
        let what = format!("{} has a key's {} bits", format.name(), keypad.bits());
        s.note(s.span(), "keypad", format!("{what}: a reader can't send both, leave one out"));
    }
    let lamps = lamps(&s, &label, lines);
    let pin = pin(&s, link.as_ref(), heading, profiles);
    s.finish();
    name?;
    Some(Reader {
        name: label,
        door: door?,
        heading,
        link: link?,
        assurance,
        formats,
        view,
        tamper,
        lamps,
        pin,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wiegand,
    Serial,
    Osdp,
}

const KINDS: &[(&str, Kind)] =
    &[("wiegand", Kind::Wiegand), ("serial", Kind::Serial), ("osdp", Kind::Osdp)];

fn wiegand(s: &Section<'_>, label: &str, lines: &mut Lines) -> Option<Wiegand> {
    let mut line = |key, example| {
        let line = s.whole(key, LINES);
        match &line {
            Some(line) => lines.take(line, format!("reader {label}'s {key}")),
            None => s.missing_unless_wrong(key, example),
        }
        line.map(|l| l.value as u32)
    };
    let (d0, d1) = (line("d0", "5"), line("d1", "6"));
    let keypad = s.whole("keypad", 4..=8).and_then(|bits| {
        let keypad = [Keypad::FourBits, Keypad::EightBits]
            .into_iter()
            .find(|keypad| u64::from(keypad.bits()) == bits.value);
        if keypad.is_none() {
            s.note(bits.span, "keypad", "must be 4 or 8, the bits this keypad sends for a key");
        }
        keypad
    });
    let bias = bias(s, format!("reader {label}'s lines"), lines);
    Some(Wiegand { d0: d0?, d1: d1?, bias, keypad })
}

/// The reader's own light and buzzer wires: pulled to ground they are on, at nearly every reader.
fn lamps(s: &Section<'_>, label: &str, lines: &mut Lines) -> LampLines {
    let mut line =
        |key: &'static str| output(s, key, format!("reader {label}'s {key}"), ActiveAt::Low, lines);
    LampLines { green: line("led_green"), red: line("led_red"), buzzer: line("buzzer") }
}

/// Whether a card waits for its PIN here.
fn pin(
    s: &Section<'_>,
    link: Option<&Link>,
    heading: Heading,
    profiles: &Profiles,
) -> Option<PinOptions> {
    let required = s.choice("pin", &[("off", false), ("required", true)], false);
    if required && link.is_some_and(|link| !link.has_keypad()) {
        let what = "nobody can type a PIN here: add keypad = 4 or keypad = 8, the bits this reader's \
                    keypad sends for a key, or leave pin out";
        s.note(s.span(), "pin", what);
    }
    let total = Duration::from_millis(s.whole_or("pin_ms", 2_000..=60_000, 10_000));
    let between_keys = Duration::from_millis(s.whole_or("pin_key_ms", 1_000..=30_000, 5_000));
    if required && heading == Heading::Out {
        s.note_key("pin", "nobody is asked for anything when leaving: leave pin out");
    }
    let hours = profiles.named(s, "pin_hours");
    if hours.is_some() && !required {
        s.note_key(
            "pin_hours",
            "says when a PIN is needed: add pin = \"required\", or leave it out",
        );
    }
    let hours = hours.map_or(Hours::Always, Hours::Profile);
    required.then_some(PinOptions { total, between_keys, hours })
}

/// How the reader presents serials; some format must have room for that.
fn view(s: &Section<'_>, formats: &[Format]) -> Option<View> {
    let item = s.text("view")?;
    let view: View = item
        .value
        .parse()
        .map_err(|why| s.note(item.span.clone(), "view", format!("{why}")))
        .ok()?;
    let fits = |format: &Format| view.arrived(0, format.data_bits()).is_some();
    if !formats.is_empty() && !formats.iter().any(fits) {
        let bits = view.part.bits();
        let what =
            format!("none of this reader's formats carries these {bits} bits: name one that does");
        s.note(item.span, "view", what);
    }
    Some(view)
}

/// What the reader may send, by name.
fn formats(s: &Section<'_>, known: &[Format]) -> Vec<Format> {
    let mut formats: Vec<Format> = Vec::new();
    let Some(list) = s.texts("formats") else {
        s.missing_unless_wrong("formats", "[\"h10301\"]");
        return formats;
    };
    if list.value.is_empty() {
        s.note(list.span, "formats", "name at least one, for example [\"h10301\"]");
    }
    for item in list.value {
        let Some(format) = known.iter().find(|format| format.name().as_str() == item.value) else {
            let known: Vec<_> = known.iter().map(|f| f.name().as_str()).collect();
            let what = format!("is no known format; there are: {}", known.join(", "));
            s.note(item.span, "formats", what);
            continue;
        };
        match formats.iter().find(|other| other.looks_like(format)) {
            Some(other) => {
                let what = format!("can't be told from {} by its bits: name one", other.name());
                s.note(item.span, "formats", what);
            }
            None => formats.push(format.clone()),
        }
    }
    formats
}
