//! How often a single error on the wires makes another card's number: every place, both lines, several moments,
//! over cards drawn from a seed.

use eithergate::domain::{Duration, Instant};
use eithergate::wire::format::{Format, decode, lengths};
use eithergate::wire::wiegand::{
    Assembler, Edge, Lengths, Level, Line, Options, Outcome, edges_of,
};

const START: Instant = Instant(1_000_000);
pub const PULSE: Duration = Duration::from_micros(50);
pub const INTERVAL: Duration = Duration::from_micros(2_000);
/// Moments at which an error is tried within each bit's interval.
pub const MOMENTS: u64 = 9;

/// How a frame's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As soon as it has as many bits as the format, as simple decoders do.
    AtOnce,
    /// With the quiet after the last bit.
    Quiet,
    /// With the gap, from a reader that may send any of several formats.
    Gap,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    pub wrong: u64,
    pub of: u64,
}

impl Share {
    fn note(&mut self, wrong: bool) {
        self.wrong += u64::from(wrong);
        self.of += 1;
    }
}

/// What becomes of one format's frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares {
    /// A pulse too many, on either line, from one interval before the first bit to two after the last.
    pub added: Share,
    /// A pulse gone.
    pub lost: Share,
    /// A pulse on the other line.
    pub swapped: Share,
    /// A bare edge too many, gone, or on the other line.
    pub edges: Share,
}

/// Spreads counters over 64 bits (Steele, Lea and Flood's SplitMix64).
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn other(line: Line) -> Line {
    if line == Line::D0 { Line::D1 } else { Line::D0 }
}

fn pulse(at: Instant, line: Line) -> [Edge; 2] {
    let fall = Edge { at, line, level: Level::Low };
    [fall, Edge { at: at + PULSE, level: Level::High, ..fall }]
}

/// All outcomes of a trace, polled as a gate does.
fn outcomes(options: Options, ending: Ending, pinned: u8, trace: &[Edge]) -> Vec<Outcome> {
    let mut assembler = Assembler::new(options);
    let mut outcomes = Vec::new();
    let mut falls = 0;
    for edge in trace {
        if let Some(deadline) = assembler.deadline().filter(|deadline| *deadline <= edge.at) {
            outcomes.extend(assembler.poll(deadline));
            falls = 0;
        }
        outcomes.extend(assembler.edge(*edge));
        falls += u8::from(edge.level == Level::Low);
        if ending == Ending::AtOnce && falls >= pinned && edge.level == Level::High {
            outcomes.extend(assembler.poll(Instant(u64::MAX)));
            falls = 0;
        }
    }
    outcomes.extend(assembler.deadline().and_then(|deadline| assembler.poll(deadline)));
    outcomes
}

/// The shares for one of `formats`, the reader being pinned to all of them.
pub fn measure(format: &Format, formats: &[Format], ending: Ending, cards: u64) -> Shares {
    let known = match ending {
        Ending::Gap => Lengths::default(),
        Ending::AtOnce | Ending::Quiet => Lengths::of(lengths(formats)),
    };
    let options = Options { lengths: known, ..Options::default() };
    let mut shares = Shares::default();
    for seed in 0..cards {
        let mut number = u128::from(mix(2 * seed)) << 64 | u128::from(mix(2 * seed + 1));
        let frame = loop {
            match format.encode_card(number) {
                Ok(frame) => break frame,
                Err(_) => number >>= 1,
            }
        };
        let mut trace: Vec<Edge> = edges_of(frame, START, PULSE, INTERVAL).collect();
        // Each bit up to a tenth of an interval early or late, as real readers have it.
        for (i, bit) in trace.chunks_mut(2).enumerate() {
            let late = Duration(mix(seed << 8 | i as u64) % (INTERVAL.0 / 5));
            bit.iter_mut().for_each(|edge| edge.at = edge.at + late - Duration(INTERVAL.0 / 10));
        }
        let wrong = |trace: &[Edge]| {
            let outcomes = outcomes(options, ending, format.bits(), trace);
            let read = outcomes.iter().flatten().filter_map(|f| decode(f.bits, formats).ok());
            read.into_iter().any(|card| card.number() != number || card.format() != format.name())
        };
        assert!(!wrong(&trace), "an undisturbed frame");
        disturb(&trace, u64::from(format.bits()), &mut shares, wrong);
    }
    shares
}

fn disturb(trace: &[Edge], bits: u64, shares: &mut Shares, wrong: impl Fn(&[Edge]) -> bool) {
    let with = |more: &[Edge]| {
        let mut trace = [trace, more].concat();
        trace.sort_by_key(|edge| edge.at);
        trace
    };
    for moment in 0..(bits + 3) * MOMENTS {
        let at = START - INTERVAL + Duration(moment * INTERVAL.0 / MOMENTS);
        for line in [Line::D0, Line::D1] {
            let pulse = pulse(at, line);
            shares.added.note(wrong(&with(&pulse)));
            for edge in pulse {
                shares.edges.note(wrong(&with(&[edge])));
            }
        }
    }
    for bit in (0..trace.len()).step_by(2) {
        let mut lost = trace.to_vec();
        lost.drain(bit..bit + 2);
        shares.lost.note(wrong(&lost));
        let mut swapped = trace.to_vec();
        swapped[bit..bit + 2].iter_mut().for_each(|edge| edge.line = other(edge.line));
        shares.swapped.note(wrong(&swapped));
    }
    for at in 0..trace.len() {
        let mut lost = trace.to_vec();
        lost.remove(at);
        shares.edges.note(wrong(&lost));
        let mut swapped = trace.to_vec();
        swapped[at].line = other(swapped[at].line);
        shares.edges.note(wrong(&swapped));
    }
}
