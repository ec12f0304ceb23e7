//! The words of a timeline.

use super::stage_tests::{Disk, MONDAY_8, People, Person};
use crate::access::*;
use crate::domain::*;
use std::collections::BTreeMap;

pub(super) enum What {
    Inputs(Vec<Input>),
    /// The clock is lost, or steps by so many milliseconds.
    Clock(Option<i64>),
    /// What a slow disk has not answered it answers now.
    Disk(Disk),
    Restart,
    /// From here on what readers show is told too.
    Shows,
    Mode(DoorId),
    /// The alarms that stand, for health reports.
    Alarms,
    /// Whether an order would be obeyed.
    Would(Order),
    /// What the gate believes the time is.
    Believed,
}

/// `300ms`, `5s`, `2.5s`, `10m`, `1h`, `1d`.
pub(super) fn time(text: &str) -> Duration {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().unwrap_or_else(|_| panic!("{text}"));
    let ms = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        "h" => 36e5,
        "d" => 864e5,
        _ => panic!("no unit in {text}"),
    };
    Duration::from_micros((number * ms * 1e3).round() as u64)
}

pub(super) fn subject(n: u8) -> SubjectId {
    SubjectId([n; 16])
}

fn plain(n: u8, card: bool, face: bool) -> Person {
    let right = Entitlement::unlimited(subject(n), Ways { card, face });
    Person { right, pin: None, duress: None }
}

/// 1 has card and face, 2 a card, 3 nothing any more, 4 has expired, 5 is not valid yet, 6 has a face alone.
pub(super) fn usual_people() -> People {
    let mut people = BTreeMap::new();
    people.insert(1, plain(1, true, true));
    people.insert(2, plain(2, true, false));
    people.insert(3, plain(3, false, false));
    people.insert(4, plain(4, true, true));
    people.insert(5, plain(5, true, true));
    people.insert(6, plain(6, false, true));
    if let Some(person) = people.get_mut(&4) {
        person.right.until = Some(MONDAY_8);
    }
    if let Some(person) = people.get_mut(&5) {
        person.right.from = Some(WallTime(MONDAY_8.0 + 60_000));
    }
    People(people)
}

