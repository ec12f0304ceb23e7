//! How a serial port is run: what configuration, adapters and buses agree on. Opening one is `io`'s
//! business.

use std::path::PathBuf;

/// One serial port and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSettings {
    /// The device, best by a name that stays: `/dev/serial/by-id/...`.
    pub path: PathBuf,
    /// Bits a second.
    pub baud: u32,
    /// 7 or 8.
    pub data_bits: u8,
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
    pub direction: Direction,
}

impl PortSettings {
    /// 8N1 with nothing to turn, as most readers and adapters want it.
    pub fn new(path: impl Into<PathBuf>, baud: u32) -> Self {
        Self {
            path: path.into(),
            baud,
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
            direction: Direction::Automatic,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parity {
    #[default]
    None,
    Even,
    Odd,
}

/// Who turns a two-wire RS-485 adapter between sending and receiving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The adapter itself, or there is nothing to turn (RS-232, TTL).
    #[default]
    Automatic,
    /// The kernel's driver, with the port's RTS (`TIOCSRS485`): exact to the bit.
    Kernel {
        /// RTS is active while sending; most transceivers want it so.
        rts_on_send: bool,
        /// Milliseconds between RTS and the first bit, and between the last bit and RTS.
        before_ms: u8,
        after_ms: u8,
    },
    /// This program, with RTS, where the driver can't: late by a few milliseconds.
    Rts {
        /// RTS is active while sending.
        rts_on_send: bool,
    },
}
