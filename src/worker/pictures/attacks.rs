//! What is held before the camera to be taken for a head, and heads themselves: one presentation each, frame by
//! frame, with everything about it drawn by lot.

use super::stage::{
    Camera, Dice, FRAME, Look, Outline, Pose, Screen, Sitter, Surface, Texture, frame,
};
use crate::vision::{BadPicture, Picture};

/// Frames of one presentation: 1.2 s at ten a second.
pub(super) const FRAMES: usize = 12;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Class {
    /// A still picture, parallel to the camera, moved about and turned in its plane.
    Moved,
    /// Nearer or farther.
    Zoomed,
    /// From straight to tilted, by up to 40 degrees any way.
    Tilted,
    /// From one side to the other.
    Rocked,
    /// Bent around some axis, moved and tilted.
    Bent,
    /// Bent more and more.
    Bending,
    /// A face cut out, flat or bent, tilted or rocked.
    CutOut,
    /// A still on a telephone or tablet, tilted or moved.
    Screen,
    /// A film of a head that turns, on such a screen.
    Replay,
    /// A living head that turns by so many degrees, any way, while coming nearer.
    Head(f64),
}

pub(super) const STILLS: [Class; 8] = [
    Class::Moved,
    Class::Zoomed,
    Class::Tilted,
    Class::Rocked,
    Class::Bent,
    Class::Bending,
    Class::CutOut,
    Class::Screen,
];

pub(super) const HEADS: [Class; 4] =
    [Class::Head(2.0), Class::Head(5.0), Class::Head(8.0), Class::Head(12.0)];

impl Class {
    pub fn name(self) -> String {
        match self {
            Self::Moved => "still, moved".into(),
            Self::Zoomed => "still, nearer or farther".into(),
            Self::Tilted => "still, tilted to 40 degrees".into(),
            Self::Rocked => "still, rocked to both sides".into(),
            Self::Bent => "still, bent and tilted".into(),
            Self::Bending => "still, bent more and more".into(),
            Self::CutOut => "still, cut out".into(),
            Self::Screen => "still, on a screen".into(),
            Self::Replay => "film on a screen".into(),
            Self::Head(turn) => format!("head, turns {turn} degrees"),
        }
    }
}

/// A way from one pose to another.
#[derive(Clone, Copy, Default)]
struct Path {
    from: Pose,
    to: Pose,
    /// The share of the time after which it is there.
    there: f64,
}

impl Path {
    fn at(&self, s: f64) -> Pose {
        let t = (s / self.there.max(1e-3)).min(1.0);
        // Begun and ended gently, as a hand or a neck does.
        let t = t * t * (3.0 - 2.0 * t);
        let mix = |a: f64, b: f64| a + (b - a) * t;
        Pose {
            yaw: mix(self.from.yaw, self.to.yaw),
            pitch: mix(self.from.pitch, self.to.pitch),
            roll: mix(self.from.roll, self.to.roll),
            at: [0, 1, 2].map(|i| mix(self.from.at[i], self.to.at[i])),
        }
    }
}

fn turned(pose: Pose, degrees: f64, way: f64) -> Pose {
    let turn = degrees.to_radians();
    Pose { yaw: pose.yaw + turn * way.cos(), pitch: pose.pitch + turn * way.sin(), ..pose }
}

fn shifted(dice: &mut Dice, pose: Pose, far: f64) -> Pose {
    let [x, y, z] = pose.at;
    Pose { at: [x + dice.between(-far, far), y + dice.between(-far, far), z], ..pose }
}

