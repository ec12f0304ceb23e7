//! Value change dumps (IEEE 1364, four-state): what logic analysers and simulators export. Two named
//! one-bit signals become Wiegand edges. What never enters: a file (the caller reads it, and bounds it).

use super::wiegand::{Edge, Level, Line};
use crate::domain::Instant;

/// Edges taken from one trace; a day of a busy reader has fewer.
pub const MAX_EDGES: usize = 1_000_000;

/// Names quoted when the one asked for is not there, and characters of each.
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

/// A signal looked for, and what was declared under its name.
struct Wanted<'a> {
    name: &'a str,
    /// Its id.
    found: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn declare(
        &mut self,
        scope: &[&str],
        size: &'a str,
        id: &'a str,
        name: &str,
    ) -> Result<(), Why> {
        // `a.b.name` for `name` in scope b of scope a. Compared piece by piece: a path joined for each
        // signal would let a small file ask for a lot of memory.
        let in_scope = || {
            let path = self.name.strip_suffix(name).and_then(|path| path.strip_suffix('.'));
            path.is_some_and(|path| path.split('.').eq(scope.iter().copied()))
        };
        if self.name != name && !in_scope() {
            return Ok(());
        }
        match self.found {
            Some(other) if other != id => Err(Why::SeveralSignals(self.name.into())),
            _ if size != "1" => Err(Why::Wide(self.name.into())),
            _ => {
                self.found = Some(id);
                Ok(())
            }
        }
    }

    fn id(&self, declared: &[&str]) -> Result<&'a str, Why> {
        if let Some(id) = self.found {
            return Ok(id);
        }
        let mut there: Vec<String> = declared.iter().map(|name| shortened(name)).collect();
        if there.is_empty() {
            there.push("none".into());
        }
        Err(Why::NoSignal { name: self.name.into(), there: there.join(", ") })
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_QUOTED).collect()
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
///
/// Any bytes will do; what is not UTF-8 can only stand in comments and names.
pub fn edges(dump: &[u8], d0: &str, d1: &str) -> Result<Vec<Edge>, BadTrace> {
    let text = String::from_utf8_lossy(dump);
    let mut tokens = Tokens::new(&text);
    // In femtoseconds, the smallest unit there is; a microsecond if the trace doesn't say.
    let mut unit_fs: u128 = 1_000_000_000;
    let mut scope: Vec<&str> = Vec::new();
    let mut declared: Vec<&str> = Vec::new();
    let mut wanted = [d0, d1].map(|name| Wanted { name, found: None });
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
                    if declared.len() < MAX_QUOTED {
                        declared.push(name);
                    }
                    for signal in &mut wanted {
                        let outcome = signal.declare(&scope, size, id, name);
                        outcome.map_err(|why| tokens.bad(why))?;
                    }
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
    let [id0, id1] = wanted.map(|signal| signal.id(&declared).map_err(|why| tokens.bad(why)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "$date today $end\n$timescale 10 us $end\n$scope module top $end\n\
        $var wire 1 ! a $end\n$var wire 1 \" b $end\n$var wire 8 # wide [7:0] $end\n$upscope $end\n\
        $enddefinitions $end\n";

    fn of(body: &str) -> Result<Vec<Edge>, BadTrace> {
        edges(format!("{HEAD}{body}").as_bytes(), "a", "b")
    }

    fn edge(at_us: u64, line: Line, level: Level) -> Edge {
        Edge { at: Instant(at_us), line, level }
    }

    #[test]
    fn changes_become_edges_and_the_rest_is_passed_over() {
        let body = "$dumpvars\n1! x\" b0000 #\n$end\n#5 0! $comment #9 no time $end\n#7 1! 1\"\n\
            #8 b101 # r1.5 # 0\" x!\n#9 1! z\"\n";
        let expected = [
            edge(50, Line::D0, Level::Low),
            edge(70, Line::D0, Level::High),
            edge(80, Line::D1, Level::Low),
            edge(90, Line::D1, Level::High),
        ];
        assert_eq!(of(body).as_deref(), Ok(&expected[..]));
    }

    #[test]
    fn the_first_known_level_is_no_edge() {
        assert_eq!(of("#0 0! 0\"\n#1 0!\n"), Ok(vec![]));
    }

    #[test]
    fn errors_name_line_and_fault() {
        let bad = |body: &str| of(body).map_err(|e| (e.line, e.why));
        assert_eq!(bad("#0 1!\n#x\n"), Err((10, Why::Time)));
        assert_eq!(bad("#5\n#4\n"), Err((10, Why::Backwards)));
        assert_eq!(bad("#5\n\n?!\n"), Err((11, Why::Change)));
        assert_eq!(bad("b1"), Err((9, Why::Change)));
        assert_eq!(bad("b10 !"), Err((9, Why::Change)));
        assert_eq!(bad("$comment\nto the end\n"), Err((9, Why::NoEnd)));
        assert_eq!(bad(&format!("#{}", u128::MAX)), Err((9, Why::Time)));
        let why = |text: &str, d0, d1| edges(text.as_bytes(), d0, d1).map_err(|e| (e.line, e.why));
        assert_eq!(why("", "a", "b"), Err((1, Why::NotVcd)));
        assert_eq!(why("hello\n", "a", "b"), Err((1, Why::NotVcd)));
        assert_eq!(why("$timescale 3 us $end\n", "a", "b"), Err((1, Why::Timescale)));
        assert_eq!(why("\n$var wire 1 $end\n", "a", "b"), Err((2, Why::Var)));
        assert_eq!(why("\n$date\n", "a", "b"), Err((2, Why::NoEnd)));
        assert_eq!(why(HEAD, "a", "wide"), Err((6, Why::Wide("wide".into()))));
        assert_eq!(why(HEAD, "a", "a"), Err((8, Why::SameSignal)));
        let missing = Why::NoSignal { name: "c".into(), there: "a, b, wide".into() };
        assert_eq!(why(HEAD, "c", "b"), Err((8, missing)));
    }

    #[test]
    fn one_name_in_two_scopes_wants_its_scope() {
        let text = "$timescale 1us $end $scope module x $end $var wire 1 ! d $end $upscope $end\n\
            $scope module y $end $scope module z $end $var wire 1 \" d $end $upscope $end $upscope $end\n\
            $enddefinitions $end #0 1! 1\" #3 0\"\n";
        let several = edges(text.as_bytes(), "d", "y.z.d").map_err(|e| (e.line, e.why));
        assert_eq!(several, Err((2, Why::SeveralSignals("d".into()))));
        let found = edges(text.as_bytes(), "x.d", "y.z.d");
        assert_eq!(found.as_deref(), Ok(&[edge(3, Line::D1, Level::Low)][..]));
    }

    #[test]
    fn units() {
        for (text, fs) in [("1s", 1_000_000_000_000_000), ("100ns", 100_000_000), ("10fs", 10)] {
            assert_eq!(timescale_fs(text), Some(fs));
        }
        for text in ["", "us", "5us", "1", "1 year", "1µs"] {
            assert_eq!(timescale_fs(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = edges(&bytes, "a", "b");
        }

        #[test]
        fn no_body_makes_it_panic(body in r##"(#[0-9]{1,3}|[01xzbrs$?µ]{1,2}[!"#]?|\$end|\$comment|\s){0,60}"##) {
            if let Ok(edges) = of(&body) {
                prop_assert!(edges.is_sorted_by_key(|e| e.at));
            }
        }
    }
}
