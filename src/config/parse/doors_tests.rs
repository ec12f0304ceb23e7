//! Doors of every kind, and what makes none.

use super::tests::{EXAMPLE, mistakes, one};
use super::*;
use crate::access::{DoorKind, Drive, Fail, PassageSensor};
use crate::domain::{Duration, Heading};

/// The example with other options for its door.
pub(super) fn door(options: &str) -> String {
    let (before, rest) = EXAMPLE.split_once("[[door]]").unwrap_or_default();
    let (_, after) = rest.split_once("# One section for each card reader").unwrap_or_default();
    format!("{before}[[door]]\nname = \"main\"\nrelay = 17\n{options}\n#{after}")
}

pub(super) fn config(text: &str) -> Config {
    parse(text, Path::new("/")).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

#[test]
fn each_kind_has_what_is_usual_for_it() {
    for (options, kind, drive, relocks) in [
        ("", DoorKind::Strike, Drive::Latch, false),
        ("contact = 22", DoorKind::Strike, Drive::Latch, true),
        ("kind = \"magnet\"\ncontact = 22", DoorKind::Magnet, Drive::Latch, true),
        ("kind = \"closer\"\ncontact = 22", DoorKind::Closer, Drive::Latch, true),
        ("kind = \"bolt\"\ncontact = 22", DoorKind::Bolt, Drive::HoldWhileOpen, false),
    ] {
        let config = config(&door(options));
        let door = &config.doors[0];
        assert_eq!((door.kind, door.drive), (kind, drive), "{options}");
        assert_eq!(door.relock_on_open, relocks, "{options}");
    }
    let barrier = config(&door("kind = \"barrier\"\npulse_ms = 700"));
    let length = Duration::from_millis(700);
    assert_eq!(barrier.doors[0].drive, Drive::Pulse { length });
}

#[test]
fn a_turnstile_has_an_output_each_way_and_says_who_went_through() {
    let lines = "kind = \"turnstile\"\nrelay_out = 18\nstop = 19\npassed_in = 20\npassed_out = 21";
    let config = config(&door(lines));
    let names: Vec<_> = config.outputs().into_iter().map(|(name, o)| (name, o.line)).collect();
    assert_eq!(names[1..], [("main.relay_out".to_owned(), 18), ("main.stop".to_owned(), 19)]);
    let inputs: Vec<_> = config.inputs().into_iter().map(|(name, _)| name).collect();
    assert!(inputs.contains(&"main.passed_in".to_owned()), "{inputs:?}");
    assert_eq!(config.access_options().doors[0].sensor, PassageSensor::Contacts);
    one(mistakes(&door("kind = \"turnstile\"")), "missing: add relay_out = 18");
    one(
        mistakes(&door("kind = \"turnstile\"\nrelay_out = 18\npassed_in = 20")),
        "tells nothing alone: add passed_out, or leave both out",
    );
    let latch = door("kind = \"turnstile\"\nrelay_out = 18\ndrive = \"latch\"");
    one(mistakes(&latch), "mend drive or pulse_ms");
    // A strike has no second way.
    assert!(mistakes(&door("relay_out = 18"))[0].contains("relay_out: is not an option here"));
}

#[test]
fn what_makes_no_door_is_said_at_its_section() {
    let line = door("").lines().position(|line| line == "[[door]]").map_or(0, |at| at + 1);
    for (options, end) in [
        ("kind = \"barrier\"\nrelock_on_open = true", "bring a boom down: leave it out"),
        ("kind = \"bolt\"", "or set another kind or drive"),
        ("kind = \"bolt\"\ncontact = 22\ndrive = \"latch\"", "or set another kind or drive"),
        ("drive = \"hold\"", "or set another kind or drive"),
        ("drive = \"pulse\"\npulse_ms = 5000", "mend drive or pulse_ms"),
        ("warning = 19\nwarn_ms = 30000", "set warn_ms to less than held_ms"),
        ("beam_inner = 19", "tells nothing alone: add beam_outer, or leave both out"),
    ] {
        let found = mistakes(&door(options));
        assert_eq!(found.len(), 1, "{options}: {found:#?}");
        assert!(found[0].ends_with(end), "{options}: {found:#?}");
        let at = found[0].split(':').next().and_then(|at| at.parse().ok());
        assert!(at >= Some(line), "{options}: {found:#?}");
    }
    let warned = config(&door("warning = 19\nwarn_ms = 29000"));
    let before = warned.access_options().doors[0].warn_before;
    assert_eq!(before, Some(Duration::from_secs(29)));
    let beams = config(&door("beam_outer = 19\nbeam_inner = 20"));
    assert_eq!(beams.access_options().doors[0].sensor, PassageSensor::Beams);
}

#[test]
fn those_who_need_longer_get_no_less() {
    let usual = config(&door("open_ms = 20000"));
    let of = |config: &Config| (config.doors[0].extended_open, config.doors[0].extended_held_after);
    assert_eq!(of(&usual), (Duration::from_secs(20), Duration::from_secs(60)));
    let own = config(&door("extended_open_ms = 30000\nextended_held_ms = 90000"));
    assert_eq!(of(&own), (Duration::from_secs(30), Duration::from_secs(90)));
    let told = own.access_options();
    assert_eq!(told.doors[0].extended_open, Duration::from_secs(30));
    assert_eq!(told.doors[0].extended_held_after, Duration::from_secs(90));
    one(mistakes(&door("extended_open_ms = 4000")), "for those who need longer: set 5000 or more");
    one(mistakes(&door("extended_held_ms = 29999")), "who need longer: set 30000 or more");
}

#[test]
fn a_lock_that_opens_without_power_says_so_and_a_motor_has_its_own_way() {
    let fail = |options: &str| config(&door(options)).access_options().doors[0].fail;
    assert_eq!(fail("kind = \"magnet\"\ncontact = 22"), Fail::Secure);
    assert_eq!(fail("kind = \"magnet\"\ncontact = 22\nfail = \"safe\""), Fail::Safe);
    one(mistakes(&door("fail = \"open\"")), "fail: must be \"secure\" or \"safe\"");
    let barrier = mistakes(&door("kind = \"barrier\"\nfail = \"safe\""));
    assert!(barrier[0].contains("fail: is not an option here"), "{barrier:#?}");
}

#[test]
fn every_rule_that_is_broken_is_said_at_once() {
    let broken = door("kind = \"bolt\"\nwarning = 19\nwarn_ms = 30000");
    let broken = broken.replace("d0 = 5 ", "side = \"inside\"\nd0 = 5 ");
    let found = mistakes(&broken);
    let ends = ["or set another kind or drive", "to less than held_ms", "add a [[reader]]"];
    assert_eq!(found.len(), ends.len(), "{found:#?}");
    for end in ends {
        assert!(found.iter().any(|m| m.ends_with(end)), "{end}: {found:#?}");
    }
}

#[test]
fn a_reader_inside_is_for_leaving_and_no_way_in() {
    let inside = EXAMPLE.replace("d0 = 5 ", "side = \"inside\"\nd0 = 5 ");
    one(mistakes(&inside), "so that nobody must give a face: add a [[reader]]");
    let (cards_alone, _) = inside.split_once("[owners]").unwrap_or_default();
    assert_eq!(config(cards_alone).access_options().readers[0].heading, Heading::Out);
}
