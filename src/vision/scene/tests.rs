//! Nights, hands, torches and screwdrivers before a camera.

use super::*;
use std::sync::LazyLock;

/// What one camera sees from one place.
fn place(number: u32) -> [f32; BLOCKS] {
    static PLACES: LazyLock<Vec<[f32; BLOCKS]>> = LazyLock::new(|| (0..80).map(texture).collect());
    PLACES[number as usize]
}

/// A texture out of a seed.
fn texture(seed: u32) -> [f32; BLOCKS] {
    let mut blocks = [0.0; BLOCKS];
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let shapes: Vec<_> = (0..60)
        .map(|_| (next() * 32.0, next() * 24.0, 1.0 + next() * 5.0, 1.0 + next() * 5.0, next()))
        .collect();
    for (i, block) in blocks.iter_mut().enumerate() {
        let (x, y) = ((i % COLUMNS) as f32, (i / COLUMNS) as f32);
        *block = 90.0;
        for (left, top, width, height, shade) in &shapes {
            if (*left..left + width).contains(&x) && (*top..top + height).contains(&y) {
                *block = 40.0 + 140.0 * shade;
            }
        }
    }
    blocks
}

struct Camera {
    scene: Scene,
    now: Instant,
    told: Vec<(u64, View)>,
}

impl Camera {
    /// A camera that has looked at its gate for five minutes.
    fn at_its_gate() -> Self {
        let mut camera = Self { scene: Scene::default(), now: Instant(0), told: Vec::new() };
        camera.sees(300, |_| place(1));
        assert_eq!(camera.told, [(2, View::Clear)]);
        camera.told.clear();
        camera.now = Instant(0);
        camera.scene.last = None;
        camera
    }

    /// Ten frames a second for some seconds, with noise; `frame` is given the seconds since it began.
    fn sees(&mut self, seconds: u64, frame: impl Fn(f32) -> [f32; BLOCKS]) {
        self.sees_with(seconds, 0.0, false, frame);
    }

    fn sees_with(
        &mut self,
        seconds: u64,
        moving: f32,
        somebody: bool,
        frame: impl Fn(f32) -> [f32; BLOCKS],
    ) {
        for i in 0..seconds * 10 {
            let mut blocks = frame(i as f32 / 10.0);
            for (j, block) in blocks.iter_mut().enumerate() {
                let grain = (i as u32 * 7919 + j as u32).wrapping_mul(2_654_435_761) >> 24;
                *block = (*block + grain as f32 / 256.0 - 0.5).clamp(0.0, 255.0);
            }
            let view = self.scene.handle(self.now, &Luma(blocks), moving, somebody);
            self.told.extend(view.map(|view| (self.now.0 / 1_000_000, view)));
            self.now += Duration::from_millis(100);
        }
    }
}

#[test]
fn a_hand_a_cap_or_paint_on_the_lens_is_covered_within_15_s_and_uncovered_again() {
    for shade in [0.0, 16.0, 70.0, 140.0] {
        let mut camera = Camera::at_its_gate();
        // Light leaks in from one side.
        camera.sees(20, |_| std::array::from_fn(|i| shade + (i % COLUMNS) as f32 / 2.0));
        camera.sees(10, |_| place(1));
        assert_eq!(camera.told, [(10, View::Covered), (21, View::Clear)], "{shade}");
    }
}

#[test]
fn a_moment_under_a_hand_is_nothing() {
    let mut camera = Camera::at_its_gate();
    for _ in 0..20 {
        camera.sees(8, |_| [30.0; BLOCKS]);
        camera.sees(3, |_| place(1));
    }
    assert_eq!(camera.told, []);
}

#[test]
fn a_torch_into_the_lens_is_blinded() {
    let mut camera = Camera::at_its_gate();
    camera.sees(15, |_| [235.0; BLOCKS]);
    assert_eq!(camera.told, [(10, View::Blinded)]);

    // A spot that leaves nothing of the rest.
    let mut camera = Camera::at_its_gate();
    camera.sees(15, |_| {
        std::array::from_fn(|i| {
            let (x, y) = ((i % COLUMNS) as f32 - 16.0, (i / COLUMNS) as f32 - 12.0);
            (300.0 - 12.0 * x.hypot(y)).clamp(20.0, 235.0)
        })
    });
    assert_eq!(camera.told, [(10, View::Blinded)]);
}

