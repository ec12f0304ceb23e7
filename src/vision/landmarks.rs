//! FaceMesh: 468 points on one face, and whether it is one (Kartynnik et al., "Real-time Facial Surface
//! Geometry from Monocular Video on Mobile GPUs", 2019).

use super::detector::{Detection, sigmoid};
use super::geometry::Similarity;
use super::manifest::{Landmarks, Meaning};
use super::network::{Model, ModelError};
use super::picture::Picture;
use super::sample::{Border, sample};

/// The points of one face.
pub(super) struct Mesh {
    /// In picture coordinates.
    pub points: Vec<[f32; 2]>,
    /// How far behind the face's middle each point lies, as the network guesses, in the same unit.
    pub depths: Vec<f32>,
    /// Probability that there is a face, 0 to 1.
    pub presence: f32,
}

/// FaceMesh's corners of each eye, outer and inner; the eye on the picture's left first.
const EYE_CORNERS: [[usize; 2]; 2] = [[33, 133], [263, 362]];

impl Mesh {
    /// The eyes' centres, between their corners: where the pupils are when somebody looks ahead.
    pub fn eyes(&self) -> [[f32; 2]; 2] {
        let at = |i: usize| self.points.get(i).copied().unwrap_or_default();
        EYE_CORNERS.map(|[a, b]| {
            let (a, b) = (at(a), at(b));
            [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0]
        })
    }
}

/// From the network's input to the picture: a square around the detector's box, larger by `crop`, turned
/// so that the eyes are level.
fn crop(detection: &Detection, crop: f32, side: usize) -> Similarity {
    let [right, left] = detection.eyes;
    let (dx, dy) = (left[0] - right[0], left[1] - right[1]);
    let length = dx.hypot(dy);
    let (cos, sin) = if length > 0.0 { (dx / length, dy / length) } else { (1.0, 0.0) };
    let scale = crop * detection.bounds.width.max(detection.bounds.height) / side as f32;
    let (a, b) = (scale * cos, scale * sin);
    let (cx, cy) = detection.bounds.centre();
    let half = side as f32 / 2.0;
    Similarity { a, b, tx: cx - (a - b) * half, ty: cy - (b + a) * half }
}

/// Places the points on a detected face; `None` where the network sees no face.
pub(super) fn place(
    model: &mut Model,
    settings: &Landmarks,
    picture: &Picture,
    detection: &Detection,
) -> Result<Option<Mesh>, ModelError> {
    let to_picture = crop(detection, settings.crop, model.manifest().input.width);
    let (points, presence) = (
        model.manifest().output(Meaning::Points).unwrap_or(usize::MAX),
        model.manifest().output(Meaning::Presence).unwrap_or(usize::MAX),
    );
    let network = model.run(|manifest, out| {
        sample(picture, &to_picture, Border::Replicate, &manifest.input, out);
    })?;
    let logit = network.output(presence).first().copied().unwrap_or(f32::NAN);
    let raw = network.output(points);
    // Also refuses what is no number.
    if !(logit >= settings.min_presence && raw.iter().all(|v| v.is_finite())) {
        return Ok(None);
    }
    let place = |p: &[f32]| {
        let (x, y) = to_picture.apply(p[0], p[1]);
        [x, y]
    };
    let scale = to_picture.scale();
    let depths = raw.chunks_exact(3).map(|p| scale * p[2]).collect();
    let points = raw.chunks_exact(3).map(place).collect();
    Ok(Some(Mesh { points, depths, presence: sigmoid(logit) }))
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Bounds;
    use super::*;

    #[test]
    fn the_crop_levels_the_eyes_and_keeps_the_centre() {
        // Eyes on a line that falls by 45 degrees to the picture's right.
        let detection = Detection {
            bounds: Bounds { x: 80.0, y: 90.0, width: 40.0, height: 20.0 },
            score: 1.0,
            eyes: [[90.0, 90.0], [110.0, 110.0]],
        };
        let to_picture = crop(&detection, 1.5, 192);
        assert!((to_picture.scale() - 60.0 / 192.0).abs() < 1e-6);
        let (x, y) = to_picture.apply(96.0, 96.0);
        assert!((x - 100.0).abs() < 1e-3 && (y - 100.0).abs() < 1e-3);
        // A step to the right in the crop goes along the eyes.
        let (x, y) = to_picture.apply(97.0, 96.0);
        assert!((x - 100.0 - (y - 100.0)).abs() < 1e-3 && x > 100.0);
    }

    #[test]
    fn eyes_in_one_place_are_taken_as_level() {
        let bounds = Bounds { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
        let detection = Detection { bounds, score: 1.0, eyes: [[3.0, 3.0]; 2] };
        assert_eq!(crop(&detection, 1.5, 192).b, 0.0);
    }
}
