//! What a model file is: its tensors, its decoder, the space its templates live in. A manifest is read
//! strictly, so that exchanging a model is writing one of these, and a mistake in it is named.

mod evidence;

use super::fusion::Cohort;
use super::template::{MAX_DIMENSION, Space};
pub use evidence::Evidence;
use evidence::{RawCohort, RawEvidence};
use serde::Deserialize;

/// A model's manifest, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub name: String,
    pub about: String,
    /// The .tflite file's name; it lies beside the manifest.
    pub file: String,
    pub sha256: [u8; 32],
    pub licence: String,
    pub licence_file: String,
    pub origin: String,
    pub input: Input,
    /// In the manifest's order, which [`super::Network::output`] follows.
    pub outputs: Vec<Output>,
    pub kind: Kind,
}

/// The one input: a picture, float32, rows of interleaved channels.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub name: String,
    pub width: usize,
    pub height: usize,
    pub layout: Layout,
    pub channels: Channels,
    /// What is fed is `(byte - mean) / scale`, per channel in the network's order.
    pub mean: [f32; 3],
    pub scale: [f32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, rows, columns, channels.
    Nhwc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
}

/// One output tensor, float32.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub name: String,
    pub shape: Vec<usize>,
    pub meaning: Meaning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Meaning {
    Boxes,
    Scores,
    Points,
    Presence,
    Template,
    Classes,
}

/// What the model is for, and what only that kind has.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Detector(Detector),
    Landmarks(Landmarks),
    Embedding(Embedding),
    Liveness(Spoof),
}

/// BlazeFace.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    pub decoder: DetectorDecoder,
    /// Cells along a side, anchors per cell; in the order of the output's rows.
    pub grids: Vec<[usize; 2]>,
    /// Logits are clipped to plus or minus this before the sigmoid.
    pub score_clip: f32,
    pub min_score: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorDecoder {
    BlazeFace,
}

/// FaceMesh.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landmarks {
    pub decoder: LandmarksDecoder,
    pub points: usize,
    /// Side of the crop over the longer side of the detector's box.
    pub crop: f32,
    /// A presence logit below this: no face.
    pub min_presence: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LandmarksDecoder {
    FaceMesh,
}

/// Any network that turns an aligned face into numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    pub alignment: Alignment,
    pub metric: Metric,
    pub dimension: usize,
    /// What the threshold rests on, for people.
    pub rests_on: String,
    /// How sure recognition with it is, if that was measured.
    pub evidence: Option<Evidence>,
    /// What templates are centred by before they are compared.
    pub cohort: Option<Cohort>,
}

/// Any network that tells a living face from a picture of one.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoof {
    /// Side of the square it looks at over the longer side of the detector's box.
    pub crop: f32,
    /// Which of the output's classes, counted from 0, is the living face.
    pub living: usize,
    /// The classes are logits, of which the softmax is to be taken.
    pub softmax: bool,
    /// A mean share or score of less is no living face.
    pub threshold: f32,
}

/// Which landmarks go where in the input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alignment {
    /// Indices of the landmarks model's points.
    pub landmarks: Vec<usize>,
    /// In pixels of the input; a whole number is a pixel's centre.
    pub points: Vec<[f32; 2]>,
}

/// How far apart two templates are, and below what they are the same person's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    pub kind: MetricKind,
    pub threshold: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    Euclidean,
    /// One minus the cosine of the angle.
    Cosine,
}

/// What is wrong with a manifest, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadManifest(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    schema: u32,
    kind: RawKind,
    name: String,
    about: String,
    file: String,
    sha256: String,
    licence: String,
    licence_file: String,
    origin: String,
    input: Input,
    output: Vec<Output>,
    detector: Option<Detector>,
    landmarks: Option<Landmarks>,
    liveness: Option<Spoof>,
    alignment: Option<Alignment>,
    metric: Option<RawMetric>,
    evidence: Option<RawEvidence>,
    cohort: Option<RawCohort>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Detector,
    Landmarks,
    Embedding,
    Liveness,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMetric {
    kind: MetricKind,
    threshold: f32,
    rests_on: String,
}

/// Bounds a network's side, and with it every buffer made from a manifest.
const MAX_INPUT_SIDE: usize = 1024;
const MAX_OUTPUT: usize = 1 << 20;

