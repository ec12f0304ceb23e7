//! Eithergate: a gate that opens with either a card or a face.
//!
//! ARCHITECTURE.md tells how the rooms hang together; `tests/tidy.rs` holds their rules by machine.

pub mod access;
pub mod allowlist;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod failure;
pub mod io;
pub mod journal;
pub mod places;
pub mod record;
#[cfg(feature = "sim")]
pub mod sim;
pub mod site;
pub mod trust;
pub mod vision;
pub mod wire;
pub mod worker;
