//! The chain of networks, from a picture to faces and from a face to a template.

use super::detector::{Detection, Region, anchors, detect, suppress};
use super::embedder::Embedder;
use super::geometry::Bounds;
use super::landmarks::{Mesh, place};
use super::liveness::{EYES, PATCH, PUPILS, View};
use super::manifest::{Detector, Kind, Landmarks, Manifest};
use super::network::{Model, ModelError};
use super::picture::Picture;
use super::quality::upright;
use super::spoof::SpoofModel;
use super::template::{BadTemplate, Space, Template};
use super::track::Sighting;
use crate::domain::Hint;
use std::fmt;
use zeroize::Zeroize;

/// The most faces looked at in one picture, the largest first.
pub const MAX_FACES: usize = 8;
/// The smallest tile's side, in pixels: the detector's own input.
const SMALLEST_TILE: f32 = 128.0;
/// How often tiles are halved.
const TILE_SIZES: u32 = 3;
/// Misfit, as a share of the aligned points' own spread, at which a face is turned too far to be of use. Of
/// the public test pictures the worst, a head tilted well back, has 0.17 and is still recognised.
const USELESS_MISFIT: f32 = 0.5;

/// Detector, landmarks and embedding, with their buffers.
pub struct Chain {
    detector: Model,
    detection: Detector,
    anchors: Vec<[f32; 2]>,
    landmarks: Model,
    placing: Landmarks,
    embedding: Embedder,
    /// The embedding that is being replaced.
    former: Option<Embedder>,
    spoof: Option<SpoofModel>,
}

/// A face in a picture. `Debug` shows the box and the scores, not the points, which are overwritten with
/// zeros when dropped.
#[derive(Clone)]
pub struct Face {
    pub bounds: Bounds,
    /// The detector's, 0 to 1.
    pub score: f32,
    /// The landmarks model's probability that this is a face, 0 to 1.
    pub presence: f32,
    /// 0 (useless) to 1: the least of `presence`, of how many pixels the face has against what the
    /// embedding takes, and of how well its points fit the embedding's frontal ones.
    pub quality: f32,
    /// The eyes' centres, in picture coordinates: the one on the picture's left first.
    pub eyes: [[f32; 2]; 2],
    /// The landmarks, in picture coordinates.
    pub mesh: Vec<[f32; 2]>,
    /// The landmarks' depths as the model guesses them, in the same unit.
    pub depths: Vec<f32>,
    /// The face alone, upright, grey, of one size whatever it was: for the liveness test.
    pub patch: Vec<f32>,
}

impl Face {
    /// What the tracker needs of it, and of what is wrong with it.
    pub fn sighting(&self, flaw: Option<Hint>) -> Sighting<'_> {
        let View { points, depths, eyes, patch } = self.view();
        let Self { bounds, quality, .. } = *self;
        Sighting { bounds, eyes, quality, flaw, points, depths, patch }
    }

    /// What the liveness test needs of it.
    pub fn view(&self) -> View<'_> {
        let Self { eyes, mesh, depths, patch, .. } = self;
        View { points: mesh, depths, eyes: *eyes, patch }
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChainError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the embedding gave no template: {0}")]
    Template(#[from] BadTemplate),
    #[error("the face's landmarks lie in one place, so it can't be aligned")]
    Alignment,
}

pub(super) fn unfit<T>(manifest: &Manifest, why: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError { model: manifest.name.clone(), why: why.into() })
}

impl Chain {
    /// Refuses models that are of the wrong kind or don't fit together, by name.
    pub fn new(detector: Model, landmarks: Model, embedding: Model) -> Result<Self, ModelError> {
        let Kind::Detector(detection) = detector.manifest().kind.clone() else {
            return unfit(detector.manifest(), "is no detector");
        };
        let Kind::Landmarks(placing) = landmarks.manifest().kind.clone() else {
            return unfit(landmarks.manifest(), "is no landmarks model");
        };
        let input = &landmarks.manifest().input;
        if input.width != input.height {
            return unfit(landmarks.manifest(), "takes a picture that isn't square");
        }
        let embedding = Embedder::new(embedding, landmarks.manifest(), &placing)?;
        let anchors = anchors(&detection.grids);
        let (former, spoof) = (None, None);
        Ok(Self { detector, detection, anchors, landmarks, placing, embedding, former, spoof })
    }

    /// Has the embedding that this one replaces look at faces, too.
    pub fn set_former(&mut self, embedding: Model) -> Result<(), ModelError> {
        let former = Embedder::new(embedding, self.landmarks.manifest(), &self.placing)?;
        if former.space().model == self.space().model {
            return unfit(former.manifest(), "is the current embedding model: name the one before");
        }
        self.former = Some(former);
        Ok(())
    }

    /// Has an anti-spoofing model look at faces, too.
    pub fn set_liveness_model(&mut self, model: Model) -> Result<(), ModelError> {
        self.spoof = Some(SpoofModel::new(model)?);
        Ok(())
    }

    pub fn has_liveness_model(&self) -> bool {
        self.spoof.is_some()
    }

    /// The embedding in use.
    pub fn embedding(&self) -> &Embedder {
        &self.embedding
    }

    /// The one it replaces, where there is one.
    pub fn former(&self) -> Option<&Embedder> {
        self.former.as_ref()
    }

    /// Where this chain's templates live.
    pub fn space(&self) -> &Space {
        self.embedding.space()
    }

    /// What is used, for people: detector, landmarks, embedding.
    pub fn manifests(&self) -> [&Manifest; 3] {
        [self.detector.manifest(), self.landmarks.manifest(), self.embedding.manifest()]
    }

