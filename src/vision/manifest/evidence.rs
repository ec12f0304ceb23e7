//! What an embedding's manifest says of how sure it is: distances between strangers and between pictures of
//! one person, and the cohort that templates are centred by. All of it is optional; without it a gate has only
//! the plain threshold, and no promise to make.

use super::{BadManifest, Embedding, refuse};
use crate::vision::certainty::Distances;
use crate::vision::fusion::Cohort;
use serde::Deserialize;

/// Measured distances, gathered as a gate will: so many frames fused against so many templates fused.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    pub frames: u32,
    pub templates: u32,
    /// Whether templates were centred by the manifest's cohort.
    pub centred: bool,
    /// What was measured, and what that can't show, for people.
    pub rests_on: String,
    pub strangers: Distances,
    pub residents: Distances,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvidence {
    frames: u32,
    templates: u32,
    #[serde(default)]
    centred: bool,
    rests_on: String,
    strangers: RawDistances,
    residents: RawDistances,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDistances {
    people: u32,
    comparisons: u64,
    /// Share of comparisons below, distance.
    quantiles: Vec<(f64, f64)>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCohort {
    people: u32,
    mean: Vec<f32>,
}

impl RawEvidence {
    pub fn check(self, cohort: Option<&Cohort>) -> Result<Evidence, BadManifest> {
        let Self { frames, templates, centred, rests_on, strangers, residents } = self;
        if !((1..=100).contains(&frames) && (1..=100).contains(&templates)) {
            return refuse("evidence: frames and templates must be 1 to 100");
        }
        if centred && cohort.is_none() {
            return refuse("evidence: centred by a cohort, but there is none");
        }
        let (strangers, residents) = (strangers.check("strangers")?, residents.check("residents")?);
        if rests_on.trim().is_empty() {
            return refuse("evidence: rests_on must say what was measured");
        }
        Ok(Evidence { frames, templates, centred, rests_on, strangers, residents })
    }
}

impl RawDistances {
    fn check(self, of: &str) -> Result<Distances, BadManifest> {
        Distances::new(self.people, self.comparisons, self.quantiles)
            .map_err(|e| BadManifest(format!("evidence: {of}: {e}")))
    }
}

impl RawCohort {
    pub fn check(self, embedding: &Embedding) -> Result<Cohort, BadManifest> {
        if self.mean.len() != embedding.dimension {
            return refuse("cohort: mean must have as many numbers as a template");
        }
        Cohort::new(self.people, self.mean).map_err(|e| BadManifest(format!("cohort: {e}")))
    }
}
