//! BlazeFace: where the faces are. Anchors, decoding and suppression are those of MediaPipe's face
//! detection (Bazarevsky et al., "BlazeFace", 2019; `ssd_anchors_calculator`,
//! `tensors_to_detections_calculator`, `non_max_suppression_calculator`).

use super::geometry::{Bounds, Similarity};
use super::manifest::{BOX_NUMBERS, Detector, Meaning};
use super::network::{Model, ModelError};
use super::picture::Picture;
use super::sample::{Border, sample};

/// Boxes that overlap by more than this are one face. MediaPipe's number.
const SAME_FACE: f32 = 0.3;
/// The most boxes kept for suppression, best first: it bounds the work on a picture made to overwhelm.
const MAX_CANDIDATES: usize = 200;

/// A face as the detector sees it, in picture coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    pub bounds: Bounds,
    /// 0 to 1.
    pub score: f32,
    /// The person's right eye (on the picture's left), the left eye.
    pub eyes: [[f32; 2]; 2],
}

/// A square of the picture, in its coordinates. It may reach outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Region {
    pub x: f32,
    pub y: f32,
    pub side: f32,
}

impl Region {
    /// The smallest square around the picture, both with one centre: letterboxed, never stretched.
    pub fn whole(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let side = width.max(height);
        Self { x: (width - side) / 2.0, y: (height - side) / 2.0, side }
    }
}

/// Centres of the anchors, 0 to 1, in the order of the output's rows.
pub(super) fn anchors(grids: &[[usize; 2]]) -> Vec<[f32; 2]> {
    let mut anchors = Vec::new();
    for [cells, per_cell] in grids {
        let centre = |i: usize| (i as f32 + 0.5) / *cells as f32;
        for y in 0..*cells {
            for x in 0..*cells {
                anchors.extend(std::iter::repeat_n([centre(x), centre(y)], *per_cell));
            }
        }
    }
    anchors
}

/// Runs the detector on a region. Best first, suppression done.
pub(super) fn detect(
    model: &mut Model,
    settings: &Detector,
    anchors: &[[f32; 2]],
    picture: &Picture,
    region: Region,
) -> Result<Vec<Detection>, ModelError> {
    let (width, height) = (model.manifest().input.width, model.manifest().input.height);
    // A network that isn't square gets the region centred in it.
    let scale = region.side / width.min(height) as f32;
    let to_picture = Similarity {
        a: scale,
        b: 0.0,
        tx: region.x - scale * (width.saturating_sub(height) / 2) as f32,
        ty: region.y - scale * (height.saturating_sub(width) / 2) as f32,
    };
    let (boxes, scores) = (
        model.manifest().output(Meaning::Boxes).unwrap_or(usize::MAX),
        model.manifest().output(Meaning::Scores).unwrap_or(usize::MAX),
    );
    let size = [width as f32, height as f32];
    let network = model.run(|manifest, out| {
        sample(picture, &to_picture, Border::Black, &manifest.input, out);
    })?;
    let found =
        decode(settings, size, anchors, network.output(boxes), network.output(scores), &to_picture);
    Ok(suppress(found))
}

/// The boxes above the score, in picture coordinates.
fn decode(
    settings: &Detector,
    [width, height]: [f32; 2],
    anchors: &[[f32; 2]],
    boxes: &[f32],
    scores: &[f32],
    to_picture: &Similarity,
) -> Vec<Detection> {
    let clip = settings.score_clip;
    let mut found = Vec::new();
    for ((row, logit), anchor) in boxes.chunks_exact(BOX_NUMBERS).zip(scores).zip(anchors) {
        let score = sigmoid(logit.clamp(-clip, clip));
        // Also leaves out what is no number.
        if !(score >= settings.min_score && row.iter().all(|v| v.is_finite())) {
            continue;
        }
        let (ax, ay) = (anchor[0] * width, anchor[1] * height);
        let at = |i: usize| {
            let (x, y) = to_picture.apply(ax + row[i], ay + row[i + 1]);
            [x, y]
        };
        let (w, h) = (row[2] * to_picture.scale(), row[3] * to_picture.scale());
        let [x, y] = at(0);
        if !(w > 0.0 && h > 0.0 && (x + y + w + h).is_finite()) {
            continue;
        }
        found.push(Detection {
            bounds: Bounds { x: x - w / 2.0, y: y - h / 2.0, width: w, height: h },
            score,
            eyes: [at(4), at(6)],
        });
    }
    found
}

/// Weighted suppression, as MediaPipe does it: the best box and all that overlap it become one, their
/// mean weighted by score. BlazeFace jitters less that way than with the best box alone.
pub(super) fn suppress(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_CANDIDATES);
    let mut kept = Vec::new();
    while !found.is_empty() {
        // Taken out first: a box whose area overflowed doesn't even overlap itself.
        let best = found.remove(0);
        let (mut same, others): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|d| *d == best || d.bounds.overlap(&best.bounds) > SAME_FACE);
        found = others;
        same.insert(0, best);
        kept.push(mean(best, &same));
    }
    kept
}

