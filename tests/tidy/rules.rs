//! The rules themselves. Each complaint reads `FILE:LINE: RULE: what is wrong`.

use super::tokens::{self, Token, starts_with};

const MAX_LINES: usize = 500;

/// Which rooms each room may import. `*` is all rooms; `a::b` is one file of a room.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("bin", &["cli", "worker"]),
    ("cli", &["*"]),
    ("app", &["*", "!cli"]),
    ("sim", &["*", "!cli"]),
    ("config", &["domain", "wire", "trust", "access", "allowlist", "journal", "privacy", "vision"]),
    ("site", &["domain", "trust", "allowlist", "wire"]),
    (
        "worker",
        &[
            "domain",
            "vision",
            "wire",
            "failure",
            "places",
            "io::tflite",
            "io::clock",
            "io::template_key",
        ],
    ),
    ("io", &["domain", "wire"]),
    ("io::tflite", &["domain", "wire", "vision"]),
    ("vision", &["domain"]),
    ("access", &["domain"]),
    ("allowlist", &["domain", "trust", "wire"]),
    ("journal", &["domain"]),
    ("record", &["domain", "access"]),
    ("privacy", &["domain"]),
    ("trust", &["domain", "wire"]),
    ("wire", &["domain"]),
    ("domain", &[]),
    ("failure", &[]),
    ("places", &[]),
];

/// Adapters that others are built on: a serial port is the same for a reader that shouts and for a bus.
const SHARED_ADAPTERS: &[&str] = &["port"];

/// Rooms with no executor, store, broker or clock inside: `now` and inputs in, commands out.
const SANS_IO: &[&str] =
    &["domain", "wire", "access", "allowlist", "journal", "privacy", "trust", "vision", "record"];
const NOT_SANS_IO: &[&str] =
    &["tokio", "rumqttc", "sled", "rppal", "gpiocdev", "SystemTime", "TcpStream", "UdpSocket"];

/// Where one machine's own folders begin. Split, so that this file has none.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/tm", "p/")];

/// Everything wrong with one file, `path` being relative to the project's root.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |line: usize, rule: &str, what: String| {
        complaints.push(format!("{path}:{line}: {rule}: {what}"));
    };
    for (i, line) in text.lines().enumerate() {
        for machine in MACHINE_PATHS {
            if line.contains(machine) && !path.starts_with(".ci/") {
                let what = format!("{machine} is a place on one machine; take it from the caller");
                complain(i + 1, "machine-path", what);
            }
        }
    }
    if !path.ends_with(".rs") {
        return complaints;
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        complain(MAX_LINES, "length", format!("{lines} lines; {MAX_LINES} are enough, split it"));
    }
    let Some(inside) = path.strip_prefix("src/") else { return complaints };
    let module: Vec<&str> = inside
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| !matches!(*part, "mod" | "lib" | "main"))
        .collect();
    // Declared under #[cfg(test)] by the module beside it.
    if module.last().is_some_and(|file| *file == "tests" || file.ends_with("_tests")) {
        return complaints;
    }
    if !text.trim_start().starts_with("//!") {
        complain(
            1,
            "docs",
            "begin with //!: what this file is for and what never enters it".into(),
        );
    }
    let code = tokens::without_tests(&tokens::of(text));
    let Some(room) = module.first() else { return complaints };
    imports(&module, &code, &mut complain);
    panics(&code, &mut complain);
    unsafes(text, &code, &mut complain);
    channels(&code, &mut complain);
    for (i, token) in code.iter().enumerate() {
        if token.text == "tflitec" && !matches!(module[..], ["io", "tflite", ..]) {
            let what = "only src/io/tflite.rs knows TensorFlow Lite; use vision::Network";
            complain(token.line, "tflitec", what.into());
        }
        if !SANS_IO.contains(room) {
            continue;
        }
        let reads_clock = starts_with(&code[i..], &["Instant", ":", ":", "now"]);
        let reaches_out = starts_with(&code[i..], &["std", ":", ":", "net"])
            || starts_with(&code[i..], &["std", ":", ":", "thread"]);
        if NOT_SANS_IO.contains(&token.text.as_str()) || reads_clock || reaches_out {
            let what =
                format!("{} has no place in {room}: take values, return commands", token.text);
            complain(token.line, "sans-io", what);
        }
    }
    complaints
}

/// The paths that leave this module, as (line, segments from the crate's root).
fn crate_paths(module: &[&str], code: &[Token]) -> Vec<(usize, Vec<String>)> {
    let mut paths = Vec::new();
    for (i, token) in code.iter().enumerate() {
        let continues = i >= 2 && code[i - 1].text == ":" && code[i - 2].text == ":";
        if continues && !matches!(code.get(i.wrapping_sub(3)), Some(t) if t.text == "super") {
            continue;
        }
        let (base, mut next) = match token.text.as_str() {
            "crate" => (Vec::new(), i + 1),
            "eithergate" if module[0] == "bin" => (Vec::new(), i + 1),
            "super" if !continues => {
                let mut ups = 1;
                while starts_with(&code[i + 3 * ups - 2..], &[":", ":", "super"]) {
                    ups += 1;
                }
                let Some(rest) = module.len().checked_sub(ups) else { continue };
                (module[..rest].iter().map(|m| m.to_string()).collect(), i + 3 * ups - 2)
            }
            _ => continue,
        };
        if !starts_with(&code[next.min(code.len())..], &[":", ":"]) {
            continue;
        }
        next += 2;
        branches(code, next, &base, &mut paths);
    }
    paths
}

