//! The whole gate, both ways in, through the demonstration's own stage; and that its script notices what is
//! broken. Wants what `make setup` brings: Mosquitto, TensorFlow Lite, pictures.
#![cfg(feature = "face")]

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{NEIGHBOUR, Stage, World};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_eithergate"))
}

/// Plays the script; gives the exit code and the steps.
fn play(args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = Command::new(program())
        .args(["demo", "--once", "--json"])
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{e}"));
    let text = String::from_utf8_lossy(&output.stdout);
    let steps = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    (output.status.code(), steps)
}

#[test]
fn everything_the_script_expects_happens() {
    let (code, steps) = play(&[]);
    let failed: Vec<_> = steps.iter().filter(|step| step["ok"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(steps.len() >= 20, "only {} steps", steps.len());
    for key in ["t_ms", "what", "expected"] {
        assert!(steps.iter().all(|step| !step[key].is_null()), "a step lacks {key}");
    }
    assert_eq!(code, Some(0));
}

#[test]
fn a_stuck_relay_an_empty_allowlist_and_an_absent_broker_are_noticed() {
    let plays = ["relay-stuck", "allowlist-empty", "broker-absent"]
        .map(|sabotage| (sabotage, std::thread::spawn(move || play(&["--sabotage", sabotage]))));
    for (sabotage, play) in plays {
        let (code, steps) = play.join().unwrap_or_default();
        assert_eq!(code, Some(1), "{sabotage}");
        assert!(steps.iter().any(|step| step["ok"] == false), "{sabotage}: nothing failed");
    }
}

#[test]
fn twenty_kills_of_the_worker_in_the_middle_of_traffic_cost_no_card() {
    let pictures = Pictures::find(None).unwrap_or_else(|e| panic!("{e:?}"));
    // The back-off doubles with each kill, so the twenty are spread over five gates.
    for _ in 0..5 {
        let stage = Stage { program: program(), pictures: Some(&pictures), sabotage: None };
        let mut world = World::build(stage, &|_| {}).unwrap_or_else(|e| panic!("{e:?}"));
        assert!(world.face_is_up(SOON), "the face path did not come up");
        must(world.show(Some(&pictures.resident)));
        for kill in 0..4 {
            assert!(world.face_is_up(SOON), "kill {kill}: the worker did not come back");
            let mark = world.eyes.mark();
            // Another person than the one before the camera: one person's card and face are one grant.
            must(world.present_card(NEIGHBOUR));
            assert!(world.kill_face("worker_pid"), "kill {kill}: there was no worker");
            let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "card")]);
            assert!(world.eyes.wait(mark, SOON, granted).is_some(), "kill {kill}: no grant");
            must(world.set_contact(true));
            must(world.set_contact(false));
            let degraded = |s: &Sight| s.is_event("FaceDegraded", &[]);
            assert!(world.eyes.wait(mark, SOON, degraded).is_some(), "kill {kill}: not told");
            // Whoever shows a card again before they have gone is let in already: that is no new grant.
            let gone = |s: &Sight| {
                s.is_event("AccessTaken", &[("way", "card")])
                    || s.is_event("AccessNotTaken", &[("way", "card")])
            };
            assert!(world.eyes.wait(mark, SOON, gone).is_some(), "kill {kill}: never gone");
        }
        must(world.settle());
        assert!(!world.relay_level().unwrap_or(true), "the relay stayed energised");
        let numbers = world.eyes.numbers();
        let last = numbers.keys().map(|(_, _, seq)| *seq).max().unwrap_or(0);
        assert_eq!(numbers.len() as u64, last, "an event is missing");
    }
}

/// What a resident may ask for at the gate: keep me apart from somebody, and forget my face.
#[test]
fn a_deleted_face_opens_nothing_and_the_worker_confirms_that_it_is_gone() {
    let pictures = Pictures::find(None).unwrap_or_else(|e| panic!("{e:?}"));
    let stage = Stage { program: program(), pictures: Some(&pictures), sabotage: None };
    let mut world = World::build(stage, &|_| {}).unwrap_or_else(|e| panic!("{e:?}"));
    assert!(world.face_is_up(SOON), "the face path did not come up");
    let cards = std::fs::read_to_string(world.path("cards.csv")).unwrap_or_default();
    let resident = cards.lines().nth(1).and_then(|l| l.split(',').nth(3)).unwrap_or_default();
    let config = world.path("gate.toml");
    let subject = |args: &[&str]| {
        let mut command = Command::new(program());
        let output =
            command.arg("subject").args(args).args(["--json", "--config", &config]).output();
        let output = output.unwrap_or_else(|e| panic!("{e}"));
        let said = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (output.status.code(), said)
    };
    // A slip of the pen is no subject here.
    let other = "00".repeat(16);
    assert_eq!(subject(&["not-me", resident, "--taken-for", &other]).0, Some(65));
    assert_eq!(subject(&["not-me", resident, "--taken-for", resident]).0, Some(65));
    assert_eq!(subject(&["forget", "nobody"]).0, Some(64));

    let (code, said) = subject(&["forget", resident]);
    assert_eq!((code, &said["removed"]), (Some(0), &Value::Bool(true)), "{said}");
    assert_eq!(said["templates"], pictures.enrolled.len(), "{said}");
    assert_eq!(subject(&["forget", resident]).1["templates"], 0);
    let mark = world.eyes.mark();
    must(world.show(Some(&pictures.resident)));
    let unknown =
        |s: &Sight| s.is_event("Denied", &[("way", "face"), ("reason", "CredentialNotFound")]);
    assert!(world.eyes.wait(mark, SOON, unknown).is_some(), "a deleted face was not refused");
    // They were told to use their card, and that is counted without saying to whom.
    let end = std::time::Instant::now() + SOON;
    let face = loop {
        let face = world.status().unwrap_or_default()["face"].take();
        if face["hints"]["use-card"].as_u64() > Some(0) || std::time::Instant::now() > end {
            break face;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(face["hints"]["use-card"].as_u64() > Some(0), "{face}");
    assert!(face["unknown"].as_u64() > Some(0), "{face}");
    assert_eq!((&face["recognised"], &face["liveness"]), (&0.into(), &"off".into()), "{face}");
    assert!(face["terms"]["certainty"].is_null() || face["terms"]["people"] == 0, "{face}");
    // And it stays so: nothing is left for the next worker either.
    must(world.show(None));
    must(world.crash_gate());
    must(world.start_gate());
    assert!(world.face_is_up(SOON), "the face path did not come back");
    let health = world.status().unwrap_or_default();
    assert_eq!(health["face"]["terms"]["people"], 0, "{}", health["face"]);
}

#[test]
fn only_the_worker_needs_tensorflow_lite() {
    for (program, wants) in
        [(program(), false), (PathBuf::from(env!("CARGO_BIN_EXE_eithergate-face")), true)]
    {
        let output = Command::new("ldd").arg(&program).output().unwrap_or_else(|e| panic!("{e}"));
        let needs = String::from_utf8_lossy(&output.stdout).contains("tensorflowlite");
        assert_eq!(needs, wants, "{}", program.display());
    }
}

#[track_caller]
fn must(outcome: Result<(), eithergate::cli::Failure>) {
    outcome.unwrap_or_else(|e| panic!("{e:?}"));
}
