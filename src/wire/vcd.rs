//! Value change dumps (IEEE 1364, four-state): what logic analysers and simulators export. Two named
//! one-bit signals become Wiegand edges. What never enters: a file (the caller reads it, and bounds it).

use super::wiegand::{Edge, Level, Line};
use crate::domain::Instant;

/// Edges taken from one trace; a day of a busy reader has fewer.
pub const MAX_EDGES: usize = 1_000_000;

/// Names quoted when the one asked for is not there.
const MAX_QUOTED: usize = 32;

/// What is wrong with a trace, and in which line (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadTrace {
    pub line: usize,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("this is no value change dump (VCD): it has no $enddefinitions")]
    NotVcd,
    #[error("a section that begins here has no $end")]
    NoEnd,
    #[error("the $timescale must be 1, 10 or 100 of s, ms, us, ns, ps or fs")]
    Timescale,
    #[error("a $var needs a type, a size, an id and a name")]
    Var,
    #[error("signal '{0}' has more than one bit")]
    Wide(String),
    #[error("there is no signal '{name}'; the trace has {there}")]
    NoSignal { name: String, there: String },
    #[error("several signals are called '{0}': name one with its scope, as SCOPE.NAME")]
    SeveralSignals(String),
    #[error("D0 and D1 are one and the same signal")]
    SameSignal,
    #[error("a time that is no number, or beyond what microseconds can count")]
    Time,
    #[error("time runs backwards")]
    Backwards,
    #[error("a value change that is neither 0, 1, x, z, b..., r... nor s...")]
    Change,
    #[error("more than {MAX_EDGES} edges; cut the trace")]
    TooLong,
}

/// A signal as declared.
struct Var<'a> {
    scope: String,
    name: &'a str,
    id: &'a str,
    size: &'a str,
}

/// The tokens of a dump with the line each stands in.
struct Tokens<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    words: std::str::SplitWhitespace<'a>,
    line: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { lines: text.lines().enumerate(), words: "".split_whitespace(), line: 1 }
    }

    fn next(&mut self) -> Option<&'a str> {
        loop {
            if let Some(word) = self.words.next() {
                return Some(word);
            }
            let (number, text) = self.lines.next()?;
            self.line = number + 1;
            self.words = text.split_whitespace();
        }
    }

    fn bad(&self, why: Why) -> BadTrace {
        BadTrace { line: self.line, why }
    }

    /// The words up to `$end`.
    fn section(&mut self) -> Result<Vec<&'a str>, BadTrace> {
        let begun = self.line;
        let mut words = Vec::new();
        while let Some(word) = self.next() {
            if word == "$end" {
                return Ok(words);
            }
            words.push(word);
        }
        Err(BadTrace { line: begun, why: Why::NoEnd })
    }
}

/// The edges of the signals called `d0` and `d1` (by name, or by scope and name joined with dots), in
/// order, in microseconds since the trace's zero. `z` counts as high, as on a line with a pull-up; `x`
/// leaves the level as it was. The first known level of a signal is no edge.
pub fn edges(text: &str, d0: &str, d1: &str) -> Result<Vec<Edge>, BadTrace> {
    let mut tokens = Tokens::new(text);
    // Picoseconds would not do: $timescale goes down to femtoseconds.
    let mut unit_fs: u128 = 1_000_000_000;
    let mut scope: Vec<&str> = Vec::new();
    let mut vars: Vec<Var> = Vec::new();
    loop {
        match tokens.next() {
            None => return Err(tokens.bad(Why::NotVcd)),
            Some("$enddefinitions") => break,
            Some("$timescale") => {
                let words = tokens.section()?.concat();
                unit_fs = timescale_fs(&words).ok_or_else(|| tokens.bad(Why::Timescale))?;
            }
            Some("$scope") => scope.extend(tokens.section()?.get(1)),
            Some("$upscope") => {
                tokens.section()?;
                scope.pop();
            }
            Some("$var") => match tokens.section()?[..] {
                [_, size, id, name, ..] => {
                    vars.push(Var { scope: scope.join("."), name, id, size });
                }
                _ => return Err(tokens.bad(Why::Var)),
            },
            Some(word) if word.starts_with('$') => {
                tokens.section()?;
            }
            Some(_) => return Err(tokens.bad(Why::NotVcd)),
        }
    }
    tokens.section()?;
    let ids = [find(&vars, d0), find(&vars, d1)];
    let [id0, id1] = ids.map(|id| id.map_err(|why| tokens.bad(why)));
    let (id0, id1) = (id0?, id1?);
    if id0 == id1 {
        return Err(tokens.bad(Why::SameSignal));
    }
    changes(tokens, unit_fs, id0, id1)
}

