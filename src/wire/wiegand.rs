//! Wiegand: edges on two lines to a frame of bits, and back again for tests and the demo.
//!
//! Both lines idle high; a low pulse on D0 is a zero, on D1 a one. There is no clock, no start and no
//! checksum, so a frame is defined by silence, and everything that is not exactly a frame is refused: one
//! added or lost edge makes another person's number. What never enters: card formats (see `format`), a
//! clock, a pin.
//!
//! By the book pulses last 20 to 100 us and bits come every 200 us to 20 ms (SIA AC-01); readers in the
//! field have been recorded with pulses of 400 us, so up to 1 ms is taken.

use crate::domain::{Duration, Instant, ReadFault};
use std::fmt;

/// The longest frame taken; the longest format in common use has 64 bits.
pub const MAX_BITS: u8 = 128;

/// Fewer pulses are no frame unless a reader is said to send so few: a key is the shortest, with four.
const FEWEST_BITS: u16 = 4;

/// Edges of one frame; beyond these the line is noise. Two for each bit, and one on each line to spare.
const MAX_EDGES: u16 = 2 * MAX_BITS as u16 + 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    D0,
    D1,
}

/// The level of a line after an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    Low,
    High,
}

/// One change of one line, stamped where it happened (by the kernel, not when it was read).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    pub at: Instant,
    pub line: Line,
    pub level: Level,
}

/// A frame's bits: the first one sent is the highest of `value`. A card number is in there, so `Debug`
/// shows the length alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bits {
    value: u128,
    len: u8,
}

impl Bits {
    /// `None` if `value` doesn't fit in `len` bits or `len` is 0 or above [`MAX_BITS`].
    pub fn new(value: u128, len: u8) -> Option<Self> {
        if len == 0 || len > MAX_BITS || value & !low_bits(len) != 0 {
            return None;
        }
        Some(Self { value, len })
    }

    pub fn value(self) -> u128 {
        self.value
    }

    /// How many bits, 1 to [`MAX_BITS`].
    pub fn count(self) -> u8 {
        self.len
    }

    /// The whole frame as an integer, in lower-case hex. Never for a log.
    pub fn to_hex(self) -> String {
        format!("{:x}", self.value)
    }

    /// What comes of it with D0 and D1 exchanged.
    pub(super) fn exchanged(self) -> Self {
        Self { value: !self.value & low_bits(self.len), ..self }
    }

    fn iter(self) -> impl Iterator<Item = bool> {
        (0..self.len).rev().map(move |i| self.value >> i & 1 == 1)
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bits({}:redacted)", self.len)
    }
}

/// The lowest `n` bits set; all of them from 128 on.
pub(super) fn low_bits(n: u8) -> u128 {
    1u128.checked_shl(n.into()).map_or(u128::MAX, |bit| bit - 1)
}

/// Which edges the source reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// Both: pulse widths and overlaps are checked.
    #[default]
    Both,
    /// Falling edges alone; rising ones are ignored if they come. Widths are unknown.
    Falling,
}

/// The lengths a reader's frames may have; empty where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths(u128);

impl Lengths {
    /// What is no length, 0 or above [`MAX_BITS`], is left out.
    pub fn of(lengths: impl IntoIterator<Item = u8>) -> Self {
        let one = |n: u8| low_bits(n) & !low_bits(n.saturating_sub(1));
        Self(lengths.into_iter().filter(|n| *n <= MAX_BITS).fold(0, |all, n| all | one(n)))
    }

    pub fn are_known(self) -> bool {
        self.0 != 0
    }

    pub fn contain(self, bits: u16) -> bool {
        u32::from(bits)
            .checked_sub(1)
            .and_then(|n| self.0.checked_shr(n))
            .is_some_and(|l| l & 1 == 1)
    }

    /// Whether a frame of so many bits is as long as any can be: only then can a short quiet end it.
    fn end_with(self, bits: u16) -> bool {
        self.contain(bits) && self.0.checked_shr(bits.into()).unwrap_or(0) == 0
    }
}

