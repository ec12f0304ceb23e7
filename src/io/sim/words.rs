//! What is said on the simulated pins' socket, as `docs/sim.md` has it.

use crate::domain::Instant;
use serde::{Deserialize, Serialize};

/// What a client asks for, one JSON object a line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    Read(ReadRequest),
    Edges(EdgesRequest),
    Input(InputRequest),
    Stick(StickRequest),
    Lag(LagRequest),
}

/// A whole frame, sent as a real reader would.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadRequest {
    pub(super) reader: String,
    pub(super) bits: u8,
    /// The frame as lower-case hex of its integer value, parity included.
    pub(super) raw: String,
    #[serde(default = "default_pulse_us")]
    pub(super) pulse_us: u64,
    #[serde(default = "default_interval_us")]
    pub(super) interval_us: u64,
}

fn default_pulse_us() -> u64 {
    50
}

fn default_interval_us() -> u64 {
    2_000
}

/// Edges as they are: `[microseconds from the first, "d0" or "d1", level]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EdgesRequest {
    pub(super) reader: String,
    pub(super) edges: Vec<(u64, DataLine, u8)>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DataLine {
    D0,
    D1,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputRequest {
    pub(super) name: String,
    pub(super) active: bool,
}

/// A relay whose contacts are welded, or freed again: it stays as it is, whatever it is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StickRequest {
    pub(super) output: String,
    pub(super) stuck: bool,
}

/// Edges are handed to the gate this much later than they happen, with the right stamps: a busy machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LagRequest {
    pub(super) ms: u64,
}

/// What a client is told.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Notice {
    Output { t_us: Instant, output: String, line: u32, active: bool },
    Sent { t_us: Instant, reader: String, first_us: Instant, last_us: Instant },
    Input { t_us: Instant, input: String, active: bool },
    Stick { t_us: Instant, stick: String, stuck: bool },
    Lag { t_us: Instant, lag_ms: u64 },
    Error { error: String },
}
