//! `[[door]]`: what the gate drives.

use super::lines::{LINES, Lines, input};
use crate::config::Door;
use crate::config::raw::{Item, Section};
use crate::domain::Duration;

pub(super) fn door(s: Section<'_>, name: Option<Item<String>>, lines: &mut Lines) -> Option<Door> {
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
