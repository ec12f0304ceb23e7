//! `[hardware]` and everything that names a line: each line has one owner.

use crate::config::raw::{Either, Item, Notes, Section};
use crate::config::{Backend, Board, Hardware, Input, InputLine, Output};
use crate::domain::{Bias, Duration};
use std::ops::Range;
use std::path::Path;

/// Lines of one chip; no gate computer has more.
pub(super) const LINES: std::ops::RangeInclusive<u64> = 0..=1_023;

pub(super) fn hardware(s: Section<'_>, folder: &Path) -> Option<Hardware> {
    let word = s.required_text("backend", "\"gpiochip\"");
    let board = match s.text("board") {
        None => None,
        Some(_) => {
            let boards = &[("raspberry-pi", Board::RaspberryPi), ("other", Board::Other)];
            Some(s.choice("board", boards, Board::Other))
        }
    };
    let backend = word.and_then(|word| match word.value.as_str() {
        "gpiochip" => {
            let chip = s.required_text("chip", "\"gpiochip0\"");
            chip.map(|chip| Backend::Gpiochip { chip: chip.value })
        }
        "rppal" => Some(Backend::Rppal),
        "sim" => sim(&s, folder, word.span),
        _ => {
            let sim = if cfg!(feature = "sim") { " or \"sim\"" } else { "" };
            s.note(word.span, "backend", format!("must be \"gpiochip\" or \"rppal\"{sim}"));
            None
        }
    });
    // Without a backend nobody can say which options there are.
    if backend.is_some() {
        s.finish();
    }
    let backend = backend?;
    let board = board.or((backend == Backend::Rppal).then_some(Board::RaspberryPi));
    Some(Hardware { backend, board })
}

#[cfg(feature = "sim")]
fn sim(s: &Section<'_>, folder: &Path, _: Range<usize>) -> Option<Backend> {
    let socket = s.required_text("socket", "\"sim.sock\"").map(|i| folder.join(i.value));
    let keep = s.choice("released", &[("keep", true), ("reset", false)], true);
    Some(Backend::Sim { socket: socket?, keep })
}

#[cfg(not(feature = "sim"))]
fn sim(s: &Section<'_>, _: &Path, span: Range<usize>) -> Option<Backend> {
    let what = "this build has no simulated pins: set \"gpiochip\" (any board) or \"rppal\" (Raspberry Pi)";
    s.note(span, "backend", what);
    None
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
/// debounce_ms = 20, cut = 20, short = 21 }`. `owner` is how a clash names it.
pub(super) fn input(
    s: &Section<'_>,
    key: &'static str,
    owner: String,
    active: ActiveAt,
    lines: &mut Lines,
) -> Option<Input> {
    let (mut cut, mut short) = (None, None);
    let state = line(s, key, &owner, active, lines, |t, lines| {
        // A module without power, or a wire to it that is cut, is to look like a fault.
        let mut fault = |key, what: &str| {
            line(t, key, &format!("{owner}, {what}"), ActiveAt::High, lines, |_, _| {})
        };
        (cut, short) = (fault("cut", "its cut line"), fault("short", "its short line"));
    });
    Some(Input { state: state?, cut, short })
}

/// One line of a switch; `more` reads what else its table may have.
fn line(
    s: &Section<'_>,
    key: &'static str,
    owner: &str,
    active: ActiveAt,
    lines: &mut Lines,
    more: impl FnOnce(&Section<'_>, &mut Lines),
) -> Option<InputLine> {
    let mut input = InputLine {
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
            more(&t, lines);
            t.finish();
            line
        }
    }?;
    lines.bias(input.bias, owner, line.span.clone());
    lines.take(&line, owner.into());
    Some(InputLine { line: line.value as u32, ..input })
}

/// What holds a reader's data lines high between its pulses, where that is not a resistor outside.
pub(super) fn bias(s: &Section<'_>, owner: String, lines: &mut Lines) -> Bias {
    let bias = s.choice("bias", BIASES, Bias::PullUp);
    lines.bias(bias, &owner, s.span());
    bias
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
    let output = Output { line: line.value as u32, ..output };
    lines.outputs.push((output, owner.clone(), line.span.clone()));
    lines.take(&line, owner);
    Some(output)
}

/// Who uses which line: each has one owner.
#[derive(Default)]
pub(super) struct Lines {
    taken: Vec<(u64, String, Range<usize>)>,
    outputs: Vec<(Output, String, Range<usize>)>,
    as_is: Vec<(String, Range<usize>)>,
}

impl Lines {
    pub(super) fn take(&mut self, line: &Item<u64>, owner: String) {
        self.taken.push((line.value, owner, line.span.clone()));
    }

    fn bias(&mut self, bias: Bias, owner: &str, span: Range<usize>) {
        if bias == Bias::AsIs {
            self.as_is.push((owner.into(), span));
        }
    }

    /// What this hardware can't do, or what a board does to lines that nobody drives yet.
    pub(super) fn report_misfits(&self, hardware: &Hardware, notes: &Notes<'_>) {
        let board = hardware.board.unwrap_or(Board::Other);
        for (output, owner, span) in &self.outputs {
            if output.energised_at_reset(board) {
                notes.add(span.clone(), owner, reset_pull(output.line));
            }
        }
        if hardware.backend == Backend::Rppal {
            for (owner, span) in &self.as_is {
                let what =
                    "rppal can't leave a bias as it is: say \"pull-up\", \"pull-down\" or \"none\"";
                notes.add(span.clone(), owner, what);
            }
            for (line, owner, span) in self.taken.iter().filter(|(line, ..)| *line > 53) {
                notes.add(span.clone(), owner, format!("a Raspberry Pi has no line {line}"));
            }
        }
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

/// What to do about an output that its board energises before anybody drives it.
pub(crate) fn reset_pull(line: u32) -> String {
    format!(
        "a Raspberry Pi pulls line {line} up while it boots, which energises this output: use one of the lines 9 \
         to 27, or an active-low relay; with a stronger pull-down outside, set allow_reset_pull = true"
    )
}
