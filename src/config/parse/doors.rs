//! `[[door]]`: what the gate drives, and what tells how it is used.

use super::calendar::Profiles;
use super::lines::{ActiveAt, Lines, input, output};
use crate::access::{DoorKind, DoorOptions, Drive, Fail};
use crate::config::raw::{Item, Section};
use crate::config::{Door, Warning};
use crate::domain::{Assurance, Duration};

const KINDS: &[(&str, DoorKind)] = &[
    ("strike", DoorKind::Strike),
    ("magnet", DoorKind::Magnet),
    ("closer", DoorKind::Closer),
    ("barrier", DoorKind::Barrier),
    ("bolt", DoorKind::Bolt),
    ("turnstile", DoorKind::Turnstile),
];

#[derive(Clone, Copy)]
enum How {
    Pulse,
    Latch,
    Hold,
}

pub(super) fn door(
    s: Section<'_>,
    name: Option<Item<String>>,
    lines: &mut Lines,
    profiles: &Profiles,
) -> Option<Door> {
    let label = name.as_ref().map_or("?", |n| n.value.as_str()).to_owned();
    let owner = |what: &str| format!("door {label}'s {what}");

    s.missing_unless_wrong("relay", "17");
    let relay = output(&s, "relay", owner("relay"), ActiveAt::High, lines);
    let kind = s.choice("kind", KINDS, DoorKind::Strike);
    let usual = DoorOptions::usual(kind);
    // Open contacts and pressed buttons by the usual wiring: both switch to ground.
    let contact = input(&s, "contact", owner("contact"), ActiveAt::High, lines);
    let rex = input(&s, "rex", owner("rex"), ActiveAt::Low, lines);
    let (mut relay_out, mut stop, mut passed, mut beams) = (None, None, None, None);
    if kind == DoorKind::Turnstile {
        // Nobody may be kept in by a turnstile that turns one way.
        s.missing_unless_wrong("relay_out", "18");
        relay_out = output(&s, "relay_out", owner("relay_out"), ActiveAt::High, lines);
        stop = output(&s, "stop", owner("stop"), ActiveAt::High, lines);
        let inward = input(&s, "passed_in", owner("passed_in"), ActiveAt::Low, lines);
        let outward = input(&s, "passed_out", owner("passed_out"), ActiveAt::Low, lines);
        passed = both(&s, ["passed_in", "passed_out"], inward, outward);
    } else {
        // A receiver that lets go when its beam is broken, or its wire is.
        let outer = input(&s, "beam_outer", owner("beam_outer"), ActiveAt::High, lines);
        let inner = input(&s, "beam_inner", owner("beam_inner"), ActiveAt::High, lines);
        beams = both(&s, ["beam_outer", "beam_inner"], outer, inner);
    }
    let warning = output(&s, "warning", owner("warning"), ActiveAt::High, lines).map(|output| {
        let before = Duration::from_millis(s.whole_or("warn_ms", 1_000..=600_000, 10_000));
        Warning { output, before }
    });

    let (open, held_after) = (
        Duration::from_millis(s.whole_or("open_ms", 100..=600_000, 5_000)),
        Duration::from_millis(s.whole_or("held_ms", 1_000..=3_600_000, 30_000)),
    );
    let (extended_open, extended_held_after) = (
        longer(&s, "extended_open_ms", 600_000, open, usual.extended_open),
        longer(&s, "extended_held_ms", 3_600_000, held_after, usual.extended_held_after),
    );
    let how = match usual.drive {
        Drive::Pulse { .. } => How::Pulse,
        Drive::Latch => How::Latch,
        Drive::HoldWhileOpen => How::Hold,
    };
    let ways = &[("pulse", How::Pulse), ("latch", How::Latch), ("hold", How::Hold)];
    let drive = match s.choice("drive", ways, how) {
        How::Pulse => {
            let usual = if kind == DoorKind::Turnstile { 200 } else { 500 };
            let length = Duration::from_millis(s.whole_or("pulse_ms", 100..=10_000, usual));
            Drive::Pulse { length }
        }
        How::Latch => Drive::Latch,
        How::Hold => Drive::HoldWhileOpen,
    };
    // Without a contact nothing tells that the leaf moves, and nothing comes of it.
    let relock = s.flag_or("relock_on_open", usual.relock_on_open);
    let relock_on_open = relock && (contact.is_some() || !usual.relock_on_open);
    // A motor that is told by a pulse has a fail state of its own.
    let fail = if kind.is_moved_by_people() {
        s.choice("fail", &[("secure", Fail::Secure), ("safe", Fail::Safe)], Fail::Secure)
    } else {
        Fail::Secure
    };
    let (unlock, lock_down) = (profiles.named(&s, "unlock"), profiles.named(&s, "lock_down"));
    let first_card = s.flag_or("first_card", false);
    if first_card && unlock.is_none() {
        s.note_key(
            "first_card",
            "waits for hours that are free: add unlock, the name of a profile",
        );
    }
    let levels = &[("low", Assurance::Low), ("high", Assurance::High)];
    let assurance = s.choice("assurance", levels, Assurance::Low);
    s.finish();
    name?;
    Some(Door {
        name: label,
        kind,
        drive,
        fail,
        relay: relay?,
        relay_out,
        stop,
        warning,
        contact,
        rex,
        passed,
        beams,
        open,
        held_after,
        extended_open,
        extended_held_after,
        relock_on_open,
        unlock,
        first_card,
        lock_down,
        assurance,
    })
}

/// A time for those who need longer: no less than what everybody has.
fn longer(
    s: &Section<'_>,
    key: &'static str,
    most_ms: u64,
    everybody: Duration,
    usual: Duration,
) -> Duration {
    let Some(time) = s.whole(key, 100..=most_ms) else { return usual.max(everybody) };
    let given = Duration::from_millis(time.value);
    if given < everybody {
        let least = everybody.as_millis();
        s.note(time.span, key, format!("is for those who need longer: set {least} or more"));
    }
    given
}

/// Two sensors that tell a direction together, or none.
fn both<T>(s: &Section<'_>, keys: [&'static str; 2], a: Option<T>, b: Option<T>) -> Option<[T; 2]> {
    match (a, b) {
        (Some(a), Some(b)) => Some([a, b]),
        (None, None) => None,
        (found, _) => {
            let [there, other] = if found.is_some() { keys } else { [keys[1], keys[0]] };
            s.note_key(there, format!("tells nothing alone: add {other}, or leave both out"));
            None
        }
    }
}
