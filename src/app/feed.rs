//! What the gate says on its topics, signed: events as the journal has them, health, acknowledgements,
//! answers.

use super::health::Shared;
use super::{wall_ms, wiring};
use crate::config::Config;
use crate::io::clock::SystemClock;
use crate::io::mqtt;
use crate::io::mqtt::Message;
use crate::io::store::Store;
use crate::trust::{GateKeys, signed_json};
use crate::wire::payload::{self, Names};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Feed {
    config: Arc<Config>,
    keys: Arc<GateKeys>,
    store: Store,
    epoch: String,
    shared: Arc<Shared>,
    /// The newest event on disk: what is not there yet may be taken back by a crash.
    durable: Arc<AtomicU64>,
}

impl Feed {
    pub(super) fn new(
        config: &Arc<Config>,
        keys: Arc<GateKeys>,
        store: Store,
        shared: Arc<Shared>,
        durable: Arc<AtomicU64>,
    ) -> Arc<Self> {
        let epoch = payload::epoch_text(store.epoch());
        Arc::new(Self { config: config.clone(), keys, store, epoch, shared, durable })
    }

    /// Said by the broker in this gate's name when it is gone.
    pub(super) fn last_will(&self) -> String {
        self.signed("health", payload::health_down(&self.config.gate))
    }

    /// The answer to an allowlist that arrived.
    pub(super) fn ack(&self, ack: &payload::Ack) -> Message {
        let text = self.signed("ack", payload::ack(&self.config.gate, wall_ms(&SystemClock), ack));
        Message { topic: wiring::topic(&self.config, "ack"), text, retain: true }
    }

    /// The answer to a command that arrived: for now, and for whoever waits for it.
    pub(super) fn answer(&self, answer: &payload::Answer) -> Message {
        let object = payload::answer(&self.config.gate, wall_ms(&SystemClock), answer);
        let topic = wiring::topic(&self.config, "answer");
        Message { topic, text: self.signed("answer", object), retain: false }
    }

    fn signed(&self, leaf: &str, object: String) -> String {
        let topic = wiring::topic(&self.config, leaf);
        signed_json::sign(&topic, &object, self.keys.signing()).unwrap_or_else(|error| {
            // Only what is no JSON object can't be signed, and these are.
            tracing::error!(%error, "a payload could not be signed");
            object
        })
    }
}

impl mqtt::Feed for Feed {
    fn events_after(&self, seq: u64, max: usize) -> Vec<(u64, String)> {
        let names = Names {
            doors: self.config.doors.iter().map(|d| d.name.as_str()).collect(),
            readers: self.config.readers.iter().map(|r| r.name.as_str()).collect(),
        };
        let durable = self.durable.load(Ordering::Acquire);
        let mut events = Vec::new();
        for entry in self.store.events_after(seq).take(max) {
            let (seq, stored) = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    tracing::error!(%error, "an event can't be read");
                    break;
                }
            };
            if seq > durable {
                break;
            }
            let object = payload::event(&self.config.gate, &self.epoch, seq, &stored, &names);
            events.push((seq, self.signed("event", object)));
        }
        events
    }

    fn acknowledged(&self) -> u64 {
        self.shared.health().journal.acked
    }

    fn health(&self) -> String {
        let report = self.shared.health().clone();
        let object = payload::health_up(&self.config.gate, wall_ms(&SystemClock), &report);
        self.signed("health", object)
    }
}
