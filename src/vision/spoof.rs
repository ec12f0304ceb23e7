//! An anti-spoofing model, if a gate has one: a look at a face and what is around it, and how likely it is to be a
//! living one. Any network that takes a square around the face and gives a score a class.

use super::chain::{ChainError, Face};
use super::geometry::Similarity;
use super::manifest::{Kind, Meaning, Spoof};
use super::network::{Model, ModelError};
use super::picture::Picture;
use super::sample::{Border, sample};

/// The model, and what its manifest says of its answers.
pub(super) struct SpoofModel {
    model: Model,
    settings: Spoof,
    output: usize,
}

impl SpoofModel {
    pub fn new(model: Model) -> Result<Self, ModelError> {
        let manifest = model.manifest();
        let (Kind::Liveness(settings), Some(output)) =
            (manifest.kind.clone(), manifest.output(Meaning::Classes))
        else {
            let model = manifest.name.clone();
            return Err(ModelError { model, why: "is no liveness model".into() });
        };
        Ok(Self { model, settings, output })
    }

    /// As [`super::Chain::forget`].
    pub fn forget(&mut self) -> Result<(), ModelError> {
        self.model.run(|_, input| input.fill(0.0)).map(drop)
    }

    /// How likely the face is a living one, less what the manifest asks for.
    pub fn living(&mut self, picture: &Picture, face: &Face) -> Result<f32, ChainError> {
        let Spoof { crop, living, softmax, threshold } = self.settings;
        let bounds = face.bounds;
        let network = self.model.run(|manifest, out| {
            let (width, height) = (manifest.input.width as f32, manifest.input.height as f32);
            let scale = crop * bounds.width.max(bounds.height) / width.max(height);
            let (x, y) = bounds.centre();
            let (tx, ty) = (x - scale * width / 2.0, y - scale * height / 2.0);
            let to_picture = Similarity { a: scale, b: 0.0, tx, ty };
            sample(picture, &to_picture, Border::Replicate, &manifest.input, out);
        })?;
        let classes = network.output(self.output);
        let score = classes.get(living).copied().unwrap_or(f32::NAN);
        let score = if softmax { share_of(classes, score) } else { score };
        Ok(score - threshold)
    }
}

/// One class's share after the softmax of all; no number where one of them is none.
fn share_of(classes: &[f32], score: f32) -> f32 {
    1.0 / classes.iter().map(|other| (other - score).exp()).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Bounds;
    use super::super::manifest::Manifest;
    use super::super::network::{Network, NetworkError};
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// Answers with the mean brightness it was fed as the second of three logits, the others being zero.
    struct Fake {
        input: Vec<f32>,
        output: Vec<f32>,
    }

    impl Network for Fake {
        fn input(&mut self) -> &mut [f32] {
            &mut self.input
        }

        fn run(&mut self) -> Result<(), NetworkError> {
            let mean = self.input.iter().sum::<f32>() / self.input.len() as f32;
            self.output = vec![0.0, mean, 0.0];
            Ok(())
        }

        fn output(&self, index: usize) -> &[f32] {
            if index == 0 { &self.output } else { &[] }
        }
    }

    const MANIFEST: &str = r#"
schema = 1
kind = "liveness"
name = "spoof"
about = ""
file = "spoof.tflite"
sha256 = "abababababababababababababababababababababababababababababababab"
licence = ""
licence_file = ""
origin = ""
[input]
name = "data"
width = 80
height = 80
layout = "nhwc"
channels = "bgr"
mean = [0.0, 0.0, 0.0]
scale = [1.0, 1.0, 1.0]
[[output]]
name = "logits"
shape = [1, 3]
meaning = "classes"
[liveness]
crop = 2.0
living = 1
softmax = true
threshold = 0.9
"#;

    fn model(text: &str) -> Result<SpoofModel, Box<dyn std::error::Error>> {
        let network = Fake { input: vec![0.0; 80 * 80 * 3], output: Vec::new() };
        Ok(SpoofModel::new(Model::new(Manifest::from_toml(text)?, Box::new(network))?)?)
    }

    /// Black but for a square of 40 pixels around (60, 60).
    fn picture(light: u8) -> Result<Picture, Box<dyn std::error::Error>> {
        let lit = |i: usize| (40..80).contains(&(i % 128)) && (40..80).contains(&(i / 128));
        let rgb = (0..128 * 128).flat_map(|i| [if lit(i) { light } else { 0 }; 3]).collect();
        Ok(Picture::from_rgb(128, 128, rgb)?)
    }

    fn face(width: f32) -> Face {
        let half = width / 2.0;
        let bounds = Bounds { x: 60.0 - half, y: 60.0 - half, width, height: width };
        let (mesh, depths, eyes) = (Vec::new(), Vec::new(), [[0.0; 2]; 2]);
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

    #[test]
    fn it_is_fed_the_face_and_what_is_around_it() -> Outcome {
        let mut spoof = model(MANIFEST)?;
        // The crop is exactly the lit square: a logit of 4 against two of 0.
        let living = spoof.living(&picture(4)?, &face(20.0))?;
        let expected = 4f32.exp() / (4f32.exp() + 2.0) - 0.9;
        assert!((living - expected).abs() < 1e-2, "{living} {expected}");
        // Twice as wide a crop, a quarter of the light.
        let living = spoof.living(&picture(4)?, &face(40.0))?;
        let expected = 1f32.exp() / (1f32.exp() + 2.0) - 0.9;
        assert!((living - expected).abs() < 2e-2, "{living} {expected}");
        Ok(())
    }

    #[test]
    fn a_score_may_be_taken_as_it_is() -> Outcome {
        let mut spoof = model(&MANIFEST.replace("softmax = true", "softmax = false"))?;
        let living = spoof.living(&picture(1)?, &face(20.0))?;
        assert!((living - 0.1).abs() < 3e-2, "{living}");
        Ok(())
    }

    #[test]
    fn a_manifest_that_can_not_work_is_refused_by_name() {
        for (wrong, told) in [
            (MANIFEST.replace("living = 1", "living = 3"), "living"),
            (MANIFEST.replace("crop = 2.0", "crop = 0.1"), "crop"),
            (MANIFEST.replace("threshold = 0.9", "threshold = nan"), "threshold"),
            (MANIFEST.replace("\"classes\"", "\"scores\""), "Classes"),
            (MANIFEST.replace("[liveness]", "[detector]"), "unknown field"),
        ] {
            let error = Manifest::from_toml(&wrong).err().map(|e| e.to_string());
            assert!(error.as_ref().is_some_and(|e| e.contains(told)), "{told}: {error:?}");
        }
        let other = include_str!("../../models/landmarks.toml");
        let network = Fake { input: vec![0.0; 192 * 192 * 3], output: Vec::new() };
        let model = Manifest::from_toml(other).map(|m| Model::new(m, Box::new(network)));
        let Ok(Ok(model)) = model else { panic!("the shipped manifest is wrong") };
        assert!(SpoofModel::new(model).is_err_and(|e| e.why.contains("no liveness model")));
    }
}
