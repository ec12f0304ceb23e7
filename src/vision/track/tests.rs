use super::*;
use crate::domain::SubjectId;
use crate::vision::manifest::{Metric, MetricKind};
use proptest::prelude::*;

const SPACE: Space = Space {
    model: [5; 32],
    dimension: 3,
    metric: Metric { kind: MetricKind::Euclidean, threshold: 0.5 },
};
const FRAME_MS: u64 = 100;

fn id(n: u8) -> SubjectId {
    SubjectId([n; 16])
}

/// Three people, a unit and a half apart.
const ANN: [f32; 3] = [1.0, 0.0, 0.0];
const BOB: [f32; 3] = [0.0, 1.0, 0.0];
const EVE: [f32; 3] = [0.0, 0.0, 1.0];

fn template(values: [f32; 3]) -> Template {
    Template::new(SPACE.model, values.to_vec()).unwrap_or_else(|e| panic!("{e}"))
}

fn at(x: f32, who: [f32; 3]) -> Sighting {
    Sighting {
        bounds: Bounds { x, y: 100.0, width: 100.0, height: 100.0 },
        quality: 0.9,
        template: Some(template(who)),
    }
}

/// A gallery of Ann (1) and Bob (2), a tracker, and a clock that ticks a frame at a time.
struct Gate {
    gallery: Gallery,
    tracker: Tracker,
    now: Instant,
    seen: Vec<(u64, Option<u8>)>,
}

impl Gate {
    fn new() -> Self {
        let mut gallery = Gallery::new(SPACE);
        for (n, who) in [(1, ANN), (2, BOB)] {
            gallery.add(id(n), &template(who)).unwrap_or_else(|e| panic!("{e}"));
        }
        let tracker = Tracker::new(Options::new(0.5));
        Self { gallery, tracker, now: Instant(10_000_000), seen: Vec::new() }
    }

    /// Plays frames as the worker does: a template is given only where the tracker wants one.
    fn play(&mut self, frames: u64, faces: impl Fn() -> Vec<Sighting>) {
        for _ in 0..frames {
            self.now += Duration::from_millis(FRAME_MS);
            let mut faces = faces();
            for face in &mut faces {
                if !self.tracker.wants_template(self.now, &face.bounds) {
                    face.template = None;
                }
            }
            for o in self.tracker.handle(self.now, faces, &self.gallery) {
                assert_eq!((o.captured_at, o.liveness), (self.now, Liveness::NotChecked));
                assert!(o.subject.is_none() || o.distance < 0.5);
                let ms = (self.now.0 - 10_000_000) / 1000;
                self.seen.push((ms, o.subject.map(|s| s.0[0])));
            }
        }
    }
}

#[test]
fn one_presentation_is_one_observation_at_the_third_frame() {
    let mut gate = Gate::new();
    gate.play(50, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen, [(300, Some(1))]);
}

#[test]
fn a_stranger_is_nobody_at_the_fifth_frame_and_only_once() {
    let mut gate = Gate::new();
    gate.play(50, || vec![at(200.0, EVE)]);
    assert_eq!(gate.seen, [(500, None)]);
}

#[test]
fn leaving_for_the_rearm_time_makes_a_new_presentation_and_blinking_doesnt() {
    let mut gate = Gate::new();
    gate.play(5, || vec![at(200.0, ANN)]);
    gate.play(10, Vec::new);
    gate.play(5, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen, [(300, Some(1))]);
    gate.play(15, Vec::new);
    gate.play(5, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen, [(300, Some(1)), (3_800, Some(1))]);
}

#[test]
fn two_people_side_by_side_are_two_presentations_whatever_the_order() {
    let mut gate = Gate::new();
    gate.play(1, || vec![at(200.0, ANN), at(320.0, BOB)]);
    gate.play(1, || vec![at(320.0, BOB), at(200.0, ANN)]);
    gate.play(8, || vec![at(200.0, ANN), at(320.0, BOB)]);
    gate.seen.sort();
    assert_eq!(gate.seen, [(300, Some(1)), (300, Some(2))]);
}

