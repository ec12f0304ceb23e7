//! What tests of the whole gate begin with: the real daemon, office and broker, the allowlist applied.

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{Stage, World};
use std::path::PathBuf;
use std::time::Duration;

pub const SOON: Duration = Duration::from_secs(20);

/// Where models compute, on cores that other tests keep busy.
#[allow(dead_code, reason = "only tests with faces need it")]
pub const PATIENT: Duration = Duration::from_secs(60);

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_eithergate"))
}

pub fn is_applied(sight: &Sight) -> bool {
    matches!(sight, Sight::Ack(ack) if ack["applied"] == true)
}

pub fn card_gate() -> World {
    let stage = Stage { program: program(), pictures: None, sabotage: None };
    let world = World::build(stage, &|_| {}).unwrap_or_else(|e| panic!("{e:?}"));
    assert!(world.eyes.wait(0, SOON, is_applied).is_some(), "no allowlist was applied");
    world
}

/// With a camera too, and the pictures for it.
#[allow(dead_code, reason = "only tests with faces need it")]
pub fn camera_gate() -> Result<(World, Pictures), Box<dyn std::error::Error>> {
    let pictures = Pictures::find(None).map_err(|e| format!("{e:?}"))?;
    let stage = Stage { program: program(), pictures: Some(&pictures), sabotage: None };
    let world = World::build(stage, &|_| {}).map_err(|e| format!("{e:?}"))?;
    assert!(world.eyes.wait(0, PATIENT, is_applied).is_some(), "no allowlist was applied");
    Ok((world, pictures))
}

#[track_caller]
pub fn must(outcome: Result<(), eithergate::cli::Failure>) {
    outcome.unwrap_or_else(|e| panic!("{e:?}"));
}
