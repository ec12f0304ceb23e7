//! Adapters, one file an outside crate. No adapter imports another, nor the core.

pub mod clock;
pub mod store;
