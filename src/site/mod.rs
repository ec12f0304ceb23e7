//! The property office: cards, subjects, gates, and publishing signed allowlists. Runs in the office, never
//! at a gate.
//!
//! An [`Office`] is one directory of plain files that only its owner may read. What it never holds: a name, a
//! phone number, an address, a picture. Which person a subject id stands for is kept wherever the office
//! keeps its residents' records.

mod broker;
mod csv_rows;
mod files;
mod import;
mod looks;
mod numbers;
mod office;
mod operator;
mod personal;
mod subjects;
mod watch;
mod when;

pub use broker::{Broker, BrokerError, Message, Session};
pub use files::{Lock, write_new};
pub use import::{BadLine, ClashingLine, ImportError, ImportOptions, Imported};
pub use looks::Clash;
pub use numbers::{Written, known_formats};
pub use office::{Cells, GateRecord, Init, NewPass, Office, PassRow, Published, SiteError};
pub use operator::{Operator, Signed};
pub use subjects::{Resident, Subjects};
pub use watch::{Ack, CommandAnswer, GateMessage, Rejected, Watcher};
pub use when::{BadTime, Span, UtcOffset, to_rfc3339};

/// The topic of a gate, as `docs/mqtt.md` has it.
pub fn topic(site: &crate::domain::SiteId, gate: &str, what: &str) -> String {
    format!("eithergate/v1/{site}/{gate}/{what}")
}