#[test]
fn a_turned_camera_is_told_and_in_the_end_taken_for_meant() {
    let mut camera = Camera::at_its_gate();
    camera.sees(20, |_| place(2));
    assert_eq!(camera.told, [(10, View::Moved)]);
    camera.sees(5, |_| place(1));
    assert_eq!(camera.told, [(10, View::Moved), (21, View::Clear)], "turned back");

    camera.told.clear();
    camera.sees(1_000, |_| place(2));
    assert_eq!(camera.told, [(34, View::Moved), (934, View::Clear)], "left so");
    camera.told.clear();
    camera.sees(60, |_| place(1));
    camera.sees(60, |_| place(2));
    assert_eq!(camera.told, [], "both are known now");
}

#[test]
fn people_before_the_gate_are_not_a_moved_camera() {
    // One close to the camera hides 60 % of it, for ten minutes.
    let person = |_| {
        let (gate, coat) = (place(1), place(7));
        std::array::from_fn(|i| if (6..25).contains(&(i % COLUMNS)) { coat[i] } else { gate[i] })
    };
    let mut camera = Camera::at_its_gate();
    camera.sees_with(600, 0.0, true, person);
    assert_eq!(camera.told, []);

    // A crowd hides all of it, but moves.
    let mut camera = Camera::at_its_gate();
    camera.sees_with(60, 0.3, false, |t| place(10 + t as u32));
    assert_eq!(camera.told, []);

    // Somebody's face fills it, for less than a minute.
    let mut camera = Camera::at_its_gate();
    camera.sees_with(50, 0.0, true, |_| place(7));
    camera.sees(30, |_| place(1));
    assert_eq!(camera.told, []);
}

#[test]
fn a_picture_held_before_the_lens_for_longer_is_told_although_it_shows_a_face() {
    let mut camera = Camera::at_its_gate();
    camera.sees_with(90, 0.0, true, |_| place(7));
    assert_eq!(camera.told.len(), 1);
    let (at, view) = camera.told[0];
    assert!(view == View::Moved && (69..=71).contains(&at), "{at}");
}

#[test]
fn night_falls_and_morning_comes_without_an_alarm_and_a_hand_at_night_is_seen_by_lamp_light() {
    let dim = |gate: [f32; BLOCKS], light: f32| gate.map(|block| 16.0 + (block - 16.0) * light);
    let mut camera = Camera::at_its_gate();
    // Half an hour from day to darkness; six hours are not needed to see that it stays quiet.
    camera.sees(1_800, |t| dim(place(1), 1.0 - t / 1_800.0));
    camera.sees(1_800, |_| [16.0; BLOCKS]);
    camera.sees(1_800, |t| dim(place(1), t / 1_800.0));
    camera.sees(60, |_| place(1));
    assert_eq!(camera.told, []);

    // Exposure and clouds: the same pattern, brighter or darker from one second to the next.
    camera.sees(120, |t| dim(place(1), if t as u32 % 2 == 0 { 0.4 } else { 1.1 }));
    assert_eq!(camera.told, []);
}

#[test]
fn a_gate_that_starts_covered_says_so() {
    let mut camera = Camera { scene: Scene::default(), now: Instant(0), told: Vec::new() };
    camera.sees(20, |_| [40.0; BLOCKS]);
    assert_eq!(camera.told, [(10, View::Covered)]);
    camera.sees(10, |_| place(1));
    assert_eq!(camera.told.last(), Some(&(21, View::Clear)));
}

#[test]
fn time_without_frames_is_no_evidence() {
    let mut camera = Camera::at_its_gate();
    camera.sees(2, |_| [30.0; BLOCKS]);
    camera.now += Duration::from_secs(3_600);
    camera.sees(2, |_| [30.0; BLOCKS]);
    assert_eq!(camera.told, []);
}
