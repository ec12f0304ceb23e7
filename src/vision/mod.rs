//! From a picture to evidence about who stands there: detection, landmarks, alignment, template, track,
//! gallery.
//!
//! What never enters: an executor, a file, a clock, TensorFlow Lite. Inference comes in through
//! [`Network`], so tests put a fake behind it. A picture, a mesh of points and a template are overwritten
//! with zeros when dropped, and none of them can be printed.
//!
//! Coordinates are continuous: pixel (0, 0) of a picture covers the square from (0, 0) to (1, 1), so its
//! centre is (0.5, 0.5).

mod attention;
mod certainty;
mod chain;
mod detector;
mod embedder;
mod enrolment;
mod fusion;
mod gallery;
mod geometry;
mod landmarks;
mod liveness;
mod luma;
mod manifest;
mod network;
mod picture;
mod quality;
mod roster;
mod sample;
mod scene;
pub mod share;
mod spoof;
mod template;
mod track;
mod upright;
mod verdict;

pub use attention::{Attention, Stir};
pub use certainty::{
    BadDistances, Distances, Expected, MAX_CLAIMED, Targets, Terms, supported, terms, threshold,
};
pub use chain::{Chain, ChainError, Face, MAX_FACES};
pub use detector::Detection;
pub use embedder::Embedder;
pub use enrolment::{MIN_QUALITY, SAME_AGAIN, SECOND_FACE, Sat, Sitting};
pub use fusion::{BadCohort, Cohort, fuse};
pub use gallery::{Gallery, Nearest};
pub use geometry::Bounds;
pub use liveness::{Blink, Motion, Turn, View};
pub use luma::Luma;
pub use manifest::{BadManifest, Evidence, Kind, Manifest, Metric, MetricKind};
pub use network::{Model, ModelError, Network, NetworkError};
pub use picture::{BadPicture, MAX_PIXELS, MAX_SIDE, Picture};
pub use quality::{Gates, Quality};
pub use roster::{Crossing, Found, Roster};
pub use scene::Scene;
pub use template::{BadTemplate, Space, Template, WrongModel};
pub use track::{Look, Options, Presence, Said, Sighting, Tracker};
pub use upright::{BadFrame, upright};
pub use verdict::{Margins, Outcome, Separations, Verdict, judge, settle};
