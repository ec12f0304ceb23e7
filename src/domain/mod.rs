//! The words everybody here shares: identities, times, rights, events.
//!
//! What never enters: any other module of this crate, an executor, a file, a clock of its own. A type
//! that names a person or a card can be compared and hashed here, but never printed: its `Debug` is
//! redacted and it has no `Serialize`, so that it can't slip into a log or an event by accident.

mod camera;
mod event;
mod face;
mod ids;
mod line;
mod pin;
mod port;
mod reader;
mod right;
mod time;
mod wired;

pub use camera::{Imaging, Lighting, Rotation, Spectrum, Trigger, View, Watch};
pub use event::{
    Alarm, Asked, DoorMode, Event, EventKind, FaceFault, Reason, RefusedCommand, RefusedUpdate,
    SetBy, Way,
};
pub use face::{Advice, Hint, Liveness, LivenessPolicy, Observation, SittingEnd};
pub use ids::{
    BadId, CardNumber, CredentialId, DoorId, FormatName, GateId, OperatorId, PinTag, ReaderId,
    SiteId, SubjectId,
};
pub use line::Bias;
pub use pin::{MAX_PIN_DIGITS, Pin};
pub use port::{Direction, Parity, PortSettings};
pub use reader::{Assurance, Key, ReadFault, ReaderState, SecurityBreach, Signal};
pub use right::{Directory, Entitlement, Ways};
pub use time::{Clock, Duration, Instant, WallTime};
pub use wired::{Heading, LineState, Wire};
