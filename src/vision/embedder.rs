//! A face, found and measured, to its template: aligned as the model wants it, looked at, scaled to its space.

use super::chain::{ChainError, unfit};
use super::fusion::Cohort;
use super::geometry::Similarity;
use super::manifest::{Embedding, Evidence, Kind, Landmarks, Manifest, Meaning};
use super::network::{Model, ModelError};
use super::picture::Picture;
use super::sample::{Border, sample};
use super::template::{Space, Template};

/// An embedding model with its alignment and its space.
pub struct Embedder {
    model: Model,
    aligning: Alignment,
    space: Space,
}

/// The embedding's alignment, its points in continuous coordinates of the input.
struct Alignment {
    landmarks: Vec<usize>,
    points: Vec<[f32; 2]>,
}

impl Embedder {
    /// Refuses a model of another kind, and one that aligns by landmarks that `placing` doesn't have.
    pub(super) fn new(
        model: Model,
        landmarks: &Manifest,
        placing: &Landmarks,
    ) -> Result<Self, ModelError> {
        let manifest = model.manifest();
        let (Kind::Embedding(Embedding { alignment, .. }), Some(space)) =
            (&manifest.kind, manifest.space())
        else {
            return unfit(manifest, "is no embedding");
        };
        if let Some(point) = alignment.landmarks.iter().find(|p| **p >= placing.points) {
            let (name, points) = (&landmarks.name, placing.points);
            return unfit(
                manifest,
                format!("aligns by landmark {point}, but {name} has only {points}"),
            );
        }
        let aligning = Alignment {
            landmarks: alignment.landmarks.clone(),
            points: alignment.points.iter().map(|[x, y]| [x + 0.5, y + 0.5]).collect(),
        };
        Ok(Self { model, aligning, space })
    }

    pub fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// Where its templates live.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// What the manifest says of its certainty: evidence, if there is any, and cohort.
    pub fn certainty(&self) -> (Option<Evidence>, Option<Cohort>) {
        match &self.manifest().kind {
            Kind::Embedding(embedding) => (embedding.evidence.clone(), embedding.cohort.clone()),
            _ => (None, None),
        }
    }

    /// Leaves nothing of the last face in the inference library.
    pub(super) fn forget(&mut self) -> Result<(), ModelError> {
        self.model.run(|_, input| input.fill(0.0)).map(|_| ())
    }

    pub(super) fn fit(&self, mesh: &[[f32; 2]]) -> Option<(Similarity, f32)> {
        self.aligning.fit(mesh)
    }

    pub(super) fn template(
        &mut self,
        picture: &Picture,
        mesh: &[[f32; 2]],
    ) -> Result<Template, ChainError> {
        let (to_picture, _) = self.aligning.fit(mesh).ok_or(ChainError::Alignment)?;
        let index = self.manifest().output(Meaning::Template).unwrap_or(usize::MAX);
        let network = self.model.run(|manifest, out| {
            sample(picture, &to_picture, Border::Black, &manifest.input, out);
        })?;
        Ok(self.space.template(network.output(index).to_vec())?)
    }
}

impl Alignment {
    /// From the embedding's input to the picture, in the least-squares sense in the picture, and how
    /// badly the points fit: their root mean square error over their spread.
    fn fit(&self, mesh: &[[f32; 2]]) -> Option<(Similarity, f32)> {
        let on_face: Option<Vec<_>> =
            self.landmarks.iter().map(|i| mesh.get(*i).copied()).collect();
        let on_face = on_face?;
        let to_picture = Similarity::fit(&self.points, &on_face)?;
        let count = on_face.len() as f32;
        let centre =
            on_face.iter().fold([0.0, 0.0], |c, p| [c[0] + p[0] / count, c[1] + p[1] / count]);
        let squared = |p: &[f32; 2], q: [f32; 2]| (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2);
        let (mut error, mut spread) = (0.0, 0.0);
        for (point, there) in self.points.iter().zip(&on_face) {
            let (x, y) = to_picture.apply(point[0], point[1]);
            error += squared(there, [x, y]);
            spread += squared(there, centre);
        }
        Some((to_picture, (error / spread).sqrt()))
    }
}
