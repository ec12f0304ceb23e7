//! Several templates of one face as one, and templates seen from the middle of a population.

use super::template::{BadTemplate, Space, Template};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The running mean of one face's templates, weighted by quality. Averaging beats voting frame by frame by
/// far, and a poor frame that is given less say does less harm.
#[derive(Default)]
pub(super) struct Fusion {
    sum: Zeroizing<Vec<f32>>,
    weight: f32,
    quality: f32,
    frames: u32,
}

/// The mean template of people who have nothing to do with the gate. What all faces have in common says
/// nothing of who somebody is; taken off, and the rest scaled to unit length, fused templates of strangers
/// come nearer to each other half as often. For single pictures it does nothing.
#[derive(Clone, PartialEq)]
pub struct Cohort {
    people: u32,
    mean: Arc<[f32]>,
}

/// Why numbers are no cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCohort {
    #[error("the mean's numbers must be finite")]
    NotFinite,
    /// With fewer, the mean would be a picture of somebody.
    #[error("a cohort has at least {MIN_COHORT} people")]
    TooFew,
}

const MIN_COHORT: u32 = 20;

impl Fusion {
    pub fn add(&mut self, template: &Template, quality: f32) {
        if self.sum.is_empty() {
            self.sum = Zeroizing::new(vec![0.0; template.values().len()]);
        }
        // Never nothing: a track whose frames are all poor still has a mean.
        let weight = quality.clamp(0.01, 1.0);
        self.sum.iter_mut().zip(template.values()).for_each(|(sum, v)| *sum += weight * v);
        self.weight += weight;
        self.quality += quality;
        self.frames += 1;
    }

    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// The frames' mean quality; 0 without any.
    pub fn quality(&self) -> f32 {
        if self.frames == 0 { 0.0 } else { self.quality / self.frames as f32 }
    }

    /// The mean, itself a template.
    pub fn template(&self, space: &Space) -> Option<Template> {
        if self.frames == 0 {
            return None;
        }
        space.template(self.sum.iter().map(|v| v / self.weight).collect()).ok()
    }
}

/// The mean of templates, each weighted by its quality (0 to 1): what is enrolled of several pictures.
/// `None` without any, or if one is another model's.
pub fn fuse(space: &Space, templates: &[(Template, f32)]) -> Option<Template> {
    let mut fusion = Fusion::default();
    for (template, quality) in templates {
        space.admit(template).ok()?;
        fusion.add(template, *quality);
    }
    fusion.template(space)
}

impl Cohort {
    pub fn new(people: u32, mean: Vec<f32>) -> Result<Self, BadCohort> {
        if people < MIN_COHORT {
            return Err(BadCohort::TooFew);
        }
        if !mean.iter().all(|v| v.is_finite()) {
            return Err(BadCohort::NotFinite);
        }
        Ok(Self { people, mean: mean.into() })
    }

    /// The template as seen from the cohort's mean, of unit length. Its model stays the same: keep the
    /// original, and centre it when it is compared.
    pub fn centre(&self, template: &Template) -> Result<Template, BadTemplate> {
        let off = || template.values().iter().zip(self.mean.iter()).map(|(v, m)| v - m);
        let length = off().map(|v| v * v).sum::<f32>().sqrt();
        Template::new(*template.model(), off().map(|v| v / length).collect())
    }
}

impl fmt::Debug for Cohort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cohort({} people)", self.people)
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Metric, MetricKind};
    use super::*;

    const SPACE: Space = Space {
        model: [4; 32],
        dimension: 2,
        metric: Metric { kind: MetricKind::Euclidean, threshold: 0.5 },
    };

    fn template(values: [f32; 2]) -> Template {
        Template::new(SPACE.model, values.to_vec()).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_poor_frame_has_less_say() {
        let good = (template([1.0, 0.0]), 0.9);
        let poor = (template([0.0, 1.0]), 0.1);
        assert_eq!(fuse(&SPACE, &[good.clone(), poor.clone()]), Some(template([0.9, 0.1])));
        // Nothing but poor frames is still a mean.
        let useless = (template([0.0, 1.0]), -3.0);
        assert_eq!(fuse(&SPACE, &[useless.clone(), useless]), Some(template([0.0, 1.0])));
        assert_eq!(fuse(&SPACE, &[]), None);
        let other = Template::new([5; 32], vec![0.0, 1.0]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(fuse(&SPACE, &[good, (other, 1.0)]), None);
    }

    #[test]
    fn centring_takes_off_what_all_have_in_common() -> Result<(), Box<dyn std::error::Error>> {
        let cohort = Cohort::new(78, vec![10.0, 0.0])?;
        assert_eq!(cohort.centre(&template([13.0, 4.0]))?, template([0.6, 0.8]));
        // The cohort's own mean is no direction.
        assert_eq!(cohort.centre(&template([10.0, 0.0])), Err(BadTemplate::NotFinite));
        assert_eq!(Cohort::new(3, vec![0.0]), Err(BadCohort::TooFew));
        assert_eq!(Cohort::new(30, vec![f32::NAN]), Err(BadCohort::NotFinite));
        assert_eq!(format!("{cohort:?}"), "Cohort(78 people)");
        Ok(())
    }
}