fn changes(mut tokens: Tokens, unit_fs: u128, id0: &str, id1: &str) -> Result<Vec<Edge>, BadTrace> {
    let mut now = Instant(0);
    let mut levels: [Option<Level>; 2] = [None; 2];
    let mut edges = Vec::new();
    while let Some(word) = tokens.next() {
        let mut chars = word.chars();
        let kind = chars.next();
        let rest = chars.as_str();
        let (value, id) = match kind {
            Some('#') => {
                let time = rest.parse::<u128>().ok().and_then(|t| t.checked_mul(unit_fs));
                let us = time.and_then(|fs| u64::try_from(fs / 1_000_000_000).ok());
                let at = Instant(us.ok_or_else(|| tokens.bad(Why::Time))?);
                if at < now {
                    return Err(tokens.bad(Why::Backwards));
                }
                now = at;
                continue;
            }
            Some('$') => {
                // $dumpvars, $dumpon and the like hold value changes; their $end needs no notice.
                if word == "$comment" {
                    tokens.section()?;
                }
                continue;
            }
            Some('b' | 'B' | 'r' | 'R' | 's' | 'S') => {
                (rest, tokens.next().ok_or_else(|| tokens.bad(Why::Change))?)
            }
            Some('0' | '1' | 'x' | 'X' | 'z' | 'Z') if !rest.is_empty() => (&word[..1], rest),
            _ => return Err(tokens.bad(Why::Change)),
        };
        let line = match id {
            id if id == id0 => Line::D0,
            id if id == id1 => Line::D1,
            _ => continue,
        };
        let level = match value {
            "0" => Level::Low,
            "1" | "z" | "Z" => Level::High,
            "x" | "X" => continue,
            _ => return Err(tokens.bad(Why::Change)),
        };
        let before = levels[line as usize].replace(level);
        if before.is_some_and(|b| b != level) {
            if edges.len() == MAX_EDGES {
                return Err(tokens.bad(Why::TooLong));
            }
            edges.push(Edge { at: now, line, level });
        }
    }
    Ok(edges)
}

/// One tick in femtoseconds.
fn timescale_fs(text: &str) -> Option<u128> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let number = match number {
        "1" | "10" | "100" => number.parse::<u128>().ok()?,
        _ => return None,
    };
    let unit = match unit {
        "s" => 1_000_000_000_000_000,
        "ms" => 1_000_000_000_000,
        "us" => 1_000_000_000,
        "ns" => 1_000_000,
        "ps" => 1_000,
        "fs" => 1,
        _ => return None,
    };
    Some(number * unit)
}

/// The id of the one signal called `name`.
fn find<'a>(vars: &[Var<'a>], name: &str) -> Result<&'a str, Why> {
    let is_called = |v: &&Var| v.name == name || format!("{}.{}", v.scope, v.name) == name;
    let mut found = vars.iter().filter(is_called);
    let Some(var) = found.next() else {
        let mut there: Vec<&str> = vars.iter().map(|v| v.name).take(MAX_QUOTED).collect();
        if vars.len() > MAX_QUOTED {
            there.push("...");
        }
        let there = if there.is_empty() { "none".into() } else { there.join(", ") };
        return Err(Why::NoSignal { name: name.into(), there });
    };
    if found.any(|other| other.id != var.id) {
        return Err(Why::SeveralSignals(name.into()));
    }
    if var.size != "1" {
        return Err(Why::Wide(name.into()));
    }
    Ok(var.id)
}
