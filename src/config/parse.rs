//! From the TOML to a `Config`: each rule once, each with its remedy.

use super::raw::{Item, Mistake, Notes, Section};
use super::{Broker, Config, Door, Face, Hardware, Input, Reader, Trust};
use crate::access::UntrustedClock;
use crate::domain::{DoorId, Duration};
use crate::wire::format;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::de::DeTable;

/// Lines of one chip; no gate computer has more.
const LINES: std::ops::RangeInclusive<u64> = 0..=255;

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
    let hardware = root.required_section("hardware").map(|s| hardware(s, folder));
    let fire = root.section("fire").and_then(|s| {
        let input = input(&s, "input", "active", &mut lines);
        if input.is_none() {
            s.missing("input", "24");
        }
        s.finish();
        input
    });

    let mut doors = Vec::new();
    let mut door_ids: BTreeMap<String, DoorId> = BTreeMap::new();
    for (i, s) in root.sections("door").into_iter().enumerate() {
        let name = s.required_text("name", "\"main\"");
        if let Some(name) = &name
            && door_ids.insert(name.value.clone(), DoorId(i as u8)).is_some()
        {
            s.note(name.span.clone(), "name", "another door has this name: give each its own");
        }
        doors.push(door(s, name, &mut lines));
    }
    if doors.is_empty() || doors.len() > 8 {
        root.note(0..0, "[[door]]", "a gate has 1 to 8 doors: add a [[door]] section for each");
    }

    let mut readers = Vec::new();
    for s in root.sections("reader") {
        readers.push(reader(s, &door_ids, &mut lines));
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
    let face = root.section("face").map(|s| {
        let span = s.span();
        if readers.is_empty() {
            let what = "a gate with a camera needs a card reader too, so that nobody must give a face: add a [[reader]]";
            notes.add(span.clone(), "[face]", what);
        }
        if !has_owners {
            let what = "faces need the owners' resolution, the notice and a contact on record: add [owners]";
            notes.add(span, "[face]", what);
        }
        face(s, folder, &door_ids)
    });
    lines.report_clashes(notes);
    root.finish();

    let (name, site, data_dir, run_dir, journal_events, untrusted_clock) = gate?;
    Some(Config {
        gate: name?,
        site: site?,
        data_dir: data_dir?,
        run_dir: run_dir?,
        trust: trust??,
        broker: optional(broker)?,
        hardware: hardware??,
        doors: doors.into_iter().collect::<Option<_>>()?,
        readers: readers.into_iter().collect::<Option<_>>()?,
        fire,
        face: optional(face)?,
        untrusted_clock,
        journal_events,
    })
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

fn hardware(s: Section<'_>, folder: &Path) -> Option<Hardware> {
    let known: &[(&str, bool)] = if cfg!(feature = "sim") { &[("sim", true)] } else { &[] };
    if s.required_text("backend", "\"sim\"").is_some() {
        s.choice("backend", known, false);
    }
    let socket = s.required_text("socket", "\"sim.sock\"").map(|i| folder.join(i.value));
    s.finish();
    Some(Hardware::Sim { socket: socket? })
}

fn door(s: Section<'_>, name: Option<Item<String>>, lines: &mut Lines) -> Option<Door> {
    let label = name.as_ref().map_or("?", |n| n.value.as_str()).to_owned();
    let relay = s.whole("relay", LINES);
    match &relay {
        Some(relay) => lines.take(relay, format!("door {label}'s relay")),
        None => s.missing_unless_wrong("relay", "17"),
    }
    let door = Door {
        name: label,
        relay: relay.as_ref().map_or(0, |r| r.value as u32),
        relay_active_high: s.choice("relay_active", &[("high", true), ("low", false)], true),
        contact: input(&s, "contact", "contact_open", lines),
        rex: input(&s, "rex", "rex_pressed", lines),
        open: Duration::from_millis(s.whole_or("open_ms", 100..=600_000, 5_000)),
        held_after: Duration::from_millis(s.whole_or("held_ms", 1_000..=3_600_000, 30_000)),
        relock_on_open: s.flag_or("relock_on_open", true),
    };
    s.finish();
    (name.is_some() && relay.is_some()).then_some(door)
}

/// A line and the level that means something: `contact = 22` with `contact_open = "high"`.
fn input(
    s: &Section<'_>,
    key: &'static str,
    level_key: &'static str,
    lines: &mut Lines,
) -> Option<Input> {
    let active_high = s.choice(level_key, &[("high", true), ("low", false)], key == "contact");
    let line = s.whole(key, LINES)?;
    lines.take(&line, s.place(key));
    Some(Input { line: line.value as u32, active_high })
}

fn reader(s: Section<'_>, doors: &BTreeMap<String, DoorId>, lines: &mut Lines) -> Option<Reader> {
    let name = s.required_text("name", "\"entrance\"");
    let door = door_named(&s, doors);
    let label = name.as_ref().map_or("?", |n| n.value.as_str()).to_owned();
    s.choice("kind", &[("wiegand", ())], ());
    let mut line = |key, example| {
        let line = s.whole(key, LINES);
        match &line {
            Some(line) => lines.take(line, format!("reader {label}'s {key}")),
            None => s.missing_unless_wrong(key, example),
        }
        line.map(|l| l.value as u32)
    };
    let (d0, d1) = (line("d0", "5"), line("d1", "6"));
    let mut formats = Vec::new();
    match s.texts("formats") {
        None => s.missing_unless_wrong("formats", "[\"h10301\"]"),
        Some(list) => {
            if list.value.is_empty() {
                s.note(list.span, "formats", "name at least one, for example [\"h10301\"]");
            }
            for item in list.value {
                match format::builtin(&item.value) {
                    Some(format) => formats.push(format),
                    None => {
                        let known: Vec<_> =
                            format::builtins().iter().map(|f| f.name().to_string()).collect();
                        let what = format!("is no known format; there are: {}", known.join(", "));
                        s.note(item.span, "formats", what);
                    }
                }
            }
        }
    }
    s.finish();
    name?;
    Some(Reader { name: label, door: door?, d0: d0?, d1: d1?, formats })
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

fn face(s: Section<'_>, folder: &Path, doors: &BTreeMap<String, DoorId>) -> Option<Face> {
    let door = door_named(&s, doors);
    let template_key = s.required_text("template_key", "\"template.key\"");
    let capture = s.texts("capture");
    match &capture {
        None => s.missing_unless_wrong(
            "capture",
            "[\"rpicam-vid\", \"--codec\", \"yuv420\", ..., \"-o\", \"-\"]",
        ),
        Some(list) if list.value.is_empty() => {
            s.note(list.span.clone(), "capture", "name the program that writes the frames");
        }
        Some(_) => {}
    }
    let side = |key, default| {
        let side = s.whole(key, 64..=4_096);
        if let Some(side) = side.as_ref().filter(|side| side.value % 2 != 0) {
            s.note(side.span.clone(), key, "must be even: YUV420 halves it");
        }
        side.map_or(default, |side| side.value) as u32
    };
    let (width, height) = (side("width", 640), side("height", 480));
    let models = s.text("models").map(|i| folder.join(i.value));
    let embedding = s.text("embedding").map_or("embedding.toml".into(), |i| i.value);
    let threads = s.whole_or("threads", 1..=4, 1) as u8;
    let max_age = Duration::from_millis(s.whole_or("max_age_ms", 100..=5_000, 1_000));
    s.finish();
    Some(Face {
        door: door?,
        template_key: folder.join(template_key?.value),
        models,
        embedding,
        threads,
        capture: capture?.value.into_iter().map(|item| item.value).collect(),
        width,
        height,
        max_age,
    })
}

/// Who uses which line: each has one owner.
#[derive(Default)]
struct Lines {
    taken: Vec<(u64, String, Range<usize>)>,
}

impl Lines {
    fn take(&mut self, line: &Item<u64>, owner: String) {
        self.taken.push((line.value, owner, line.span.clone()));
    }

    fn report_clashes(&self, notes: &Notes<'_>) {
        for (i, (line, owner, span)) in self.taken.iter().enumerate() {
            if let Some((_, first, _)) = self.taken[..i].iter().find(|(l, _, _)| l == line) {
                let what = format!("line {line} belongs to {first} already: give each its own");
                notes.add(span.clone(), owner, what);
            }
        }
    }
}

#[cfg(test)]
mod tests;
