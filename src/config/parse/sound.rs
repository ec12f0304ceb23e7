//! What the core won't take, said where it is to be mended.

use crate::access::Unsound;
use crate::config::Config;
use crate::config::raw::Notes;
use std::ops::Range;

/// Where the sections stand.
pub(super) struct Places {
    pub doors: Vec<Range<usize>>,
    pub face: Option<Range<usize>>,
}

/// Notes the first rule that the configuration breaks as a whole.
pub(super) fn check(config: &Config, places: &Places, notes: &Notes<'_>) {
    let Err(unsound) = config.access_options().check() else { return };
    let what = match unsound {
        Unsound::RelockOnOpen(_) => {
            "relock_on_open would shoot a bolt into the air or bring a boom down: leave it out"
        }
        Unsound::Hold(_) => {
            "drive = \"hold\" takes a contact and a leaf that people move, and a bolt takes no other: add contact, \
             or set another kind or drive"
        }
        Unsound::Pulse(_) => {
            "a turnstile takes drive = \"pulse\", and a pulse is shorter than open_ms: mend drive or pulse_ms"
        }
        Unsound::Warning(_) => {
            "the warning comes before the alarm: set warn_ms to less than held_ms"
        }
        Unsound::FaceAlone => {
            "this camera's door needs a card reader outside, so that nobody must give a face: add a [[reader]]"
        }
        other => return notes.add(0..0, "gate", other.to_string()),
    };
    let (span, place) = match unsound {
        Unsound::RelockOnOpen(door)
        | Unsound::Hold(door)
        | Unsound::Pulse(door)
        | Unsound::Warning(door) => {
            let span = places.doors.get(usize::from(door.0)).cloned();
            (span, format!("[[door]] {}", config.door_name(door)))
        }
        _ => (places.face.clone(), "[face]".to_owned()),
    };
    notes.add(span.unwrap_or(0..0), &place, what);
}
