//! Adapters, one file an outside crate. No adapter imports another, nor the core; what several kinds of
//! pins have in common is here.

pub mod clock;
pub mod mqtt;
#[cfg(feature = "osdp")]
pub mod osdp;
pub mod port;
pub mod serial;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
pub mod template_key;
#[cfg(feature = "face")]
pub mod tflite;

use crate::domain::Instant;

/// An input line changed, stamped by whoever saw it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinEdge {
    pub line: u32,
    pub high: bool,
    pub at: Instant,
}

/// Where edges go. `false` says that there was no room: the edge is lost, and the receiver knows.
pub type EdgeSink = Box<dyn Fn(PinEdge) -> bool + Send>;

/// Why a line could not be switched.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct PinError {
    pub line: u32,
    pub cause: std::io::Error,
}

/// Output lines. Setting one never blocks.
pub trait Outputs: Send {
    fn set(&mut self, line: u32, high: bool) -> Result<(), PinError>;
}
