//! What the core won't take, said where it is to be mended; and what would leave a face as the only way in.

use crate::access::Unsound;
use crate::config::raw::Notes;
use crate::config::{Config, Link, Osdp};
use crate::domain::{DoorId, Heading, ReaderId};
use std::ops::Range;

/// Where the sections stand.
#[derive(Default)]
pub(super) struct Places {
    pub doors: Vec<Range<usize>>,
    pub readers: Vec<Range<usize>>,
    pub face: Option<Range<usize>>,
    pub passback: Option<Range<usize>>,
}

/// Notes every rule that the configuration breaks as a whole.
pub(super) fn check(config: &Config, places: &Places, notes: &Notes<'_>) {
    let door = |id: DoorId| {
        let span = places.doors.get(usize::from(id.0)).cloned();
        (span, format!("[[door]] {}", config.door_name(id)))
    };
    let reader = |id: ReaderId| {
        let span = places.readers.get(usize::from(id.0)).cloned();
        (span, format!("[[reader]] {}", config.reader_name(id)))
    };
    for unsound in config.access_options().unsound() {
        let ((span, place), what) = match unsound {
            Unsound::RelockOnOpen(id) => (
                door(id),
                "relock_on_open would shoot a bolt into the air or bring a boom down: leave it out".into(),
            ),
            Unsound::Hold(id) => (
                door(id),
                "drive = \"hold\" takes a contact and a leaf that people move, and a bolt takes no other: add \
                 contact, or set another kind or drive"
                    .into(),
            ),
            Unsound::Pulse(id) => (
                door(id),
                "a turnstile takes drive = \"pulse\", and a pulse is shorter than open_ms: mend drive or pulse_ms"
                    .into(),
            ),
            Unsound::Warning(id) => (
                door(id),
                "the warning comes before the alarm: set warn_ms to less than held_ms".into(),
            ),
            Unsound::FaceAlone => (
                (places.face.clone(), "[face]".to_owned()),
                "this camera's door needs a card reader outside, so that nobody must give a face: add a [[reader]]"
                    .into(),
            ),
            Unsound::NoWayToLeave => (
                (places.passback.clone(), "[passback]".to_owned()),
                "only a card shown inside says who left: add a [[reader]] with side = \"inside\", or leave this \
                 section out"
                    .into(),
            ),
            // The rest is refused where it is read, more closely; should it come here, it is said all the same.
            Unsound::Sensor(id) => (door(id), unsound.to_string()),
            Unsound::Pin(id) => (reader(id), unsound.to_string()),
            Unsound::NoDoor | Unsound::NoProfile | Unsound::Interlock | Unsound::NoTime => {
                ((None, "gate".to_owned()), unsound.to_string())
            }
        };
        notes.add(span.unwrap_or(0..0), &place, what);
    }
    let Some(face) = &config.face else { return };
    for (i, r) in config.readers.iter().enumerate() {
        let beside = r.door == face.door && r.heading == Heading::In && r.pin.is_some();
        if beside && matches!(r.link, Link::Osdp(Osdp { keypad: false, .. })) {
            let (span, place) = reader(ReaderId(i as u8));
            let what = "where a PIN is asked for beside a camera, those who give no face need keys to type it: if \
                        this reader has them, say so with keypad = true; if not, leave pin out";
            notes.add(span.unwrap_or(0..0), &place, what);
        }
    }
}
