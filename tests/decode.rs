//! `eithergate decode` as an installer runs it: the real binary on real captures, on numbers from paper and
//! on traces with something wrong in them.

use eithergate::domain::{Duration, Instant};
use eithergate::wire::format::builtin;
use eithergate::wire::wiegand::{Edge, Level, Line, edges_of};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

fn eithergate(args: &[&str]) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_eithergate")).args(args).output();
    run.expect("the binary starts")
}

fn json_lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The folder of recorded captures, if there is one on this machine.
fn captures() -> Option<PathBuf> {
    let place = std::env::var_os("EITHERGATE_TEST_DATA").map(|d| PathBuf::from(d).join("captures"));
    if place.is_none() {
        // Not by eprintln, which the test harness keeps to itself when a test passes.
        let note = "LEFT OUT: tests on recorded captures; EITHERGATE_TEST_DATA is not set";
        writeln!(std::io::stderr(), "{note}").expect("stderr");
    }
    place
}

fn sigrok(args: &[&str]) -> Vec<u8> {
    let run = Command::new("sigrok-cli").args(args).output();
    let output = run.expect("sigrok-cli starts; `make setup` installs it");
    assert!(output.status.success(), "sigrok-cli {args:?}: {}", stderr(&output));
    output.stdout
}

/// A trace as a logic analyser would export it.
fn vcd_of(edges: &[Edge]) -> String {
    let mut text = String::from(
        "$timescale 1 us $end\n$scope module reader $end\n$var wire 1 a green $end\n\
         $var wire 1 b white $end\n$upscope $end\n$enddefinitions $end\n#0 1a 1b\n",
    );
    for edge in edges {
        let id = if edge.line == Line::D0 { 'a' } else { 'b' };
        let level = if edge.level == Level::Low { 0 } else { 1 };
        writeln!(text, "#{} {level}{id}", edge.at.0).expect("into memory");
    }
    text
}

fn card_edges(format: &str, facility: Option<u128>, number: u128) -> Vec<Edge> {
    let bits = builtin(format).expect("built in").encode(facility, number).expect("fits");
    let (pulse, interval) = (Duration::from_micros(80), Duration::from_millis(1));
    edges_of(bits, Instant(5_000), pulse, interval).collect()
}

fn decode_trace(edges: &[Edge], more: &[&str]) -> Output {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), vcd_of(edges)).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let args = ["decode", "wiegand", path, "--d0", "green", "--d1", "white", "--json"];
    eithergate(&[&args, more].concat())
}

#[test]
fn a_recorded_wiegand_reader_agrees_with_sigrok() {
    let Some(captures) = captures() else { return };
    let capture = captures.join("wiegand-8a640910.sr");
    let capture = capture.to_str().expect("UTF-8");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let vcd = dir.path().join("capture.vcd");
    let vcd = vcd.to_str().expect("UTF-8");
    sigrok(&["-i", capture, "-O", "vcd", "-o", vcd]);

    // sigrok's own decoder: lines such as "wiegand-1: 34 bits 0010001010...".
    let theirs = sigrok(&["-i", capture, "-P", "wiegand:d0=0:d1=1"]);
    let theirs: Vec<String> = String::from_utf8(theirs)
        .expect("UTF-8")
        .lines()
        .filter_map(|line| line.split_once(" bits "))
        .map(|(_, bits)| u128::from_str_radix(bits.trim(), 2).expect("bits"))
        .map(|value| format!("{value:x}"))
        .collect();

    for pin in [&[][..], &["--format", "h10306"]] {
        let args = ["decode", "wiegand", vcd, "--d0", "0", "--d1", "1", "--json"];
        let output = eithergate(&[&args, pin].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let rows = json_lines(&output);
        assert_eq!(rows.len(), 2, "one frame, sent twice");
        for row in &rows {
            assert_eq!((&row["bits"], &row["raw"]), (&json!(34), &json!("8a640910")));
            assert_eq!(row["format"], "h10306");
        }
        assert!(rows[0]["t_us"].as_u64() < rows[1]["t_us"].as_u64());
        let ours: Vec<&str> = rows.iter().filter_map(|row| row["raw"].as_str()).collect();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn recorded_rdm630_readers_give_the_tags_in_the_files_names() {
    let Some(captures) = captures() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(&captures).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).expect("UTF-8");
        if !name.starts_with("em410") {
            continue;
        }
        let tag = name.split('_').nth(1).expect("the tag's number");
        let capture = path.to_str().expect("UTF-8");
        let bytes = sigrok(&["-i", capture, "-P", "uart:rx=RX:baudrate=9600", "-B", "uart=rx"]);
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), bytes).expect("written");
        let recorded = file.path().to_str().expect("UTF-8");
        let output = eithergate(&["decode", "serial", recorded, "--framing", "rdm6300", "--json"]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        assert_eq!(json_lines(&output), [json!({"card": tag})], "{name}");
        seen += 1;
    }
    assert_eq!(seen, 4, "RDM630 captures in {}", captures.display());
}

