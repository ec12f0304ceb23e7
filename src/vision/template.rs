//! A face as numbers, and the space in which two of them are compared.

use super::manifest::{Metric, MetricKind};
use std::fmt;
use zeroize::Zeroize;

/// As many numbers as any face embedding in use has, and as are sealed.
pub(super) const MAX_DIMENSION: usize = 1024;

/// A face embedding and the sha256 of the model it came from. Templates of different models are never
/// compared. Overwritten with zeros when dropped; `Debug` shows no number.
#[derive(Clone, PartialEq)]
pub struct Template {
    model: [u8; 32],
    values: Vec<f32>,
}

/// Why numbers are no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    #[error("a template has 1 to {MAX_DIMENSION} numbers")]
    Dimension,
    #[error("a template's numbers must be finite")]
    NotFinite,
}

/// Templates of another model than the one asked about: embed those pictures again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template comes from another embedding model")]
pub struct WrongModel;

impl Template {
    /// `model` is the sha256 of the embedding's .tflite file.
    pub fn new(model: [u8; 32], values: Vec<f32>) -> Result<Self, BadTemplate> {
        let template = Self { model, values };
        if !(1..=MAX_DIMENSION).contains(&template.values.len()) {
            return Err(BadTemplate::Dimension);
        }
        if !template.values.iter().all(|v| v.is_finite()) {
            return Err(BadTemplate::NotFinite);
        }
        Ok(template)
    }

    pub fn model(&self) -> &[u8; 32] {
        &self.model
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(redacted)")
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

/// Where templates of one model live: its hash, how many numbers, and how far apart two are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Space {
    pub model: [u8; 32],
    pub dimension: usize,
    pub metric: Metric,
}

impl Space {
    /// What the network gave, made comparable: for the cosine metric scaled to unit length, so that both
    /// metrics grow with the Euclidean distance and one search serves both.
    pub fn template(&self, mut values: Vec<f32>) -> Result<Template, BadTemplate> {
        if values.len() != self.dimension {
            values.zeroize();
            return Err(BadTemplate::Dimension);
        }
        if self.metric.kind == MetricKind::Cosine {
            let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
            values.iter_mut().for_each(|v| *v /= length);
        }
        Template::new(self.model, values)
    }

    /// Distance in the model's own metric: Euclidean, or one minus the cosine.
    pub fn distance(&self, a: &Template, b: &Template) -> Result<f32, WrongModel> {
        self.admit(a)?;
        self.admit(b)?;
        Ok(self.unsquare(squared(&a.values, &b.values)))
    }

    pub(super) fn admit(&self, template: &Template) -> Result<(), WrongModel> {
        let ours = template.model == self.model && template.values.len() == self.dimension;
        if ours { Ok(()) } else { Err(WrongModel) }
    }

    /// The reverse of [`Space::unsquare`].
    pub(super) fn square(&self, distance: f32) -> f32 {
        match self.metric.kind {
            MetricKind::Euclidean => distance * distance,
            MetricKind::Cosine => 2.0 * distance,
        }
    }

    /// From a squared Euclidean distance between two templates of this space to the metric's own.
    pub(super) fn unsquare(&self, squared: f32) -> f32 {
        match self.metric.kind {
            MetricKind::Euclidean => squared.sqrt(),
            MetricKind::Cosine => squared / 2.0,
        }
    }
}

/// Squared Euclidean distance. The sixteen running sums are there for the compiler: it makes vector
/// instructions of them, which one sum's fixed order of additions would forbid.
pub(super) fn squared(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder()).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    for (a, b) in a.zip(b) {
        for i in 0..LANES {
            let d = a[i] - b[i];
            sums[i] += d * d;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(kind: MetricKind) -> Space {
        Space { model: [7; 32], dimension: 2, metric: Metric { kind, threshold: 0.5 } }
    }

    #[test]
    fn numbers_that_are_no_template_are_refused_and_none_is_shown() -> Result<(), BadTemplate> {
        let t = Template::new([3; 32], vec![1.5, -2.25, 0.0])?;
        assert_eq!(Template::new([0; 32], vec![]), Err(BadTemplate::Dimension));
        let long = Template::new([0; 32], vec![0.0; MAX_DIMENSION + 1]);
        assert_eq!(long, Err(BadTemplate::Dimension));
        assert_eq!(Template::new([0; 32], vec![f32::NAN]), Err(BadTemplate::NotFinite));
        assert_eq!(format!("{t:?}"), "Template(redacted)");
        Ok(())
    }

    #[test]
    fn each_metric_measures_its_own_way() -> Result<(), Box<dyn std::error::Error>> {
        let euclid = space(MetricKind::Euclidean);
        let (a, b) = (euclid.template(vec![3.0, 0.0])?, euclid.template(vec![0.0, 4.0])?);
        assert_eq!(euclid.distance(&a, &b)?, 5.0);
        let cosine = space(MetricKind::Cosine);
        let (a, b) = (cosine.template(vec![3.0, 0.0])?, cosine.template(vec![2.0, 2.0])?);
        let expected = 1.0 - 0.5f32.sqrt();
        assert!((cosine.distance(&a, &b)? - expected).abs() < 1e-6);
        assert_eq!(cosine.template(vec![0.0, 0.0]), Err(BadTemplate::NotFinite));
        Ok(())
    }

    #[test]
    fn another_models_template_is_no_distance_away() -> Result<(), BadTemplate> {
        let space = space(MetricKind::Euclidean);
        let ours = space.template(vec![0.0, 0.0])?;
        let other = Template::new([8; 32], vec![0.0, 0.0])?;
        assert_eq!(space.distance(&ours, &other), Err(WrongModel));
        Ok(())
    }

    #[test]
    fn squares_add_up_past_the_last_whole_chunk() {
        let a: Vec<f32> = (0..37).map(|i| i as f32).collect();
        let b = vec![0.0; 37];
        assert_eq!(squared(&a, &b), (0..37).map(|i| (i * i) as f32).sum::<f32>());
    }
}
