//! `[[door]]`: what the gate drives.

use super::lines::{ActiveAt, Lines, input, output};
use crate::config::Door;
use crate::config::raw::{Item, Section};
use crate::domain::{Assurance, Duration};

pub(super) fn door(s: Section<'_>, name: Option<Item<String>>, lines: &mut Lines) -> Option<Door> {
    let label = name.as_ref().map_or("?", |n| n.value.as_str()).to_owned();
    s.missing_unless_wrong("relay", "17");
    let relay = output(&s, "relay", format!("door {label}'s relay"), ActiveAt::High, lines);
    // Open contacts and pressed buttons by the usual wiring: both switch to ground.
    let contact = input(&s, "contact", format!("door {label}'s contact"), ActiveAt::High, lines);
    let rex = input(&s, "rex", format!("door {label}'s rex"), ActiveAt::Low, lines);
    let (open, held_after, relock_on_open) = (
        Duration::from_millis(s.whole_or("open_ms", 100..=600_000, 5_000)),
        Duration::from_millis(s.whole_or("held_ms", 1_000..=3_600_000, 30_000)),
        s.flag_or("relock_on_open", true),
    );
    let levels = &[("low", Assurance::Low), ("high", Assurance::High)];
    let assurance = s.choice("assurance", levels, Assurance::Low);
    s.finish();
    name?;
    Some(Door {
        name: label,
        relay: relay?,
        contact,
        rex,
        open,
        held_after,
        relock_on_open,
        assurance,
    })
}
