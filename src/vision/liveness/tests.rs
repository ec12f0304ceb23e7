//! Things and heads before a simulated camera: a painted face-shaped surface, with landmarks from a model that
//! believes in heads: whatever is turned or tilted, its landmarks move as a head's by a third of that.

use super::*;
use crate::vision::share::bounds;

const SCALE: f64 = PATCH as f64 * PUPILS as f64;
const TRIES: usize = 24;
/// How much of a tilt the landmarks take for a turn.
const FANCY: f64 = 0.33;

struct Dice(u64);

impl Dice {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A face: how deep it is, and how bright, at each place; pupils at (-0.5, 0) and (0.5, 0).
#[derive(Clone, Copy)]
struct Somebody {
    nose: f64,
    skin: [f64; 3],
}

impl Somebody {
    fn new(dice: &mut Dice) -> Self {
        let skin = [0; 3].map(|_| dice.between(5.0, 11.0));
        Self { nose: dice.between(0.3, 0.5), skin }
    }

    fn deep(&self, [x, y]: [f64; 2]) -> f64 {
        let bump = |x: f64, y: f64, w: f64, h: f64| (-(x / w).powi(2) - (y / h).powi(2)).exp();
        0.4 * (x * x + 0.6 * y * y) - self.nose * bump(x, y - 0.5, 0.25, 0.4)
            + 0.12 * (bump(x - 0.5, y, 0.28, 0.2) + bump(x + 0.5, y, 0.28, 0.2))
            - 0.1 * bump(x, y - 1.0, 0.4, 0.15)
    }

    fn bright(&self, [x, y]: [f64; 2]) -> f64 {
        let [a, b, c] = self.skin;
        let blob =
            |cx: f64, cy: f64, w: f64| (-((x - cx) / w).powi(2) - ((y - cy) / w).powi(2)).exp();
        150.0
            + 20.0 * (a * x + 2.0 * y).sin()
            + 20.0 * (b * y - x).sin()
            + 10.0 * (c * (x + y)).cos()
            - 90.0 * (blob(-0.5, 0.0, 0.2) + blob(0.5, 0.0, 0.2) + blob(0.0, 1.0, 0.25))
            - 40.0 * blob(0.0, 0.6, 0.12)
    }
}

/// How a place of the surface is seen.
#[derive(Clone, Copy, Default)]
struct Held {
    /// Stretched along x and y, and drawn together towards one side.
    stretch: [f64; 2],
    keystone: [f64; 2],
    /// Bent: part of x cubed.
    bend: f64,
    /// Sine of a head's turn.
    turn: [f64; 2],
    /// Sine of a tilt that the landmarks take for a turn.
    tilt: [f64; 2],
}

impl Held {
    fn tilted(degrees: f64, way: f64) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let along = [way.cos(), way.sin()];
        Self {
            stretch: along.map(|a| (cos - 1.0) * a * a),
            keystone: along.map(|a| sin * a / 9.0),
            tilt: along.map(|a| sin * a),
            ..Self::default()
        }
    }

    fn seen(&self, [x, y]: [f64; 2], deep: f64) -> [f64; 2] {
        let w = 1.0 + self.keystone[0] * x + self.keystone[1] * y;
        let bent = x - self.bend * x * x * x;
        [
            (bent * (1.0 + self.stretch[0]) + self.turn[0] * deep) / w,
            (y * (1.0 + self.stretch[1]) + self.turn[1] * deep) / w,
        ]
    }
}

struct Frame {
    points: Vec<[f32; 2]>,
    depths: Vec<f32>,
    patch: Vec<f32>,
}

impl Frame {
    fn of(who: &Somebody, held: Held, dice: &mut Dice) -> Self {
        let (mut points, mut depths) = (Vec::new(), Vec::new());
        let to_patch = |[x, y]: [f64; 2]| {
            [x * SCALE + PATCH as f64 / 2.0, y * SCALE + PATCH as f64 * f64::from(EYES)]
        };
        for i in 0..21 {
            for j in 0..21 {
                let p = [-1.0 + 0.1 * f64::from(i), -0.7 + 0.1 * f64::from(j)];
                if p[0].powi(2) + ((p[1] - 0.3) / 1.1).powi(2) > 1.0 {
                    continue;
                }
                let deep = who.deep(p);
                let [x, y] = held.seen(p, deep);
                let believed = held.tilt.map(|t| FANCY * t * deep);
                let [x, y] = to_patch([x + believed[0], y + believed[1]]);
                points.push(
                    [x + dice.between(-0.2, 0.2), y + dice.between(-0.2, 0.2)].map(|v| v as f32),
                );
                depths.push((deep * SCALE) as f32);
            }
        }
        let pixel = |i: usize| {
            let seen = parallax::place(i % PATCH, i / PATCH);
            // Which place of the surface is seen here: found step by step.
            let mut p = seen;
            for _ in 0..20 {
                let [x, y] = held.seen(p, who.deep(p));
                p = [p[0] + seen[0] - x, p[1] + seen[1] - y];
            }
            (who.bright(p) + dice.between(-4.0, 4.0)) as f32
        };
        let patch = (0..PATCH * PATCH).map(pixel).collect();
        Self { points, depths, patch }
    }

