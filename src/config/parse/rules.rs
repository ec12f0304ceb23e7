//! Sections that hold for the whole gate: the fire's, the box's own lines, anti-passback, interlocks,
//! guessing, alarms.

use super::lines::{ActiveAt, Lines, input, output};
use crate::access::{
    AlarmOptions, FireCut, FireOptions, FireRelock, Lockout, Passback, PassbackRule,
};
use crate::config::raw::Section;
use crate::config::{Input, OwnLines};
use crate::domain::{DoorId, Duration};
use std::collections::BTreeMap;

/// `[fire]`: the loop, what a fault of it does, and when doors lock again.
pub(super) fn fire(s: Section<'_>, lines: &mut Lines) -> (Option<Input>, FireOptions) {
    s.missing_unless_wrong("input", "24");
    // A loop that a fire opens, so that a cut wire unlocks too.
    let input = input(&s, "input", "fire".into(), ActiveAt::High, lines);
    let usual = FireOptions::default();
    let cuts = &[("unlock", FireCut::Unlock), ("report", FireCut::Report)];
    let cut = s.choice("cut", cuts, usual.cut);
    if cut == FireCut::Report && input.is_some_and(|input| !input.is_supervised()) {
        let what = "nobody can tell a cut wire from a fire on one line: give input the lines cut and short \
                    of a supervision module, or leave this out";
        s.note_key("cut", what);
    }
    let relocks = &[("panel", FireRelock::WithPanel), ("order", FireRelock::ByOrder)];
    let relock = s.choice("relock", relocks, usual.relock);
    s.finish();
    (input, FireOptions { cut, relock })
}

/// `[box]`: the lines of the box itself, its supply, the guard's call and the siren.
pub(super) fn own(s: Section<'_>, lines: &mut Lines) -> OwnLines {
    // All open when something is wrong, so that a cut wire is noticed; the call is a button.
    let mut sense = |key, what: &str, at| input(&s, key, what.to_owned(), at, lines);
    let own = OwnLines {
        fire: None,
        mains: sense("mains", "the mains contact", ActiveAt::High),
        battery: sense("battery", "the battery contact", ActiveAt::High),
        enclosure: sense("enclosure", "the box's tamper contact", ActiveAt::High),
        call_guard: sense("call_guard", "the guard's call", ActiveAt::Low),
        siren: None,
    };
    let siren = output(&s, "siren", "the siren".into(), ActiveAt::High, lines);
    s.finish();
    OwnLines { siren, ..own }
}

/// `[passback]`
pub(super) fn passback(s: Section<'_>) -> Passback {
    let rules =
        &[("off", PassbackRule::Off), ("soft", PassbackRule::Soft), ("hard", PassbackRule::Hard)];
    s.missing_unless_wrong("rule", "\"soft\"");
    let rule = s.choice("rule", rules, PassbackRule::Off);
    let timeout = s.whole("timeout_min", 1..=10_080);
    s.finish();
    Passback { rule, timeout: timeout.map(|minutes| seconds(minutes.value * 60)) }
}

/// `[[interlock]]`: doors of which only one may be open. `tells` says whether a door can tell that it is shut.
pub(super) fn interlock(
    s: Section<'_>,
    doors: &BTreeMap<String, DoorId>,
    tells: impl Fn(DoorId) -> bool,
) -> Vec<DoorId> {
    let mut found: Vec<DoorId> = Vec::new();
    let list = s.texts("doors");
    if list.is_none() {
        s.missing_unless_wrong("doors", "[\"outer\", \"inner\"]");
    }
    if list.as_ref().is_some_and(|list| list.value.len() < 2) {
        s.note_key("doors", "an interlock has at least two doors");
    }
    for item in list.map(|list| list.value).unwrap_or_default() {
        match doors.get(&item.value) {
            None => {
                let known: Vec<_> = doors.keys().map(|d| format!("\"{d}\"")).collect();
                let what = format!("is no [[door]] here; there are: {}", known.join(", "));
                s.note(item.span, "doors", what);
            }
            Some(door) if found.contains(door) => {
                s.note(item.span, "doors", "is there twice: leave one out");
            }
            Some(door) => {
                if !tells(*door) {
                    let what = format!(
                        "{} has no contact, so nobody can tell that it is shut: add one to that [[door]]",
                        item.value
                    );
                    s.note(item.span, "doors", what);
                }
                found.push(*door);
            }
        }
    }
    s.finish();
    found
}

/// `[guessing]`
pub(super) fn guessing(s: Section<'_>) -> Lockout {
    let usual = Lockout::default();
    let after = s.whole_or("after", 0..=1_000, usual.after.into()) as u16;
    let calm = seconds(s.whole_or("calm_s", 1..=86_400, 60));
    let delay = millis(s.whole_or("delay_ms", 100..=60_000, usual.delay.as_millis()));
    let longest = millis(s.whole_or("longest_ms", 100..=60_000, usual.longest.as_millis()));
    if longest < delay {
        s.note_key("longest_ms", "is where the delay ends that delay_ms begins: set no less");
    }
    s.finish();
    Lockout { after, calm, delay, longest }
}

/// `[alarms]`
pub(super) fn alarms(s: Section<'_>) -> AlarmOptions {
    let usual = AlarmOptions::default();
    let time =
        |key, usual: Duration| seconds(s.whole_or(key, 1..=86_400, usual.as_millis() / 1_000));
    let alarms = AlarmOptions {
        repeat: time("repeat_s", usual.repeat),
        siren: time("siren_s", usual.siren),
        exit_held: time("exit_held_s", usual.exit_held),
    };
    s.finish();
    alarms
}

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
