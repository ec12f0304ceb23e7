//! The real daemon, its worker and capture programs that behave and that don't: what is looked at, what is
//! told, and that cards go on.
#![cfg(feature = "face")]

#[path = "camera/rig.rs"]
mod rig;
#[allow(dead_code, reason = "these tests need a part of it")]
mod stage;

use eithergate::app::face::{Enrolled, FaceEvent, FaceState, Options, Supervisor};
use eithergate::cli::demo::eyes::{Seen, Sight};
use eithergate::cli::demo::world::RESIDENT;
use eithergate::domain::{FaceFault, LivenessPolicy, View, Watch};
use eithergate::wire::worker::Tracking;
use rig::{LIMIT, alarm, gate, output, pictures, script, with_camera};
use stage::{Outcome, must};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const WORKER: &str = env!("CARGO_BIN_EXE_eithergate-face");

/// Takes exactly the arguments that the preset must give, and then plays the stage's folder.
#[test]
fn a_csi_camera_looks_at_whoever_comes_and_says_so_with_a_light() -> Outcome {
    let (dir, pictures) = (tempfile::tempdir()?, pictures()?);
    let (said, stage) = (dir.path().join("said"), dir.path().join("stage"));
    let want = "--camera 0 --codec yuv420 --width 512 --height 640 --framerate 8 --shutter 10000 --gain 1.5 \
                --rotation 180 --nopreview --timeout 0 --flush --output -";
    script(
        &dir.path().join("rpicam-vid"),
        &format!(
            "echo \"$*\" > {}\n[ \"$*\" = \"{want}\" ] || exit 1\n\
             exec {WORKER} frames {} --live --yard --width 512 --height 640 --fps 8",
            said.display(),
            stage.display()
        ),
    )?;
    let mut world = gate(
        dir.path(),
        &pictures,
        "kind = \"rpicam\"\nwidth = 512\nheight = 640\nframerate = 8\nshutter_us = 10000\ngain = 1.5\n\
         rotation = 180\nindicator = 19\nlook_ms = 2000",
    )?;
    symlink(world.path("stage"), &stage)?;
    assert!(world.face_is_up(LIMIT), "{}", fs::read_to_string(&said).unwrap_or_default());
    // Nobody there: it looks once, then the light goes out and stays out.
    let lit = |seen: &[Seen]| seen.iter().position(|s| output("camera.indicator", true)(&s.what));
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = world.eyes.since(0);
        let after = lit(&seen).and_then(|at| seen.get(at..)).unwrap_or_default();
        if after.iter().any(|s| output("camera.indicator", false)(&s.what)) {
            break;
        }
        assert!(Instant::now() < deadline, "the light was not lit, or not put out");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mark = world.eyes.mark();
    assert!(
        world.eyes.wait(mark, Duration::from_secs(3), output("camera.indicator", true)).is_none()
    );

    let mark = world.eyes.mark();
    must(world.show(Some(&pictures.resident)));
    let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "face")]);
    assert!(world.eyes.wait(mark, LIMIT, granted).is_some(), "no grant by face");
    let seen = world.eyes.since(mark);
    let opened = seen.iter().position(|s| output("main.relay", true)(&s.what));
    assert!(lit(&seen).is_some() && lit(&seen) < opened, "the light comes first: {seen:?}");
    must(world.show(None));
    assert!(world.eyes.wait(mark, LIMIT, output("camera.indicator", false)).is_some());
    Ok(())
}

/// A camera on its side: a resident who lies in its picture is known where the configuration says so, and not where it
/// doesn't. The models know some who lie as well; this picture is of one whom they don't.
#[test]
fn who_lies_in_the_picture_of_a_camera_on_its_side_is_turned_upright() -> Outcome {
    let (dir, pictures) = (tempfile::tempdir()?, pictures()?);
    let lying = dir.path().join("lying.jpg");
    let resident = pictures.enrolled.last().ok_or("nobody is enrolled")?;
    image::open(resident)?.rotate270().save(&lying)?;
    let stage = dir.path().join("stage");
    let camera = |more: &str| {
        format!(
            "kind = \"command\"\nwidth = 640\nheight = 480\n{more}\ncommand = [\"{WORKER}\", \"frames\", \
             \"{}\", \"--live\", \"--yard\", \"--width\", \"640\", \"--height\", \"480\"]",
            stage.display()
        )
    };
    let mut world = gate(dir.path(), &pictures, &camera("rotation = 90"))?;
    symlink(world.path("stage"), &stage)?;
    assert!(world.face_is_up(LIMIT));
    let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "face")]);
    let mark = world.eyes.mark();
    must(world.show(Some(&lying)));
    assert!(world.eyes.wait(mark, LIMIT, granted).is_some(), "no grant by face");

    must(world.settle());
    for (rotation, picture) in [("", &lying), ("rotation = 270", &lying), ("", resident)] {
        with_camera(&mut world, &camera(rotation))?;
        assert!(world.face_is_up(LIMIT));
        let mark = world.eyes.mark();
        must(world.show(Some(picture)));
        let upright = picture == resident;
        let wait = if upright { LIMIT } else { Duration::from_secs(5) };
        assert_eq!(world.eyes.wait(mark, wait, granted).is_some(), upright, "{rotation:?}");
        must(world.settle());
    }
    Ok(())
}

