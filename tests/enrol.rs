//! Enrolling somebody who stands before the gate's own camera: the real daemon, worker and command.
#![cfg(feature = "face")]

#[allow(dead_code, reason = "these tests need a part of it")]
mod stage;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eithergate::app::{self, Answer, Question};
use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::World;
use eithergate::config::Config;
use eithergate::io::store::Store;
use eithergate::wire::enrolled::Consent;
use serde_json::Value;
use stage::{Outcome, PATIENT, camera_gate, must, program};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

struct Gate {
    world: World,
    pictures: Pictures,
    subject: String,
}

impl Gate {
    /// With a resident who has a card and no face.
    fn build() -> Result<Self, Box<dyn std::error::Error>> {
        let (world, pictures) = camera_gate()?;
        assert!(world.face_is_up(PATIENT), "{:?}", world.status());
        let subject = world.secrets().first().cloned().ok_or("nobody")?;
        let gate = Self { world, pictures, subject };
        let forgotten = gate.run(&["subject", "forget", &gate.subject])?;
        assert!(forgotten.status.success(), "{forgotten:?}");
        Ok(gate)
    }

    fn run(&self, arguments: &[&str]) -> std::io::Result<Output> {
        let config = self.world.path("gate.toml");
        Command::new(program()).args(arguments).args(["--config", &config]).output()
    }

    fn enroll(&self, subject: &str, seconds: &str) -> std::io::Result<Output> {
        let asked = ["--consent", "notice 2026-04", "--live", "--seconds", seconds];
        self.run(&[&["enroll", "--subject", subject], asked.as_slice()].concat())
    }

    /// Enrols while these stand before the camera, one after the other.
    fn enroll_before(&mut self, shown: &[PathBuf], seconds: &str) -> std::io::Result<Output> {
        let config = self.world.path("gate.toml");
        let (over, subject) = (AtomicBool::new(false), self.subject.clone());
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let output = Command::new(program())
                    .args([
                        "enroll",
                        "--subject",
                        &subject,
                        "--consent",
                        "notice 2026-04",
                        "--live",
                    ])
                    .args(["--seconds", seconds, "--config", &config])
                    .output();
                over.store(true, Ordering::Relaxed);
                output
            });
            // Gone as soon as it is over, or they would be let in.
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                if let (0, Some(picture)) = (turn % 15, shown.get(turn / 15 % shown.len())) {
                    must(self.world.show(Some(picture)));
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            must(self.world.show(None));
            asked.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread is gone")))
        })
    }

    fn templates(&self) -> Option<u64> {
        self.world.status()?["face"]["templates"].as_u64()
    }
}

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_resident_before_the_camera_is_enrolled_and_then_recognised() -> Outcome {
    let mut gate = Gate::build()?;
    assert_eq!(gate.templates(), Some(0));
    // Three stills of one person are as varied as they get: time ends it.
    let shown = [gate.pictures.enrolled.as_slice(), &[gate.pictures.resident.clone()]].concat();
    let mark = gate.world.eyes.mark();
    let output = gate.enroll_before(&shown, "25")?;
    let said = words(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("3 of 5") && said.contains("turn your head"), "{said}");
    assert!(said.contains("enrolled"), "{said}");
    let opened = |s: &Sight| s.is_event("AccessGranted", &[("way", "face")]);
    let seen = gate.world.eyes.since(mark);
    assert!(!seen.iter().any(|s| opened(&s.what)), "nobody is let in for being enrolled: {seen:?}");
    std::thread::sleep(Duration::from_secs(2));
    let mark = gate.world.eyes.mark();
    let resident = gate.pictures.resident.clone();
    must(gate.world.show(Some(&resident)));
    assert!(gate.world.eyes.wait(mark, PATIENT, opened).is_some(), "not recognised");
    Ok(())
}

