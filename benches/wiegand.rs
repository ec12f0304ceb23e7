//! What a Wiegand edge and a frame cost, from edges to a card, beside a decoder that only gathers bits until a
//! pause (what ESPHome's and many controllers' do, written for this comparison). Prints JSON, one object a line.
//! Run with `cargo bench --bench wiegand`.

use eithergate::domain::{Duration, Instant};
use eithergate::wire::format::{Format, builtins, decode, lengths};
use eithergate::wire::wiegand::{Assembler, Edge, Lengths, Level, Line, Options, edges_of};
use serde_json::json;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant as Stopwatch;

const FRAMES: u64 = 20_000;
/// The best of so many runs: others may be using the machine.
const RUNS: usize = 9;

/// Gathers bits of falling edges; a pause of 100 ms ends the frame, and 26 bits with right parity are a card.
#[derive(Default)]
struct Gatherer {
    value: u64,
    count: u8,
    last: Instant,
}

impl Gatherer {
    fn edge(&mut self, edge: Edge) -> Option<u64> {
        let ended =
            if edge.at.since(self.last) >= Duration::from_millis(100) { self.end() } else { None };
        if edge.level == Level::Low {
            self.value = self.value << 1 | u64::from(edge.line == Line::D1);
            self.count = self.count.saturating_add(1);
            self.last = edge.at;
        }
        ended
    }

    fn end(&mut self) -> Option<u64> {
        let (value, count) = (std::mem::take(&mut self.value), std::mem::take(&mut self.count));
        let even = (value >> 13).count_ones() % 2 == 0;
        let odd = (value & 0x1fff).count_ones() % 2 == 1;
        (count == 26 && even && odd).then_some(value >> 1 & 0xff_ffff)
    }
}

fn trace(format: &Format) -> Result<Vec<Edge>, Box<dyn Error>> {
    let mut edges = Vec::new();
    for n in 0..FRAMES {
        let frame = format.encode_card(u128::from(n))?;
        let start = Instant(1_000_000 + n * 1_000_000);
        edges.extend(edges_of(frame, start, Duration(50), Duration(1_000)));
    }
    Ok(edges)
}

/// The best run's time for `work`, which says how many cards it found.
fn best(mut work: impl FnMut() -> u64) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let started = Stopwatch::now();
        let cards = work();
        best = best.min(started.elapsed().as_nanos() as f64);
        if cards != FRAMES {
            return Err(format!("{cards} cards of {FRAMES}").into());
        }
    }
    Ok(best)
}

fn assemble(options: Options, formats: &[Format], edges: &[Edge]) -> u64 {
    let mut assembler = Assembler::new(options);
    let mut cards = 0;
    let mut read = |outcome| {
        if let Some(Ok(frame)) = outcome {
            let frame: eithergate::wire::wiegand::Frame = frame;
            cards += u64::from(black_box(decode(frame.bits, formats)).is_ok());
        }
    };
    for edge in edges {
        read(assembler.edge(*edge));
    }
    read(assembler.poll(Instant(u64::MAX)));
    cards
}

fn main() -> Result<(), Box<dyn Error>> {
    for format in builtins() {
        let edges = trace(&format)?;
        let formats = [format];
        let options = Options { lengths: Lengths::of(lengths(&formats)), ..Options::default() };
        let ns = best(|| assemble(options, black_box(&formats), black_box(&edges)))?;
        let gathered = if formats[0].name().as_str() == "h10301" {
            let ns = best(|| {
                let mut gatherer = Gatherer::default();
                let mut cards: u64 = 0;
                for edge in black_box(&edges) {
                    cards += u64::from(black_box(gatherer.edge(*edge)).is_some());
                }
                cards + u64::from(black_box(gatherer.end()).is_some())
            })?;
            Some((ns / FRAMES as f64).round())
        } else {
            None
        };
        println!(
            "{}",
            json!({
                "bench": "wiegand", "format": formats[0].name(), "bits": formats[0].bits(),
                "ns_per_edge": (10.0 * ns / edges.len() as f64).round() / 10.0,
                "ns_per_frame": (ns / FRAMES as f64).round(), "gatherer_ns_per_frame": gathered,
            })
        );
    }
    Ok(())
}
