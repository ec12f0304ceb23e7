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

/// Which test a gate asks for before a face counts as a living one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LivenessPolicy {
    /// None: a picture held to the camera opens.
    Off,
    /// Depth, shown by turning the head a little.
    #[default]
    Motion,
    /// Both eyes shut and open again.
    Blink,
    /// An anti-spoofing model looks at each frame.
    Model,
}

impl LivenessPolicy {
    /// As in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Motion => "motion",
            Self::Blink => "blink",
            Self::Model => "model",
        }
    }

    /// What it is worth against somebody who prepares: `none`, or `low` where a film gets through, as it does through
    /// all tests but a model's; what that is worth, its maker has to say (`docs/figures.md`).
    pub const fn assurance(self) -> &'static str {
        match self {
            Self::Off => "none",
            Self::Motion | Self::Blink => "low",
            Self::Model => "model",
        }
    }
}

/// What to show the person who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    ComeCloser,
    LookAtCamera,
    HoldStill,
    BetterLight,
    UncoverFace,
    /// A little, to show that it is one.
    TurnHead,
    Blink,
    /// More are enrolled than can be told from strangers: type your PIN.
    TypePin,
    UseCard,
}

/// What to tell somebody who is being enrolled before the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    Nobody,
    /// More than one.
    Several,
    /// Than the one whose templates were kept so far.
    Another,
    Hint(Hint),
}

/// How an enrolment before the camera ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SittingEnd {
    /// As many templates as were wanted.
    Done,
    /// Fewer.
    TimedOut,
    /// Somebody else stood there: nobody can say whose the templates are.
    Another,
    /// The camera or the worker went down.
    Down,
}

/// One presentation of a face, concluded. `subject` is the enrolled subject it matches, or `None` for a
/// face that is clearly there and matches nobody.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the deciding frame was captured.
    pub captured_at: Instant,
    pub subject: Option<SubjectId>,
    /// Another enrolled subject that it might as well be.
    pub look_alike: Option<SubjectId>,
    /// Distance to the nearest enrolled subject in the embedding's own metric; smaller is nearer.
    pub distance: f32,
    /// 0 (useless) to 1 (as good as enrolled).
    pub quality: f32,
    pub liveness: Liveness,
}
