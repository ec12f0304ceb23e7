//! OSDP frames (SIA OSDP v2.2, IEC 60839-11-5) as they stand on the bus, and the [`Guard`] that says which
//! replies may be looked at at all. What never enters: keys, deciphering, a port, a clock. The protocol
//! itself is libosdp's; this is the doorkeeper before it.
//!
//! Why a doorkeeper: the library (3.2.7) takes a reply whose security block is one of the handshake's as
//! good in the middle of a session, without looking at its code of authenticity, and keeps a card report
//! that came before a session for after it. Whoever can reach the cable could so present any card. Here a
//! reply passes only if its kind, its security block and its number fit the command it answers.

mod guard;

pub use guard::{Guard, Refusal, Trust};

use super::Parsed;

/// The longest frame taken; the library's buffer has this size.
pub const MAX_FRAME: usize = 256;
/// Address that all readers answer to; never used here.
pub const BROADCAST: u8 = 0x7f;

const START: u8 = 0x53;
const HEADER: usize = 5;
const REPLY_FLAG: u8 = 0x80;
const CONTROL_SEQUENCE: u8 = 0x03;
const CONTROL_CRC: u8 = 0x04;
const CONTROL_SECURITY: u8 = 0x08;
const MAC: usize = 4;

/// Command codes, control panel to reader.
pub mod command {
    pub const ID: u8 = 0x61;
    pub const CAP: u8 = 0x62;
    pub const KEYSET: u8 = 0x75;
    pub const CHLNG: u8 = 0x76;
    pub const SCRYPT: u8 = 0x77;
}

/// Reply codes, reader to control panel.
pub mod reply {
    pub const ACK: u8 = 0x40;
    pub const NAK: u8 = 0x41;
    pub const PDID: u8 = 0x45;
    pub const PDCAP: u8 = 0x46;
    pub const RAW: u8 = 0x50;
    pub const CCRYPT: u8 = 0x76;
    pub const RMAC_I: u8 = 0x78;
    pub const BUSY: u8 = 0x79;
}

/// Capability: communication security; level bit 0 is AES-128.
pub const CAP_SECURITY: u8 = 9;

/// A frame whose check characters and shape are right. A card may be in there: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Vec<u8>,
    /// Where the code stands, and where its data ends.
    code_at: usize,
    data_end: usize,
}

/// Why bytes that began like a frame are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    #[error("the check characters are wrong")]
    Check,
    #[error("the security block is none that OSDP has")]
    Shape,
}

/// What a reader says it is (osdp_PDID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// IEEE OUI of the maker.
    pub vendor: u32,
    pub model: u8,
    pub version: u8,
    pub serial: u32,
    pub firmware: u32,
}

/// One capability (osdp_PDCAP): function, level, number of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Capability(pub u8, pub u8, pub u8);

/// What a reader was when it was enrolled.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Profile {
    pub identity: Identity,
    pub capabilities: Vec<Capability>,
}

impl Profile {
    /// Whether the other is the same device; firmware may be newer.
    pub fn same_device(&self, other: &Identity) -> bool {
        let Identity { vendor, model, serial, .. } = self.identity;
        (vendor, model, serial) == (other.vendor, other.model, other.serial)
    }

    /// Whether anything that the reader could do when it was enrolled is less or gone.
    pub fn is_downgraded_by(&self, now: &[Capability]) -> bool {
        self.capabilities.iter().any(|Capability(function, level, items)| {
            let same = now.iter().find(|c| c.0 == *function);
            same.is_none_or(|c| c.1 < *level || c.2 < *items)
        })
    }
}

impl Frame {
    /// The frame from its first byte, [`START`], to its last check character.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// 0 to 126, or [`BROADCAST`].
    pub fn address(&self) -> u8 {
        self.byte(1) & !REPLY_FLAG
    }

    /// Sent by a reader, not by a control panel.
    pub fn is_reply(&self) -> bool {
        self.byte(1) & REPLY_FLAG != 0
    }

    /// 0 to 3; a reply carries its command's.
    pub fn sequence(&self) -> u8 {
        self.byte(4) & CONTROL_SEQUENCE
    }

    /// The security block's type (SCS_11 is 0x11 and so on); `None` for a plain frame.
    pub fn security(&self) -> Option<u8> {
        (self.byte(4) & CONTROL_SECURITY != 0).then(|| self.byte(HEADER + 1))
    }

    /// In a handshake: whether the default key is meant instead of the reader's own.
    pub fn means_default_key(&self) -> bool {
        matches!(self.security(), Some(0x11..=0x13)) && self.byte(HEADER + 2) == 0
    }

    pub fn code(&self) -> u8 {
        self.byte(self.code_at)
    }

