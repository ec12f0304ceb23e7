//! Heads and pictures before a simulated camera: a face-shaped surface, seen in perspective, with the landmarks
//! model's measured failings. On 8 portraits, each also rendered as a head from its own mesh, the shipped model
//! gave: jitter of 0.003 pupil distances a point; a relief that flickers by 0.008; and for a picture tilted by t a relief
//! of up to 0.18 sin t (median 0.08 sin t) that isn't there.

use super::*;
use crate::vision::share::bounds;

struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    fn normal(&mut self, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        deviation * radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

const PUPILS_PX: f64 = 60.0;
/// From the camera, in pupil distances: about 60 cm.
const AWAY: f64 = 10.0;
const FRAMES: usize = 15;
const TRIES: usize = 100;

/// A face's points, pupils at (-0.5, 0) and (0.5, 0), negative depth towards the camera: an ellipsoid with a
/// nose, eye sockets and lips, each face somewhat different.
fn face(dice: &mut Dice) -> Vec<[f64; 3]> {
    let (nose, sockets, lips) =
        (dice.between(0.25, 0.4), dice.between(0.06, 0.12), dice.between(0.04, 0.1));
    let bump = |x: f64, y: f64, w: f64, h: f64| (-(x / w).powi(2) - (y / h).powi(2)).exp();
    let mut points = Vec::new();
    for i in 0..22 {
        for j in 0..22 {
            let (x, y) = (-1.1 + 2.2 * f64::from(i) / 21.0, -0.9 + 2.4 * f64::from(j) / 21.0);
            let inside = 1.0 - (x / 1.2).powi(2) - ((y - 0.3) / 1.5).powi(2);
            if inside > 0.05 {
                let z = -1.1 * inside.sqrt() - nose * bump(x, y - 0.5, 0.22, 0.4)
                    + sockets * (bump(x - 0.5, y, 0.25, 0.18) + bump(x + 0.5, y, 0.25, 0.18))
                    - lips * bump(x, y - 1.0, 0.4, 0.12);
                points.push([x, y, z]);
            }
        }
    }
    points
}

/// How something is held before the camera.
#[derive(Clone, Copy, Default)]
struct Pose {
    yaw: f64,
    pitch: f64,
    roll: f64,
    zoom: f64,
    shift: [f64; 2],
}

fn seen(surface: &[[f64; 3]], pose: Pose) -> Vec<[f64; 2]> {
    let (sy, cy) = pose.yaw.sin_cos();
    let (sp, cp) = pose.pitch.sin_cos();
    let (sr, cr) = pose.roll.sin_cos();
    let project = |p: &[f64; 3]| {
        let (x, z) = (p[0] * cy + p[2] * sy, -p[0] * sy + p[2] * cy);
        let (y, z) = (p[1] * cp - z * sp, p[1] * sp + z * cp);
        let (x, y) = (x * cr - y * sr, x * sr + y * cr);
        let k = AWAY / (1.0 + pose.zoom) / (AWAY / (1.0 + pose.zoom).powi(2) + z);
        [(x + pose.shift[0]) * k, (y + pose.shift[1]) * k]
    };
    surface.iter().map(project).collect()
}

/// The points as the model gives them. `believed` is the relief it sees where there is none.
fn landmarks(
    dice: &mut Dice,
    points: Vec<[f64; 2]>,
    shape: &[[f64; 3]],
    believed: [f64; 2],
) -> Vec<[f32; 2]> {
    let flicker: [f64; 2] = std::array::from_fn(|i| believed[i] + dice.normal(0.008 / 2f64.sqrt()));
    let mut place = |(p, s): ([f64; 2], &[f64; 3])| {
        let at = |i: usize, dice: &mut Dice| p[i] + flicker[i] * s[2] + dice.normal(0.003);
        [at(0, dice), at(1, dice)].map(|v| (PUPILS_PX * v + 200.0) as f32)
    };
    points.into_iter().zip(shape).map(&mut place).collect()
}

fn depths(shape: &[[f64; 3]]) -> Vec<f32> {
    shape.iter().map(|p| (PUPILS_PX * p[2]) as f32).collect()
}

/// One presentation: a surface moved from one pose to another over the frames.
fn shown(
    dice: &mut Dice,
    surface: &[[f64; 3]],
    shape: &[[f64; 3]],
    pose: impl Fn(f64) -> Pose,
    is_picture: bool,
) -> Motion {
    let mut motion = Motion::default();
    let fancy = dice.between(0.08, 0.18);
    for frame in 0..FRAMES {
        let pose = pose(frame as f64 / (FRAMES - 1) as f64);
        let fancied = if is_picture { fancy } else { 0.0 };
        let believed = [fancied * pose.yaw.sin(), fancied * pose.pitch.sin()];
        let points = landmarks(dice, seen(surface, pose), shape, believed);
        motion.see(&points, &depths(shape), PUPILS_PX as f32, Turn::default());
    }
    motion
}

/// A picture of a face, bent by so much of a radian a pupil distance, upright or across.
fn picture(shape: &[[f64; 3]], bend: f64, across: bool) -> Vec<[f64; 3]> {
    let roll_up = |u: f64| {
        if bend == 0.0 {
            (u, 0.0)
        } else {
            ((bend * u).sin() / bend, (1.0 - (bend * u).cos()) / bend)
        }
    };
    let place = |p: &[f64; 3]| {
        let (along, z) = roll_up(if across { p[1] } else { p[0] });
        if across { [p[0], along, z] } else { [along, p[1], z] }
    };
    shape.iter().map(place).collect()
}

fn accepted(seed: u64, mut attack: impl FnMut(&mut Dice, &[[f64; 3]]) -> bool) -> usize {
    let mut dice = Dice(seed);
    (0..TRIES)
        .filter(|_| {
            let shape = face(&mut dice);
            attack(&mut dice, &shape)
        })
        .count()
}

/// Every class of still, moved as one would move it before a gate: none may pass.
#[test]
fn pictures_show_no_depth() {
    let degrees = f64::to_radians;
    type Moves = fn(&mut Dice, f64) -> Pose;
    let moved: Moves = |_, s| Pose { shift: [1.5 * s, -0.7 * s], ..Pose::default() };
    let tilted: Moves = |d, s| {
        let far = d.between(0.0, 30.0).to_radians();
        let way = d.between(0.0, 6.3);
        Pose { yaw: s * far * way.cos(), pitch: s * far * way.sin(), ..Pose::default() }
    };
    let zoomed: Moves = |d, s| Pose { zoom: s * d.between(-0.3, 0.4), ..Pose::default() };
    let turned: Moves = |d, s| Pose { roll: s * d.between(-0.5, 0.5), ..Pose::default() };
    for (name, bend, moves) in [
        ("moved", 0.0, moved),
        ("tilted", 0.0, tilted),
        ("zoomed", 0.0, zoomed),
        ("turned in its plane", 0.0, turned),
        ("bent and moved", 0.2, moved),
        ("bent and tilted", 0.2, tilted),
        ("bent the other way and tilted", -0.2, tilted),
    ] {
        let through = accepted(1, |dice, shape| {
            let (seed, across) = (dice.0, dice.uniform() < 0.5);
            let paper = picture(shape, bend, across);
            shown(dice, &paper, shape, |s| moves(&mut Dice(seed), s), true).is_shown()
        });
        let (_, high) = bounds(through as u64, TRIES as u64, 0.95);
        println!("{name}: {through} of {TRIES} accepted, at most {high:.3}");
        assert_eq!(through, 0, "{name}");
    }
    // Being bent more and less is no turn either.
    let through = accepted(2, |dice, shape| {
        let mut motion = Motion::default();
        for frame in 0..FRAMES {
            let paper = picture(shape, 0.4 * frame as f64 / FRAMES as f64, frame % 2 == 0);
            let pose = Pose { yaw: degrees(5.0), ..Pose::default() };
            let points = landmarks(dice, seen(&paper, pose), shape, [0.0; 2]);
            motion.see(&points, &depths(shape), PUPILS_PX as f32, Turn::default());
        }
        motion.is_shown()
    });
    assert_eq!(through, 0, "bending");
}

/// Heads that turn by so many degrees, any way, while coming nearer.
#[test]
fn heads_that_turn_show_depth() {
    for (turn, most_refused) in [(2.0, 1.0), (5.0, 1.0), (8.0, 0.1), (12.0, 0.0)] {
        let passed = accepted(3, |dice, shape| {
            let (way, nearer) = (dice.between(0.0, 6.3), dice.between(0.0, 0.2));
            let pose = |s: f64| {
                // There by half of the time, then held.
                let t = f64::to_radians(turn) * (2.0 * s).min(1.0);
                let (yaw, pitch) = (t * way.cos(), t * way.sin());
                Pose { yaw, pitch, zoom: nearer * s, shift: [0.3 * s, 0.1 * s], ..Pose::default() }
            };
            shown(dice, shape, shape, pose, false).is_shown()
        });
        let refused = TRIES - passed;
        let (low, high) = bounds(refused as u64, TRIES as u64, 0.95);
        println!("{turn} degrees: {refused} of {TRIES} refused, {low:.3} to {high:.3}");
        assert!(refused as f64 <= most_refused * TRIES as f64, "{turn}: {refused} refused");
    }
}

#[test]
fn what_is_no_face_shows_nothing_and_breaks_nothing() {
    let mut dice = Dice(5);
    let shape = face(&mut dice);
    let points = landmarks(&mut dice, seen(&shape, Pose::default()), &shape, [0.0; 2]);
    let mut motion = Motion::default();
    let none: &[f32] = &[];
    motion.see(&points, none, 60.0, Turn::default());
    motion.see(&points, &vec![0.0; points.len()], 60.0, Turn::default());
    motion.see(&vec![[3.0; 2]; points.len()], &depths(&shape), 60.0, Turn::default());
    assert!(motion.reference.is_none());
    motion.see(&points, &depths(&shape), 60.0, Turn::default());
    assert!(motion.reference.is_some());
    for _ in 0..5 {
        motion.see(&points[1..], &depths(&shape), 60.0, Turn::default());
        motion.see(&points[..20], &depths(&shape), 60.0, Turn::default());
        motion.see(&vec![[f32::NAN; 2]; points.len()], &depths(&shape), 60.0, Turn::default());
        motion.see(&points, &depths(&shape), 0.0, Turn::default());
        motion.see(&points, &depths(&shape), f32::NAN, Turn::default());
    }
    assert!(motion.recent.is_empty() && !motion.is_shown());
}
