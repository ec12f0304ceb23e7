//! Whether a frame of a face is worth embedding: pose, light, sharpness, nothing before the face. A frame that
//! isn't costs nothing and gives a hint; it is never a denial.
//!
//! Measured on 22 public portraits, 60 to 200 pixels between the pupils, each also blurred, darkened, overexposed and
//! with mouth, eyes or one side painted over in one colour. Real masks and hands have folds and fingers;
//! what they do to these numbers has yet to be measured.

use super::chain::Face;
use super::geometry::Similarity;
use super::manifest::{Channels, Input, Layout};
use super::picture::Picture;
use super::sample::{Border, sample};
use crate::domain::Hint;
use zeroize::Zeroizing;

/// Side of the upright patch that is looked at, its pupils `PUPILS * SIDE` apart and `EYES * SIDE` from the top.
const SIDE: usize = 64;
const PUPILS: f32 = 0.4;
const EYES: f32 = 0.3;
/// FaceMesh's points: tip of the nose, between the eyes, chin, and beside the ears, the picture's left first.
const NOSE: usize = 1;
const BROW: usize = 168;
const CHIN: usize = 152;
const SIDES: [usize; 2] = [234, 454];

/// Figures of one face in one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// -1 to 1: how much nearer the nose is to one side of the face. 0 is straight ahead, portraits reach 0.4.
    pub to_the_side: f32,
    /// Between the eyes to nose, as a share of the way to the chin; about 0.38 straight ahead.
    pub up_or_down: f32,
    /// Mean brightness, 0 to 255.
    pub light: f32,
    /// Standard deviation of brightness.
    pub contrast: f32,
    /// Fine detail over contrast: portraits 0.24 to 0.5, blurred by 4 pixels 0.05 to 0.12.
    pub sharpness: f32,
    /// Contrast of each eye and the mouth over that of the face: portraits from 0.35 on, painted over 0.
    pub features: [f32; 3],
}

/// What a good frame has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gates {
    pub most_to_the_side: f32,
    pub up_or_down: [f32; 2],
    pub light: [f32; 2],
    pub least_contrast: f32,
    pub least_sharpness: f32,
    pub least_feature: f32,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            most_to_the_side: 0.45,
            up_or_down: [0.22, 0.55],
            light: [35.0, 225.0],
            least_contrast: 10.0,
            least_sharpness: 0.12,
            least_feature: 0.2,
        }
    }
}

impl Quality {
    /// `None` where the face's landmarks don't make a face.
    pub fn of(picture: &Picture, face: &Face) -> Option<Self> {
        let at = |i: usize| face.mesh.get(i).copied();
        let (nose, brow, chin) = (at(NOSE)?, at(BROW)?, at(CHIN)?);
        let [left, right] = [at(SIDES[0])?, at(SIDES[1])?].map(|side| apart(nose, side));
        let (up, down) = (apart(nose, brow), apart(nose, chin));
        let patch = Zeroizing::new(upright(picture, &face.eyes, SIDE, PUPILS, EYES)?);
        let (light, contrast) = spread(&patch, |_, _| true);
        let near = |x: f32, y: f32, width: f32, height: f32| {
            let inside = |at: usize, middle: f32, size: f32| {
                ((at as f32 + 0.5) / SIDE as f32 - middle).abs() < size / 2.0
            };
            spread(&patch, move |px, py| inside(px, x, width) && inside(py, y, height)).1
        };
        let half = PUPILS / 2.0;
        let eye = |x: f32| near(x, EYES, 0.22, 0.14);
        let features = [eye(0.5 - half), eye(0.5 + half), near(0.5, 0.76, 0.32, 0.2)];
        let quality = Self {
            to_the_side: (left - right) / (left + right),
            up_or_down: up / (up + down),
            light,
            contrast,
            sharpness: detail(&patch) / contrast.max(1.0),
            features: features.map(|f| f / contrast.max(1.0)),
        };
        let whole = quality.to_the_side.is_finite() && quality.up_or_down.is_finite();
        whole.then_some(quality)
    }

