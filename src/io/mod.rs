//! Adapters, one file an outside crate. No adapter imports another, nor the core; what several kinds of
//! pins have in common is here and in `pump`.

pub mod clock;
pub mod gpiochip;
pub mod mqtt;
#[cfg(feature = "osdp")]
pub mod osdp;
pub mod port;
pub mod pump;
pub mod ring;
pub mod rpi;
pub mod serial;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
pub mod template_key;
#[cfg(feature = "face")]
pub mod tflite;

pub use pump::{Bell, EdgeSource, Pump, RawEdge, SETTLE};

use crate::domain::{Bias, Duration, Instant};

/// An input line changed, stamped by whoever saw it first. The level is electrical: what it means is not
/// known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinEdge {
    pub line: u32,
    pub high: bool,
    pub at: Instant,
}

/// What the pins' thread says, in this order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinEvent {
    /// How a switch stood when its line was taken.
    Level(PinEdge),
    Edge(PinEdge),
    /// Edges of these lines were lost, later than `after`.
    Lost {
        lines: Vec<u32>,
        after: Instant,
    },
    /// The answer to [`Pins::ask`]: every edge stamped up to here has been handed over.
    Until(Instant),
    /// There will be no more edges.
    Failed(String),
}

/// Where they go. `false` says that there was no room: the event is lost, and the receiver knows.
pub type PinSink = Box<dyn Fn(PinEvent) -> bool + Send>;

/// The lines of a gate, to be taken together.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    pub pairs: Vec<Pair>,
    pub switches: Vec<Switch>,
    /// Each output with the level it has from the first moment on.
    pub outputs: Vec<(u32, bool)>,
}

/// The two data lines of a Wiegand reader. They are never debounced: a bit is shorter than any bounce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub lines: [u32; 2],
    pub bias: Bias,
}

/// A contact, a button, an alarm loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    pub line: u32,
    pub bias: Bias,
    /// A level counts once it has lasted this long; zero for at once.
    pub debounce: Duration,
}

/// Why a line could not be switched.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("line {line}: {cause}")]
    Line { line: u32, cause: std::io::Error },
    #[error("the pins are gone: {0}")]
    Gone(String),
}

/// The pins of a gate. Nothing here blocks.
pub trait Pins: Send {
    fn set(&mut self, line: u32, high: bool) -> Result<(), PinError>;

    /// Asks the pins' thread for [`PinEvent::Until`].
    fn ask(&mut self);
}

/// How a line looks to whoever may not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub line: u32,
    /// The program that holds it, by the name it gave.
    pub holder: Option<String>,
    /// `None` if it can't be read now.
    pub high: Option<bool>,
}
