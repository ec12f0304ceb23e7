//! Serial readers that shout their number: a [`Framing`] says what is around it, a [`Parser`] finds it among
//! the bytes. The parser takes one byte at a time, holds one frame at most and finds its feet again after
//! noise. What never enters: a port, a baud rate, a clock of its own.

mod checksum;
mod framing;
mod presets;

pub use checksum::{CHECKSUMS, Checksum, Crc16};
pub use framing::{Body, ByteOrder, Covers, Framing, LengthCounts, MAX_FRAME, Spec, SpecError};
pub use presets::{GAP, PRESETS, Preset, preset};

use super::Parsed;
use crate::domain::{CardNumber, Duration, Instant, ReadFault};
use framing::{Look, Resync};
use std::collections::VecDeque;
use std::fmt;

/// More bytes than any frame has, four times over, without a frame among them.
const FLOOD: usize = 4 * MAX_FRAME;

/// The number a reader sent. A card number: no `Serialize`, and `Debug` is redacted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    number: u128,
    /// Hex digits that the reader's field has; 1 where it sends decimal digits.
    width: usize,
}

impl Tag {
    /// Lower-case hex digits, as many as the reader's field has; of a decimal field no more than needed.
    /// Never for a log.
    pub fn to_hex(self) -> String {
        format!("{:0width$x}", self.number, width = self.width)
    }

    /// The card as enrolled: the framing's format, all of its number.
    pub fn card(self, framing: &Framing) -> CardNumber {
        CardNumber::new(framing.spec().format.clone(), self.number)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(redacted)")
    }
}

/// Why a frame is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    #[error("the checksum is wrong")]
    Checksum,
    #[error("a byte that is no digit, in the middle of a frame")]
    NotDigit,
    #[error("the frame doesn't end where it should")]
    NoEnd,
    #[error("a new frame began before the last one ended")]
    CutShort,
    #[error("a frame of another length than this reader's")]
    Length,
    #[error("the frame stopped halfway")]
    Stopped,
    #[error("bytes without a pause, and no frame among them")]
    Flood,
    #[error("bytes were lost before they could be read")]
    Lost,
}

impl Corrupt {
    /// As counted for every kind of reader.
    pub fn fault(self) -> ReadFault {
        match self {
            Corrupt::Checksum => ReadFault::Checksum,
            Corrupt::Flood => ReadFault::Flood,
            Corrupt::Lost => ReadFault::Lost,
            Corrupt::NotDigit
            | Corrupt::NoEnd
            | Corrupt::CutShort
            | Corrupt::Length
            | Corrupt::Stopped => ReadFault::Framing,
        }
    }
}

/// What one byte or a pause led to.
pub type Outcome = Parsed<Tag, Corrupt>;

/// One reader's bytes to cards.
///
/// Feed each byte with [`byte`](Self::byte), and after it take what else came of it from
/// [`poll`](Self::poll) until there is no more: a byte that spoils one frame may be the end of another.
#[derive(Clone, Debug)]
pub struct Parser {
    framing: Framing,
    /// What may still become a frame.
    held: Vec<u8>,
    /// Nothing is believed until a pause, or the framing's end bytes.
    lost_footing: bool,
    last: Option<Instant>,
    /// Bytes since the last frame or pause.
    unread: usize,
    found: VecDeque<Result<Tag, Corrupt>>,
}

impl Parser {
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            held: Vec::with_capacity(MAX_FRAME),
            lost_footing: false,
            last: None,
            unread: 0,
            found: VecDeque::new(),
        }
    }

    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Whether a frame has begun and not ended.
    pub fn is_midway(&self) -> bool {
        !self.held.is_empty() && !self.lost_footing
    }

    /// When a frame that has begun counts as stopped.
    pub fn deadline(&self) -> Option<Instant> {
        self.last.filter(|_| self.is_midway()).map(|last| last + self.gap())
    }

    fn gap(&self) -> Duration {
        self.framing.spec().gap
    }

    /// Takes a byte that arrived at `now`.
    pub fn byte(&mut self, now: Instant, byte: u8) -> Outcome {
        self.pause(now);
        self.last = Some(now);
        self.unread += 1;
        self.held.push(byte);
        if self.lost_footing {
            self.find_footing();
        } else {
            self.look();
        }
        if self.unread >= FLOOD {
            self.unread = 0;
            self.found.push_back(Err(Corrupt::Flood));
        }
        match self.found.pop_front() {
            Some(found) => parsed(found),
            None if self.is_midway() => Parsed::NeedMore,
            None => Parsed::NotForUs,
        }
    }

    /// What else came of the last byte, or a frame that stopped halfway by `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Outcome> {
        self.pause(now);
        self.found.pop_front().map(parsed)
    }

    /// Bytes were lost by `now`, or nobody listened until now: no frame under way can be believed. The
    /// fault is the caller's to count.
    pub fn poison(&mut self, now: Instant) {
        self.held.clear();
        self.last = Some(now);
        self.lost_footing = true;
    }

    /// After a pause everything begins anew.
    fn pause(&mut self, now: Instant) {
        if self.last.is_none_or(|last| now.since(last) < self.gap()) {
            return;
        }
        if self.is_midway() {
            self.found.push_back(Err(Corrupt::Stopped));
        }
        self.held.clear();
        self.lost_footing = false;
        self.unread = 0;
        self.last = None;
    }

    /// Takes every frame out of what is held, and throws away what can't be one.
    fn look(&mut self) {
        while !self.held.is_empty() && !self.lost_footing {
            match self.framing.look(&self.held) {
                Look::NeedMore => return,
                Look::Whole(len, tag) => {
                    self.found.push_back(Ok(tag));
                    self.held.drain(..len.clamp(1, self.held.len()));
                    self.unread = 0;
                }
                Look::NotStart => self.lose_footing(),
                Look::Spoilt(why) => {
                    self.found.push_back(Err(why));
                    self.lose_footing();
                }
            }
        }
    }

    /// What is held begins no frame: on to where the next may begin.
    fn lose_footing(&mut self) {
        match self.framing.resync() {
            Resync::Start => {
                let start = self.framing.spec().start.first();
                let next = self.held.iter().skip(1).position(|b| Some(b) == start);
                self.held.drain(..next.map_or(self.held.len(), |i| i + 1));
            }
            Resync::End => {
                self.lost_footing = true;
                self.find_footing();
            }
            Resync::Pause => {
                self.lost_footing = true;
                self.held.clear();
            }
        }
    }

    fn find_footing(&mut self) {
        let spec = self.framing.spec();
        match self.framing.resync() {
            // Poisoned: whatever comes begins anew at a start byte.
            Resync::Start => {
                self.lost_footing = false;
                self.look();
            }
            Resync::End => {
                let end = &spec.end;
                if self.held.ends_with(end) {
                    self.held.clear();
                    self.lost_footing = false;
                } else {
                    let keep = end.len().saturating_sub(1);
                    self.held.drain(..self.held.len().saturating_sub(keep));
                }
            }
            Resync::Pause => self.held.clear(),
        }
    }
}

fn parsed(found: Result<Tag, Corrupt>) -> Outcome {
    match found {
        Ok(tag) => Parsed::Item(tag),
        Err(why) => Parsed::Corrupt(why),
    }
}

#[cfg(test)]
mod tests;
