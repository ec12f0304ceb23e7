//! `[face]`: camera and models.

use super::door_named;
use crate::config::Face;
use crate::config::raw::Section;
use crate::domain::{DoorId, Duration};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn face(
    s: Section<'_>,
    folder: &Path,
    doors: &BTreeMap<String, DoorId>,
) -> Option<Face> {
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
