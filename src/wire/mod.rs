//! Bytes to meaning and back: Wiegand edges, card formats, serial framings, MQTT payloads, the worker protocol.
//! No executor, no pins, no clock.

pub mod card;
pub mod enrolled;
pub mod format;
pub mod keypad;
pub mod notation;
pub mod order;
pub mod osdp;
pub mod payload;
pub mod serial;
pub mod template;
pub mod vcd;
pub mod wiegand;
pub mod worker;

/// What became of the bytes given so far. Each calls for another reaction, so none of them is a plain error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T, E> {
    /// All well, not finished.
    NeedMore,
    /// Noise, or another's traffic: nothing was begun, nothing is lost.
    NotForUs,
    /// Something was begun and is spoilt. The parser has already found its feet again.
    Corrupt(E),
    Item(T),
}
