//! The rules of the house, held by machine: which room may import which, how long a file may be, what must
//! not stand in code that outside input reaches. ARCHITECTURE.md says why.
//!
//! It reads tokens, not text, so a comment or a string breaks no rule; and code under `#[cfg(test)]` may do
//! what tests do.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/tokens.rs"]
mod tokens;

use std::path::{Path, PathBuf};

fn files_under(root: &Path, dir: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(root.join(dir)) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let relative = path.strip_prefix(root).expect("under the root").to_path_buf();
        let name = relative.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if path.is_dir() {
            if !matches!(name, "target" | ".git" | "__pycache__" | ".venv" | ".ci") {
                files_under(root, relative.to_str().expect("UTF-8"), found);
            }
        } else {
            found.push(relative);
        }
    }
}

/// Every file of the project: those that git knows or would add, or all of them in an exported tree.
fn project_files(root: &Path) -> Vec<PathBuf> {
    let git = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    let mut files: Vec<PathBuf> = match git {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).expect("UTF-8");
            names.split('\0').filter(|n| !n.is_empty()).map(PathBuf::from).collect()
        }
        _ => {
            let mut found = Vec::new();
            files_under(root, "", &mut found);
            found
        }
    };
    files.retain(|file| root.join(file).is_file());
    files.sort();
    files
}

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut complaints = Vec::new();
    let mut sources = 0;
    for file in project_files(root) {
        // Models and pictures are no text.
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else { continue };
        let path = file.to_str().expect("UTF-8");
        sources += usize::from(path.starts_with("src/") && path.ends_with(".rs"));
        complaints.extend(rules::check(path, &text));
    }
    assert!(sources > 20, "only {sources} sources found: is this the project's root?");
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn each_rule_can_be_broken() {
    let broken = |path: &str, text: &str| {
        let complaints = rules::check(path, &format!("//! Docs.\n{text}"));
        let rules = complaints.iter().map(|c| c.split(": ").nth(1).unwrap_or("").to_owned());
        rules.collect::<Vec<_>>()
    };
    let cases = [
        ("src/domain/x.rs", "use crate::wire::Parsed;", "imports"),
        ("src/wire/x.rs", "use crate::{domain::{Instant, Clock}, app::Loop};", "imports"),
        ("src/wire/x.rs", "fn f() { super::super::io::gpio::open() }", "imports"),
        ("src/wire/mod.rs", "use super::access::Gate;", "imports"),
        ("src/access/x.rs", "fn f() { crate::journal::append() }", "imports"),
        ("src/app/x.rs", "use crate::cli::Failure;", "imports"),
        ("src/worker/x.rs", "use crate::io::mqtt::Link;", "imports"),
        ("src/worker/x.rs", "use crate::io::{tflite, mqtt};", "imports"),
        ("src/io/gpio.rs", "use crate::access::Gate;", "imports"),
        ("src/io/gpio.rs", "use super::mqtt::Link;", "siblings"),
        ("src/io/gpio.rs", "use crate::io::{gpio, mqtt::Link};", "siblings"),
        ("src/io/gpio.rs", "use crate::vision::Network;", "imports"),
        ("src/attic/x.rs", "", "imports"),
        ("src/bin/x.rs", "fn main() { eithergate::app::run() }", "imports"),
        ("src/app/x.rs", "fn f() { g().unwrap() }", "no-panic"),
        ("src/app/x.rs", "fn f() { g().expect(\"never\") }", "no-panic"),
        ("src/app/x.rs", "fn f() { todo!() }", "no-panic"),
        (
            "src/app/x.rs",
            "#[cfg(test)]\nmod t { fn a() { b.unwrap() } }\nfn f() { panic!() }",
            "no-panic",
        ),
        ("src/io/x.rs", "fn f() { unsafe { g() } }", "unsafe"),
        ("src/io/x.rs", "// SAFETY: far away\n\n\n\n\n\n\n\nfn f() { unsafe { g() } }", "unsafe"),
        ("src/wire/x.rs", "use tokio::sync::mpsc;", "sans-io"),
        ("src/journal/x.rs", "fn f(d: sled::Db) {}", "sans-io"),
        ("src/access/x.rs", "fn f() { std::time::Instant::now(); }", "sans-io"),
        ("src/io/mqtt.rs", "use tflitec::model::Model;", "tflitec"),
        ("src/app/x.rs", "fn f() { let (a, b) = std::sync::mpsc::channel(); }", "unbounded"),
        ("src/app/x.rs", "fn f() { mpsc::channel::<Vec<u8>>() }", "unbounded"),
        ("src/app/x.rs", "fn f() { mpsc::unbounded_channel() }", "unbounded"),
        ("docs/x.md", concat!("see /ho", "me/me/x"), "machine-path"),
    ];
    for (path, text, rule) in cases {
        assert!(
            broken(path, text).contains(&rule.to_owned()),
            "{rule} not enforced: {path} {text}"
        );
    }
    assert_eq!(rules::check("src/app/x.rs", "fn f() {}").len(), 1, "docs");
    assert_eq!(broken("src/app/x.rs", &"\n".repeat(500)), ["length"]);

    let fine = [
        ("src/wire/x.rs", "use crate::domain::Instant; use super::Parsed;"),
        ("src/app/x.rs", "fn f() { oneshot::channel(); mpsc::channel(8); mpsc::sync_channel(1); }"),
        ("src/app/x.rs", "/// Never `.unwrap()`.\nfn f() { g(\"panic!() crate::cli::x\"); }"),
        ("src/app/x.rs", "#[cfg(test)]\nmod tests { fn f() { g().unwrap(); '}'; \"}\"; } }"),
        ("src/app/x/tests.rs", "fn f() { g().unwrap() }"),
        ("src/io/x.rs", "// SAFETY: the descriptor is ours\n// alone.\nlet x = unsafe { g() };"),
        ("src/io/serial.rs", "use super::port::{self, Port};"),
        ("src/io/tflite.rs", "use tflitec::model::Model; use crate::vision::Network;"),
        ("src/worker/x.rs", "use crate::io::tflite::Lite; use crate::{vision, io::tflite};"),
        ("src/bin/x.rs", "fn main() { eithergate::cli::main() }"),
        ("src/domain/x.rs", "fn f<'a>(s: &'a str) -> char { 'x' }"),
    ];
    for (path, text) in fine {
        assert_eq!(broken(path, text), Vec::<String>::new(), "{path} {text}");
    }
}
