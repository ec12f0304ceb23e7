//! `[face]`: recognition and its models.

use super::door_named;
use crate::config::raw::{Item, Section};
use crate::config::{Camera, Face};
use crate::domain::{DoorId, Duration, LivenessPolicy};
use crate::wire::template::ModelHash;
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn face(
    s: Section<'_>,
    folder: &Path,
    doors: &BTreeMap<String, DoorId>,
    camera: Option<Camera>,
) -> Option<Face> {
    let door = door_named(&s, doors);
    let template_key = s.required_text("template_key", "\"template.key\"");
    let models = s.text("models").map(|i| folder.join(i.value));
    let embedding = s.text("embedding").map_or("embedding.toml".into(), |i| i.value);
    let former_embedding = former(&s, &embedding);
    let pins = pins(&s);
    let threads = s.whole_or("threads", 1..=4, 1) as u8;
    let max_age = Duration::from_millis(s.whole_or("max_age_ms", 100..=5_000, 1_000));
    let region = region(&s);
    let min_pupils_px = s.whole_or("min_pupils_px", 16..=400, 24) as f32;
    let dwell = Duration::from_millis(s.whole_or("dwell_ms", 0..=1_000, 400));
    let rearm = Duration::from_millis(s.whole_or("rearm_ms", 200..=10_000, 1_500));
    let (liveness, liveness_model) = liveness(&s);
    let per_mille = |key, default| s.whole_or(key, 1..=500, default) as f64 / 1_000.0;
    let strangers_accepted = per_mille("strangers_accepted_per_mille", 10);
    let residents_refused = per_mille("residents_refused_per_mille", 50);
    s.finish();
    Some(Face {
        door: door?,
        template_key: folder.join(template_key?.value),
        models,
        embedding,
        former_embedding,
        pins,
        threads,
        camera: camera?,
        max_age,
        region,
        min_pupils_px,
        dwell,
        rearm,
        liveness,
        liveness_model,
        strangers_accepted,
        residents_refused,
    })
}

fn former(s: &Section<'_>, current: &str) -> Option<String> {
    let former = s.text("former_embedding")?;
    if former.value == current {
        let what =
            "is the current model's manifest: name the one that it replaces, or leave this out";
        s.note(former.span, "former_embedding", what);
        return None;
    }
    Some(former.value)
}

fn pins(s: &Section<'_>) -> Vec<ModelHash> {
    let Some(list) = s.texts("model_sha256") else { return Vec::new() };
    let pin = |item: Item<String>| match item.value.parse() {
        Ok(pin) => Some(pin),
        Err(_) => {
            let what = "must be 64 hex digits, as `sha256sum models/*.toml` prints them";
            s.note(item.span, "model_sha256", what);
            None
        }
    };
    list.value.into_iter().filter_map(pin).collect()
}

/// Percents in the file, shares from here on.
fn region(s: &Section<'_>) -> Option<[f32; 4]> {
    let region = s.wholes::<4>("region", 0..=100)?;
    let [left, top, width, height] = region.value;
    if width == 0 || height == 0 || left + width > 100 || top + height > 100 {
        s.note(
            region.span,
            "region",
            "left, top, width, height in percent must lie in the picture: [20, 0, 60, 100] leaves \
             out a fifth on each side",
        );
        return None;
    }
    Some(region.value.map(|percent| percent as f32 / 100.0))
}

fn liveness(s: &Section<'_>) -> (LivenessPolicy, Option<String>) {
    use LivenessPolicy::{Blink, Model, Motion, Off};
    let words = [Off, Motion, Blink, Model].map(|policy| (policy.name(), policy));
    let policy = s.choice("liveness", &words, Motion);
    let model = s.text("liveness_model");
    match &model {
        None if policy == Model => s.missing("liveness_model", "\"liveness.toml\""),
        Some(item) if policy != Model => {
            let what = "is used with liveness = \"model\" alone: leave one of them out";
            s.note(item.span.clone(), "liveness_model", what);
        }
        _ => {}
    }
    (policy, model.map(|item| item.value))
}
