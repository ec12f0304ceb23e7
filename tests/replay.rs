//! What the real gate did, from its own record: the same events, in the same order, and nobody named.

mod stage;

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{NEIGHBOUR, RESIDENT, UNKNOWN, World};
use serde_json::Value;
use stage::{Outcome, SOON, card_gate, must, program};
use std::process::{Command, Output};
use std::time::Duration;

fn run(args: &[&str]) -> std::io::Result<Output> {
    Command::new(program()).args(args).output()
}

fn events(output: &Output) -> Result<Vec<Value>, serde_json::Error> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().map(|mut line| line["event"].take()).filter(Value::is_object).collect())
}

/// Records from its second start on.
fn recording_gate() -> std::io::Result<World> {
    let mut world = card_gate();
    let path = world.path("gate.toml");
    let config = std::fs::read_to_string(&path)?;
    std::fs::write(&path, config.replacen("[gate]", "[gate]\nrecord_inputs_mb = 1", 1))?;
    let mark = world.eyes.mark();
    must(world.crash_gate());
    must(world.start_gate());
    let started = |s: &Sight| s.is_event("Started", &[]);
    assert!(world.eyes.wait(mark, SOON, started).is_some(), "not back");
    Ok(world)
}

#[test]
fn a_recorded_gate_is_judged_once_more_as_it_judged() -> Outcome {
    let mut world = recording_gate()?;
    for (card, opens) in [(RESIDENT, true), (UNKNOWN, false), (NEIGHBOUR, true), (UNKNOWN, false)] {
        let mark = world.eyes.mark();
        must(world.present_card(card));
        let decided = |s: &Sight| s.is_event("AccessGranted", &[]) || s.is_event("Denied", &[]);
        assert!(world.eyes.wait(mark, SOON, decided).is_some());
        if opens {
            must(world.set_contact(true));
            assert!(world.eyes.wait(mark, SOON, |s| s.is_event("AccessTaken", &[])).is_some());
            must(world.set_contact(false));
        }
    }
    // Forced; and in the middle of a grant the gate is killed and starts anew.
    let mark = world.eyes.mark();
    must(world.set_contact(true));
    let forced = |s: &Sight| s.is_event("AlarmRaised", &[("alarm", "door-forced")]);
    assert!(world.eyes.wait(mark, SOON, forced).is_some());
    must(world.set_contact(false));
    must(world.present_card(RESIDENT));
    let granted = |s: &Sight| s.is_event("AccessGranted", &[]);
    assert!(world.eyes.wait(mark, SOON, granted).is_some());
    std::thread::sleep(Duration::from_millis(200));
    must(world.crash_gate());
    must(world.start_gate());
    let mark = world.eyes.mark();
    must(world.present_card(NEIGHBOUR));
    let not_taken = |s: &Sight| s.is_event("AccessNotTaken", &[]);
    assert!(world.eyes.wait(mark, SOON, not_taken).is_some());
    std::thread::sleep(Duration::from_millis(200));

    let journal = run(&["journal", "list", "--json", "--config", &world.path("gate.toml")])?;
    let mut journal = events(&journal)?;
    let starts: Vec<usize> =
        (0..journal.len()).filter(|i| journal[*i]["kind"] == "Started").collect();
    assert_eq!(starts.len(), 3, "{journal:?}");
    journal.drain(..starts[1]);
    assert!(journal.len() >= 13, "{journal:?}");
    must(world.crash_gate());
    let folder = world.path("data/inputs");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .map_err(|e| format!("{folder}: {e}"))?
        .map(|file| file.map(|file| file.path().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()?;
    files.sort();
    assert_eq!(files.len(), 2, "one for each start: {files:?}");
    let mut args = vec!["replay", "--json"];
    args.extend(files.iter().map(String::as_str));
    let played = run(&args)?;
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let again = events(&played)?;
    for (there, here) in journal.iter().zip(&again) {
        assert_eq!(there, here);
    }
    assert_eq!(journal.len(), again.len());

    // For people; and it names nobody.
    args.remove(1);
    let table = String::from_utf8(run(&args)?.stdout)?;
    assert!(table.contains("all decided as they were"), "{table}");
    assert!(table.contains("AccessGranted") && table.contains("on no list"), "{table}");
    for file in &files {
        let text = std::fs::read_to_string(file)?;
        // A colon and a few digits are in every log.
        for secret in world.secrets().iter().filter(|secret| !secret.starts_with(':')) {
            assert!(!text.contains(secret), "{file} has {secret}");
        }
    }

    // Something that is no log, and a log in which somebody has changed something.
    let spoilt = world.path("spoilt.log");
    std::fs::write(&spoilt, "nonsense\n")?;
    let refused = run(&["replay", &spoilt])?;
    assert_eq!(refused.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("spoilt.log:1:"));
    let changed =
        std::fs::read_to_string(&files[0])?.replacen("\"card\":true", "\"card\":false", 1);
    std::fs::write(&spoilt, changed)?;
    assert_eq!(run(&["replay", &spoilt])?.status.code(), Some(1));
    assert_eq!(run(&["replay", &world.path("none.log")])?.status.code(), Some(66));
    Ok(())
}