    /// What follows the code; enciphered if the security block says so.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.code_at + 1..self.data_end).unwrap_or_default()
    }

    /// The reader's identity, of a plain osdp_PDID.
    pub fn identity(&self) -> Option<Identity> {
        let data: [u8; 12] = self.data().try_into().ok()?;
        let [v0, v1, v2, model, version, s0, s1, s2, s3, f0, f1, f2] = data;
        (self.code() == reply::PDID && self.security().is_none()).then_some(Identity {
            vendor: u32::from_le_bytes([v0, v1, v2, 0]),
            model,
            version,
            serial: u32::from_le_bytes([s0, s1, s2, s3]),
            firmware: u32::from_be_bytes([0, f0, f1, f2]),
        })
    }

    /// The reader's capabilities, of a plain osdp_PDCAP.
    pub fn capabilities(&self) -> Option<Vec<Capability>> {
        let right = self.code() == reply::PDCAP && self.security().is_none();
        let triples = self.data().chunks_exact(3);
        (right && triples.remainder().is_empty())
            .then(|| triples.map(|c| Capability(c[0], c[1], c[2])).collect())
    }

    /// A plain frame. For tests and rigs that play a reader.
    pub fn plain(address: u8, is_reply: bool, sequence: u8, code: u8, data: &[u8]) -> Self {
        Self::build(address, is_reply, sequence, &[], code, data, &[])
    }

    /// A frame with a security block of a given type; `mac` is whatever is claimed.
    pub fn build(
        address: u8,
        is_reply: bool,
        sequence: u8,
        block: &[u8],
        code: u8,
        data: &[u8],
        mac: &[u8],
    ) -> Self {
        let flag = if is_reply { REPLY_FLAG } else { 0 };
        let security = if block.is_empty() { 0 } else { CONTROL_SECURITY };
        let control = sequence & CONTROL_SEQUENCE | CONTROL_CRC | security;
        let mut bytes = vec![START, address & !REPLY_FLAG | flag, 0, 0, control];
        bytes.extend_from_slice(block);
        let code_at = bytes.len();
        bytes.push(code);
        bytes.extend_from_slice(data);
        let data_end = bytes.len();
        bytes.extend_from_slice(mac);
        let [low, high] = ((bytes.len() + 2) as u16).to_le_bytes();
        (bytes[2], bytes[3]) = (low, high);
        let crc = crc16(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        Self { bytes, code_at, data_end }
    }
}

/// Finds frames in a stream of bytes. Holds at most one frame's worth.
#[derive(Default)]
pub struct Deframer {
    bytes: Vec<u8>,
}

impl Deframer {
    /// Forgets what was begun: a new command makes any older reply worthless.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes one byte.
    pub fn push(&mut self, byte: u8) -> Parsed<Frame, Corrupt> {
        self.bytes.push(byte);
        loop {
            match self.look() {
                // What began like a frame was none; another may have begun inside.
                Look::Skip => drop(self.bytes.drain(..1)),
                Look::Spoilt(why) => {
                    self.bytes.drain(..1);
                    self.skip_to_start();
                    return Parsed::Corrupt(why);
                }
                Look::Wait => return Parsed::NeedMore,
                Look::Nothing => return Parsed::NotForUs,
                Look::Frame(frame) => {
                    self.bytes.clear();
                    return Parsed::Item(frame);
                }
            }
        }
    }

    fn skip_to_start(&mut self) {
        let start = self.bytes.iter().position(|b| *b == START).unwrap_or(self.bytes.len());
        self.bytes.drain(..start);
    }

    fn look(&mut self) -> Look {
        self.skip_to_start();
        let [_, _, low, high, control, ..] = self.bytes[..] else {
            return if self.bytes.is_empty() { Look::Nothing } else { Look::Wait };
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let check = if control & CONTROL_CRC != 0 { 2 } else { 1 };
        if !(HEADER + 1 + check..=MAX_FRAME).contains(&length) {
            return Look::Skip;
        }
        if self.bytes.len() < length {
            return Look::Wait;
        }
        let bytes = &self.bytes[..length];
        let (body, sum) = bytes.split_at(length - check);
        let right = match sum {
            [low, high] => crc16(body) == u16::from_le_bytes([*low, *high]),
            [sum] => body.iter().fold(*sum, |all, b| all.wrapping_add(*b)) == 0,
            _ => false,
        };
        if !right {
            return Look::Spoilt(Corrupt::Check);
        }
        match shape(body) {
            Some((code_at, data_end)) => {
                Look::Frame(Frame { bytes: bytes.to_vec(), code_at, data_end })
            }
            None => Look::Spoilt(Corrupt::Shape),
        }
    }
}

enum Look {
    Nothing,
    Wait,
    Skip,
    Spoilt(Corrupt),
    Frame(Frame),
}

/// Where the code stands and its data ends, in a frame without its check characters.
fn shape(body: &[u8]) -> Option<(usize, usize)> {
    let control = *body.get(4)?;
    if control & CONTROL_SECURITY == 0 {
        return (body.len() > HEADER).then_some((HEADER, body.len()));
    }
    let (length, kind) = (*body.get(HEADER)?, *body.get(HEADER + 1)?);
    let code_at = HEADER + usize::from(length);
    let data_end = match (kind, length) {
        (0x11..=0x14, 3) => body.len(),
        (0x15..=0x18, 2) => body.len().checked_sub(MAC)?,
        _ => return None,
    };
    let data = data_end.checked_sub(code_at + 1)?;
    let fits = match kind {
        0x15 | 0x16 => data == 0,
        0x17 | 0x18 => data > 0 && data % 16 == 0,
        _ => true,
    };
    fits.then_some((code_at, data_end))
}

/// CRC-16 as OSDP has it: polynomial 0x1021, from 0x1d0f, high bit first.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0x1d0f, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 }
        })
    })
}

#[cfg(test)]
mod tests;