/// The frames of one presentation, first to last.
pub(super) fn presentation(
    class: Class,
    sitter: &Sitter,
    dice: &mut Dice,
) -> Result<Vec<Picture>, BadPicture> {
    // From 40 cm to a metre, 60 to 90 pixels between the pupils.
    let away = dice.between(6.5, 16.0);
    let camera = Camera { focal: dice.between(60.0, 90.0) * away };
    let behind = [0; 3].map(|_| dice.between(40.0, 200.0) as f32);
    let look = Look {
        light: dice.between(0.8, 1.15) as f32,
        from_the_side: dice.between(-0.08, 0.08) as f32,
        noise: dice.between(1.0, 4.0),
        behind,
        ..Look::default()
    };
    let rest = Pose { at: [0.0, 0.0, away], ..Pose::default() };
    let rest = shifted(dice, rest, 0.2);
    let way = dice.between(0.0, std::f64::consts::TAU);
    let there = dice.between(0.4, 0.9);
    let screen = Screen {
        pitch: dice.between(20.0, 45.0),
        grid: dice.between(0.05, 0.25) as f32,
        gamma: dice.between(0.8, 1.3) as f32,
        band: 0.0,
        band_depth: dice.between(0.0, 0.12) as f32,
    };
    let flat = |outline| Surface::sheet(0.0, 0.0, outline);
    let mut path = Path { from: rest, to: rest, there };
    let bend = dice.either(0.08, 0.4);
    let axis = dice.between(0.0, std::f64::consts::PI);
    let surface = match class {
        Class::Moved => {
            path.to = shifted(dice, rest, 1.0);
            path.to.roll = dice.between(-0.4, 0.4);
            flat(Outline::Whole)
        }
        Class::Zoomed => {
            path.to.at[2] *= 1.0 + dice.either(0.1, 0.3);
            flat(Outline::Whole)
        }
        Class::Tilted => {
            path.to = turned(shifted(dice, rest, 0.5), dice.between(10.0, 40.0), way);
            flat(Outline::Whole)
        }
        Class::Rocked => {
            let turn = dice.between(10.0, 35.0);
            path = Path { from: turned(rest, -turn, way), to: turned(rest, turn, way), there };
            flat(Outline::Whole)
        }
        Class::Bent => {
            path.to = turned(shifted(dice, rest, 0.5), dice.between(5.0, 30.0), way);
            Surface::sheet(bend, axis, Outline::Whole)
        }
        Class::Bending => flat(Outline::Whole),
        Class::CutOut => {
            let turn = dice.between(5.0, 35.0);
            path.to = turned(shifted(dice, rest, 0.5), turn, way);
            if dice.uniform() < 0.5 {
                path.from = turned(rest, -turn, way);
            }
            let bend = if dice.uniform() < 0.5 { bend } else { 0.0 };
            Surface::sheet(bend, axis, Outline::Oval(sitter.oval()))
        }
        Class::Screen => {
            path.to = turned(shifted(dice, rest, 0.7), dice.between(0.0, 35.0), way);
            flat(Outline::Whole)
        }
        Class::Replay => {
            path.to = turned(shifted(dice, rest, 0.3), dice.between(0.0, 8.0), way + 1.0);
            flat(Outline::Whole)
        }
        Class::Head(turn) => {
            path.to = turned(shifted(dice, rest, 0.3), turn, way);
            path.to.at[2] *= 1.0 - dice.between(0.0, 0.12);
            Surface::head(sitter)
        }
    };
    let film = (class == Class::Replay).then(|| filmed(sitter, dice)).transpose()?;
    let mut frames = Vec::with_capacity(FRAMES);
    for number in 0..FRAMES {
        let s = number as f64 / (FRAMES - 1) as f64;
        let pose = shifted(dice, path.at(s), 0.02);
        let bent;
        let surface = if class == Class::Bending {
            bent = Surface::sheet(bend * s, axis, Outline::Whole);
            &bent
        } else {
            &surface
        };
        let on_screen = matches!(class, Class::Screen | Class::Replay);
        let band = dice.uniform();
        let look = Look { screen: on_screen.then_some(Screen { band, ..screen }), ..look.clone() };
        let texture = film.as_ref().and_then(|f| f.get(number)).unwrap_or(&sitter.texture);
        frames.push(frame(surface, pose, texture, camera, &look, dice)?);
    }
    Ok(frames)
}

/// A head turning by 15 degrees, as a film's pictures.
fn filmed(sitter: &Sitter, dice: &mut Dice) -> Result<Vec<Texture>, BadPicture> {
    const PUPILS: f64 = 90.0;
    let away = 12.0;
    let camera = Camera { focal: PUPILS * away };
    let rest = Pose { at: [0.0, 0.0, away], ..Pose::default() };
    let way = dice.between(0.0, std::f64::consts::TAU);
    let path = Path { from: rest, to: turned(rest, 15.0, way), there: 0.7 };
    let look = Look { noise: 1.0, ..Look::default() };
    let head = Surface::head(sitter);
    let picture = |number: usize| {
        let pose = path.at(number as f64 / (FRAMES - 1) as f64);
        let picture = frame(&head, pose, &sitter.texture, camera, &look, dice)?;
        Ok(Texture::of_frame(&picture, PUPILS))
    };
    debug_assert!(FRAME as f64 / PUPILS > 5.0);
    (0..FRAMES).map(picture).collect()
}
