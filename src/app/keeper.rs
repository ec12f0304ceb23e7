//! Keeps the last good allowlist as a plain file, and verifies what arrives, on a thread of its own:
//! cards go on with the old list meanwhile.

use super::{Event, wiring};
use crate::allowlist::Allowlist;
use crate::config::Config;
use crate::domain::{Clock, RefusedUpdate};
use crate::trust::{Expectation, GateKeys, MAX_ENVELOPE_BYTES, claimed_version};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

pub(super) struct Keeper {
    path: PathBuf,
    keys: Arc<GateKeys>,
    expected: Expectation,
    current: Arc<Allowlist>,
    /// The envelope in force: the broker repeats it at each connection.
    bytes: Vec<u8>,
}

impl Keeper {
    /// Opens the stored envelope through the very check it passed when it arrived. One that doesn't pass
    /// is left where it is and not applied: then nobody has a right, and the log says so.
    pub(super) fn load(config: &Config, keys: Arc<GateKeys>) -> Self {
        let expected = wiring::expectation(config);
        let path = config.data_dir.join("allowlist");
        let mut keeper = Self { path, keys, expected, current: Arc::default(), bytes: Vec::new() };
        match read_bounded(&keeper.path) {
            Ok(bytes) => match Allowlist::open(&bytes, &keeper.keys, &keeper.expected, None) {
                Ok(list) => {
                    keeper.current = Arc::new(list);
                    keeper.bytes = bytes;
                }
                Err(why) => {
                    tracing::error!(?why, "the stored allowlist is not valid: publish a new one");
                }
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                tracing::warn!("no allowlist yet: nobody may enter until the office publishes one");
            }
            Err(error) => tracing::error!(%error, "the stored allowlist can't be read"),
        }
        keeper
    }

    pub(super) fn current(&self) -> Arc<Allowlist> {
        self.current.clone()
    }

    /// Starts the thread. What is sent to it is verified, stored, and then handed to the loop.
    pub(super) fn start(
        mut self,
        events: SyncSender<Event>,
        clock: impl Clock + Send + 'static,
    ) -> std::io::Result<SyncSender<Vec<u8>>> {
        let (sender, arrivals) = sync_channel::<Vec<u8>>(2);
        std::thread::Builder::new().name("allowlist".into()).spawn(move || {
            for bytes in arrivals {
                if bytes == self.bytes {
                    // The same again: acknowledge it again, apply nothing.
                    let _ = events.send(Event::Allowlist(Ok(self.current.clone())));
                    continue;
                }
                let claimed = claimed_version(&bytes);
                let outcome = self.apply(bytes, &clock).map_err(|why| (claimed, why));
                if events.send(Event::Allowlist(outcome)).is_err() {
                    return;
                }
            }
        })?;
        Ok(sender)
    }

    fn apply(
        &mut self,
        bytes: Vec<u8>,
        clock: &impl Clock,
    ) -> Result<Arc<Allowlist>, RefusedUpdate> {
        let expected = Expectation { now: clock.wall(), ..self.expected.clone() };
        let newer_than = (self.current.version() > 0).then(|| self.current.version());
        let list = Arc::new(Allowlist::open(&bytes, &self.keys, &expected, newer_than)?);
        // A list that can't be stored is applied all the same: after a restart the old one is in force
        // until the broker, which retains it, sends it again.
        if let Err(error) = replace(&self.path, &bytes) {
            tracing::error!(%error, "the allowlist could not be stored");
        }
        self.current = list.clone();
        self.bytes = bytes;
        Ok(list)
    }
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_ENVELOPE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole new file or the whole old one, whenever the power goes.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
