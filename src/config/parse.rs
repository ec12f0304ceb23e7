//! From the TOML to a `Config`: each rule once, each with its remedy.

mod buses;
mod calendar;
mod camera;
mod doors;
mod face;
mod formats;
mod framings;
mod lines;
mod ports;
mod readers;
mod rules;
mod serial;
mod sound;

use super::raw::{Mistake, Notes, Section};
use super::{Broker, Config, NamedFraming, OwnLines, Rules, Trust};
use crate::access::{DoorKind, UntrustedClock};
use crate::domain::DoorId;
use lines::Lines;
pub(crate) use lines::reset_pull;
use ports::Ports;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::de::DeTable;

pub(super) fn parse(text: &str, folder: &Path) -> Result<Config, Vec<Mistake>> {
    let notes = Notes::new(text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(e) => {
            notes.add(e.span().unwrap_or(0..0), "TOML", e.message());
            return Err(notes.into_sorted());
        }
    };
    let config = read(Section::root(&notes, table.get_ref()), folder, &notes);
    match (config, notes.into_sorted()) {
        (Some(config), mistakes) if mistakes.is_empty() => Ok(config),
        (_, mistakes) => Err(mistakes),
    }
}

/// The `[[framing]]` sections of a text that may hold nothing else.
pub(super) fn framings(text: &str) -> Result<Vec<NamedFraming>, Vec<Mistake>> {
    let notes = Notes::new(text);
    let found = match DeTable::parse(text) {
        Ok(table) => framings::framings(&Section::root(&notes, table.get_ref())),
        Err(e) => {
            notes.add(e.span().unwrap_or(0..0), "TOML", e.message());
            Vec::new()
        }
    };
    let mistakes = notes.into_sorted();
    if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
}

/// Reads everything before giving up on anything: `?` comes last.
fn read(root: Section<'_>, folder: &Path, notes: &Notes<'_>) -> Option<Config> {
    let path = |text: String| folder.join(text);
    let mut lines = Lines::default();

    let gate = root.required_section("gate").map(|s| {
        let gate = (
            s.parsed("name", "\"north\""),
            s.parsed("site", "\"willow-court\""),
            s.required_text("data_dir", "\"/var/lib/eithergate\"").map(|i| path(i.value)),
            s.required_text("run_dir", "\"/run/eithergate\"").map(|i| path(i.value)),
            s.whole_or("journal_events", 1_000..=10_000_000, 1_000_000),
            s.choice(
                "untrusted_clock",
                &[("deny", UntrustedClock::Deny), ("allow", UntrustedClock::Allow)],
                UntrustedClock::Deny,
            ),
            s.whole_or("record_inputs_mb", 0..=1_024, 0),
        );
        s.finish();
        gate
    });
    let trust = root.required_section("trust").map(|s| {
        let root_key =
            s.parsed("root_key", "\"ed25519:...\", as `eithergate site gate add` printed it");
        let key_file = s.required_text("key_file", "\"gate.key\"").map(|i| path(i.value));
        s.finish();
        Some(Trust { root_key: root_key?, key_file: key_file? })
    });
    let broker = root.section("broker").map(|s| broker(s, folder));
    let hardware = root.required_section("hardware").map(|s| lines::hardware(s, folder));
    let fire = root.section("fire").map(|s| rules::fire(s, &mut lines));
    let own = root.section("box").map(|s| rules::own(s, &mut lines)).unwrap_or_default();
    let (calendar, profiles) = calendar::calendar(&root, notes);

    let mut doors = Vec::new();
    let mut door_ids: BTreeMap<String, DoorId> = BTreeMap::new();
    let mut places = sound::Places::default();
    for (i, s) in root.sections("door").into_iter().enumerate() {
        places.doors.push(s.span());
        let name = s.required_text("name", "\"main\"");
        if let Some(name) = &name
            && door_ids.insert(name.value.clone(), DoorId(i as u8)).is_some()
        {
            s.note(name.span.clone(), "name", "another door has this name: give each its own");
        }
        doors.push(doors::door(s, name, &mut lines, &profiles));
    }
    if doors.is_empty() || doors.len() > 8 {
        root.note(0..0, "[[door]]", "a gate has 1 to 8 doors: add a [[door]] section for each");
    }

    let formats = formats::formats(root.sections("format"));
    let framings = framings::framings(&root);
    let mut ports = Ports::default();
    let mut seats = buses::Buses::default();
    let buses: Vec<_> =
        root.sections("bus").into_iter().map(|s| seats.bus(s, &mut ports)).collect();
    let mut readers = Vec::new();
    let mut reader_names = BTreeSet::new();
    for s in root.sections("reader") {
        let span = s.span();
        if let Some(name) = s.text("name")
            && !reader_names.insert(name.value)
        {
            s.note(name.span, "name", "another reader has this name: give each its own");
        }
        let sockets =
            readers::Sockets { framings: &framings, ports: &mut ports, buses: &mut seats };
        places.readers.push(span.clone());
        let reader = readers::reader(s, &door_ids, &formats, &profiles, &mut lines, sockets);
        if let Some(reader) = &reader
            && let Some(Some(door)) = doors.get(usize::from(reader.door.0))
            && reader.assurance < door.assurance
        {
            let what = format!(
                "is a low-assurance reader, and door {} asks for high: use an OSDP reader with a \
                 secure channel, or take assurance = \"high\" from the door",
                door.name
            );
            notes.add(span, &format!("[[reader]] {}", reader.name), what);
        }
        readers.push(reader);
    }
    if readers.len() > 16 {
        root.note(0..0, "[[reader]]", "a gate has at most 16 readers");
    }

    let owners = root.section("owners");
    let has_owners = owners.is_some();
    if let Some(s) = owners {
        for (key, example) in [
            ("resolution", "\"2026-03-14, 71 of 96 in favour\""),
            ("notice", "\"2026-04, posted at every entrance\""),
            ("contact", "\"office@willow-court.example\""),
        ] {
            s.required_text(key, example);
        }
        s.finish();
    }
    let has_camera = root.has("camera");
    let camera = root.section("camera").map(|s| (s.span(), camera::camera(s, &mut lines)));
    let face = root.section("face").map(|s| {
        let span = s.span();
        places.face = Some(span.clone());
        if readers.is_empty() {
            let what = "a gate with a camera needs a card reader too, so that nobody must give a face: add a [[reader]]";
            notes.add(span.clone(), "[face]", what);
        }
        if !has_owners {
            let what = "faces need the owners' resolution, the notice and a contact on record: add [owners]";
            notes.add(span.clone(), "[face]", what);
        }
        if !has_camera {
            notes.add(span, "[face]", "faces need a camera: add [camera]");
        }
        face::face(s, folder, &door_ids, camera.as_ref().and_then(|(_, camera)| camera.clone()))
    });
    if let (Some((span, _)), None) = (&camera, &face) {
        let what = "is looked through for faces alone: add [face], or take this section out";
        notes.add(span.clone(), "[camera]", what);
    }
    let tells = |id: DoorId| match doors.get(usize::from(id.0)) {
        Some(Some(door)) => door.contact.is_some() || door.kind == DoorKind::Turnstile,
        // What is wrong with it was noted.
        _ => true,
    };
    let interlocks = root.sections("interlock").into_iter();
    let interlocks = interlocks.map(|s| rules::interlock(s, &door_ids, tells)).collect();
    let passback = root.section("passback").map(|s| {
        places.passback = Some(s.span());
        rules::passback(s)
    });
    let rules = Rules {
        calendar,
        profiles: profiles.names,
        passback: passback.unwrap_or_default(),
        interlocks,
        lockout: root.section("guessing").map(rules::guessing).unwrap_or_default(),
        fire: fire.map(|(_, rule)| rule).unwrap_or_default(),
        alarms: root.section("alarms").map(rules::alarms).unwrap_or_default(),
    };
    lines.report_clashes(notes);
    ports.report_clashes(notes);
    if let Some(Some(hardware)) = &hardware {
        lines.report_misfits(hardware, notes);
    }
    root.finish();

    let (name, site, data_dir, run_dir, journal_events, untrusted_clock, record_inputs_mb) = gate?;
    let config = Config {
        gate: name?,
        site: site?,
        data_dir: data_dir?,
        run_dir: run_dir?,
        trust: trust??,
        broker: optional(broker)?,
        hardware: hardware??,
        buses: buses.into_iter().collect::<Option<_>>()?,
        doors: doors.into_iter().collect::<Option<_>>()?,
        readers: readers.into_iter().collect::<Option<_>>()?,
        lines: OwnLines { fire: fire.and_then(|(input, _)| input), ..own },
        rules,
        face: optional(face)?,
        untrusted_clock,
        journal_events,
        record_inputs_mb,
    };
    // What is wrong by itself first: it says more closely what is to be mended.
    if notes.is_empty() {
        sound::check(&config, &places, notes);
    }
    Some(config)
}

