//! `[hardware]` and everything that names a line: each line has one owner.

use crate::config::raw::{Item, Notes, Section};
use crate::config::{Hardware, Input};
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

/// A line and the level that means something: `contact = 22` with `contact_open = "high"`.
pub(super) fn input(
    s: &Section<'_>,
    key: &'static str,
    level_key: &'static str,
    lines: &mut Lines,
) -> Option<Input> {
    let active_high = s.choice(level_key, &[("high", true), ("low", false)], key == "contact");
    let line = s.whole(key, LINES)?;
    lines.take(&line, s.place(key));
    Some(Input { line: line.value as u32, active_high })
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