/// Follows a path, or the group of them in braces, from `at`; gives the index after it.
fn branches(
    code: &[Token],
    mut at: usize,
    base: &[String],
    paths: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = base.to_vec();
    while let Some(token) = code.get(at) {
        if token.text == "{" {
            at += 1;
            while code.get(at).is_some_and(|t| t.text != "}") {
                at = branches(code, at, &path, paths);
                // Past a comma, an `as` and its name.
                while code.get(at).is_some_and(|t| !matches!(t.text.as_str(), "," | "}")) {
                    at += 1;
                }
                at += usize::from(code.get(at).is_some_and(|t| t.text == ","));
            }
            return at + 1;
        }
        path.push(token.text.clone());
        if !starts_with(&code[at + 1..], &[":", ":"]) {
            paths.push((token.line, path));
            return at + 1;
        }
        at += 3;
    }
    at
}

fn imports(module: &[&str], code: &[Token], complain: &mut impl FnMut(usize, &str, String)) {
    let room = module[0];
    let file = module[..module.len().min(2)].join("::");
    let rule = |name: &str| MAY_IMPORT.iter().find(|(room, _)| *room == name).map(|(_, may)| *may);
    let Some(may) = rule(&file).or(rule(room)) else {
        complain(1, "imports", format!("the room '{room}' is not in this test's table; add it"));
        return;
    };
    for (line, path) in crate_paths(module, code) {
        let Some(other) = path.first() else { continue };
        let other_file = path[..path.len().min(2)].join("::");
        if other == room {
            let own = module.get(1).copied();
            let sibling = path.get(1).map(String::as_str);
            let is_module = sibling.is_some_and(|s| s.starts_with(|c: char| c.is_lowercase()));
            // In io/mod.rs nothing is a sibling.
            let shared = sibling.is_some_and(|s| SHARED_ADAPTERS.contains(&s));
            if room == "io" && own.is_some() && is_module && sibling != own && !shared {
                let what = format!("{other_file} is another adapter; the app joins them");
                complain(line, "siblings", what);
            }
            continue;
        }
        let is_room = rule(other).is_some();
        let forbidden = may.contains(&format!("!{other}").as_str());
        let allowed = may.iter().any(|m| *m == "*" || m == other || *m == other_file);
        if is_room && (forbidden || !allowed) {
            complain(line, "imports", format!("{room} must not know {other_file}"));
        }
    }
}

fn panics(code: &[Token], complain: &mut impl FnMut(usize, &str, String)) {
    for (i, token) in code.iter().enumerate() {
        let rest = &code[i..];
        let method = [[".", "unwrap", "("], [".", "expect", "("]];
        let macros = [["panic", "!"], ["todo", "!"], ["unimplemented", "!"]];
        let found = method.iter().find(|m| starts_with(rest, &m[..])).map(|m| m[1]);
        let found = found.or(macros.iter().find(|m| starts_with(rest, &m[..])).map(|m| m[0]));
        if let Some(name) = found {
            let what = format!("{name} stops the gate; return an error instead");
            complain(token.line, "no-panic", what);
        }
    }
}

fn unsafes(text: &str, code: &[Token], complain: &mut impl FnMut(usize, &str, String)) {
    const NEAR: usize = 6;
    let lines: Vec<&str> = text.lines().collect();
    for token in code.iter().filter(|t| t.text == "unsafe") {
        let from = token.line.saturating_sub(NEAR);
        if !lines[from..token.line.min(lines.len())].iter().any(|l| l.contains("// SAFETY:")) {
            let what = "say above it why it holds: // SAFETY: ...";
            complain(token.line, "unsafe", what.into());
        }
    }
}

fn channels(code: &[Token], complain: &mut impl FnMut(usize, &str, String)) {
    for (i, token) in code.iter().enumerate() {
        let unbounded = match token.text.as_str() {
            "unbounded_channel" => true,
            "channel" => {
                let oneshot = i >= 3 && code[i - 3].text == "oneshot";
                !oneshot && takes_nothing(&code[i + 1..])
            }
            _ => false,
        };
        if unbounded {
            complain(token.line, "unbounded", "a channel needs a bound (sync_channel(N))".into());
        }
    }
}

/// Whether a call without arguments follows, its type parameters passed over.
fn takes_nothing(mut rest: &[Token]) -> bool {
    if starts_with(rest, &[":", ":", "<"]) {
        let mut depth = 0;
        let end = rest.iter().position(|t| {
            depth += i32::from(t.text == "<") - i32::from(t.text == ">");
            depth == 0 && t.text == ">"
        });
        rest = end.map_or(&[], |end| &rest[end + 1..]);
    }
    starts_with(rest, &["(", ")"])
}
