//! What the configuration means for each adapter: lines, levels, topics.

use super::face;
use super::feed::Feed;
#[cfg(feature = "sim")]
use crate::config::Link;
use crate::config::{Broker, Config, Face, Hardware};
use crate::io::clock::SystemClock;
use crate::io::mqtt::Options;
#[cfg(feature = "sim")]
use crate::io::sim;
use crate::io::{EdgeSink, Outputs};
use crate::places;

/// Why there are no pins.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    #[cfg(feature = "sim")]
    #[error("{0}")]
    Sim(#[from] sim::SimError),
    #[cfg(not(feature = "sim"))]
    #[error("this build has no simulated pins: name another backend under [hardware]")]
    NoSim,
}

/// Each output line with the level it is left in while nobody decides.
pub fn safe_levels(config: &Config) -> impl Iterator<Item = (u32, bool)> {
    config.outputs().into_iter().map(|(_, output)| (output.line, output.safe_level()))
}

#[cfg(feature = "sim")]
fn sim_wiring(config: &Config) -> sim::Wiring {
    let Hardware::Sim { socket } = &config.hardware;
    sim::Wiring {
        socket: socket.clone(),
        readers: config
            .readers
            .iter()
            .filter_map(|reader| match &reader.link {
                Link::Wiegand(lines) => {
                    Some(sim::ReaderLines { name: reader.name.clone(), d0: lines.d0, d1: lines.d1 })
                }
                Link::Serial(_) => None,
            })
            .collect(),
        inputs: config
            .inputs()
            .into_iter()
            .map(|(name, i)| sim::InputLine { name, line: i.line, active_high: i.active_high })
            .collect(),
        outputs: config
            .outputs()
            .into_iter()
            .map(|(name, o)| sim::OutputLine { name, line: o.line, active_high: o.active_high })
            .collect(),
    }
}

/// Opens the configured pins; edges go to `sink`.
pub(super) fn open_pins(config: &Config, sink: EdgeSink) -> Result<Box<dyn Outputs>, PinsError> {
    match &config.hardware {
        #[cfg(feature = "sim")]
        Hardware::Sim { .. } => Ok(Box::new(sim::open(sim_wiring(config), SystemClock, sink)?)),
        #[cfg(not(feature = "sim"))]
        Hardware::Sim { .. } => {
            drop((sink, SystemClock));
            Err(PinsError::NoSim)
        }
    }
}

/// Puts every output in its safe state without a daemon.
pub fn make_safe(config: &Config) -> Result<(), PinsError> {
    match &config.hardware {
        #[cfg(feature = "sim")]
        Hardware::Sim { .. } => {
            let levels: Vec<_> = safe_levels(config).collect();
            Ok(sim::set_levels(&sim_wiring(config), &levels)?)
        }
        #[cfg(not(feature = "sim"))]
        Hardware::Sim { .. } => Err(PinsError::NoSim),
    }
}

/// What the face path is started with.
pub fn face_options(face: &Face) -> face::Options {
    // Without models the worker says so itself, by name.
    let models = places::models_dir(face.models.clone()).unwrap_or_else(|| "models".into());
    face::Options {
        program: places::face_program(),
        detector: models.join("detector.toml"),
        landmarks: models.join("landmarks.toml"),
        embedding: models.join(&face.embedding),
        threads: face.threads,
        template_key: face.template_key.clone(),
        capture: face.capture.clone(),
        width: face.width,
        height: face.height,
        tracking: Default::default(),
    }
}

/// Topics are those of `docs/mqtt.md`.
pub(super) fn topic(config: &Config, leaf: &str) -> String {
    format!("eithergate/v1/{}/{}/{leaf}", config.site, config.gate)
}

pub(super) fn link_options(config: &Config, broker: &Broker, feed: &Feed) -> Options {
    Options {
        client_id: format!("eithergate-{}-{}", config.site, config.gate),
        host: broker.host.clone(),
        port: broker.port,
        tls: broker.tls,
        ca_file: broker.ca_file.clone(),
        user: broker.user.clone(),
        password_file: broker.password_file.clone(),
        event_topic: topic(config, "event"),
        health_topic: topic(config, "health"),
        last_will: feed.last_will(),
        subscribe: vec![topic(config, "allowlist")],
    }
}
