//! When something holds: local time, weekly profiles with holidays, and whether the clock may be believed.

mod clock;
mod profile;
mod zone;

pub(super) use clock::Guard;
pub use profile::{BadCalendar, Calendar, Profile, Span};
pub use zone::{BadZone, Change, Date, Dst, Zone};
