//! The chain with fake networks: what each is fed, and what is made of its answers. The real ones are in
//! tests/models.rs.

use super::*;
use crate::vision::manifest::MetricKind;
use crate::vision::network::{Network, NetworkError};
use std::sync::{Arc, Mutex};

const DETECTOR: &str = include_str!("../../../models/detector.toml");
const LANDMARKS: &str = include_str!("../../../models/landmarks.toml");
/// Another input size, other alignment points, another dimension, another metric, another channel order.
const OTHER: &str = r#"
schema = 1
kind = "embedding"
name = "other"
about = ""
file = "other.tflite"
sha256 = "abababababababababababababababababababababababababababababababab"
licence = ""
licence_file = ""
origin = ""
[input]
name = "data"
width = 96
height = 112
layout = "nhwc"
channels = "bgr"
mean = [0.0, 0.0, 0.0]
scale = [1.0, 1.0, 1.0]
[[output]]
name = "fc1"
shape = [1, 2]
meaning = "template"
[alignment]
landmarks = [33, 263, 2]
points = [[29.5, 49.5], [65.5, 49.5], [47.5, 69.5]]
[metric]
kind = "cosine"
threshold = 0.4
rests_on = ""
"#;

type Seen = Arc<Mutex<Vec<f32>>>;

struct Fake {
    input: Vec<f32>,
    outputs: Vec<Vec<f32>>,
    /// The input of the last run.
    seen: Seen,
    fails: bool,
}

impl Network for Fake {
    fn input(&mut self) -> &mut [f32] {
        &mut self.input
    }

    fn run(&mut self) -> Result<(), NetworkError> {
        if self.fails {
            return Err(NetworkError("broken".into()));
        }
        if let Ok(mut seen) = self.seen.lock() {
            *seen = self.input.clone();
        }
        Ok(())
    }

    fn output(&self, index: usize) -> &[f32] {
        self.outputs.get(index).map_or(&[], |o| o)
    }
}

fn model(
    manifest: &str,
    outputs: Vec<Vec<f32>>,
) -> Result<(Model, Seen), Box<dyn std::error::Error>> {
    let manifest = Manifest::from_toml(manifest)?;
    let seen = Seen::default();
    let input = vec![f32::NAN; manifest.input.len()];
    let fake = Fake { input, outputs, seen: seen.clone(), fails: false };
    Ok((Model::new(manifest, Box::new(fake))?, seen))
}

/// One box, by anchor 512 + 6 * 27, which is at (56, 56) of 128: centred, 32 wide, its eyes level.
fn one_box() -> Vec<Vec<f32>> {
    let (mut boxes, mut scores) = (vec![0.0; 896 * 16], vec![-100.0; 896]);
    let anchor = 512 + 6 * 27;
    boxes[anchor * 16..][..8].copy_from_slice(&[8.0, 8.0, 32.0, 32.0, 0.0, 4.0, 16.0, 4.0]);
    scores[anchor] = 3.0;
    vec![boxes, scores]
}

/// A mesh whose points 33, 263 and 2 are given in crop pixels, and a presence.
fn mesh(points: [[f32; 2]; 3], presence: f32) -> Vec<Vec<f32>> {
    let mut raw = vec![0.0; 3 * 468];
    for (index, point) in [33, 263, 2].into_iter().zip(points) {
        raw[3 * index..][..2].copy_from_slice(&point);
    }
    vec![raw, vec![presence]]
}

/// Red is the column, green the row, blue 7.
fn ramp() -> Result<Picture, crate::vision::BadPicture> {
    let pixels = (0..128u8).flat_map(|y| (0..128u8).map(move |x| [x, y, 7]));
    Picture::from_rgb(128, 128, pixels.flatten().collect())
}

const FRONTAL: [[f32; 2]; 3] = [[60.0, 80.0], [132.0, 80.0], [96.0, 120.0]];

#[test]
fn another_embedding_is_only_another_manifest() -> Result<(), Box<dyn std::error::Error>> {
    let (embedding, fed) = model(OTHER, vec![vec![3.0, 4.0]])?;
    let (detector, _) = model(DETECTOR, one_box())?;
    let (landmarks, cut) = model(LANDMARKS, mesh(FRONTAL, 2.0))?;
    let mut chain = Chain::new(detector, landmarks, embedding)?;
    assert_eq!(chain.space().metric.kind, MetricKind::Cosine);

    let picture = ramp()?;
    let faces = chain.faces(&picture)?;
    let [face] = &faces[..] else { return Err("not one face".into()) };
    let b = face.bounds;
    for (have, expected) in [(b.x, 48.0), (b.y, 48.0), (b.width, 32.0), (b.height, 32.0)] {
        assert!((have - expected).abs() < 1e-4, "{b:?}");
    }
    // The crop is 48 pixels wide around (64, 64): a quarter of the landmarks' input each way.
    let [x, y] = face.mesh[33];
    assert!((x - (40.0 + 60.0 / 4.0)).abs() < 1e-3 && (y - (40.0 + 80.0 / 4.0)).abs() < 1e-3);
    let centre = cut.lock().map_err(|_| "poisoned")?[3 * (192 * 96 + 96)];
    assert!((centre - (64.0 + 0.125 - 0.5) / 255.0).abs() < 1e-5);

    let template = chain.template(&picture, face)?;
    assert_eq!(template.values(), [0.6, 0.8]);
    assert_eq!(template.model(), &[0xab; 32]);
    // The eyes are 36 apart in the input and 18 in the picture, so a step is half a pixel; input pixel
    // (47, 49) is half a pixel left of the point between the eyes, which is at (64, 60).
    let fed = fed.lock().map_err(|_| "poisoned")?;
    let pixel = &fed[3 * (96 * 49 + 47)..][..3];
    for (have, expected) in pixel.iter().zip([7.0, 60.0 - 0.5 - 0.25, 64.0 - 0.5 - 0.25]) {
        assert!((have - expected).abs() < 0.2, "{pixel:?}");
    }
    Ok(())
}

