//! What the core wants remembered: into the store before or beside the events that tell of it, and back at
//! the next start. What a fact means is the core's business.

use super::Gate;
use super::orders::Obeyed;
use crate::access::{Fact, Ticket};
use crate::config::Config;
use crate::domain::{Alarm, Wire};
use crate::io::store::Store;

/// What was kept, as far as it can be read and this gate still has what it is about.
pub(in crate::app) fn facts(store: &Store, config: &Config) -> Vec<Fact> {
    let kept = store.facts().unwrap_or_else(|error| {
        tracing::error!(%error, "what was remembered can't be read");
        Vec::new()
    });
    let read = kept.iter().filter_map(|bytes| match serde_json::from_slice(bytes) {
        Ok(fact) => Some(fact),
        Err(_) if serde_json::from_slice::<Obeyed>(bytes).is_ok() => None,
        Err(error) => {
            tracing::error!(%error, "one thing that was remembered can't be read");
            None
        }
    });
    read.filter(|fact| has_input(fact, config)).collect()
}

/// Without its input nobody could ever say that it is over.
fn has_input(fact: &Fact, config: &Config) -> bool {
    let own = &config.lines;
    match fact {
        Fact::Fire { .. } => own.fire.is_some(),
        Fact::Alarm {
            alarm:
                Alarm::FacePathDown | Alarm::CameraCovered | Alarm::CameraBlinded | Alarm::CameraMoved,
            door,
            ..
        } => config.face.as_ref().is_some_and(|face| Some(face.door) == *door),
        Fact::Alarm { door: None, reader: None, alarm, .. } => match alarm {
            Alarm::Fire | Alarm::FireLine => own.fire.is_some(),
            Alarm::Mains => own.mains.is_some(),
            Alarm::Battery => own.battery.is_some(),
            Alarm::Enclosure => own.enclosure.is_some(),
            Alarm::CallGuard => own.call_guard.is_some(),
            Alarm::LineFault => own.inputs().any(|(_, wire, _)| wire != Wire::Fire),
            _ => true,
        },
        Fact::Alarm { door: Some(door), .. } => config.doors.get(usize::from(door.0)).is_some(),
        Fact::Alarm { reader: Some(reader), .. } => {
            config.readers.get(usize::from(reader.0)).is_some()
        }
        _ => true,
    }
}

impl Gate {
    /// Queues a fact for the disk; with a ticket the core hears when it is there.
    pub(super) fn keep(&mut self, fact: &Fact, ticket: Option<Ticket>) {
        self.parts.ledger.keep(&mut self.parts.writer, fact, ticket);
    }
}
