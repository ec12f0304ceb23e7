//! What the configuration means, in sentences: each door and what its sensors can tell, the fire's rules, hours,
//! and what holds for the whole gate.

use super::Finding;
use crate::access::{
    Claims, DoorKind, DoorOptions, Drive, Fail, FireCut, FireRelock, Hours, PassbackRule,
};
use crate::config::{Config, Door};
use crate::domain::{Clock, DoorId, Duration, Heading, WallTime};
use crate::io::clock::SystemClock;

pub(super) fn rules(config: &Config) -> Vec<Finding> {
    let options = config.access_options();
    let doors = config.doors.iter().zip(&options.doors);
    let mut findings: Vec<_> = doors
        .map(|(door, options)| {
            Finding::pass("door", format!("{}: {}", door.name, of_door(config, door, options)))
        })
        .collect();
    findings.extend(ways(config));
    findings.extend(fire(config));
    findings.extend(hours(config, SystemClock.wall()));
    findings.extend(gate(config));
    findings
}

fn seconds(time: Duration) -> String {
    let ms = time.as_millis();
    if ms % 1_000 == 0 { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

fn of_door(config: &Config, door: &Door, options: &DoorOptions) -> String {
    let kind = match door.kind {
        DoorKind::Strike => "strike",
        DoorKind::Magnet => "magnet",
        DoorKind::Closer => "leaf with a closer",
        DoorKind::Barrier => "barrier",
        DoorKind::Bolt => "bolt",
        DoorKind::Turnstile => "turnstile",
    };
    let (open, longer) = (seconds(door.open), seconds(door.extended_open));
    let mut parts = vec![kind.to_owned()];
    if door.fail == Fail::Safe {
        parts.push("its relay is energised to lock".into());
    }
    let longer = if longer == open {
        String::new()
    } else {
        format!(" ({longer} for those who need longer)")
    };
    parts.push(match door.drive {
        Drive::Pulse { length } => {
            format!("a pulse of {}, a passage within {open}", seconds(length))
        }
        Drive::Latch if door.relock_on_open => {
            format!("released for {open}{longer}, locked again as soon as it moves")
        }
        Drive::Latch => format!("released for {open}{longer}"),
        Drive::HoldWhileOpen => format!("released for {open}{longer}, and until it is shut again"),
    });
    let Claims { passage, direction, tailgate } = door.kind.claims(options.contact, options.sensor);
    parts.push(
        match (passage, direction && tailgate) {
            (_, true) => "it tells who went which way, and who came in behind somebody",
            (true, false) => "it tells whether a grant is used, not which way, nor how many pass",
            (false, false) => "nothing tells whether a grant is used, or how many pass",
        }
        .into(),
    );
    let name = |profile| config.rules.profile_name(profile);
    if let Some(profile) = door.unlock {
        let first = if door.first_card { " from the first card on" } else { "" };
        parts.push(format!("free for everybody in \"{}\"{first}", name(profile)));
    }
    if let Some(profile) = door.lock_down {
        parts.push(format!("locked down in \"{}\"", name(profile)));
    }
    parts.join("; ")
}

/// Doors that nothing configured here lets anybody in or out by: right where a handle or a hard-wired button
/// does, so it is no mistake, but easily a forgotten line.
fn ways(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, door) in config.doors.iter().enumerate() {
        let reads = |heading| {
            let mut readers = config.readers.iter();
            readers.any(|r| usize::from(r.door.0) == i && r.heading == heading)
        };
        if !reads(Heading::In) {
            let detail =
                format!("{}: no reader outside; only an operator lets anybody in", door.name);
            findings.push(Finding::warn("door", detail, "add a [[reader]] unless this is meant"));
        }
        if door.rex.is_none() && !reads(Heading::Out) {
            let detail =
                format!("{}: nothing here lets anybody out: no rex, no reader inside", door.name);
            let remedy = match door.kind {
                DoorKind::Turnstile => "add rex: nothing else turns it outwards but a fire",
                _ => "add rex, or see to it that a handle or a hard-wired button opens it",
            };
            findings.push(Finding::warn("door", detail, remedy));
        }
    }
    findings
}

fn fire(config: &Config) -> Option<Finding> {
    let input = config.lines.fire?;
    let rules = config.rules.fire;
    let faults = match (input.is_supervised(), rules.cut) {
        (false, _) => "a cut wire is a fire; a bridged one is not noticed",
        (true, FireCut::Unlock) => "a cut or bridged loop opens the doors",
        (true, FireCut::Report) => "a cut or bridged loop is an alarm alone",
    };
    let relock = match rules.relock {
        FireRelock::WithPanel => "doors lock again with the fire panel",
        FireRelock::ByOrder => {
            "after a fire the doors stay open until an operator ends it (site end-fire)"
        }
    };
    Some(Finding::pass("fire", format!("{faults}; {relock}")))
}

/// Each profile, whether it holds now, and who goes by it.
fn hours(config: &Config, wall: Option<WallTime>) -> Vec<Finding> {
    let rules = &config.rules;
    let profiles = rules.profiles.iter().enumerate();
    let each = profiles.map(|(place, name)| {
        let profile = u8::try_from(place).ok();
        let holds = profile.zip(wall).map(|(profile, wall)| rules.calendar.holds(profile, wall));
        let now = match holds {
            Some(true) => "holds now",
            Some(false) => "doesn't hold now",
            None => "the time is unknown",
        };
        let number = profile.and_then(|profile| rules.calendar.number(profile));
        let number = number.map_or(String::new(), |n| format!(" (the site's number {n})"));
        let doors = config.doors.iter();
        let used = doors.clone().any(|d| [d.unlock, d.lock_down].contains(&profile) && profile.is_some())
            || config.readers.iter().any(|r| {
                r.pin.is_some_and(|pin| profile.is_some_and(|p| pin.hours == Hours::Profile(p)))
            });
        let detail = format!("{name}{number}: {now}");
        if used || !number.is_empty() {
            return Finding::pass("hours", detail);
        }
        let remedy = "give it the number by which the office's rights call it, or name it in unlock, lock_down or \
                      pin_hours";
        Finding::warn("hours", format!("{detail}, and nothing goes by it"), remedy)
    });
    each.collect()
}

fn gate(config: &Config) -> Vec<Finding> {
    let rules = &config.rules;
    let mut said = Vec::new();
    let back = match rules.passback.rule {
        PassbackRule::Off => None,
        PassbackRule::Soft => Some("is reported"),
        PassbackRule::Hard => Some("is denied"),
    };
    if let Some(what) = back {
        let timeout = rules.passback.timeout.map(|t| format!(" within {}", seconds(t)));
        let timeout = timeout.unwrap_or_default();
        said.push(format!("who comes in twice without leaving{timeout} {what}; leaving never is"));
    }
    for doors in &rules.interlocks {
        let names: Vec<_> = doors.iter().map(|door: &DoorId| config.door_name(*door)).collect();
        said.push(format!("from outside one of {} opens at a time", names.join(", ")));
    }
    let lockout = rules.lockout;
    if lockout.after == 0 {
        said.push("guessing is never slowed".into());
    }
    for reader in &config.readers {
        let Some(pin) = reader.pin else { continue };
        let when = match pin.hours {
            Hours::Always => "always".to_owned(),
            Hours::Profile(profile) => format!("in \"{}\"", rules.profile_name(profile)),
        };
        let face = config.face.as_ref().is_some_and(|face| face.door == reader.door);
        let face = if face { ", or the face of whoever chose that" } else { "" };
        said.push(format!("{}: a card takes its PIN{face}, {when}", reader.name));
    }
    said.into_iter().map(|detail| Finding::pass("rules", detail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_example_in_sentences() {
        let text = include_str!("../../../config/eithergate.toml");
        let text = text.replace(
            "contact = 22 ",
            "contact = 22\nunlock = \"market\"\nfirst_card = true\nfail = \"safe\"\n#",
        ) + "\n[calendar]\nzone = \"+08:00\"\n[[profile]]\nname = \"market\"\nnumber = 3\n\
             monday = [\"08:00-12:00\"]\n[[profile]]\nname = \"nobody's\"\nevery_day = [\"00:00-24:00\"]\n";
        let config = Config::parse(&text, Path::new("/")).unwrap_or_else(|m| panic!("{m:#?}"));
        let mut told = Vec::new();
        for (door, options) in config.doors.iter().zip(&config.access_options().doors) {
            told.push(of_door(&config, door, options));
        }
        assert!(ways(&config).is_empty());
        told.extend(fire(&config).map(|f| f.detail));
        // Monday 2026-11-23 11:00 in China.
        let monday = WallTime::from_secs(1_795_402_800);
        told.extend(hours(&config, Some(monday)).into_iter().map(|f| f.detail));
        assert_eq!(
            told,
            [
                "strike; its relay is energised to lock; released for 5 s (15 s for those who need longer), locked \
                 again as soon as it moves; it tells whether a grant is used, not which way, nor how many pass; free \
                 for everybody in \"market\" from the first card on",
                "a cut wire is a fire; a bridged one is not noticed; doors lock again with the fire panel",
                "market (the site's number 3): holds now",
                "nobody's: holds now, and nothing goes by it",
            ]
        );
        let config = Config::parse(&text.replace("rex =", "# rex ="), Path::new("/"));
        let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
        let ways: Vec<_> = ways(&config).into_iter().map(|f| f.detail).collect();
        assert_eq!(ways, ["main: nothing here lets anybody out: no rex, no reader inside"]);
        let unknown: Vec<_> = hours(&config, None).into_iter().map(|f| f.detail).collect();
        assert!(unknown[0].ends_with("the time is unknown"), "{unknown:?}");
    }
}