impl Input {
    pub fn len(&self) -> usize {
        self.width * self.height * 3
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As the tensor has it: batch, rows, columns, channels.
    pub fn shape(&self) -> [usize; 4] {
        [1, self.height, self.width, 3]
    }
}

impl Output {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, BadManifest> {
    Err(BadManifest(why.into()))
}

impl Manifest {
    /// Reads a manifest's text. Unknown keys, missing ones and numbers that can't work are refused by name.
    pub fn from_toml(text: &str) -> Result<Self, BadManifest> {
        let raw: Raw = toml::from_str(text).map_err(|e| BadManifest(e.to_string()))?;
        if raw.schema != 1 {
            return refuse(format!("schema {} is not known here; 1 is", raw.schema));
        }
        let sha256 = parse_sha256(&raw.sha256)?;
        if raw.file.is_empty() || raw.file.starts_with('.') || raw.file.contains(['/', '\\', '\0'])
        {
            return refuse("file must be the plain name of a file beside the manifest");
        }
        check_input(&raw.input)?;
        for output in &raw.output {
            let len = output.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
            if !len.is_some_and(|n| (1..=MAX_OUTPUT).contains(&n)) {
                return refuse(format!("output {:?}: shape is empty or too large", output.name));
            }
        }
        let kind = kind(&raw)?;
        Ok(Self {
            name: raw.name,
            about: raw.about,
            file: raw.file,
            sha256,
            licence: raw.licence,
            licence_file: raw.licence_file,
            origin: raw.origin,
            input: raw.input,
            outputs: raw.output,
            kind,
        })
    }

    /// Where in [`Manifest::outputs`] the output of this meaning is.
    pub(super) fn output(&self, meaning: Meaning) -> Option<usize> {
        self.outputs.iter().position(|o| o.meaning == meaning)
    }

    /// Where this embedding's templates live; `None` for another kind of model.
    pub fn space(&self) -> Option<Space> {
        let Kind::Embedding(embedding) = &self.kind else { return None };
        Some(Space { model: self.sha256, dimension: embedding.dimension, metric: embedding.metric })
    }
}

fn parse_sha256(hex: &str) -> Result<[u8; 32], BadManifest> {
    if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return refuse("sha256 must be 64 lower-case hex digits");
    }
    let mut sha256 = [0; 32];
    for (byte, digits) in sha256.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digit = |d: u8| if d.is_ascii_digit() { d - b'0' } else { d - b'a' + 10 };
        *byte = digits.iter().fold(0, |n, d| n << 4 | digit(*d));
    }
    Ok(sha256)
}

fn check_input(input: &Input) -> Result<(), BadManifest> {
    for (name, side) in [("width", input.width), ("height", input.height)] {
        if !(16..=MAX_INPUT_SIDE).contains(&side) {
            return refuse(format!("input: {name} must be 16 to {MAX_INPUT_SIDE}"));
        }
    }
    let finite = input.mean.iter().chain(&input.scale).all(|v| v.is_finite());
    if !finite || input.scale.contains(&0.0) {
        return refuse("input: mean and scale must be finite, and scale not 0");
    }
    Ok(())
}

fn kind(raw: &Raw) -> Result<Kind, BadManifest> {
    let embedding = raw.kind == RawKind::Embedding;
    for (name, there, wanted) in [
        ("detector", raw.detector.is_some(), raw.kind == RawKind::Detector),
        ("landmarks", raw.landmarks.is_some(), raw.kind == RawKind::Landmarks),
        ("liveness", raw.liveness.is_some(), raw.kind == RawKind::Liveness),
        ("alignment", raw.alignment.is_some(), embedding),
        ("metric", raw.metric.is_some(), embedding),
    ] {
        if there && !wanted {
            return refuse(format!("[{name}] doesn't belong to this kind of model"));
        }
        if wanted && !there {
            return refuse(format!("[{name}] is missing"));
        }
    }
    if let Some(detector) = &raw.detector {
        check_detector(detector, raw)?;
        return Ok(Kind::Detector(detector.clone()));
    }
    if let Some(landmarks) = &raw.landmarks {
        check_landmarks(landmarks, raw)?;
        return Ok(Kind::Landmarks(landmarks.clone()));
    }
    if let Some(liveness) = &raw.liveness {
        check_liveness(liveness, raw)?;
        return Ok(Kind::Liveness(*liveness));
    }
    match (&raw.alignment, &raw.metric) {
        (Some(alignment), Some(metric)) => check_embedding(alignment, metric, raw),
        _ => refuse("[alignment] and [metric] are missing"),
    }
}