#[test]
fn quality_falls_with_a_turned_face_and_absence_is_no_face()
-> Result<(), Box<dyn std::error::Error>> {
    let mut qualities = Vec::new();
    let turned = [[60.0, 80.0], [132.0, 80.0], [140.0, 120.0]];
    let in_one_place = [[90.0, 90.0]; 3];
    for (points, presence) in [(FRONTAL, 9.0), (turned, 9.0), (in_one_place, 9.0), (FRONTAL, -0.1)]
    {
        let (detector, _) = model(DETECTOR, one_box())?;
        let (landmarks, _) = model(LANDMARKS, mesh(points, presence))?;
        let (embedding, _) = model(OTHER, vec![vec![1.0, 0.0]])?;
        let mut chain = Chain::new(detector, landmarks, embedding)?;
        let picture = ramp()?;
        let faces = chain.faces(&picture)?;
        if points == in_one_place {
            let error = faces.first().and_then(|f| chain.template(&picture, f).err());
            assert_eq!(error, Some(ChainError::Alignment));
        }
        qualities.push(faces.first().map(|f| f.quality));
    }
    let [Some(frontal), Some(turned), Some(nowhere), None] = qualities[..] else {
        return Err(format!("{qualities:?}").into());
    };
    assert!(frontal > 0.4 && turned < frontal - 0.2 && nowhere == 0.0, "{qualities:?}");
    Ok(())
}

#[test]
fn models_that_dont_fit_are_refused_by_name() -> Result<(), Box<dyn std::error::Error>> {
    let detector = || model(DETECTOR, one_box()).map(|m| m.0);
    let landmarks = || model(LANDMARKS, mesh(FRONTAL, 1.0)).map(|m| m.0);
    let embedding = || model(OTHER, vec![vec![1.0, 0.0]]).map(|m| m.0);
    let refusal = |chain: Result<Chain, ModelError>| chain.err().map(|e| e.to_string());
    assert_eq!(
        refusal(Chain::new(landmarks()?, landmarks()?, embedding()?)),
        Some("model facemesh-468: is no detector".into())
    );
    assert_eq!(
        refusal(Chain::new(detector()?, landmarks()?, landmarks()?)),
        Some("model facemesh-468: is no embedding".into())
    );
    let (far, _) = model(&OTHER.replace("[33, 263, 2]", "[33, 263, 468]"), vec![vec![1.0, 0.0]])?;
    let why = refusal(Chain::new(detector()?, landmarks()?, far)).unwrap_or_default();
    assert!(why.contains("model other: aligns by landmark 468"), "{why}");
    Ok(())
}

#[test]
fn a_failing_or_deviating_network_is_an_error_not_a_face() -> Result<(), Box<dyn std::error::Error>>
{
    let mut wrong = one_box();
    wrong[1].pop();
    let (detector, _) = model(DETECTOR, wrong)?;
    let mut chain = Chain::new(
        detector,
        model(LANDMARKS, mesh(FRONTAL, 1.0))?.0,
        model(OTHER, vec![vec![1.0, 0.0]])?.0,
    )?;
    let why = chain.faces(&ramp()?).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(why.contains("blazeface-short-range: gave 895 values"), "{why}");

    let manifest = Manifest::from_toml(DETECTOR)?;
    let input = vec![0.0; manifest.input.len()];
    let fake = Fake { input, outputs: one_box(), seen: Seen::default(), fails: true };
    chain.detector = Model::new(manifest, Box::new(fake))?;
    let why = chain.faces(&ramp()?).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(why.contains("broken"), "{why}");

    let fake = Fake { input: vec![0.0; 5], outputs: vec![], seen: Seen::default(), fails: false };
    assert!(Model::new(Manifest::from_toml(DETECTOR)?, Box::new(fake)).is_err());
    Ok(())
}

#[test]
fn tiles_cover_the_picture_and_overlap_by_half() -> Result<(), crate::vision::BadPicture> {
    let picture = Picture::from_rgb(700, 300, vec![0; 3 * 700 * 300])?;
    let all: Vec<_> = tiles(&picture, 0).into_iter().flatten().collect();
    assert_eq!((all[0].x, all[0].side), (0.0, 300.0));
    assert_eq!(all.last().map(|t| t.x + t.side), Some(700.0));
    assert!(all.windows(2).all(|w| w[1].x - w[0].x <= 150.0));
    let all: Vec<_> = tiles(&picture, 1).into_iter().flatten().collect();
    assert_eq!(all.len(), 9 * 3);
    assert!(tiles(&picture, 2).is_none());
    Ok(())
}
