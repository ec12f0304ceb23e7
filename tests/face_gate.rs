//! What people at a gate with a camera live through, with the real daemon and the real worker: advice at the reader,
//! being taken for somebody else, a camera that stops.
#![cfg(feature = "face")]

#[allow(dead_code, reason = "these tests need a part of it")]
#[path = "camera/rig.rs"]
mod rig;
#[allow(dead_code, reason = "these tests need a part of it")]
mod stage;

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{RESIDENT, World};
use rig::{LIMIT, alarm, anew, gate, output, pictures, script};
use stage::{Outcome, must, program};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

const WORKER: &str = env!("CARGO_BIN_EXE_eithergate-face");
/// Times around it are tried again: two cores may be busy with other tests.
const TRIES: usize = 5;

fn granted(sight: &Sight) -> bool {
    sight.is_event("AccessGranted", &[("way", "face")])
}

fn denied(sight: &Sight) -> bool {
    sight.is_event("Denied", &[("way", "face")])
}

/// A gate whose camera is the stage.
fn staged(dir: &tempfile::TempDir) -> Result<World, Box<dyn std::error::Error>> {
    let stage = dir.path().join("stage");
    let camera = format!(
        "kind = \"command\"\nwidth = 480\nheight = 640\ncommand = [\"{WORKER}\", \"frames\", \"{}\", \"--live\", \
         \"--yard\", \"--width\", \"480\", \"--height\", \"640\"]",
        stage.display()
    );
    let world = gate(dir.path(), &pictures()?, &camera)?;
    symlink(world.path("stage"), &stage)?;
    Ok(world)
}

fn hints(world: &World, hint: &str) -> u64 {
    let health = world.status().unwrap_or_default();
    health["face"]["hints"][hint].as_u64().unwrap_or(0)
}

fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is() {
        assert!(Instant::now() < end, "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn advice_is_lit_at_the_reader_and_never_over_its_own_answer() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (mut world, pictures) = (staged(&dir)?, pictures()?);
    let lamps = "formats = [\"h10301\"]\nled_green = 26\nled_red = 27\n";
    anew(&mut world, |text| {
        // Whoever stands there is too far away.
        let text = text.replace("formats = [\"h10301\"]\n", lamps);
        Some(text.replace("liveness = \"off\"\n", "liveness = \"off\"\nmin_pupils_px = 300\n"))
    })?;
    assert!(world.face_is_up(LIMIT));
    let (green, red) = ("entrance.led_green", "entrance.led_red");

    // "Come closer" is green, "use your card" green and red; it is no denial.
    let mark = world.eyes.mark();
    must(world.show(Some(&pictures.resident)));
    assert!(world.eyes.wait(mark, LIMIT, output(red, true)).is_some(), "no card was asked for");
    let seen = world.eyes.since(mark);
    let lit = |name| seen.iter().position(|s| output(name, true)(&s.what));
    assert!(lit(green) < lit(red) && lit(green).is_some(), "the advice comes first: {seen:?}");
    until("counted", || hints(&world, "come-closer") == 1 && hints(&world, "use-card") == 1);
    assert!(!seen.iter().any(|s| denied(&s.what) || granted(&s.what)), "{seen:?}");

    // The same before a resident who has just used their card: the reader says what it has to say.
    let mut shown = false;
    for round in 2..2 + TRIES as u64 {
        must(world.settle());
        let mark = world.eyes.mark();
        let asked = Instant::now();
        must(world.present_card(RESIDENT));
        assert!(world.eyes.wait(mark, LIMIT, output(green, true)).is_some(), "no green light");
        must(world.show(Some(&pictures.resident)));
        until("advised", || hints(&world, "use-card") == round);
        if asked.elapsed() < Duration::from_millis(4_500) {
            std::thread::sleep(Duration::from_millis(300));
            let seen = world.eyes.since(mark);
            let when = |name, on| seen.iter().find(|s| output(name, on)(&s.what)).map(|s| s.at);
            let dark = when(green, true).map(|on| on + Duration::from_millis(1_900));
            assert!(when(green, false).is_none_or(|off| Some(off) > dark), "it blinks: {seen:?}");
            assert_eq!(when(red, true), None, "they have used it: {seen:?}");
            shown = true;
            break;
        }
    }
    assert!(shown, "too slow a machine to tell");

    // Somebody whose face isn't enrolled uses their card before the camera: nobody tells them to use it.
    anew(&mut world, |text| Some(text.replace("min_pupils_px = 300\n", "")))?;
    assert!(world.face_is_up(LIMIT));
    let mut shown = false;
    for _ in 0..TRIES {
        must(world.settle());
        let mark = world.eyes.mark();
        must(world.show(Some(&pictures.stranger)));
        std::thread::sleep(Duration::from_millis(400));
        let presented = Instant::now();
        must(world.present_card(RESIDENT));
        let told = world.eyes.wait(mark, LIMIT, denied).ok_or("a stranger's face is no match")?;
        std::thread::sleep(Duration::from_millis(300));
        let seen = world.eyes.since(mark);
        let when = |name| seen.iter().find(|s| output(name, true)(&s.what)).map(|s| s.at);
        let after = told.at.saturating_duration_since(presented);
        if when(green) < Some(told.at) && after < Duration::from_millis(1_800) {
            assert_eq!(when(red), None, "they have used it: {seen:?}");
            shown = true;
            break;
        }
    }
    assert!(shown, "too slow a machine to tell");
    Ok(())
}

/// Two with one face, as far as the camera can tell: either may pass, so the door opens. Then one of them says that
/// they were taken for the other, and from then on it is nobody.
#[test]
fn somebody_taken_for_another_says_so_and_is_heard() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (mut world, pictures) = (staged(&dir)?, pictures()?);
    let config = world.path("gate.toml");
    let (resident, twin) = (world.secrets().swap_remove(0), "5e".repeat(16));
    let eithergate = |args: &[&str]| -> Result<String, Box<dyn std::error::Error>> {
        let output = Command::new(program()).args(args).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let cards = world.path("twin.csv");
    fs::write(&cards, format!("format,facility,number,subject,face\nh10301,9,77,{twin},yes\n"))?;
    eithergate(&["site", "--site", &world.path("site"), "card", "import", &cards])?;
    must(world.publish());
    assert!(world.face_is_up(LIMIT));
    let mut enroll =
        vec!["enroll", "--config", &config, "--subject", &twin, "--consent", "demonstration"];
    let same: Vec<_> = pictures.enrolled.iter().map(|p| p.display().to_string()).collect();
    enroll.extend(same.iter().map(String::as_str));
    let told = eithergate(&enroll)?;
    assert!(told.contains("looks like 1 other"), "{told}");

    let comes = |world: &mut World, what: &str, welcome: bool| -> Outcome {
        must(world.settle());
        assert!(world.face_is_up(LIMIT));
        let mark = world.eyes.mark();
        must(world.show(Some(&pictures.resident)));
        let seen = world.eyes.wait(mark, LIMIT, |s| granted(s) || denied(s)).ok_or("unseen")?;
        assert_eq!(granted(&seen.what), welcome, "{what}: {seen:?}");
        Ok(())
    };
    comes(&mut world, "either may pass", true)?;
    let not_me = ["subject", "not-me", &resident, "--taken-for", &twin, "--config", &config];
    assert_eq!(eithergate(&not_me)?.trim(), "kept apart");
    comes(&mut world, "kept apart", false)?;
    // It outlives a restart, and nobody is named in what the gate says of it.
    anew(&mut world, |text| Some(text.to_owned()))?;
    comes(&mut world, "kept apart still", false)?;
    assert!(!world.eyes.mentions(&[resident, twin.clone()]), "somebody is named");
    // With the other one's templates it is over.
    eithergate(&["subject", "forget", &twin, "--config", &config])?;
    comes(&mut world, "there is nobody to be taken for", true)
}

/// The program lives and writes no more: seen within 2 s, started again ever more slowly, an alarm when that goes on,
/// cards throughout; and when it plays again, faces do.
#[test]
fn a_camera_that_stops_is_seen_replaced_and_told_of_while_cards_go_on() -> Outcome {
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("mode"), "fine")?;
    script(
        &dir.path().join("camera"),
        &format!(
            "play() {{ {WORKER} frames {stage} --live --yard --width 480 --height 640; }}\n\
             date +%s%N >> {starts}\n\
             case \"$(cat {mode})\" in\n\
             fine) play ;;\n\
             stall) play | {{ head -c {few}; date +%s%N >> {stops}; sleep 1000; }} ;;\n\
             esac",
            stage = at("stage"),
            starts = at("starts"),
            mode = at("mode"),
            stops = at("stops"),
            few = 10 * 480 * 640 * 3 / 2,
        ),
    )?;
    let camera =
        format!("kind = \"command\"\nwidth = 480\nheight = 640\ncommand = [\"{}\"]", at("camera"));
    let (pictures, eyes_from) = (pictures()?, 0);
    let mut world = gate(dir.path(), &pictures, &camera)?;
    symlink(world.path("stage"), at("stage"))?;
    assert!(world.face_is_up(LIMIT));
    let stamps = |name: &str| -> Vec<u64> {
        let text = fs::read_to_string(at(name)).unwrap_or_default();
        text.lines().filter_map(|ns| Some(ns.parse::<u64>().ok()? / 1_000_000)).collect()
    };
    let stalls = |world: &World| -> Vec<u64> {
        let seen = world.eyes.since(eyes_from).into_iter();
        let stalled = |s: &Sight| s.is_event("FaceDegraded", &[("fault", "capture-stalled")]);
        seen.filter(|s| stalled(&s.what))
            .filter_map(
                |s| if let Sight::Event(event) = s.what { event["t"].as_u64() } else { None },
            )
            .collect()
    };

    fs::write(at("mode"), "stall")?;
    let healthy = stamps("starts").len();
    assert!(world.kill_face("capture_pid"));
    let mut rounds = 0;
    let end = Instant::now() + 2 * LIMIT;
    while stalls(&world).len() < 4 {
        assert!(Instant::now() < end, "{:?}", stalls(&world));
        if stalls(&world).len() > rounds {
            rounds += 1;
            let mark = world.eyes.mark();
            must(world.present_card(RESIDENT));
            let opened = world.eyes.wait(mark, Duration::from_secs(5), output("main.relay", true));
            assert!(opened.is_some(), "cards don't wait for a camera");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let raised = alarm("AlarmRaised", "face-path-down");
    assert!(world.eyes.wait(eyes_from, LIMIT, raised).is_some(), "nobody was told");

    // A busy machine can only make it later, so the quickest is what the gate can do.
    let (starts, stops, seen) =
        (stamps("starts").split_off(healthy), stamps("stops"), stalls(&world));
    let late = |stop: &u64| seen.iter().find(|at| *at >= stop).map(|at| at - stop);
    let quickest = stops.iter().filter_map(late).min().ok_or("no stall")?;
    assert!((1_000..=2_000).contains(&quickest), "seen after {quickest} ms: {stops:?} {seen:?}");
    let waits: Vec<u64> = seen
        .iter()
        .zip(starts.iter().skip(1))
        .map(|(at, start)| start.saturating_sub(*at))
        .collect();
    eprintln!("stall seen after {quickest} ms at the quickest; started again after {waits:?} ms");
    assert!(waits.len() >= 3 && waits.windows(2).all(|w| w[1] > w[0] + w[0] / 2), "{waits:?}");

    fs::write(at("mode"), "fine")?;
    let mark = world.eyes.mark();
    let cleared = alarm("AlarmCleared", "face-path-down");
    assert!(world.eyes.wait(mark, 2 * LIMIT, cleared).is_some(), "it recovers by itself");
    must(world.show(Some(&pictures.resident)));
    assert!(world.eyes.wait(mark, LIMIT, granted).is_some(), "faces are known again");
    Ok(())
}

/// Nothing can cancel an inference that hangs, so the worker is replaced; cards never wait for it.
#[test]
fn inference_that_is_stuck_costs_the_face_path_alone() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (mut world, pictures) = (staged(&dir)?, pictures()?);
    assert!(world.face_is_up(LIMIT));
    let health = world.status().ok_or("no health")?;
    let worker = health["face"]["worker"]["worker_pid"].as_u64().ok_or("no worker")?.to_string();
    let mark = world.eyes.mark();
    assert!(Command::new("kill").args(["-STOP", &worker]).status()?.success());
    must(world.present_card(RESIDENT));
    let opened = world.eyes.wait(mark, Duration::from_secs(5), output("main.relay", true));
    assert!(opened.is_some(), "the card waits for the worker");
    let hung = |s: &Sight| s.is_event("FaceDegraded", &[("fault", "worker-hung")]);
    assert!(world.eyes.wait(mark, LIMIT, hung).is_some(), "nobody noticed");
    assert!(world.face_is_up(LIMIT));
    must(world.settle());
    let mark = world.eyes.mark();
    must(world.show(Some(&pictures.resident)));
    assert!(world.eyes.wait(mark, LIMIT, granted).is_some(), "another one looks");
    Ok(())
}