/// The outputs must be exactly these, each once, in any order; gives their lengths.
fn outputs<const N: usize>(raw: &Raw, meanings: [Meaning; N]) -> Result<[usize; N], BadManifest> {
    let mut lens = [0; N];
    for (len, meaning) in lens.iter_mut().zip(meanings) {
        let mut with = raw.output.iter().filter(|o| o.meaning == meaning);
        match (with.next(), with.next()) {
            (Some(output), None) => *len = output.len(),
            _ => return refuse(format!("exactly one output must have the meaning {meaning:?}")),
        }
    }
    if raw.output.len() != N {
        return refuse(format!("this kind of model has {N} output(s), not {}", raw.output.len()));
    }
    Ok(lens)
}

/// Numbers of a BlazeFace box: centre, size, six key points.
pub(super) const BOX_NUMBERS: usize = 16;

fn check_detector(detector: &Detector, raw: &Raw) -> Result<(), BadManifest> {
    let in_range = |[cells, per]: &[usize; 2]| (1..=256).contains(cells) && (1..=64).contains(per);
    if detector.grids.is_empty() || detector.grids.len() > 8 || !detector.grids.iter().all(in_range)
    {
        return refuse(
            "detector: grids must be 1 to 8 pairs of cells (to 256) and anchors (to 64)",
        );
    }
    let anchors: usize = detector.grids.iter().map(|[cells, per]| cells * cells * per).sum();
    let [boxes, scores] = outputs(raw, [Meaning::Boxes, Meaning::Scores])?;
    if boxes != anchors * BOX_NUMBERS || scores != anchors {
        return refuse(format!(
            "detector: grids give {anchors} anchors; boxes need {BOX_NUMBERS} numbers and scores one for each"
        ));
    }
    if !(0.0..=1.0).contains(&detector.min_score) || !(1.0..=1e4).contains(&detector.score_clip) {
        return refuse("detector: min_score must be 0 to 1 and score_clip 1 to 10000");
    }
    Ok(())
}

fn check_landmarks(landmarks: &Landmarks, raw: &Raw) -> Result<(), BadManifest> {
    let [points, presence] = outputs(raw, [Meaning::Points, Meaning::Presence])?;
    if landmarks.points == 0 || Some(points) != landmarks.points.checked_mul(3) || presence != 1 {
        return refuse("landmarks: the outputs must be x, y, z of each point, and one presence");
    }
    if !(0.5..=4.0).contains(&landmarks.crop) || !landmarks.min_presence.is_finite() {
        return refuse("landmarks: crop must be 0.5 to 4 and min_presence a number");
    }
    Ok(())
}

fn check_liveness(liveness: &Spoof, raw: &Raw) -> Result<(), BadManifest> {
    let [classes] = outputs(raw, [Meaning::Classes])?;
    if liveness.living >= classes {
        return refuse(format!("liveness: living must be one of the output's {classes} classes"));
    }
    if !(0.5..=8.0).contains(&liveness.crop) || !liveness.threshold.is_finite() {
        return refuse("liveness: crop must be 0.5 to 8 and threshold a number");
    }
    Ok(())
}

fn check_embedding(
    alignment: &Alignment,
    metric: &RawMetric,
    raw: &Raw,
) -> Result<Kind, BadManifest> {
    let [dimension] = outputs(raw, [Meaning::Template])?;
    if dimension > MAX_DIMENSION {
        return refuse(format!("a template has at most {MAX_DIMENSION} numbers"));
    }
    let n = alignment.points.len();
    if !(2..=64).contains(&n) || alignment.landmarks.len() != n {
        return refuse("alignment: landmarks and points must be 2 to 64 and equally many");
    }
    if !alignment.points.iter().flatten().all(|v| v.abs() <= 4.0 * MAX_INPUT_SIDE as f32) {
        return refuse("alignment: points must be near the input");
    }
    if !(metric.threshold > 0.0 && metric.threshold.is_finite()) {
        return refuse("metric: threshold must be above 0");
    }
    let mut embedding = Embedding {
        alignment: alignment.clone(),
        metric: Metric { kind: metric.kind, threshold: metric.threshold },
        dimension,
        rests_on: metric.rests_on.clone(),
        evidence: None,
        cohort: None,
    };
    embedding.cohort = raw.cohort.clone().map(|c| c.check(&embedding)).transpose()?;
    let evidence = raw.evidence.clone();
    embedding.evidence = evidence.map(|e| e.check(embedding.cohort.as_ref())).transpose()?;
    Ok(Kind::Embedding(embedding))
}

#[cfg(test)]
mod tests;
