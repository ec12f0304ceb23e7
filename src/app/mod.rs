//! Wiring: configuration in, threads and processes up, one event type, one loop, commands performed.
//! Never byte formats or policy.

pub mod face;
