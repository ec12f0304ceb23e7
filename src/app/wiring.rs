//! What the configuration means for each adapter: programs, topics.

use super::face::{self, capture};
use super::feed::Feed;
use crate::config::{Broker, Config, Face};
use crate::io::mqtt::Options;
use crate::places;
use crate::trust::Expectation;
use crate::wire::worker::Tracking;

/// What the face path is started with.
pub fn face_options(face: &Face) -> face::Options {
    // Without models the worker says so itself, by name.
    let models = places::models_dir(face.models.clone()).unwrap_or_else(|| "models".into());
    face::Options {
        program: places::face_program(),
        detector: models.join("detector.toml"),
        landmarks: models.join("landmarks.toml"),
        embedding: models.join(&face.embedding),
        former: face.former_embedding.as_ref().map(|name| models.join(name)),
        liveness: face.liveness_model.as_ref().map(|name| models.join(name)),
        pins: face.pins.clone(),
        threads: face.threads,
        template_key: face.template_key.clone(),
        capture: capture::command_line(&face.camera),
        width: face.camera.width,
        height: face.camera.height,
        tracking: Tracking {
            region: face.region,
            min_pupils_px: face.min_pupils_px,
            dwell: face.dwell,
            rearm: face.rearm,
            liveness: face.liveness,
            strangers_accepted: face.strangers_accepted,
            residents_refused: face.residents_refused,
            ..Tracking::default()
        },
        watch: face.camera.watch,
    }
}

/// Topics are those of `docs/mqtt.md`.
pub(super) fn topic(config: &Config, leaf: &str) -> String {
    format!("eithergate/v1/{}/{}/{leaf}", config.site, config.gate)
}

/// What envelopes are held against; the time is the caller's.
pub(super) fn expectation(config: &Config) -> Expectation {
    let (site, gate) = (config.site.clone(), config.gate.clone());
    Expectation { site, gate, root: config.trust.root_key, now: None }
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
        subscribe: vec![topic(config, "allowlist"), topic(config, "command")],
    }
}