/// Ann shows herself for two frames, then Eve steps into the very same place: Ann's evidence must not
/// help Eve.
#[test]
fn evidence_never_crosses_to_another_face_in_the_same_place() {
    let mut gate = Gate::new();
    gate.play(2, || vec![at(200.0, ANN)]);
    gate.play(20, || vec![at(200.0, EVE)]);
    assert_eq!(gate.seen, [(700, None)]);
}

#[test]
fn the_next_in_the_queue_is_recognised_before_the_rearm_time() {
    let mut gate = Gate::new();
    gate.play(5, || vec![at(200.0, ANN)]);
    gate.play(5, Vec::new);
    gate.play(20, || vec![at(200.0, BOB)]);
    assert_eq!(gate.seen, [(300, Some(1)), (1_300, Some(2))]);
}

/// Bob is right behind Ann, and there is not a frame without a face.
#[test]
fn the_next_in_the_queue_is_recognised_without_any_gap() {
    let mut gate = Gate::new();
    gate.play(5, || vec![at(200.0, ANN)]);
    gate.play(20, || vec![at(210.0, BOB)]);
    assert_eq!(gate.seen, [(300, Some(1)), (1_000, Some(2))]);
}

#[test]
fn walking_and_jumping_about_is_still_one_presentation() {
    let mut gate = Gate::new();
    for step in 0..20 {
        gate.play(1, || vec![at(100.0 + 30.0 * step as f32, ANN)]);
    }
    gate.play(5, || vec![at(2_000.0, ANN)]);
    assert_eq!(gate.seen, [(300, Some(1))]);
}

#[test]
fn poor_frames_are_no_evidence() {
    let mut gate = Gate::new();
    gate.play(20, || vec![Sighting { quality: 0.2, ..at(200.0, ANN) }]);
    assert_eq!(gate.seen, []);
    gate.play(3, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen, [(2_300, Some(1))]);
}

#[test]
fn what_is_no_single_match_matches_when_fused() {
    // Each frame is 0.6 from Ann, to one side or the other; their mean is much nearer.
    let mut gate = Gate::new();
    for side in [0.6, -0.6, 0.6, -0.6, 0.6] {
        gate.play(1, || vec![at(200.0, [1.0, 0.0, side])]);
    }
    assert_eq!(gate.seen, []);
    let mut gate = Gate::new();
    gate.tracker.options.other_face = 1.3;
    for side in [0.6, -0.6, 0.6, -0.6, 0.6] {
        gate.play(1, || vec![at(200.0, [1.0, 0.0, side])]);
    }
    assert_eq!(gate.seen, [(300, Some(1))]);
}

#[test]
fn an_empty_gallery_and_another_models_templates_match_nobody()
-> Result<(), crate::vision::BadTemplate> {
    let mut gate = Gate::new();
    gate.gallery = Gallery::new(SPACE);
    gate.play(5, || vec![at(200.0, ANN)]);
    assert_eq!(gate.seen, [(500, None)]);
    let mut gate = Gate::new();
    let other = Template::new([6; 32], ANN.to_vec())?;
    gate.play(9, || vec![Sighting { template: Some(other.clone()), ..at(200.0, ANN) }]);
    assert_eq!(gate.seen, []);
    Ok(())
}

#[test]
fn a_crowd_is_bounded() {
    let mut gate = Gate::new();
    gate.play(1, || (0..100).map(|i| at(300.0 * i as f32, EVE)).collect());
    assert_eq!(gate.tracker.tracks.len(), MAX_TRACKS);
}

proptest! {
    /// Ann comes, blinks, is poorly seen and shifts about; never away for the re-arm time, she is observed
    /// at most once, and only as herself.
    #[test]
    fn nobody_is_observed_twice(frames in prop::collection::vec((0u8..4, -40.0f32..40.0), 1..80)) {
        let mut gate = Gate::new();
        let mut away = 0;
        for (kind, shift) in frames {
            away = if kind == 0 && away < 13 { away + 1 } else { 0 };
            let quality = if kind == 1 { 0.1 } else { 0.8 };
            gate.play(1, || match away {
                0 => vec![Sighting { quality, ..at(200.0 + shift, ANN) }],
                _ => Vec::new(),
            });
        }
        prop_assert!(gate.seen.len() <= 1);
        prop_assert!(gate.seen.iter().all(|(_, who)| *who == Some(1)));
    }
}