/// `4, 26 or 34`.
impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> =
            (1..=MAX_BITS.into()).filter(|n| self.contain(*n)).map(|n| n.to_string()).collect();
        match all.split_last() {
            None => f.write_str("any number"),
            Some((last, [])) => f.write_str(last),
            Some((last, others)) => write!(f, "{} or {last}", others.join(", ")),
        }
    }
}

/// How a reader speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The lengths of what this reader may send, cards and keys. A frame as long as the longest of them
    /// ends after a quiet of three of its own bit intervals; a shorter one might be the beginning of a
    /// longer one, so it ends at `gap`, as one of unknown length does.
    pub lengths: Lengths,
    /// Silence that ends a frame of unknown length, and the idle time asked for after an overflow.
    pub gap: Duration,
    pub pulse_min: Duration,
    pub pulse_max: Duration,
    /// The least time from one falling edge to the next: bounce and crosstalk come closer.
    pub interval_min: Duration,
    pub edges: Edges,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lengths: Lengths::default(),
            gap: Duration::from_millis(25),
            pulse_min: Duration::from_micros(20),
            pulse_max: Duration::from_micros(1_000),
            interval_min: Duration::from_micros(100),
            edges: Edges::Both,
        }
    }
}

/// A frame that nothing is wrong with so far; its parity is `format`'s business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub bits: Bits,
    /// Its first and its last bit's falling edge.
    pub first: Instant,
    pub last: Instant,
}

/// Edges that were no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoilt {
    /// When it began.
    pub first: Instant,
    /// Pulses seen, good or bad.
    pub bits: u16,
    pub why: Fault,
}

/// The first thing that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a pulse of {us} us is too short: interference, or a bad contact")]
    PulseTooShort { us: u64 },
    #[error("a pulse of {us} us is too long: a wire that floats, or a reader of another kind")]
    PulseTooLong { us: u64 },
    #[error("two pulses {us} us apart are too close: bounce or crosstalk")]
    TooClose { us: u64 },
    #[error("both lines were low at once: crosstalk, or two readers on one pair")]
    Overlap,
    /// No edge ended it before the idle gap.
    #[error("a line stays low, {us} us so far: a short circuit, or a reader without power")]
    Stuck { us: u64 },
    #[error("{bits} stray pulses and no frame: a wire that floats, or interference")]
    Stray { bits: u16 },
    /// Without a pause, and its pulses have no frame's shape.
    #[error("edges without a pause and without a shape: a broken wire, or no pull-up")]
    Floating,
    #[error("more than {MAX_BITS} bits without a pause")]
    Overflow,
    #[error("{seen} bits, where this reader sends {lengths}")]
    WrongLength { seen: u16, lengths: Lengths },
    /// Within the gap after a frame that a short quiet had ended. That frame stands: it can't be taken back.
    #[error(
        "pulses soon after a frame: interference, or this reader's frames are longer than its formats"
    )]
    Late,
    /// A line rose that was not low, fell that was not high, or time ran backwards.
    #[error("an edge is missing or out of order")]
    LostEdge,
    /// The source said that it dropped edges.
    #[error("edges were dropped before they could be read")]
    Dropped,
}

impl Fault {
    /// What it is counted as.
    pub fn read_fault(self) -> ReadFault {
        match self {
            Self::PulseTooShort { .. } => ReadFault::Glitch,
            Self::TooClose { .. } => ReadFault::Bounce,
            Self::Overlap => ReadFault::Overlap,
            Self::Stuck { .. } => ReadFault::Stuck,
            Self::PulseTooLong { .. } | Self::Stray { .. } | Self::Floating => ReadFault::Floating,
            Self::Overflow => ReadFault::Flood,
            Self::WrongLength { .. } | Self::Late => ReadFault::Length,
            Self::LostEdge | Self::Dropped => ReadFault::Lost,
        }
    }

    /// A pulse that is none: where these never pause, the wire floats.
    fn is_misshapen(self) -> bool {
        matches!(
            self,
            Self::PulseTooShort { .. }
                | Self::PulseTooLong { .. }
                | Self::TooClose { .. }
                | Self::Overlap
        )
    }
}