    /// What is wrong, the first that a person could do something about; `None` for a good frame.
    pub fn flaw(&self, gates: &Gates) -> Option<Hint> {
        let within = |v: f32, [low, high]: [f32; 2]| (low..=high).contains(&v);
        if !within(self.light, gates.light) || self.contrast < gates.least_contrast {
            return Some(Hint::BetterLight);
        }
        let ahead = self.to_the_side.abs() <= gates.most_to_the_side;
        if !(ahead && within(self.up_or_down, gates.up_or_down)) {
            return Some(Hint::LookAtCamera);
        }
        if self.features.iter().any(|f| *f < gates.least_feature) {
            return Some(Hint::UncoverFace);
        }
        (self.sharpness < gates.least_sharpness).then_some(Hint::HoldStill)
    }
}

fn apart(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// A face's brightness, upright and of one size whatever it was: a square of `side` pixels, the pupils `pupils` of
/// that apart and `from_top` of it down.
pub(super) fn upright(
    picture: &Picture,
    eyes: &[[f32; 2]; 2],
    side: usize,
    pupils: f32,
    from_top: f32,
) -> Option<Vec<f32>> {
    let (length, half) = (side as f32, pupils / 2.0);
    let eye = |x: f32| [x * length, from_top * length];
    let to_picture = Similarity::fit(&[eye(0.5 - half), eye(0.5 + half)], eyes)?;
    let input = Input {
        name: String::new(),
        width: side,
        height: side,
        layout: Layout::Nhwc,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    };
    let mut rgb = Zeroizing::new(vec![0.0; input.len()]);
    sample(picture, &to_picture, Border::Replicate, &input, &mut rgb);
    // Brightness as television has it (BT.601).
    Some(rgb.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect())
}

/// Mean and standard deviation of a part of the patch.
fn spread(patch: &[f32], is_in: impl Fn(usize, usize) -> bool) -> (f32, f32) {
    let (mut n, mut sum, mut squares) = (0.0f32, 0.0f32, 0.0f32);
    for (_, v) in patch.iter().enumerate().filter(|(i, _)| is_in(i % SIDE, i / SIDE)) {
        n += 1.0;
        sum += v;
        squares += v * v;
    }
    let mean = sum / n.max(1.0);
    (mean, (squares / n.max(1.0) - mean * mean).max(0.0).sqrt())
}

/// Mean size of the discrete Laplacian.
fn detail(patch: &[f32]) -> f32 {
    let mut sum = 0.0;
    for y in 1..SIDE - 1 {
        for x in 1..SIDE - 1 {
            let at = |x: usize, y: usize| patch.get(y * SIDE + x).copied().unwrap_or_default();
            let around = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1);
            sum += (around - 4.0 * at(x, y)).abs();
        }
    }
    sum / ((SIDE - 2) * (SIDE - 2)) as f32
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Bounds;
    use super::*;

    /// A drawn face of 128 pixels: checked skin, dark eyes and mouth.
    fn drawn(
        change: impl Fn(usize, usize, f32) -> f32,
    ) -> Result<Picture, Box<dyn std::error::Error>> {
        let blob = |x: usize, y: usize, cx: usize, cy: usize, rx: usize, ry: usize| {
            x.abs_diff(cx) < rx && y.abs_diff(cy) < ry
        };
        let mut rgb = Vec::new();
        for y in 0..128 {
            for x in 0..128 {
                let mut v = if (x / 2 + y / 2) % 2 == 0 { 130.0 } else { 160.0 };
                if blob(x, y, 38, 38, 8, 4) || blob(x, y, 90, 38, 8, 4) || blob(x, y, 64, 97, 14, 5)
                {
                    v = 40.0;
                }
                rgb.extend([change(x, y, v).clamp(0.0, 255.0) as u8; 3]);
            }
        }
        Ok(Picture::from_rgb(128, 128, rgb)?)
    }

    fn face(nose: [f32; 2]) -> Face {
        let mut mesh = vec![[0.0; 2]; 468];
        (mesh[NOSE], mesh[BROW], mesh[CHIN]) = (nose, [64.0, 36.0], [64.0, 126.0]);
        (mesh[SIDES[0]], mesh[SIDES[1]]) = ([10.0, 60.0], [118.0, 60.0]);
        let bounds = Bounds { x: 0.0, y: 0.0, width: 128.0, height: 128.0 };
        let eyes = [[38.4, 38.4], [89.6, 38.4]];
        let depths = vec![0.0; 468];
        Face {
            bounds,
            score: 1.0,
            presence: 1.0,
            quality: 1.0,
            eyes,
            mesh,
            depths,
            patch: Vec::new(),
        }
    }

    const AHEAD: [f32; 2] = [64.0, 70.0];

    type Change = fn(usize, usize, f32) -> f32;

    #[test]
    fn each_flaw_has_its_hint_and_a_good_face_none() -> Result<(), Box<dyn std::error::Error>> {
        let as_is: Change = |_, _, v| v;
        let cases: [(Change, [f32; 2], Option<Hint>); 9] = [
            (as_is, AHEAD, None),
            (as_is, [25.0, 70.0], Some(Hint::LookAtCamera)),
            (as_is, [64.0, 45.0], Some(Hint::LookAtCamera)),
            (as_is, [64.0, 100.0], Some(Hint::LookAtCamera)),
            (|_, _, v| v * 0.15, AHEAD, Some(Hint::BetterLight)),
            (|_, _, v| v + 110.0, AHEAD, Some(Hint::BetterLight)),
            (|_, _, v| 100.0 + v / 20.0, AHEAD, Some(Hint::BetterLight)),
            (|_, y, v| if y > 75 { 200.0 } else { v }, AHEAD, Some(Hint::UncoverFace)),
            (|x, _, v| if x > 64 { 120.0 } else { v }, AHEAD, Some(Hint::UncoverFace)),
        ];
        for (i, (change, nose, hint)) in cases.into_iter().enumerate() {
            let quality = Quality::of(&drawn(change)?, &face(nose)).ok_or("no face")?;
            assert_eq!(quality.flaw(&Gates::default()), hint, "case {i}: {quality:?}");
        }
        Ok(())
    }

    #[test]
    fn a_blurred_face_is_asked_to_hold_still() -> Result<(), Box<dyn std::error::Error>> {
        // The eyes and mouth stay, the fine detail goes.
        let soft: Change = |x, y, v| {
            let wave = 8.0 * ((x as f32 / 20.0).sin() + (y as f32 / 20.0).cos());
            if v < 50.0 { 60.0 } else { 145.0 + wave }
        };
        let sharp = Quality::of(&drawn(|_, _, v| v)?, &face(AHEAD)).ok_or("no face")?;
        let soft = Quality::of(&drawn(soft)?, &face(AHEAD)).ok_or("no face")?;
        assert!(soft.sharpness < sharp.sharpness / 2.0, "{soft:?} {sharp:?}");
        let blurred = Quality { sharpness: 0.11, ..sharp };
        assert_eq!(blurred.flaw(&Gates::default()), Some(Hint::HoldStill));
        Ok(())
    }

    #[test]
    fn points_in_one_place_are_no_face() -> Result<(), Box<dyn std::error::Error>> {
        let mut nowhere = face(AHEAD);
        nowhere.eyes = [[3.0; 2]; 2];
        assert_eq!(Quality::of(&drawn(|_, _, v| v)?, &nowhere), None);
        let mut few = face(AHEAD);
        few.mesh.truncate(100);
        assert_eq!(Quality::of(&drawn(|_, _, v| v)?, &few), None);
        Ok(())
    }
}
