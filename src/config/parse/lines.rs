//! `[hardware]` and everything that names a line: each line has one owner.

use crate::config::raw::{Either, Item, Notes, Section};
use crate::config::{Hardware, Input, Output};
use crate::domain::{Bias, Duration};
use std::ops::Range;
use std::path::Path;

/// Lines of one chip; no gate computer has more.
pub(super) const LINES: std::ops::RangeInclusive<u64> = 0..=255;

pub(super) fn hardware(s: Section<'_>, folder: &Path) -> Option<Hardware> {
    let known: &[(&str, bool)] = if cfg!(feature = "sim") { &[("sim", true)] } else { &[] };
    if s.required_text("backend", "\"sim\"").is_some() {
        s.choice("backend", known, false);
    }
    let socket = s.required_text("socket", "\"sim.sock\"").map(|i| folder.join(i.value));
    s.finish();
    Some(Hardware::Sim { socket: socket? })
}

/// The level at which a line means something, where the configuration doesn't say.
#[derive(Clone, Copy)]
pub(super) enum ActiveAt {
    Low,
    High,
}

const LEVELS: &[(&str, bool)] = &[("high", true), ("low", false)];

/// Contacts bounce for some milliseconds; nobody presses a button for less than this.
const DEBOUNCE_MS: u64 = 20;

/// A switch: `contact = 22` or `contact = { line = 22, active = "high", bias = "pull-up",
/// debounce_ms = 20 }`. `owner` is how a clash names it.
pub(super) fn input(
    s: &Section<'_>,
    key: &'static str,
    owner: String,
    active: ActiveAt,
    lines: &mut Lines,
) -> Option<Input> {
    let mut input = Input {
        line: 0,
        active_high: matches!(active, ActiveAt::High),
        bias: Bias::PullUp,
        debounce: Duration::from_millis(DEBOUNCE_MS),
    };
    let line = match s.whole_or_table(key, LINES)? {
        Either::Whole(line) => Some(line),
        Either::Table(t) => {
            t.missing_unless_wrong("line", "22");
            let line = t.whole("line", LINES);
            input.active_high = t.choice("active", LEVELS, input.active_high);
            input.bias = t.choice("bias", BIASES, input.bias);
            input.debounce =
                Duration::from_millis(t.whole_or("debounce_ms", 0..=1_000, DEBOUNCE_MS));
            t.finish();
            line
        }
    }?;
    lines.take(&line, owner);
    Some(Input { line: line.value as u32, ..input })
}

const BIASES: &[(&str, Bias)] = &[
    ("pull-up", Bias::PullUp),
    ("pull-down", Bias::PullDown),
    ("none", Bias::Off),
    ("as-is", Bias::AsIs),
];

/// What a line drives: `relay = 17` or `relay = { line = 17, active = "low", safe = "released" }`.
pub(super) fn output(
    s: &Section<'_>,
    key: &'static str,
    owner: String,
    active: ActiveAt,
    lines: &mut Lines,
) -> Option<Output> {
    let mut output = Output {
        line: 0,
        active_high: matches!(active, ActiveAt::High),
        safe_energised: false,
        allow_reset_pull: false,
    };
    let line = match s.whole_or_table(key, LINES)? {
        Either::Whole(line) => Some(line),
        Either::Table(t) => {
            t.missing_unless_wrong("line", "17");
            let line = t.whole("line", LINES);
            output.active_high = t.choice("active", LEVELS, output.active_high);
            let states = &[("released", false), ("energised", true)];
            output.safe_energised = t.choice("safe", states, false);
            output.allow_reset_pull = t.flag_or("allow_reset_pull", false);
            t.finish();
            line
        }
    }?;
    lines.take(&line, owner);
    Some(Output { line: line.value as u32, ..output })
}

/// Who uses which line: each has one owner.
#[derive(Default)]
pub(super) struct Lines {
    taken: Vec<(u64, String, Range<usize>)>,
}

impl Lines {
    pub(super) fn take(&mut self, line: &Item<u64>, owner: String) {
        self.taken.push((line.value, owner, line.span.clone()));
    }

    pub(super) fn report_clashes(&self, notes: &Notes<'_>) {
        for (i, (line, owner, span)) in self.taken.iter().enumerate() {
            if let Some((_, first, _)) = self.taken[..i].iter().find(|(l, _, _)| l == line) {
                let what = format!("line {line} belongs to {first} already: give each its own");
                notes.add(span.clone(), owner, what);
            }
        }
    }
}