    /// Runs each model once on nothing, so that what the inference library still has of its last run is
    /// nobody's face.
    pub fn forget(&mut self) -> Result<(), ModelError> {
        for model in [&mut self.detector, &mut self.landmarks] {
            model.run(|_, input| input.fill(0.0))?;
        }
        self.embedding.forget()?;
        self.former.as_mut().map_or(Ok(()), Embedder::forget)?;
        self.spoof.as_mut().map_or(Ok(()), SpoofModel::forget)
    }

    /// The faces in a frame, largest first, at most [`MAX_FACES`].
    pub fn faces(&mut self, picture: &Picture) -> Result<Vec<Face>, ChainError> {
        let found = self.find(picture)?;
        self.look_at(picture, found)
    }

    /// The first half of [`Chain::faces`]: where the detector sees a face.
    pub fn find(&mut self, picture: &Picture) -> Result<Vec<Detection>, ModelError> {
        self.detect(picture, Region::whole(picture))
    }

    /// As [`Chain::faces`]; where the whole picture shows none, looks again at ever smaller overlapping
    /// tiles, because the detector sees everything at one small size. For still pictures: it may take a
    /// hundred times longer.
    pub fn faces_closely(&mut self, picture: &Picture) -> Result<Vec<Face>, ChainError> {
        self.faces_in_tiles(picture, TILE_SIZES)
    }

    /// As [`Chain::faces`]; where the whole frame shows none, looks again at the squares it is made of. A
    /// wide frame as a whole loses a third of its detail to the detector's square. For a camera's frames.
    pub fn faces_in_frame(&mut self, picture: &Picture) -> Result<Vec<Face>, ChainError> {
        self.faces_in_tiles(picture, u32::from(picture.width() != picture.height()))
    }

    fn faces_in_tiles(&mut self, picture: &Picture, sizes: u32) -> Result<Vec<Face>, ChainError> {
        let mut faces = self.faces(picture)?;
        for halvings in 0..sizes {
            let Some(tiles) = tiles(picture, halvings).filter(|_| faces.is_empty()) else { break };
            let mut found = Vec::new();
            for tile in tiles {
                found.extend(self.detect(picture, tile)?);
            }
            faces = self.look_at(picture, suppress(found))?;
        }
        Ok(faces)
    }

    /// The template of a face found in this picture.
    pub fn template(&mut self, picture: &Picture, face: &Face) -> Result<Template, ChainError> {
        self.embedding.template(picture, &face.mesh)
    }

    /// The same by the embedding that is being replaced; `None` without one.
    pub fn former_template(
        &mut self,
        picture: &Picture,
        face: &Face,
    ) -> Result<Option<Template>, ChainError> {
        self.former.as_mut().map(|former| former.template(picture, &face.mesh)).transpose()
    }

    /// How likely a face is a living one, less what the anti-spoofing model's manifest asks for; `None` without one.
    pub fn living(&mut self, picture: &Picture, face: &Face) -> Result<Option<f32>, ChainError> {
        self.spoof.as_mut().map(|spoof| spoof.living(picture, face)).transpose()
    }

    fn detect(&mut self, picture: &Picture, region: Region) -> Result<Vec<Detection>, ModelError> {
        detect(&mut self.detector, &self.detection, &self.anchors, picture, region)
    }

    /// The other half: the landmarks of what was found, the largest first, and no more where they see no face.
    pub fn look_at(
        &mut self,
        picture: &Picture,
        mut found: Vec<Detection>,
    ) -> Result<Vec<Face>, ChainError> {
        found.sort_by(|a, b| b.bounds.area().total_cmp(&a.bounds.area()));
        found.truncate(MAX_FACES);
        let mut faces = Vec::with_capacity(found.len());
        for detection in found {
            let mesh = place(&mut self.landmarks, &self.placing, picture, &detection)?;
            faces.extend(mesh.map(|mesh| self.face(picture, &detection, mesh)));
        }
        Ok(faces)
    }

    fn face(&self, picture: &Picture, detection: &Detection, mesh: Mesh) -> Face {
        let fit = self.embedding.fit(&mesh.points).map_or(0.0, |(to_picture, misfit)| {
            to_picture.scale().min(1.0 - misfit / USELESS_MISFIT)
        });
        Face {
            bounds: detection.bounds,
            score: detection.score,
            presence: mesh.presence,
            quality: fit.min(mesh.presence).clamp(0.0, 1.0),
            patch: upright(picture, &mesh.eyes(), PATCH, PUPILS, EYES).unwrap_or_default(),
            eyes: mesh.eyes(),
            mesh: mesh.points,
            depths: mesh.depths,
        }
    }
}

/// Squares that cover the picture and overlap by half, so that a face up to half a tile is whole in one
/// of them. `None` when they would be too small to be worth a look.
fn tiles(picture: &Picture, halvings: u32) -> Option<impl Iterator<Item = Region> + use<>> {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let side = width.min(height) / 2u32.pow(halvings) as f32;
    let starts = move |length: f32| {
        let steps = (2.0 * (length - side) / side).ceil().max(0.0);
        (0..=steps as u32).map(move |i| (length - side) * i as f32 / steps.max(1.0))
    };
    let all = starts(height).flat_map(move |y| starts(width).map(move |x| Region { x, y, side }));
    (side >= SMALLEST_TILE).then_some(all)
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face")
            .field("bounds", &self.bounds)
            .field("score", &self.score)
            .field("presence", &self.presence)
            .field("quality", &self.quality)
            .finish_non_exhaustive()
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.mesh.zeroize();
        self.depths.zeroize();
        self.patch.zeroize();
    }
}

#[cfg(test)]
mod tests;
