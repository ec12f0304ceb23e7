//! Which of a person's pictures are good enough to enrol, and why the others are not.

use super::seal::Sealer;
use super::{PictureError, faces, say};
use crate::domain::Hint;
use crate::failure::Failure;
use crate::vision::{
    Chain, Face, Gates, MIN_QUALITY, Picture, Quality, SAME_AGAIN, SECOND_FACE, Template,
};
use std::path::{Path, PathBuf};

/// Seals the templates of the good and varied ones of one person's pictures and prints them; the others are named
/// with the reason. Pictures of different people are refused as a whole: somebody else's among them would let
/// that person in.
pub(super) fn seal_all(
    chain: &mut Chain,
    sealer: &Sealer,
    paths: &[PathBuf],
) -> Result<(), Failure> {
    let mut kept: Vec<(Template, &Path)> = Vec::new();
    for path in paths {
        let (picture, found) = faces(chain, path)?;
        if let Some(why) = poor(&picture, &found) {
            eprintln!("{}: left out: {why}", path.display());
            continue;
        }
        let Some(face) = found.first() else { continue };
        let template = chain
            .template(&picture, face)
            .map_err(|why| Failure::from(PictureError::Chain { path: path.clone(), why }))?;
        let space = chain.space();
        let threshold = space.metric.threshold;
        let far = |other: &Template| space.distance(other, &template).unwrap_or(f32::INFINITY);
        if let Some((_, other)) = kept.iter().find(|(other, _)| far(other) >= threshold) {
            return Err(Failure::Data(format!(
                "{} and {} don't show one person, as far as the model can tell; enrol each person \
                 alone, from pictures that are alike enough",
                other.display(),
                path.display()
            )));
        }
        match kept.iter().find(|(other, _)| far(other) < SAME_AGAIN * threshold) {
            Some((_, other)) => {
                eprintln!(
                    "{}: left out: as good as the same as {}",
                    path.display(),
                    other.display()
                );
            }
            None => kept.push((template, path)),
        }
    }
    if kept.is_empty() {
        return Err(Failure::Data(
            "no picture is good enough: take some from the front, in even light, the face at least \
             100 pixels wide"
                .into(),
        ));
    }
    kept.iter().try_for_each(|(template, _)| say(&sealer.json(template)?))
}

/// What is wrong with a picture for enrolling; `None` for a good one.
fn poor(picture: &Picture, found: &[Face]) -> Option<String> {
    let Some(face) = found.first() else { return Some("no face found".into()) };
    let second = found.get(1).map_or(0.0, |other| other.bounds.area());
    if second > SECOND_FACE * face.bounds.area() {
        return Some("several people are in it".into());
    }
    let Some(quality) = Quality::of(picture, face) else {
        return Some("its landmarks make no face".into());
    };
    if let Some(flaw) = quality.flaw(&Gates::default()) {
        return Some(reason(flaw).into());
    }
    (face.quality < MIN_QUALITY).then(|| {
        format!("the face is too small or turned too far (quality {:.2} of 1)", face.quality)
    })
}

fn reason(flaw: Hint) -> &'static str {
    match flaw {
        Hint::BetterLight => "too dark, too bright, or too flat a light",
        Hint::LookAtCamera => "the face is turned away",
        Hint::UncoverFace => "an eye or the mouth is covered",
        Hint::HoldStill => "it is blurred",
        _ => "it is no picture to enrol from",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Bounds;

    fn face(side: f32) -> Face {
        Face {
            bounds: Bounds { x: 0.0, y: 0.0, width: side, height: side },
            score: 1.0,
            presence: 1.0,
            quality: 1.0,
            eyes: [[20.0, 30.0], [40.0, 30.0]],
            mesh: Vec::new(),
            depths: Vec::new(),
            patch: Vec::new(),
        }
    }

    #[test]
    fn a_poor_picture_has_its_reason() -> Result<(), Box<dyn std::error::Error>> {
        let picture = Picture::from_rgb(64, 64, vec![90; 64 * 64 * 3])?;
        let why = |found: &[Face]| poor(&picture, found).unwrap_or_default();
        assert_eq!(why(&[]), "no face found");
        assert_eq!(why(&[face(40.0), face(30.0)]), "several people are in it");
        assert_eq!(why(&[face(40.0), face(10.0)]), "its landmarks make no face");
        Ok(())
    }
}
