//! Verifies the commands that arrive, on a thread of its own: who floods the broker keeps other commands waiting
//! and nothing else.

use super::{Event, wiring};
use crate::config::Config;
use crate::trust::{Command, GateKeys};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Commands that wait to be looked at; whoever brings more waits.
const QUEUE: usize = 16;

/// An envelope as it came.
pub(super) struct Arrived {
    pub bytes: Vec<u8>,
    /// The broker had kept it.
    pub retained: bool,
}

pub(super) fn start(
    config: &Config,
    keys: Arc<GateKeys>,
    events: SyncSender<Event>,
) -> std::io::Result<SyncSender<Arrived>> {
    let expected = wiring::expectation(config);
    let (sender, arrivals) = sync_channel::<Arrived>(QUEUE);
    std::thread::Builder::new().name("commands".into()).spawn(move || {
        for Arrived { bytes, retained } in arrivals {
            let read = Command::read(&bytes, retained, &keys, &expected);
            if events.send(Event::Command(read)).is_err() {
                return;
            }
        }
    })?;
    Ok(sender)
}
