//! What the face worker says it saw, and no more.

use super::{Instant, SubjectId};
use serde::{Deserialize, Serialize};

/// Whether the face was shown to be a living one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// No liveness test ran.
    NotChecked,
    Live,
    /// A test ran and was not satisfied.
    NotShown,
}

/// One presentation of a face, concluded. `subject` is the enrolled subject it matches, or `None` for a
/// face that is clearly there and matches nobody.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the deciding frame was captured.
    pub captured_at: Instant,
    pub subject: Option<SubjectId>,
    /// Distance to the nearest enrolled subject in the embedding's own metric; smaller is nearer.
    pub distance: f32,
    /// 0 (useless) to 1 (as good as enrolled).
    pub quality: f32,
    pub liveness: Liveness,
}
