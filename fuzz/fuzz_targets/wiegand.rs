//! Edges, losses and looks at the clock in any order. A frame comes out only if its own edges make it: right
//! count, right lines, every pulse and every interval as the options ask, nothing lost in between. And
//! whatever is under way ends within the gap after the last edge.
#![no_main]

use eithergate::domain::{Duration, Instant};
use eithergate::wire::wiegand::{
    Assembler, Edge, Edges, Frame, Lengths, Level, Line, Options, Outcome,
};
use libfuzzer_sys::fuzz_target;

/// What was handed over, in order.
enum Step {
    Edge(Edge),
    Lost(Instant),
}

fn check(frame: Frame, options: &Options, steps: &[Step]) {
    let from = steps
        .iter()
        .rposition(|s| matches!(s, Step::Edge(e) if e.at == frame.first && e.level == Level::Low));
    let from = from.expect("a frame begins with an edge");
    let (mut value, mut bits) = (0u128, 0u8);
    let mut fall: Option<Edge> = None;
    let mut low: Option<Edge> = None;
    for step in &steps[from..] {
        match step {
            Step::Lost(at) => assert!(*at > frame.last, "lost edges within a frame"),
            Step::Edge(edge) if edge.level == Level::Low && edge.at <= frame.last => {
                assert!(low.is_none(), "both lines low, or one twice");
                if let Some(before) = fall {
                    assert!(edge.at.since(before.at) >= options.interval_min);
                }
                value = value << 1 | u128::from(edge.line == Line::D1);
                bits += 1;
                fall = Some(*edge);
                low = (options.edges == Edges::Both).then_some(*edge);
            }
            Step::Edge(edge) if options.edges == Edges::Both && edge.level == Level::High => {
                let Some(began) = low.take() else {
                    assert!(edge.at > frame.last, "a rise without a fall");
                    continue;
                };
                let width = edge.at.since(began.at);
                assert!(edge.line == began.line);
                assert!(options.pulse_min <= width && width <= options.pulse_max);
            }
            Step::Edge(_) => {}
        }
    }
    assert!(low.is_none(), "a frame came out with a line low");
    assert_eq!((value, bits), (frame.bits.value(), frame.bits.count()));
    assert!(!options.lengths.are_known() || options.lengths.contain(bits.into()));
}

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, one, other], ops)) = data.split_first_chunk::<3>() else { return };
    let lengths = match kind & 3 {
        0 => Lengths::default(),
        1 => Lengths::of([one]),
        _ => Lengths::of([one, other, 26]),
    };
    let edges = if kind & 4 == 0 { Edges::Both } else { Edges::Falling };
    let options = Options { lengths, edges, ..Options::default() };
    let mut assembler = Assembler::new(options);
    let mut now = Instant(1_000_000);
    let mut last_input = now;
    let mut steps: Vec<Step> = Vec::new();
    let look = |outcome: Option<Outcome>, steps: &mut Vec<Step>, keep: usize| {
        if let Some(outcome) = outcome {
            if let Ok(frame) = outcome {
                let before = steps.len() - keep;
                check(frame, &options, &steps[..before]);
            }
            steps.drain(..steps.len() - keep);
        }
    };
    for op in ops.chunks_exact(2) {
        let &[what, step] = op else { return };
        // From microseconds to tens of milliseconds, as on the wire.
        let scale = [1, 5, 20, 200][usize::from(what >> 6)];
        let step = Duration::from_micros(u64::from(step) * scale);
        now = if what & 0x20 == 0 { now + step } else { now - Duration(step.0 / 8) };
        let line = if what & 1 == 0 { Line::D0 } else { Line::D1 };
        match what >> 1 & 7 {
            // A whole pulse, so that frames come about.
            0..=3 => {
                for (level, wait) in
                    [(Level::Low, 0), (Level::High, 20 + u64::from(what >> 1 & 3) * 40)]
                {
                    now += Duration(wait);
                    let edge = Edge { at: now, line, level };
                    steps.push(Step::Edge(edge));
                    let outcome = assembler.edge(edge);
                    let overflowed = matches!(outcome, Some(Err(s)) if s.bits > 128);
                    look(outcome, &mut steps, usize::from(!overflowed));
                }
            }
            4 | 5 => {
                let level = if what >> 1 & 1 == 0 { Level::Low } else { Level::High };
                let edge = Edge { at: now, line, level };
                steps.push(Step::Edge(edge));
                look(assembler.edge(edge), &mut steps, 1);
            }
            6 => look(assembler.poll(now), &mut steps, 0),
            _ => {
                steps.push(Step::Lost(now));
                look(assembler.poison(now), &mut steps, 1);
            }
        }
        last_input = last_input.max(now);
        if let Some(deadline) = assembler.deadline() {
            assert!(deadline <= last_input + options.gap, "nothing waits longer than the gap");
        }
    }
    if let Some(deadline) = assembler.deadline() {
        let outcome = assembler.poll(deadline);
        assert!(outcome.is_some(), "what is under way ends at its deadline");
        look(outcome, &mut steps, 0);
    }
    assert_eq!(assembler.deadline(), None);
});
