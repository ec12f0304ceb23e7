//! A stage before a simulated camera: a real picture's face shown as a flat thing, a bent one, a cut-out, on a
//! screen, or as a head with the depth that the landmarks model gives it. For attacks on liveness and for frames of
//! one presentation made from one picture; only for measuring, never at a gate.
//!
//! Lengths are in pupil distances of the face; x to the right, y down, z away from the camera.

mod paint;
mod surface;

pub(super) use paint::{Look, Screen, Texture};
pub(super) use surface::{Outline, Pose, Surface};

use crate::vision::{BadPicture, Face, Picture};

/// Side of the square frames, in pixels.
pub(super) const FRAME: usize = 480;

/// Numbers that look random and are the same each time (SplitMix64).
pub(super) struct Dice(pub u64);

impl Dice {
    /// 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Either sign, and at least `low`.
    pub fn either(&mut self, low: f64, high: f64) -> f64 {
        let size = self.between(low, high);
        if self.uniform() < 0.5 { size } else { -size }
    }

    /// Of this deviation, small ones likelier: two uniform ones added.
    pub fn noise(&mut self, deviation: f64) -> f64 {
        (self.uniform() + self.uniform() - 1.0) * deviation * 6f64.sqrt()
    }
}

/// A pinhole camera: pixels per unit at a distance of one.
#[derive(Clone, Copy)]
pub(super) struct Camera {
    pub focal: f64,
}

/// A picture's face, ready to be put on the stage.
pub(super) struct Sitter {
    pub texture: Texture,
    /// Landmarks and depths, in pupil distances from between the eyes.
    pub points: Vec<[f64; 3]>,
}

impl Sitter {
    /// `None` where the eyes are in one place.
    pub fn new(picture: &Picture, face: &Face) -> Option<Self> {
        let [a, b] = face.eyes.map(|e| e.map(f64::from));
        let pupils = (b[0] - a[0]).hypot(b[1] - a[1]);
        if pupils.is_nan() || pupils <= 1.0 {
            return None;
        }
        let middle = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let points = face.mesh.iter().zip(&face.depths).map(|(p, z)| {
            let [x, y] = p.map(f64::from);
            [(x - middle[0]) / pupils, (y - middle[1]) / pupils, f64::from(*z) / pupils]
        });
        let points = points.collect();
        Some(Self { texture: Texture::cut(picture, middle, pupils), points })
    }

    /// The face's outline, a little larger than its landmarks: centre and half sides.
    pub fn oval(&self) -> [f64; 4] {
        let of = |axis: usize| {
            let values = || self.points.iter().filter_map(|p| p.get(axis)).copied();
            let (low, high) =
                (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
            ((low + high) / 2.0, (high - low) / 2.0)
        };
        let ((x, half_width), (y, half_height)) = (of(0), of(1));
        [x, y - 0.2 * half_height, 1.15 * half_width, 1.35 * half_height]
    }
}

/// What a surface looks like at one moment, before a background: a frame as the camera gives it.
pub(super) fn frame(
    surface: &Surface,
    pose: Pose,
    texture: &Texture,
    camera: Camera,
    look: &Look,
    dice: &mut Dice,
) -> Result<Picture, BadPicture> {
    let mut canvas = paint::background(look);
    surface.draw(pose, camera, texture, look, &mut canvas);
    paint::develop(&canvas, look, dice)
}