/// `7 has card, face, uses 2, from 1h, until 2h, profile 0, pin 1234, duress 9999, longer`.
pub(super) fn person(text: &str) -> (u8, Person) {
    let (id, has) = text.split_once(" has ").unwrap_or_else(|| panic!("person? {text}"));
    let id: u8 = id.parse().expect("a small number");
    let mut person = plain(id, false, false);
    let wall = |t: &str| Some(WallTime(MONDAY_8.0 + time(t).as_millis()));
    for thing in has.split(", ") {
        match thing.split_once(' ') {
            None if thing == "card" => person.right.ways.card = true,
            None if thing == "face" => person.right.ways.face = true,
            None if thing == "longer" => person.right.extended = true,
            Some(("uses", n)) => person.right.uses = Some(n.parse().expect("a number")),
            Some(("profile", n)) => person.right.profile = Some(n.parse().expect("a number")),
            Some(("from", t)) => person.right.from = wall(t),
            Some(("until", t)) => person.right.until = wall(t),
            Some(("pin", p)) => person.pin = Some(p.parse().expect("digits")),
            Some(("duress", p)) => person.duress = Some(p.parse().expect("digits")),
            _ => panic!("has what? {thing}"),
        }
    }
    (id, person)
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// What a line says happened. A trailing `door 1` or `reader 1` tells which; otherwise the first.
pub(super) fn what(text: &str, at: Instant) -> What {
    if let Some(order) = text.strip_prefix("if ") {
        return match what(order, at) {
            What::Inputs(inputs) => match &inputs[..] {
                [Input::Order { order, .. }] => What::Would(order.clone()),
                _ => panic!("no order: {text}"),
            },
            _ => panic!("no order: {text}"),
        };
    }
    let (text, door) = match text.rsplit_once(" door ") {
        Some((text, n)) => (text, DoorId(number(n))),
        None => (text, DoorId(0)),
    };
    let (text, reader) = match text.rsplit_once(" reader ") {
        Some((text, n)) => (text, ReaderId(number(n))),
        None => (text, ReaderId(0)),
    };
    let words: Vec<&str> = text.split(' ').collect();
    let wire = |line, state| vec![Input::Line { door: Some(door), line, state }];
    let own = |line, state: &str| vec![Input::Line { door: None, line, state: state_of(state) }];
    let order = |order| vec![Input::Order { by: "guard".parse().expect("a name"), order }];
    What::Inputs(match words[..] {
        ["nothing" | "time"] => vec![Input::Tick],
        ["restart"] => return What::Restart,
        ["clock", "lost"] => return What::Clock(None),
        ["clock", "back", t] => return What::Clock(Some(-(time(t).as_millis() as i64))),
        ["clock", "forward", t] => return What::Clock(Some(time(t).as_millis() as i64)),
        ["disk", "full"] => return What::Disk(Disk::Full),
        ["disk", "works" | "answers"] => return What::Disk(Disk::Works),
        ["disk", "slow"] => return What::Disk(Disk::Slow),
        ["readers", "shown"] => return What::Shows,
        ["status"] => return What::Mode(door),
        ["alarms"] => return What::Alarms,
        ["time", "believed"] => return What::Believed,
        ["card", n] => {
            let card = CardNumber::new("h10301".parse().expect("a name"), number(n));
            vec![Input::Card { reader, card }]
        }
        ["keys", keys] => keys.chars().map(|c| Input::Key { reader, key: key(c) }).collect(),
        ["face", n] => vec![face(at, Some(number(n)), Duration::ZERO, Liveness::NotChecked)],
        ["face", n, "not", "alive"] => {
            vec![face(at, Some(number(n)), Duration::ZERO, Liveness::NotShown)]
        }
        ["face", n, "seen", t, "ago"] => {
            vec![face(at, Some(number(n)), time(t), Liveness::NotChecked)]
        }
        ["face", n, "seen", "in", "future"] => {
            let at = at + Duration::from_micros(1);
            vec![face(at, Some(number(n)), Duration::ZERO, Liveness::NotChecked)]
        }
        ["face", n, "or", m, ref how @ ..] => {
            let liveness = match how {
                [] => Liveness::NotChecked,
                ["not", "alive"] => Liveness::NotShown,
                _ => panic!("how? {text}"),
            };
            let mut seen = face(at, Some(number(n)), Duration::ZERO, liveness);
            if let Input::Face(observation) = &mut seen {
                observation.look_alike = Some(subject(number(m)));
            }
            vec![seen]
        }
        ["stranger"] => vec![face(at, None, Duration::ZERO, Liveness::NotChecked)],
        ["opens"] => wire(Wire::Contact, LineState::Active),
        ["closes"] => wire(Wire::Contact, LineState::Normal),
        ["contact", state] => wire(Wire::Contact, state_of(state)),
        ["exit", "pressed"] => wire(Wire::Rex, LineState::Active),
        ["exit", "released"] => wire(Wire::Rex, LineState::Normal),
        ["exit", "asked"] => vec![Input::Rex { door }],
        ["exit", state] => wire(Wire::Rex, state_of(state)),
        ["outer", state] => wire(Wire::OuterBeam, state_of(state)),
        ["inner", state] => wire(Wire::InnerBeam, state_of(state)),
        ["passes", way] => {
            let mut inputs = Vec::new();
            let wires = [Wire::OuterBeam, Wire::InnerBeam];
            let [a, b] = if way == "in" { wires } else { [wires[1], wires[0]] };
            for (line, state) in [
                (a, LineState::Active),
                (b, LineState::Active),
                (a, LineState::Normal),
                (b, LineState::Normal),
            ] {
                inputs.extend(wire(line, state));
            }
            inputs
        }
        ["turns", way] => {
            let line = if way == "in" { Wire::PassedIn } else { Wire::PassedOut };
            [wire(line, LineState::Active), wire(line, LineState::Normal)].concat()
        }
        ["fire", state] => own(Wire::Fire, state),
        ["mains", state] => own(Wire::Mains, state),
        ["battery", state] => own(Wire::Battery, state),
        ["box", state] => own(Wire::Enclosure, state),
        ["call", state] => own(Wire::CallGuard, state),
        ["readers" | "reader", state @ ("dead" | "well")] => {
            vec![Input::Reader { reader, up: state == "well" }]
        }
        ["camera", state @ ("dead" | "well")] => vec![Input::FacePath { up: state == "well" }],
        ["tamper", state @ ("on" | "off")] => {
            let (reader, active) = (Some(reader), state == "on");
            vec![Input::Alarm { door: None, reader, alarm: Alarm::Tamper, active }]
        }
        ["guard", "lets", "in"] => order(Order::OpenOnce { door, heading: Heading::In }),
        ["guard", "lets", "out"] => order(Order::OpenOnce { door, heading: Heading::Out }),
        ["office", "sets", mode] => {
            let order = Order::SetMode { door, mode: mode_of(mode), lasting: None };
            vec![Input::Order { by: "office".parse().expect("a name"), order }]
        }
        ["guard", "sets", mode] => {
            order(Order::SetMode { door, mode: mode_of(mode), lasting: None })
        }
        ["guard", "sets", mode, "for", t] => {
            order(Order::SetMode { door, mode: mode_of(mode), lasting: Some(time(t)) })
        }
        ["guard" | "office", "ends", "it"] => order(Order::EndMode { door }),
        ["guard", "acknowledges"] => order(Order::Acknowledge),
        ["guard", "forgives"] => order(Order::Amnesty),
        ["guard", "ends", "fire"] => order(Order::EndFire),
        ["guard", "sets", "floor", "back", t] => {
            let floor = WallTime(MONDAY_8.0 - time(t).as_millis());
            order(Order::SetFloor { floor })
        }
        _ => panic!("what is this? {text}"),
    })
}

fn state_of(text: &str) -> LineState {
    match text {
        "normal" | "free" | "back" | "closed" | "fine" => LineState::Normal,
        "active" | "broken" | "lost" | "open" | "low" => LineState::Active,
        "cut" => LineState::Cut,
        "short" => LineState::Short,
        _ => panic!("no state: {text}"),
    }
}

fn mode_of(text: &str) -> DoorMode {
    match text {
        "Locked" => DoorMode::Locked,
        "Unlocked" => DoorMode::Unlocked,
        "Accessed" => DoorMode::Accessed,
        "Blocked" => DoorMode::Blocked,
        "LockedDown" => DoorMode::LockedDown,
        "LockedOpen" => DoorMode::LockedOpen,
        _ => panic!("no mode: {text}"),
    }
}

fn key(c: char) -> Key {
    match c {
        '*' => Key::Clear,
        '#' => Key::Enter,
        digit => Key::Digit(digit.to_digit(10).expect("a digit") as u8),
    }
}

fn face(at: Instant, who: Option<u8>, age: Duration, liveness: Liveness) -> Input {
    Input::Face(Observation {
        captured_at: at - age,
        subject: who.map(subject),
        look_alike: None,
        distance: 0.3,
        quality: 1.0,
        liveness,
    })
}

/// An event in few words: its name, then what tells it from others of the name.
pub(super) fn event(what: &EventKind) -> String {
    let value = serde_json::to_value(what).expect("serialises");
    let text = |key: &str| match value.get(key) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(s)) => format!(" {s}"),
        Some(other) => format!(" {other}"),
    };
    let door = match value.get("door").and_then(serde_json::Value::as_u64) {
        None | Some(0) => String::new(),
        Some(n) => format!(" door {n}"),
    };
    let mut said = text("kind").trim_start().to_owned();
    for key in ["way", "reason", "mode", "line", "state", "alarm", "count", "trusted"] {
        said += &text(key);
    }
    match value.get("by") {
        Some(serde_json::Value::String(by)) => said += &format!(" by {by}"),
        Some(by) => said += &format!(" by {}", by["operator"].as_str().unwrap_or("?")),
        None => {}
    }
    if let Some(until) = value.get("until").and_then(serde_json::Value::as_u64) {
        said += &format!(" until {}m", (until - MONDAY_8.0) / 60_000);
    }
    if value.get("active") == Some(&serde_json::Value::Bool(false)) {
        said += " (cause gone)";
    }
    said + &door
}