/// Nothing but a flat field, then the yard again; and a button that nobody presses.
#[test]
fn a_covered_camera_is_an_alarm_and_a_button_alone_makes_it_look() -> Outcome {
    let (dir, pictures) = (tempfile::tempdir()?, pictures()?);
    let stage = dir.path().join("stage");
    let mut world = gate(
        dir.path(),
        &pictures,
        &format!(
            "kind = \"command\"\nwidth = 480\nheight = 640\ntrigger = \"button\"\nbutton = 13\nlook_ms = 5000\n\
             indicator = 19\ncommand = [\"{WORKER}\", \"frames\", \"{}\", \"--live\", \"--yard\", \"--width\", \"480\", \
             \"--height\", \"640\"]",
            stage.display()
        ),
    )?;
    symlink(world.path("stage"), &stage)?;
    assert!(world.face_is_up(LIMIT));

    // Who stands there without having pressed is not looked at; who presses is. A button that was held down
    // at the start has not been pressed.
    must(world.send(r#"{"input":{"name":"camera.button","active":false}}"#));
    let mark = world.eyes.mark();
    must(world.show(Some(&pictures.resident)));
    let looked = world.eyes.wait(mark, Duration::from_secs(3), output("camera.indicator", true));
    assert!(looked.is_none(), "looked unasked");
    must(world.send(r#"{"input":{"name":"camera.button","active":true}}"#));
    assert!(world.eyes.wait(mark, LIMIT, output("camera.indicator", true)).is_some());
    let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", "face")]);
    assert!(world.eyes.wait(mark, LIMIT, granted).is_some(), "no grant by face");
    must(world.send(r#"{"input":{"name":"camera.button","active":false}}"#));
    assert!(world.eyes.wait(mark, LIMIT, output("camera.indicator", false)).is_some());
    must(world.show(None));

    // A hand on the lens.
    let mark = world.eyes.mark();
    let hand = dir.path().join("hand.jpg");
    image::RgbImage::from_pixel(480, 640, image::Rgb([30, 28, 26])).save(&hand)?;
    must(world.show(Some(&hand)));
    let raised = alarm("AlarmRaised", "camera-covered");
    assert!(world.eyes.wait(mark, LIMIT, raised).is_some(), "nobody was told");
    must(world.present_card(RESIDENT));
    assert!(world.eyes.wait(mark, LIMIT, output("main.relay", true)).is_some(), "no card");
    must(world.show(None));
    let cleared = alarm("AlarmCleared", "camera-covered");
    assert!(world.eyes.wait(mark, LIMIT, cleared).is_some(), "the hand is gone");
    Ok(())
}

/// What a camera program can do wrong, one after the other.
struct Rogue {
    dir: tempfile::TempDir,
    events: Receiver<FaceEvent>,
    supervisor: Supervisor,
}

impl Rogue {
    /// `mode` is a file that the program reads at each start.
    fn start(mode: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| dir.path().join(name).display().to_string();
        let key = dir.path().join("template.key");
        fs::write(&key, "5a".repeat(32))?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        fs::create_dir(at("pictures"))?;
        fs::write(at("mode"), mode)?;
        let frame = 320 * 240 * 3 / 2;
        script(
            Path::new(&at("camera")),
            &format!(
                "trap '' TERM INT HUP\n\
                 play() {{ {WORKER} frames {pictures} --live --yard --width 320 --height 240 --fps 10; }}\n\
                 case \"$(cat {mode})\" in\n\
                 fine) play ;;\n\
                 stall) play | head -c {few}; sleep 1000 ;;\n\
                 half) head -c {half} /dev/zero ;;\n\
                 flood) cat /dev/zero ;;\n\
                 fork) sleep 1000 & echo $! > {child}; play | head -c {few} ;;\n\
                 chatter) yes 'a long and useless line' >&2 & play ;;\n\
                 esac",
                pictures = at("pictures"),
                mode = at("mode"),
                child = at("child"),
                few = 5 * frame,
                half = frame / 2,
            ),
        )?;
        let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
        let options = Options {
            program: WORKER.into(),
            detector: models.join("detector.toml"),
            landmarks: models.join("landmarks.toml"),
            embedding: models.join("embedding.toml"),
            former: None,
            liveness: None,
            pins: Vec::new(),
            threads: 1,
            template_key: key,
            capture: vec![at("camera")],
            width: 320,
            height: 240,
            tracking: Tracking { liveness: LivenessPolicy::Off, ..Tracking::default() },
            watch: Watch::default(),
        };
        let (sender, events) = sync_channel(10_000);
        let supervisor = Supervisor::spawn(options, Enrolled::default, move |event| {
            let _ = sender.try_send(event);
        })?;
        Ok(Self { dir, events, supervisor })
    }

    fn turn(&self, mode: &str) -> std::io::Result<()> {
        fs::write(self.dir.path().join("mode"), mode)
    }

    #[track_caller]
    fn event(&self, wanted: FaceEvent) {
        let deadline = Instant::now() + LIMIT;
        let mut passed = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if event == wanted => return,
                Ok(event) => passed.push(event),
                Err(e) => panic!("no {wanted:?}: {e}; saw {passed:?}"),
            }
        }
    }
}

fn is_gone(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.is_empty() || status.contains("State:\tZ")
}

#[test]
fn a_program_that_stalls_ends_or_forks_is_replaced_with_all_it_started() -> Outcome {
    let rogue = Rogue::start("stall")?;
    rogue.event(FaceEvent::Up);
    let stalled = rogue.supervisor.status().capture_pid.ok_or("no capture program")?;
    rogue.turn("half")?;
    rogue.event(FaceEvent::Degraded(FaceFault::CaptureStalled));
    rogue.event(FaceEvent::Degraded(FaceFault::CaptureGone));
    assert!(is_gone(stalled), "it ignores SIGTERM, and lives");
    rogue.turn("fork")?;
    rogue.event(FaceEvent::Up);
    rogue.event(FaceEvent::Degraded(FaceFault::CaptureGone));
    let child = fs::read_to_string(rogue.dir.path().join("child"))?.trim().parse()?;
    rogue.turn("fine")?;
    let deadline = Instant::now() + LIMIT;
    while !(is_gone(child) && rogue.supervisor.status().state == FaceState::Up) {
        assert!(Instant::now() < deadline, "what it forked outlives it: {}", is_gone(child));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(rogue.supervisor.status().worker_starts, 1, "the worker is not to blame");
    Ok(())
}

#[test]
fn a_program_that_floods_is_read_at_the_pace_of_a_camera() -> Outcome {
    let rogue = Rogue::start("flood")?;
    rogue.event(FaceEvent::Up);
    let (from, before) = (Instant::now(), rogue.supervisor.status().frames_seen);
    std::thread::sleep(Duration::from_secs(3));
    let (took, seen) = (from.elapsed(), rogue.supervisor.status().frames_seen - before);
    // A frame each 12 ms at the most, and two that the count may lag behind.
    assert!(seen > 0 && (seen as u128) <= took.as_millis() / 12 + 40, "{seen} in {took:?}");
    // All zeros is what a covered lens gives.
    rogue.event(FaceEvent::View(View::Covered));
    Ok(())
}

#[test]
fn a_program_that_never_stops_talking_does_not_keep_the_gate_busy() -> Outcome {
    let rogue = Rogue::start("chatter")?;
    rogue.event(FaceEvent::Up);
    let ticks = || -> Result<u64, Box<dyn std::error::Error>> {
        let mut sum = 0;
        for thread in fs::read_dir("/proc/self/task")? {
            let stat = fs::read_to_string(thread?.path().join("stat"))?;
            if stat.contains("(face-stderr)") {
                let fields: Vec<&str> =
                    stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
                sum += fields[12].parse::<u64>()? + fields[13].parse::<u64>()?;
            }
        }
        Ok(sum)
    };
    let before = ticks()?;
    std::thread::sleep(Duration::from_secs(3));
    // Hundredths of a second; unbounded it is all of them.
    let used = ticks()? - before;
    assert!(used < 60, "{used} of 300");
    assert_eq!(rogue.supervisor.status().state, FaceState::Up, "its frames count all the same");
    Ok(())
}