fn mean(best: Detection, same: &[Detection]) -> Detection {
    let total: f32 = same.iter().map(|d| d.score).sum();
    // No score, or nothing in it: then there is nothing to weigh by.
    if total <= 0.0 || same.is_empty() {
        return best;
    }
    let of =
        |value: fn(&Detection) -> f32| same.iter().map(|d| value(d) * d.score).sum::<f32>() / total;
    Detection {
        bounds: Bounds {
            x: of(|d| d.bounds.x),
            y: of(|d| d.bounds.y),
            width: of(|d| d.bounds.width),
            height: of(|d| d.bounds.height),
        },
        score: best.score,
        eyes: [
            [of(|d| d.eyes[0][0]), of(|d| d.eyes[0][1])],
            [of(|d| d.eyes[1][0]), of(|d| d.eyes[1][1])],
        ],
    }
}

pub(super) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::super::manifest::DetectorDecoder;
    use super::*;

    fn settings() -> Detector {
        Detector {
            decoder: DetectorDecoder::BlazeFace,
            grids: vec![[16, 2], [8, 6]],
            score_clip: 80.0,
            min_score: 0.5,
        }
    }

    /// Values of MediaPipe's anchor calculator for the short-range model.
    #[test]
    fn anchors_are_mediapipes() {
        let anchors = anchors(&settings().grids);
        assert_eq!(anchors.len(), 896);
        assert_eq!(anchors[0], [0.03125, 0.03125]);
        assert_eq!(anchors[1], [0.03125, 0.03125]);
        assert_eq!(anchors[2], [0.09375, 0.03125]);
        assert_eq!(anchors[32], [0.03125, 0.09375]);
        assert_eq!(anchors[511], [0.96875, 0.96875]);
        assert_eq!(anchors[512], [0.0625, 0.0625]);
        assert_eq!(anchors[518], [0.1875, 0.0625]);
        assert_eq!(anchors[895], [0.9375, 0.9375]);
    }

    #[test]
    fn a_box_is_decoded_around_its_anchor_into_the_picture() {
        let anchors = anchors(&settings().grids);
        let mut boxes = vec![0.0; 896 * BOX_NUMBERS];
        let mut scores = vec![-100.0; 896];
        // Anchor 512 is at (8, 8) in input pixels.
        boxes[512 * 16..][..8].copy_from_slice(&[2.0, 4.0, 20.0, 30.0, -3.0, 1.0, 5.0, 2.0]);
        scores[512] = 0.0;
        // Above the score, but no number.
        boxes[3 * 16] = f32::NAN;
        (scores[3], scores[4]) = (90.0, f32::NAN);
        let to_picture = Similarity { a: 5.0, b: 0.0, tx: 0.0, ty: -80.0 };
        let found = decode(&settings(), [128.0; 2], &anchors, &boxes, &scores, &to_picture);
        assert_eq!(
            found,
            [Detection {
                bounds: Bounds { x: 0.0, y: -95.0, width: 100.0, height: 150.0 },
                score: 0.5,
                eyes: [[25.0, -35.0], [65.0, -30.0]],
            }]
        );
    }

    #[test]
    fn overlapping_boxes_become_their_weighted_mean() {
        let at = |x: f32, score: f32| Detection {
            bounds: Bounds { x, y: 0.0, width: 10.0, height: 10.0 },
            score,
            eyes: [[x, 1.0], [x, 2.0]],
        };
        let kept = suppress(vec![at(2.0, 0.6), at(0.0, 0.9), at(50.0, 0.7), at(8.0, 0.8)]);
        // 8 overlaps 0 by 1/9, so it is another face; 2 overlaps 0 by 2/3.
        let xs: Vec<_> = kept.iter().map(|d| (d.bounds.x, d.score)).collect();
        let mean = 2.0 * 0.6 / 1.5;
        assert_eq!(xs.len(), 3);
        assert!((xs[0].0 - mean).abs() < 1e-5 && xs[0].1 == 0.9, "{xs:?}");
        assert_eq!(xs[1..], [(8.0, 0.8), (50.0, 0.7)]);
        assert!((kept[0].eyes[0][0] - mean).abs() < 1e-5);
    }

    #[test]
    fn boxes_too_large_to_overlap_end_all_the_same() {
        let huge = Bounds { x: 0.0, y: 0.0, width: f32::MAX, height: f32::MAX };
        let detection = Detection { bounds: huge, score: 0.9, eyes: [[0.0; 2]; 2] };
        assert_eq!(suppress(vec![detection; 3]).len(), 1);
        let nowhere = Bounds { x: f32::NAN, ..huge };
        let detection = Detection { bounds: nowhere, ..detection };
        assert_eq!(suppress(vec![detection; 3]).len(), 3, "and of no number nothing is said");
    }

    #[test]
    fn the_whole_picture_is_letterboxed() -> Result<(), super::super::BadPicture> {
        let wide = Picture::from_rgb(40, 20, vec![0; 2400])?;
        assert_eq!(Region::whole(&wide), Region { x: 0.0, y: -10.0, side: 40.0 });
        Ok(())
    }
}
