//! The chain of networks, from a picture to faces and from a face to a template.

use super::geometry::Bounds;
use super::network::{Model, ModelError};
use super::picture::Picture;
use super::template::{BadTemplate, Space, Template};
use std::fmt;
use zeroize::Zeroize;

/// The most faces looked at in one picture, the largest first.
pub const MAX_FACES: usize = 8;

/// Detector, landmarks and embedding, with their buffers.
pub struct Chain {
    detector: Model,
    landmarks: Model,
    embedding: Model,
    space: Space,
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
    /// 0 (useless) to 1.
    pub quality: f32,
    /// The landmarks, in picture coordinates.
    pub mesh: Vec<[f32; 2]>,
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

impl Chain {
    /// Refuses models that are of the wrong kind or don't fit together, by name.
    pub fn new(detector: Model, landmarks: Model, embedding: Model) -> Result<Self, ModelError> {
        let _ = (detector, landmarks, embedding);
        todo!()
    }

    /// Where this chain's templates live.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The faces in a frame, largest first, at most [`MAX_FACES`].
    pub fn faces(&mut self, picture: &Picture) -> Result<Vec<Face>, ChainError> {
        let _ = (&mut self.detector, &mut self.landmarks, picture);
        todo!()
    }

    /// As [`Chain::faces`]; where the whole picture shows none, looks again at ever smaller overlapping
    /// tiles. For still pictures: it may take a hundred times longer.
    pub fn faces_closely(&mut self, picture: &Picture) -> Result<Vec<Face>, ChainError> {
        let _ = (&mut self.detector, &mut self.landmarks, picture);
        todo!()
    }

    /// The template of a face found in this picture.
    pub fn template(&mut self, picture: &Picture, face: &Face) -> Result<Template, ChainError> {
        let _ = (&mut self.embedding, picture, face);
        todo!()
    }
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
    }
}