#[test]
fn templates_that_the_worker_has_not_taken_leave_those_of_before() -> Outcome {
    let (mut world, pictures) = camera_gate()?;
    assert!(world.face_is_up(PATIENT), "{:?}", world.status());
    let subject = world.secrets().first().cloned().ok_or("nobody")?;
    let config = Config::load(Path::new(&world.path("gate.toml")))?;
    let file = world.path("gate.toml");
    let export = || {
        let asked = ["subject", "export", "--config", &file];
        Command::new(program()).args(asked).output().map(|output| output.stdout)
    };
    let before = export()?;
    let line: Value = serde_json::from_slice(before.split(|b| *b == b'\n').next().ok_or("none")?)?;
    // One that opens, and one that was damaged on its way.
    let good = line["sealed"].as_str().ok_or("no template")?.to_owned();
    let mut bytes = STANDARD.decode(&good)?;
    *bytes.last_mut().ok_or("empty")? ^= 1;
    let consent = Consent { notice: "another".into(), given_at: 2 };
    let enrol = |sealed: Vec<String>| {
        let (subject, consent) = (subject.clone(), consent.clone());
        app::ask(&config, &Question::Enrol { subject, sealed, consent })
    };
    let answer = enrol(vec![good.clone(), STANDARD.encode(&bytes)])?;
    let Answer::Refused(why) = answer else { return Err(format!("{answer:?}").into()) };
    assert!(why.contains("What was enrolled before stays"), "{why}");
    assert!(export()? == before, "what is enrolled is not what it was");

    // Nor does one that doesn't answer take them.
    let status = world.status().unwrap_or_default();
    let worker = status["face"]["worker"]["worker_pid"].as_u64().ok_or("no worker")?;
    assert!(Command::new("kill").args(["-STOP", &worker.to_string()]).status()?.success());
    let answer = enrol(vec![good])?;
    let Answer::Refused(why) = answer else { return Err(format!("{answer:?}").into()) };
    assert!(why.contains("doesn't answer") && why.contains("stays"), "{why}");
    assert!(export()? == before, "what is enrolled is not what it was");

    // A record that nobody can read: said, and no harm to the others.
    must(world.crash_gate());
    let (store, _) = Store::open(&config.data_dir)?;
    store.put_templates(&[0xab; 16], &[br#"{"subject":"ab"}"#.to_vec()])?;
    drop(store);
    must(world.start_gate());
    assert!(world.face_is_up(PATIENT), "{:?}", world.status());
    let asked = |what: &[&str]| {
        Command::new(program()).args(what).args(["--config", &world.path("gate.toml")]).output()
    };
    let said = words(&asked(&["check"])?);
    assert!(said.contains("1 templates are of another model, key or version"), "{said}");
    let left_out = asked(&["subject", "export"])?;
    assert_eq!(left_out.status.code(), Some(65));
    assert!(words(&left_out).contains(&format!("enrol again {}", "ab".repeat(16))));
    let mark = world.eyes.mark();
    must(world.show(Some(&pictures.resident)));
    let opened = |s: &Sight| s.is_event("AccessGranted", &[("way", "face")]);
    assert!(world.eyes.wait(mark, PATIENT, opened).is_some(), "not recognised any more");
    Ok(())
}

#[test]
fn nobody_is_enrolled_in_place_of_somebody_else_or_without_a_right() -> Outcome {
    let mut gate = Gate::build()?;
    let both = [gate.pictures.resident.clone(), gate.pictures.stranger.clone()];
    let output = gate.enroll_before(&both, "30")?;
    let said = words(&output);
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("somebody else stood there"), "{said}");
    assert_eq!(gate.templates(), Some(0));

    let empty = gate.enroll(&gate.subject, "5")?;
    let said = words(&empty);
    assert_eq!(empty.status.code(), Some(65), "{said}");
    assert!(
        said.contains("nobody is to be seen") && said.contains("nothing was enrolled"),
        "{said}"
    );

    // One at a time; and who presses Ctrl-C has let go.
    let config = gate.world.path("gate.toml");
    let asked = ["enroll", "--subject", &gate.subject, "--consent", "n", "--live"];
    let mut first = Command::new(program())
        .args(asked)
        .args(["--config", &config])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    std::thread::sleep(Duration::from_secs(1));
    let second = gate.enroll(&gate.subject, "5")?;
    let said = words(&second);
    assert_eq!(second.status.code(), Some(65), "{said}");
    assert!(said.contains("one at a time"), "{said}");
    first.kill()?;
    first.wait()?;
    std::thread::sleep(Duration::from_secs(6));
    let third = gate.enroll(&gate.subject, "5")?;
    assert!(words(&third).contains("nobody is to be seen"), "{}", words(&third));

    let unknown = gate.enroll(&"0f".repeat(16), "5")?;
    let said = words(&unknown);
    assert_eq!(unknown.status.code(), Some(65), "{said}");
    assert!(said.contains("the allowlist of this gate doesn't have this subject"), "{said}");
    let both = ["enroll", "--subject", &gate.subject, "--consent", "n", "--live", "a.jpg"];
    assert_eq!(gate.run(&both)?.status.code(), Some(64));
    Ok(())
}
