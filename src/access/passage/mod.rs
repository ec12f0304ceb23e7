//! Who was let through a door and has not gone yet, and what the sensors make of those who go.

mod beams;
mod lane;

pub(super) use beams::Beams;
pub(super) use lane::{Grant, Lane, Pulse, Release, Turn};