/// Absent is fine, present and wrong is not.
fn optional<T>(section: Option<Option<T>>) -> Option<Option<T>> {
    match section {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn broker(s: Section<'_>, folder: &Path) -> Option<Broker> {
    let url = s.required_text("url", "\"mqtts://broker.example:8883\"");
    let ca_file = s.text("ca_file").map(|i| folder.join(i.value));
    let user = s.text("user").map(|i| i.value);
    let password_file = s.text("password_file").map(|i| folder.join(i.value));
    let parts = url.and_then(|url| {
        let parts = split_url(&url.value);
        if parts.is_none() {
            s.note(url.span, "url", "must be mqtt://HOST:PORT or mqtts://HOST:PORT");
        }
        parts
    });
    s.finish();
    let (host, port, tls) = parts?;
    Some(Broker { host, port, tls, ca_file, user, password_file })
}

fn split_url(url: &str) -> Option<(String, u16, bool)> {
    let (tls, rest) = match url.strip_prefix("mqtts://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("mqtt://")?),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|p| *p != 0)?),
        None => (rest, if tls { 8883 } else { 1883 }),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    (!host.is_empty() && host.chars().all(plain)).then(|| (host.to_owned(), port, tls))
}

fn door_named(s: &Section<'_>, doors: &BTreeMap<String, DoorId>) -> Option<DoorId> {
    let name = s.required_text("door", "\"main\"")?;
    let id = doors.get(&name.value).copied();
    if id.is_none() {
        let known: Vec<_> = doors.keys().map(|d| format!("\"{d}\"")).collect();
        s.note(name.span, "door", format!("is no [[door]] here; there are: {}", known.join(", ")));
    }
    id
}

#[cfg(test)]
mod camera_tests;
#[cfg(test)]
mod doors_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod serial_tests;
#[cfg(test)]
mod tests;
