//! What a gate remembers over being killed, with the real daemon: who is being guessed at, what alarm nobody
//! has seen, and that there is a fire.

use eithergate::access::Fact;
use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{RESIDENT, Stage, UNKNOWN, World};
use eithergate::domain::WallTime;
use eithergate::io::store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(800);

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_eithergate"))
}

fn card_gate() -> World {
    let stage = Stage { program: program(), pictures: None, sabotage: None };
    let world = World::build(stage, &|_| {}).unwrap_or_else(|e| panic!("{e:?}"));
    let applied = |s: &Sight| matches!(s, Sight::Ack(a) if a["applied"] == true);
    assert!(world.eyes.wait(0, SOON, applied).is_some(), "no allowlist was applied");
    world
}

#[track_caller]
fn must(outcome: Result<(), eithergate::cli::Failure>) {
    outcome.unwrap_or_else(|e| panic!("{e:?}"));
}

/// Once the gate has something to tell.
fn alarms(world: &World, more: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let config = world.path("gate.toml");
    let end = Instant::now() + SOON;
    loop {
        let output =
            Command::new(program()).args(["alarms", "--config", &config]).args(more).output()?;
        if output.status.success() && !output.stdout.is_empty() {
            return Ok(String::from_utf8(output.stdout)?);
        }
        if Instant::now() > end {
            return Err(format!("{output:?}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn guessing_is_an_alarm_that_outlives_a_kill_until_somebody_has_seen_it() -> Outcome {
    let mut world = card_gate();
    let mark = world.eyes.mark();
    let guessing = |kind: &'static str| {
        move |s: &Sight| s.is_event(kind, &[("alarm", "guessing"), ("reader", "entrance")])
    };
    for _ in 0..5 {
        must(world.present_card(UNKNOWN));
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(world.eyes.wait(mark, SOON, guessing("AlarmRaised")).is_some(), "nobody is told");
    assert!(alarms(&world, &[])?.contains("guessing"));
    // The group commit, and then some.
    std::thread::sleep(Duration::from_millis(200));

    must(world.crash_gate());
    let mark = world.eyes.mark();
    must(world.start_gate());
    let listed = alarms(&world, &["--json"])?;
    let alarm: serde_json::Value = serde_json::from_str(listed.trim())?;
    assert_eq!((&alarm["alarm"], &alarm["reader"]), (&"guessing".into(), &"entrance".into()));
    assert_eq!(alarm["acknowledged"], false, "{listed}");
    // A resident is let in all the same, only later.
    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none(), "as quick as ever");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "it doesn't open");

    alarms(&world, &["--acknowledge"])?;
    let seen = guessing("AlarmAcknowledged");
    assert!(world.eyes.wait(mark, SOON, seen).is_some(), "that somebody saw it is not on record");
    let again = guessing("AlarmRaised");
    assert!(!world.eyes.since(mark).iter().any(|s| again(&s.what)), "it is raised once");
    assert!(!world.eyes.mentions(&world.secrets()), "a message names a card or a subject");
    Ok(())
}

#[test]
fn a_clock_behind_what_was_believed_once_is_not_believed_until_somebody_says_so() -> Outcome {
    let mut world = card_gate();
    must(world.crash_gate());
    // As if the clock had said 2100 for a while.
    let floor = Fact::Floor { wall: WallTime::from_secs(4_102_444_800) };
    let (store, _) = Store::open(Path::new(&world.path("data")))?;
    let writer = store.writer(|_| {});
    let key = serde_json::to_vec(&floor.key())?;
    writer.keep(key, Some(serde_json::to_vec(&floor)?), None);
    writer.close();
    drop(store);
    let mark = world.eyes.mark();
    must(world.start_gate());
    let event = |s: &Sight, kind: &str| match s {
        Sight::Event(event) if event["kind"] == kind => event["t"].as_u64().map_or(1, |_| 2),
        _ => 0,
    };
    let untimed = |s: &Sight| event(s, "Started") == 1;
    assert!(world.eyes.wait(mark, SOON, untimed).is_some(), "it believes a clock set back");
    // Whoever lives here gets in all the same.
    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "it doesn't open");

    let clock = |more: &[&str]| {
        let config = world.path("gate.toml");
        Command::new(program()).args(["clock", "--config", &config]).args(more).output()
    };
    assert_eq!(String::from_utf8(clock(&[])?.stdout)?, "not believed\n");
    let mark = world.eyes.mark();
    assert!(clock(&["--believe"])?.status.success());
    let timed = |s: &Sight| event(s, "ClockTrusted") == 2;
    assert!(world.eyes.wait(mark, SOON, timed).is_some(), "nobody is told");
    assert_eq!(String::from_utf8(clock(&[])?.stdout)?, "believed\n");
    Ok(())
}

#[test]
fn a_door_that_a_fire_holds_open_stays_open_when_the_gate_is_started_again() -> Outcome {
    let mut world = card_gate();
    must(world.crash_gate());
    let config = world.path("gate.toml");
    let relay = "relay = { line = 17, safe = \"energised\" }";
    let text = std::fs::read_to_string(&config)?.replace("relay = 17", relay);
    std::fs::write(&config, text.replace("[[door]]", "[fire]\ninput = 24\n\n[[door]]"))?;
    must(world.start_gate());
    let mark = world.eyes.mark();
    must(world.send(r#"{"input":{"name":"fire","active":true}}"#));
    let fire = |s: &Sight| s.is_event("AlarmRaised", &[("alarm", "fire")]);
    assert!(world.eyes.wait(mark, SOON, fire).is_some(), "no alarm");
    assert!(world.relay_level()?, "the door stays locked");

    must(world.crash_gate());
    assert!(world.relay_level()?, "its safe state");
    let mark = world.eyes.mark();
    must(world.start_gate());
    assert!(world.eyes.wait(mark, QUIET, |s| s.is_output(false)).is_none(), "it shut for a moment");
    assert!(world.relay_level()?);
    // A second start is no second fire; one and the same event may come twice.
    let fires: BTreeSet<_> = world
        .eyes
        .since(0)
        .into_iter()
        .filter(|seen| fire(&seen.what))
        .filter_map(|seen| match seen.what {
            Sight::Event(event) => event["seq"].as_u64(),
            _ => None,
        })
        .collect();
    assert_eq!(fires.len(), 1, "the fire is raised again");
    let mark = world.eyes.mark();
    must(world.send(r#"{"input":{"name":"fire","active":false}}"#));
    let over = |s: &Sight| s.is_event("AlarmCleared", &[("alarm", "fire")]);
    assert!(world.eyes.wait(mark, SOON, over).is_some(), "it doesn't end");
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some(), "it stays open");
    Ok(())
}