    fn view(&self) -> View<'_> {
        let (half, top) = (PUPILS / 2.0, PATCH as f32 * EYES);
        let eyes = [0.5 - half, 0.5 + half].map(|x| [x * PATCH as f32, top]);
        View { points: &self.points, depths: &self.depths, eyes, patch: &self.patch }
    }
}

/// The share of what is asked for that a way of holding something shows.
fn shown(dice: &mut Dice, held: impl Fn(f64) -> Held) -> f64 {
    let who = Somebody::new(dice);
    let mut motion = Motion::default();
    for s in [0.0, 0.4, 1.0, 1.0, 1.0] {
        motion.see(&Frame::of(&who, held(s), dice).view(), Turn::default());
    }
    motion.share()
}

#[test]
fn nothing_flat_or_bent_shows_depth_whatever_its_landmarks_do() {
    type Way = fn(&mut Dice) -> [Held; 2];
    let ways: [(&str, Way); 4] = [
        ("tilted", |d| [Held::default(), Held::tilted(d.between(5.0, 35.0), d.between(0.0, 6.3))]),
        ("rocked", |d| {
            let (far, way) = (d.between(5.0, 30.0), d.between(0.0, 6.3));
            [Held::tilted(-far, way), Held::tilted(far, way)]
        }),
        ("bent more", |d| {
            [Held::default(), Held { bend: d.between(-0.1, 0.1), ..Held::default() }]
        }),
        ("still", |_| [Held::default(); 2]),
    ];
    for (name, way) in ways {
        let mut dice = Dice(1);
        let mut through = 0;
        for _ in 0..TRIES {
            let [from, to] = way(&mut dice);
            let share = shown(&mut dice, |s| if s < 0.3 { from } else { to });
            through += u64::from(share >= 1.0);
        }
        println!(
            "{name}: {through} of {TRIES}, at most {:.2}",
            bounds(through, TRIES as u64, 0.95).1
        );
        assert_eq!(through, 0, "{name}");
    }
}

#[test]
fn a_head_that_turns_shows_it_and_one_that_does_not_does_not() {
    for (degrees, most_refused) in [(0.0, TRIES), (1.0, TRIES), (5.0, 2), (8.0, 0), (12.0, 0)] {
        let mut dice = Dice(3);
        let turn = f64::to_radians(degrees).sin();
        let shares: Vec<f64> = (0..TRIES)
            .map(|_| {
                let way = dice.between(0.0, 6.3);
                let turn = [turn * way.cos(), turn * way.sin()];
                shown(&mut dice, |s| Held { turn: turn.map(|t| t * s), ..Held::default() })
            })
            .collect();
        let refused = shares.iter().filter(|s| **s < 1.0).count();
        println!("{degrees} degrees: {refused} of {TRIES} refused");
        assert!(refused <= most_refused, "{degrees}: {shares:?}");
        assert!(degrees > 1.0 || refused == TRIES, "{degrees}: {shares:?}");
    }
}

#[test]
fn what_is_no_face_shows_nothing_and_breaks_nothing() {
    let mut dice = Dice(5);
    let who = Somebody::new(&mut dice);
    let frame = Frame::of(&who, Held::default(), &mut dice);
    let whole = frame.view();
    let flat = vec![0.0; frame.points.len()];
    let nan = vec![f32::NAN; PATCH * PATCH];
    let grey = vec![90.0; PATCH * PATCH];
    let one_place = vec![[3.0; 2]; frame.points.len()];
    let bad = [
        View { depths: &[], ..whole },
        View { depths: &flat, ..whole },
        View { points: &one_place, ..whole },
        View { points: frame.points.get(..20).unwrap_or_default(), ..whole },
        View { patch: &[], ..whole },
        View { patch: &grey, ..whole },
        View { patch: &nan, ..whole },
        View { eyes: [[3.0; 2]; 2], ..whole },
        View { eyes: [[f32::NAN; 2]; 2], ..whole },
    ];
    let mut motion = Motion::default();
    for view in &bad {
        motion.see(view, Turn::default());
        assert!(motion.reference.is_none());
    }
    motion.see(&whole, Turn::default());
    assert!(motion.reference.is_some());
    for view in bad.iter().cycle().take(5 * bad.len()) {
        motion.see(view, Turn::default());
    }
    assert!(!motion.is_shown(), "{motion:?}");
    assert_eq!(format!("{motion:?}"), "Motion(0.00 of what is asked for)");
}
