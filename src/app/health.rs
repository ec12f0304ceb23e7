//! What the gate knows about itself, shared with whoever is asked: the broker's health topic and the
//! control socket.

use crate::allowlist::Allowlist;
use crate::config::Config;
use crate::domain::{
    Alarm, Assurance, DoorMode, Hint, LivenessPolicy, ReadFault, ReaderState, SecurityBreach,
};
use crate::wire::worker::Terms;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A health report: nothing in it says anything about a person.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    pub version: &'static str,
    pub card: CardPath,
    pub face: FacePath,
    pub allowlist: AllowlistHealth,
    pub journal: JournalHealth,
    pub doors: Vec<DoorHealth>,
    pub alarms: Vec<AlarmHealth>,
    pub readers: Vec<ReaderHealth>,
    pub broker: bool,
    pub uptime_s: u64,
    pub clock_trusted: bool,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct CardPath {
    pub readers: usize,
    pub reads: u64,
    /// Reads that were no card: parity, length or line faults.
    pub faults: u64,
    /// Cards and keys from a bus that the gate had no time for.
    pub lost: u64,
    /// Times that edges came faster than they could be read.
    pub overruns: u64,
    /// `up`, or `stalled` while nothing is heard from readers and contacts.
    pub pins: &'static str,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct FacePath {
    /// `off`, `starting`, `up` or `degraded`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<crate::domain::FaceFault>,
    /// In the worker's memory since it started.
    pub templates: usize,
    /// Kept, but of another model, key or form, or damaged: of no use to the worker when it started.
    pub refused: usize,
    /// Which test tells a living face from a picture.
    pub liveness: &'static str,
    /// What that test is worth against a film: `none`, `low`, or as the `model` says.
    pub assurance: &'static str,
    /// By which terms people are found: threshold, size, what is promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// Presentations since the start that matched somebody enrolled, and that matched nobody.
    pub recognised: u64,
    pub unknown: u64,
    /// Advice given since the start.
    pub hints: BTreeMap<Hint, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<super::face::FaceStatus>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct AllowlistHealth {
    pub version: u64,
    pub subjects: u32,
    pub cards: u32,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct JournalHealth {
    pub epoch: String,
    pub outbox: u64,
    pub acked: u64,
    /// Events that could not be kept since the start.
    pub lost: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct DoorHealth {
    pub name: String,
    pub mode: DoorMode,
    /// Whether a card reader outside works: `up` or `down`; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<&'static str>,
    /// The same for the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub face: Option<&'static str>,
}

/// An alarm whose cause is still there, or that nobody has acknowledged.
#[derive(Clone, Debug, Serialize)]
pub struct AlarmHealth {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    pub alarm: Alarm,
    /// The cause is still there.
    pub active: bool,
    pub acknowledged: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct ReaderHealth {
    pub name: String,
    /// How it is connected, as in the configuration.
    pub kind: &'static str,
    pub assurance: Assurance,
    pub state: ReaderState,
    /// Why it, or somebody on its cable, was not believed within the last ten minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breach: Option<SecurityBreach>,
    /// Since the start.
    pub reads: u64,
    /// Reads that were no card since the start, by what was wrong.
    pub faults: BTreeMap<ReadFault, u64>,
    /// Seconds since the last card, or null if there was none since the start.
    pub last_read_age_s: Option<u64>,
}

/// The report and the list in force, behind a lock that is held for a copy only.
pub(super) struct Shared {
    health: Mutex<Health>,
    allowlist: Mutex<Arc<Allowlist>>,
}

impl Shared {
    pub(super) fn new(config: &Config, allowlist: Arc<Allowlist>, acked: u64) -> Self {
        let face = if config.face.is_some() { "starting" } else { "off" };
        let policy = config.face.as_ref().map_or(LivenessPolicy::Off, |face| face.liveness);
        let (liveness, assurance) = (policy.name(), policy.assurance());
        let health = Health {
            version: env!("CARGO_PKG_VERSION"),
            card: CardPath { readers: config.readers.len(), pins: "up", ..CardPath::default() },
            face: FacePath { status: face, liveness, assurance, ..FacePath::default() },
            allowlist: AllowlistHealth::default(),
            journal: JournalHealth { acked, ..JournalHealth::default() },
            doors: Vec::new(),
            alarms: Vec::new(),
            readers: Vec::new(),
            broker: false,
            uptime_s: 0,
            clock_trusted: false,
        };
        Self { health: Mutex::new(health), allowlist: Mutex::new(allowlist) }
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        // Nobody panics while holding it, and a stale report beats none.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn allowlist(&self) -> Arc<Allowlist> {
        self.allowlist.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_allowlist(&self, list: Arc<Allowlist>) {
        *self.allowlist.lock().unwrap_or_else(PoisonError::into_inner) = list;
    }
}
