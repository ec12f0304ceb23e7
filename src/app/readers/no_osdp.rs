//! In place of `osdp.rs` in a build without it: no configuration with a bus gets this far.

use crate::app::Event;
use crate::config::Config;
use crate::domain::{ReaderId, Signal};
use std::io;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

#[derive(Default)]
pub(in crate::app) struct Buses;

#[derive(Debug, thiserror::Error)]
#[error("this build knows no OSDP: build it with --features osdp")]
pub(in crate::app) struct NoOsdp;

impl Buses {
    pub(in crate::app) fn start(_: &Config, _: &SyncSender<Event>) -> io::Result<Self> {
        Ok(Self)
    }

    pub(in crate::app) fn show(&self, _: ReaderId, _: Signal) {}

    pub(in crate::app) fn install(&self, _: ReaderId, _: Duration) -> Result<(), NoOsdp> {
        Err(NoOsdp)
    }

    pub(in crate::app) fn status(&self, _: ReaderId) -> Option<()> {
        None
    }

    pub(in crate::app) fn lost(&self) -> u64 {
        0
    }
}
