//! The real daemon on simulated pins that are late, that let go of their lines the way kernels do, and that
//! a board pulls.

mod stage;

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{RESIDENT, World};
use stage::{Outcome, SOON, card_gate, must, program};
use std::process::{Command, Output};

fn run(world: &World, args: &[&str]) -> std::io::Result<Output> {
    let config = world.path("gate.toml");
    Command::new(program()).args(args).args(["--config", &config]).output()
}

/// Kills the daemon and does nothing after it.
fn kill(world: &World) {
    let pid = world.daemon_pid().and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
    let pid = pid.unwrap_or_else(|| panic!("no daemon"));
    let (mark, since) = (world.eyes.mark(), std::time::Instant::now());
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    // Its end is seen where its socket was.
    let gone = |s: &Sight| matches!(s, Sight::SocketGone);
    assert!(world.eyes.wait(mark, SOON, gone).is_some(), "it lives");
    // Its socket may be closed a moment before its hold on the lines is: it is dead when only its exit code is left.
    let proc = format!("/proc/{}", pid.as_raw_nonzero());
    let stat = || std::fs::read_to_string(format!("{proc}/stat")).unwrap_or_default();
    let threads = || std::fs::read_dir(format!("{proc}/task")).map_or(0, Iterator::count);
    let is_dead = || threads() == 1 && stat().contains(") Z ");
    while !is_dead() {
        assert!(since.elapsed() < SOON, "it lives");
        std::thread::yield_now();
    }
}

#[test]
fn edges_that_are_read_later_than_the_longest_gap_are_still_one_card() -> Outcome {
    let mut world = card_gate();
    for lag_ms in [60, 200, 0] {
        must(world.send(&format!(r#"{{"lag":{{"ms":{lag_ms}}}}}"#)));
        let mark = world.eyes.mark();
        must(world.present_card(RESIDENT));
        assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "late {lag_ms} ms");
        assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some());
    }
    let health = world.status().unwrap_or_default();
    assert_eq!(health["card"]["reads"], 3, "{health}");
    assert_eq!(health["card"]["faults"], 0, "{health}");
    assert_eq!(health["card"]["pins"], "up");
    Ok(())
}

#[test]
fn a_killed_daemon_s_relay_is_what_the_kernel_makes_of_it_until_it_is_made_safe() -> Outcome {
    // How the kernel leaves a line, the relay's active level, is it energised after the crash, can it be
    // made safe for good.
    let cases = [
        ("keep", "high", true, true),
        ("keep", "low", true, true),
        ("reset", "high", false, true),
        // Pulled low by the board as soon as it is let go: only a resistor helps.
        ("reset", "low", true, false),
    ];
    for (released, active, energised, mends) in cases {
        let what = format!("released = {released}, active = {active}");
        let mut world = card_gate();
        must(world.crash_gate());
        let path = world.path("gate.toml");
        let config = std::fs::read_to_string(&path)?
            .replace("backend = \"sim\"", &format!("backend = \"sim\"\nreleased = \"{released}\""))
            .replace("relay = 17", &format!("relay = {{ line = 17, active = \"{active}\" }}"));
        std::fs::write(&path, config)?;
        let mark = world.eyes.mark();
        must(world.start_gate());
        assert!(!world.relay_level()?, "{what}: energised by the start");
        assert!(world.eyes.wait(mark, SOON, |s| s.is_event("Started", &[])).is_some());
        must(world.present_card(RESIDENT));
        assert!(world.eyes.wait(mark, SOON, |s| s.is_output(true)).is_some(), "{what}: no relay");
        kill(&world);
        assert_eq!(world.relay_level()?, energised, "{what}: after the crash");
        let safe = run(&world, &["outputs", "safe"])?;
        assert_eq!(safe.status.success(), mends, "{what}: {safe:?}");
        assert_eq!(world.relay_level()?, !mends, "{what}: after outputs safe");
        if !mends {
            let told = String::from_utf8(safe.stderr)?;
            assert_eq!(safe.status.code(), Some(69));
            assert!(told.contains("main.relay") && told.contains("stronger resistor"), "{told}");
        }
    }
    Ok(())
}

#[test]
fn a_lock_that_must_let_go_is_energised_whenever_nobody_decides() -> Outcome {
    let mut world = card_gate();
    must(world.crash_gate());
    let path = world.path("gate.toml");
    let config = std::fs::read_to_string(&path)?
        .replace("relay = 17", "relay = { line = 17, safe = \"energised\" }");
    std::fs::write(&path, config)?;
    let safe = run(&world, &["outputs", "safe"])?;
    assert!(String::from_utf8(safe.stdout)?.contains("main.relay: energised"));
    assert!(world.relay_level()?);
    let mark = world.eyes.mark();
    must(world.start_gate());
    assert!(world.eyes.wait(mark, SOON, |s| s.is_event("Started", &[])).is_some());
    assert!(world.eyes.wait(mark, SOON, |s| s.is_output(false)).is_some(), "it never locked");
    must(world.crash_gate());
    assert!(world.relay_level()?, "locked after the crash");
    Ok(())
}

#[test]
fn check_shows_each_line_as_it_stands() -> Outcome {
    let mut world = card_gate();
    must(world.set_contact(true));
    let sent = |s: &Sight| s.is_event("AlarmRaised", &[("alarm", "door-forced")]);
    assert!(world.eyes.wait(0, SOON, sent).is_some());
    let told = String::from_utf8(run(&world, &["check", "--json"])?.stdout)?;
    for line in [
        "main.relay (line 17): released, low",
        "main.contact (line 22): open, high",
        "main.rex (line 23): not pressed, high",
        "entrance: d0 (line 5) and d1 (line 6) idle high",
    ] {
        assert!(told.contains(line), "{line:?} is not in:\n{told}");
    }
    // A relay that the board energises while it boots.
    let path = world.path("gate.toml");
    let config = std::fs::read_to_string(&path)?
        .replace("backend = \"sim\"", "backend = \"sim\"\nboard = \"raspberry-pi\"")
        .replace("relay = 17", "relay = 4");
    std::fs::write(&path, config)?;
    let refused = run(&world, &["check"])?;
    let told = String::from_utf8(refused.stderr)?;
    assert_eq!(refused.status.code(), Some(78), "{told}");
    assert!(told.contains("door main's relay: a Raspberry Pi pulls line 4 up"), "{told}");
    Ok(())
}