pub type Outcome = Result<Frame, Spoilt>;

/// A frame being put together.
#[derive(Clone, Copy, Debug)]
struct Building {
    first: Instant,
    last_fall: Instant,
    value: u128,
    bits: u16,
    edges: u16,
    /// The longest time between two falling edges.
    longest: Duration,
    /// It began within the gap after a frame that was given out.
    late: bool,
    fault: Option<Fault>,
}

/// Turns edges into frames. Hand it every edge in order, and [`poll`](Self::poll) it at
/// [`deadline`](Self::deadline), after all edges stamped before then: an edge within the quiet after the
/// last bit disqualifies the frame, which it can't do once the frame is out.
#[derive(Clone, Debug)]
pub struct Assembler {
    options: Options,
    building: Option<Building>,
    /// The last edge, also while muted.
    last_edge: Instant,
    /// Since when each line has been low.
    low_since: [Option<Instant>; 2],
    /// After an overflow or with a line stuck low: nothing is decoded until an idle gap.
    muted: bool,
    /// The last burst was given out as a frame.
    gave_frame: bool,
}

impl Assembler {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            building: None,
            last_edge: Instant(0),
            low_since: [None; 2],
            muted: false,
            gave_frame: false,
        }
    }

    /// Takes one edge. The outcome, if there is one, is that of the frame before it, or of this one if it
    /// has just overflowed.
    pub fn edge(&mut self, edge: Edge) -> Option<Outcome> {
        if self.options.edges == Edges::Falling && edge.level == Level::High {
            return None;
        }
        let before = self.poll(edge.at);
        if self.muted {
            let idle = edge.at.since(self.last_edge) >= self.options.gap;
            if !idle || self.low_since.iter().any(Option::is_some) {
                self.last_edge = self.last_edge.max(edge.at);
                self.low_since[edge.line as usize] = self.low_after(edge);
                return before;
            }
            self.muted = false;
        }
        let mut b = self.building.take().unwrap_or_else(|| self.starting(edge.at));
        let fault = self.fault_of(&b, edge);
        b.fault = b.fault.or(fault);
        b.edges = b.edges.saturating_add(1);
        if edge.level == Level::Low {
            if b.bits > 0 {
                b.longest = b.longest.max(edge.at.since(b.last_fall));
            }
            b.value = b.value << 1 | (edge.line == Line::D1) as u128;
            b.bits = b.bits.saturating_add(1);
            b.last_fall = edge.at;
        }
        self.last_edge = self.last_edge.max(edge.at);
        self.low_since[edge.line as usize] = self.low_after(edge);
        if b.bits > MAX_BITS.into() || b.edges > MAX_EDGES {
            self.muted = true;
            // `before` is empty: a frame that has just begun can't overflow.
            let floats = b.fault.is_some_and(Fault::is_misshapen);
            let why = if floats { Fault::Floating } else { Fault::Overflow };
            return Some(Err(Spoilt { first: b.first, bits: b.bits, why }));
        }
        self.building = Some(b);
        before
    }

    /// The source lost edges at `at`: whatever is under way, or begins before the next idle gap, is spoilt.
    /// A frame that had already ended by then comes out.
    pub fn poison(&mut self, at: Instant) -> Option<Outcome> {
        let before = self.poll(at);
        if !self.muted {
            let mut b = self.building.take().unwrap_or_else(|| self.starting(at));
            b.fault = b.fault.or(Some(Fault::Dropped));
            self.building = Some(b);
        }
        self.last_edge = self.last_edge.max(at);
        // A lost edge may be the one that would have raised a line.
        self.low_since = [None; 2];
        before
    }

    /// When to [`poll`](Self::poll) next; `None` while nothing is under way.
    pub fn deadline(&self) -> Option<Instant> {
        let b = self.building.as_ref()?;
        let gap_end = self.last_edge + self.options.gap;
        let lines_high = self.low_since.iter().all(Option::is_none);
        let may_end = b.fault.is_none() && lines_high && self.options.lengths.end_with(b.bits);
        let quiet = b.quiet().filter(|_| may_end);
        Some(quiet.map_or(gap_end, |quiet| gap_end.min(b.last_fall + quiet)))
    }

    /// Gives the frame, or what was wrong with it, once `now` has reached the deadline.
    pub fn poll(&mut self, now: Instant) -> Option<Outcome> {
        if now < self.deadline()? {
            return None;
        }
        let b = self.building.take()?;
        let mut fault = b.fault;
        if let Some(since) = self.low_since.iter().flatten().min() {
            fault = fault.or(Some(Fault::Stuck { us: now.since(*since).as_micros() }));
            self.muted = true;
        }
        let lengths = self.options.lengths;
        let expected = lengths.contain(b.bits);
        fault = fault
            .or(b.late.then_some(Fault::Late))
            .or((!expected && b.bits < FEWEST_BITS).then_some(Fault::Stray { bits: b.bits }))
            .or((!expected && lengths.are_known())
                .then_some(Fault::WrongLength { seen: b.bits, lengths }));
        let bits = u8::try_from(b.bits).ok().and_then(|len| Bits::new(b.value, len));
        let outcome = match (fault, bits) {
            (None, Some(bits)) => Ok(Frame { bits, first: b.first, last: b.last_fall }),
            (why, _) => {
                Err(Spoilt { first: b.first, bits: b.bits, why: why.unwrap_or(Fault::LostEdge) })
            }
        };
        self.gave_frame = outcome.is_ok();
        Some(outcome)
    }

    fn starting(&self, at: Instant) -> Building {
        Building {
            first: at,
            last_fall: at,
            value: 0,
            bits: 0,
            edges: 0,
            longest: Duration::ZERO,
            late: self.gave_frame && at.since(self.last_edge) < self.options.gap,
            fault: None,
        }
    }

    fn low_after(&self, edge: Edge) -> Option<Instant> {
        (edge.level == Level::Low && self.options.edges == Edges::Both).then_some(edge.at)
    }

    /// What is wrong with `edge` itself, coming after `b`.
    fn fault_of(&self, b: &Building, edge: Edge) -> Option<Fault> {
        if edge.at < self.last_edge {
            return Some(Fault::LostEdge);
        }
        let o = &self.options;
        let (this, other) = match edge.line {
            Line::D0 => (self.low_since[0], self.low_since[1]),
            Line::D1 => (self.low_since[1], self.low_since[0]),
        };
        match (edge.level, this) {
            (Level::Low, Some(_)) | (Level::High, None) => Some(Fault::LostEdge),
            (Level::Low, None) if other.is_some() => Some(Fault::Overlap),
            (Level::Low, None) => {
                let interval = edge.at.since(b.last_fall);
                (b.bits > 0 && interval < o.interval_min)
                    .then_some(Fault::TooClose { us: interval.as_micros() })
            }
            (Level::High, Some(since)) => {
                let us = edge.at.since(since).as_micros();
                if us < o.pulse_min.as_micros() {
                    Some(Fault::PulseTooShort { us })
                } else if us > o.pulse_max.as_micros() {
                    Some(Fault::PulseTooLong { us })
                } else {
                    None
                }
            }
        }
    }
}

impl Building {
    /// Three of the frame's own bit intervals; `None` with fewer than two bits. The longest of them counts:
    /// some readers pause between bytes, and where bits come unevenly, the next may be late.
    fn quiet(&self) -> Option<Duration> {
        (self.bits > 1).then(|| Duration(self.longest.0.saturating_mul(3)))
    }
}

/// The edges a reader makes of `bits`: a low pulse of `pulse` every `interval`, beginning at `start`.
pub fn edges_of(
    bits: Bits,
    start: Instant,
    pulse: Duration,
    interval: Duration,
) -> impl Iterator<Item = Edge> {
    bits.iter().enumerate().flat_map(move |(i, one)| {
        let line = if one { Line::D1 } else { Line::D0 };
        let fall = start + Duration::from_micros(interval.as_micros().saturating_mul(i as u64));
        [
            Edge { at: fall, line, level: Level::Low },
            Edge { at: fall + pulse, line, level: Level::High },
        ]
    })
}

#[cfg(test)]
mod tests;