#[test]
fn numbers_from_paper() {
    for (raw, facility, number) in
        [("2f657ae", 123, 11223), ("3c00a73", 224, 1337), ("0x2F623AE", 123, 4567)]
    {
        let output = eithergate(&["decode", "wiegand", "--raw", raw, "--bits", "26", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let hex = raw.trim_start_matches("0x").to_lowercase();
        let expected = json!({
            "t_us": null, "bits": 26, "raw": hex, "format": "h10301",
            "facility": facility, "number": number,
        });
        assert_eq!(json_lines(&output), [expected]);
    }
}

#[test]
fn a_number_longer_than_its_bits_is_refused_with_the_reason() {
    let output =
        eithergate(&["decode", "wiegand", "--raw", "2006f623ae", "--bits", "26", "--json"]);
    assert_eq!(output.status.code(), Some(65));
    let rows = json_lines(&output);
    let error = rows[0]["error"].as_str().expect("an error");
    assert!(error.contains("38 bits and is longer than 26"), "{error}");
    assert!(error.contains("2f623ae"), "the frame without the tool's marker bits: {error}");
    assert_eq!(rows[0].get("number"), None);
    assert!(stderr(&output).contains("longer than 26"));
}

#[test]
fn a_whole_trace_decodes_and_with_any_one_pulse_removed_it_is_an_error() {
    let card = card_edges("h10301", Some(123), 11223);
    for pin in [&[][..], &["--format", "h10301"]] {
        let rows = json_lines(&decode_trace(&card, pin));
        assert_eq!(rows.len(), 1);
        assert_eq!((&rows[0]["t_us"], &rows[0]["number"]), (&json!(5_000), &json!(11223)));
        for gone in [0, 1, 12, 25] {
            let mut cut = card.clone();
            cut.drain(2 * gone..2 * gone + 2);
            let output = decode_trace(&cut, pin);
            assert_eq!(output.status.code(), Some(65));
            let rows = json_lines(&output);
            assert_eq!(rows.len(), 1, "{rows:?}");
            assert_eq!(rows[0]["bits"], 25);
            assert!(rows[0]["error"].is_string());
            for never in ["raw", "number", "facility", "format", "candidates"] {
                assert_eq!(rows[0].get(never), None, "{never}");
            }
        }
    }
}

#[test]
fn one_good_frame_among_bad_ones_is_enough() {
    let card = card_edges("h10301", Some(1), 2);
    let later = |edge: &Edge| Edge { at: edge.at + Duration::from_secs(1), ..*edge };
    let mut trace = card[..20].to_vec();
    trace.extend(card.iter().map(later));
    let output = decode_trace(&trace, &[]);
    assert!(output.status.success());
    let rows = json_lines(&output);
    assert_eq!((&rows[0]["bits"], &rows[1]["number"]), (&json!(10), &json!(2)));
    assert!(rows[0]["error"].is_string());
}

#[test]
fn formats_that_share_their_bits_are_candidates_until_one_is_pinned() {
    let card = card_edges("h10304", Some(7), 42);
    let rows = json_lines(&decode_trace(&card, &[]));
    assert_eq!((rows[0].get("number"), rows[0].get("format")), (None, None));
    assert_eq!(
        rows[0]["candidates"],
        json!([
            {"format": "h10302", "facility": null, "number": 7 << 19 | 42},
            {"format": "h10304", "facility": 7, "number": 42},
        ])
    );
    let rows = json_lines(&decode_trace(&card, &["--format", "h10304"]));
    assert_eq!((&rows[0]["facility"], &rows[0]["number"]), (&json!(7), &json!(42)));
}

#[test]
fn bad_arguments_and_files_are_told_apart_by_exit_code() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let junk = dir.path().join("junk");
    std::fs::write(&junk, [0xff, 0x00, b'\n', b'#']).expect("written");
    let junk = junk.to_str().expect("UTF-8");
    let d = ["--d0", "a", "--d1", "b"];
    let cases: [(Vec<&str>, i32, &str); 8] = [
        (vec![], 64, "--raw"),
        (vec![junk], 64, "--d0"),
        (vec!["--raw", "1"], 64, "--bits"),
        (vec!["--raw", "1", "--bits", "129"], 64, "128"),
        (vec!["--raw", "1", "--bits", "26", "--format", "x"], 64, "h10301"),
        (vec!["--raw", "zz", "--bits", "26"], 65, "hex"),
        ([&["no/such/file"][..], &d].concat(), 66, "no/such/file"),
        ([&[junk][..], &d].concat(), 65, "line 1: this is no value change dump"),
    ];
    for (args, code, says) in cases {
        let output = eithergate(&[&["decode", "wiegand"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"));
    }
    let output = eithergate(&["decode", "serial", junk, "--framing", "rdm6300"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(stderr(&output).contains("no frame in 4 bytes"), "{}", stderr(&output));
}

#[test]
fn a_spoilt_serial_frame_is_an_error_and_no_card() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), b"\x02010784F22150\x03").expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let output = eithergate(&["decode", "serial", path, "--framing", "rdm6300", "--json"]);
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(json_lines(&output), [json!({"error": "the checksum is wrong"})]);
}

#[test]
fn a_framing_of_one_s_own_is_tried_from_a_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let own = file(
        "own.toml",
        b"[[framing]]\nname = \"ours\"\nstart = \"AA\"\nbody = \"binary\"\ndata = 4\n\
          checksum = \"lrc\"\nformat = \"ours\"\n",
    );
    let bytes = file("bytes.bin", &[0, 0xaa, 1, 2, 3, 4, 0xf6, 0xaa, 1, 2, 3, 5, 0xf6]);
    let args = ["decode", "serial", &bytes, "--framing", "ours", "--config", &own, "--json"];
    let output = eithergate(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let rows = [json!({"card": "01020304"}), json!({"error": "the checksum is wrong"})];
    assert_eq!(json_lines(&output), rows);

    let listed = eithergate(&["decode", "serial", "--config", &own, "--framing"]);
    let text = String::from_utf8(listed.stdout).expect("UTF-8");
    for name in ["rdm6300", "id12la", "9600 baud", "ours"] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    let wrong = file("wrong.toml", b"[[framing]]\nname = \"ours\"\n");
    for (args, code, says) in [
        (vec![&bytes[..], "--framing", "nobodys"], 64, "there are rdm6300"),
        (vec!["--framing", "rdm6300"], 64, "name the file"),
        (vec![&bytes[..], "--framing", "ours", "--config", &wrong], 78, "checksum: missing"),
        (vec![&bytes[..], "--framing", "ours", "--config", "no/such"], 66, "no/such"),
        (vec![&bytes[..]], 64, "--framing"),
    ] {
        let output = eithergate(&[&["decode", "serial"], &args[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn people_get_a_table() {
    let output = eithergate(&["decode", "wiegand", "--raw", "3c00a73", "--bits", "26"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            vec!["TIME", "BITS", "RAW", "FORMAT", "FACILITY", "NUMBER"],
            vec!["-", "26", "3c00a73", "h10301", "224", "1337"],
        ]
    );
}
