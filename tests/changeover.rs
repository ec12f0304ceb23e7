//! A gate that changes its embedding model: a resident enrolled by the former model walks through, and moves
//! across; one who was let in and turned round doesn't. Both models are real, the daemon and its worker too.
#![cfg(feature = "face")]

#[allow(dead_code, reason = "these tests need a part of it")]
mod stage;

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::World;
use sha2::{Digest, Sha256};
use stage::{Outcome, PATIENT, camera_gate, must, program};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Of a file's sha256.
fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Another model beside the shipped ones: the same network in a file with another hash, its templates in another
/// metric's space, so that what belongs to the one says nothing to the other.
fn next_model(models: &Path) -> Outcome {
    fs::create_dir(models)?;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for entry in fs::read_dir(shipped)? {
        let path = entry?.path();
        if path.is_file() {
            fs::copy(&path, models.join(path.file_name().unwrap_or_default()))?;
        }
    }
    let mut bytes = fs::read(models.join("embedding.tflite"))?;
    let text = fs::read_to_string(models.join("embedding.toml"))?;
    let before = hex(&bytes);
    bytes.extend([0; 16]);
    let (text, _) = text.split_once("[evidence]").ok_or("the shipped model has no evidence")?;
    let text = text
        .replace(&before, &hex(&bytes))
        .replace("file = \"embedding.tflite\"", "file = \"next.tflite\"")
        .replace("kind = \"euclidean\"\nthreshold = 0.47", "kind = \"cosine\"\nthreshold = 0.06");
    fs::write(models.join("next.tflite"), bytes)?;
    Ok(fs::write(models.join("next.toml"), text)?)
}

struct Gate {
    world: World,
    pictures: Pictures,
}

impl Gate {
    fn build() -> Result<Self, Box<dyn std::error::Error>> {
        let (world, pictures) = camera_gate()?;
        Ok(Self { world, pictures })
    }

    /// Starts the gate anew with these lines in its face section.
    fn restart(&mut self, lines: &str) -> Outcome {
        must(self.world.crash_gate());
        let file = self.world.path("gate.toml");
        let text = fs::read_to_string(&file)?;
        let kept: Vec<_> = text
            .lines()
            .filter(|l| !l.contains("embedding =") && !l.starts_with("models ="))
            .collect();
        let (before, after) = kept
            .iter()
            .position(|l| *l == "[face]")
            .map(|at| kept.split_at(at + 1))
            .ok_or("no [face]")?;
        fs::write(&file, format!("{}\n{lines}\n{}\n", before.join("\n"), after.join("\n")))?;
        must(self.world.start_gate());
        assert!(self.world.face_is_up(PATIENT), "{:?}", self.world.status());
        Ok(())
    }

    /// The resident comes, is let in by face, and goes through the door or away.
    fn comes(&mut self, goes_through: bool) -> Outcome {
        let mark = self.world.eyes.mark();
        let resident = self.pictures.resident.clone();
        must(self.world.show(Some(&resident)));
        let event = |kind| move |s: &Sight| s.is_event(kind, &[("way", "face")]);
        assert!(
            self.world.eyes.wait(mark, PATIENT, event("AccessGranted")).is_some(),
            "not let in"
        );
        must(self.world.show(None));
        let end = if goes_through {
            must(self.world.set_contact(true));
            must(self.world.set_contact(false));
            "AccessTaken"
        } else {
            "AccessNotTaken"
        };
        assert!(self.world.eyes.wait(mark, PATIENT, event(end)).is_some(), "no {end}");
        // Out of sight for the re-arm time.
        std::thread::sleep(Duration::from_secs(2));
        Ok(())
    }

    /// Waits until health's face section has these; says what it has otherwise.
    fn has(&self, people: u64, to_move: Option<u64>) -> Outcome {
        let deadline = Instant::now() + PATIENT;
        loop {
            let status = self.world.status().unwrap_or_default();
            let terms = &status["face"]["terms"];
            if (terms["people"].as_u64(), terms["to_move"].as_u64()) == (Some(people), to_move) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("not ({people}, {to_move:?}): {terms}").into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn check(&self) -> Result<String, std::io::Error> {
        let mut check = Command::new(program());
        let output = check.args(["check", "--config", &self.world.path("gate.toml")]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[test]
fn a_resident_moves_across_by_walking_through() -> Outcome {
    let mut gate = Gate::build()?;
    let models = gate.world.path("models");
    next_model(Path::new(&models))?;
    let changing = format!(
        "models = \"{models}\"\nembedding = \"next.toml\"\nformer_embedding = \"embedding.toml\""
    );
    gate.restart(&changing)?;
    gate.has(1, Some(1))?;
    let said = gate.check()?;
    assert!(said.contains("1 of 1 enrolled are still known by the former model"), "{said}");

    // Let in and turned round: nothing changes. Three times through: the former model is needed no more, and
    // what was kept of them in between outlives a restart.
    for passage in 0..4 {
        gate.comes(passage > 0)?;
        if passage < 3 {
            gate.has(1, Some(1))?;
        }
        if passage == 1 {
            gate.restart(&changing)?;
            gate.has(1, Some(1))?;
        }
    }
    gate.has(1, Some(0))?;
    let said = gate.check()?;
    assert!(said.contains("take former_embedding out"), "{said}");

    // The current model alone knows them, and nobody else.
    gate.restart(&format!("models = \"{models}\"\nembedding = \"next.toml\""))?;
    gate.has(1, None)?;
    let status = gate.world.status().unwrap_or_default();
    assert_eq!(status["face"]["templates"], 3, "{}", status["face"]);
    gate.comes(true)?;
    let mark = gate.world.eyes.mark();
    let stranger = gate.pictures.stranger.clone();
    must(gate.world.show(Some(&stranger)));
    let entered = |s: &Sight| s.is_event("AccessGranted", &[]);
    assert!(gate.world.eyes.wait(mark, Duration::from_secs(4), entered).is_none(), "a stranger");
    Ok(())
}

#[test]
fn check_refuses_models_that_are_not_those_pinned() -> Outcome {
    let (world, _) = camera_gate()?;
    let file = world.path("gate.toml");
    let text = fs::read_to_string(&file)?;
    let check = |pins: &str| -> Result<(Option<i32>, String), Box<dyn std::error::Error>> {
        fs::write(&file, text.replace("[face]", &format!("[face]\nmodel_sha256 = [{pins}]")))?;
        let output = Command::new(program()).args(["check", "--config", &file]).output()?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let mut pins = Vec::new();
    for name in ["detector.toml", "landmarks.toml", "embedding.toml"] {
        pins.push(format!("\"{}\"", hex(&fs::read(shipped.join(name))?)));
    }
    let (_, said) = check(&pins.join(", "))?;
    assert!(!said.contains("sha256 is"), "{said}");
    pins.pop();
    let (code, said) = check(&pins.join(", "))?;
    assert!(said.contains("embedding.toml: sha256 is"), "{said}");
    assert_ne!(code, Some(0), "{said}");
    Ok(())
}

#[test]
fn the_current_model_named_as_the_former_one_costs_the_face_path_and_is_said() -> Outcome {
    let mut gate = Gate::build()?;
    let models = gate.world.path("models");
    next_model(Path::new(&models))?;
    fs::copy(Path::new(&models).join("embedding.toml"), Path::new(&models).join("same.toml"))?;
    must(gate.world.crash_gate());
    let file = gate.world.path("gate.toml");
    let text = fs::read_to_string(&file)?;
    let lines = format!("[face]\nmodels = \"{models}\"\nformer_embedding = \"same.toml\"");
    fs::write(&file, text.replace("[face]", &lines))?;
    must(gate.world.start_gate());
    let deadline = Instant::now() + PATIENT;
    while gate.world.status().unwrap_or_default()["face"]["status"] != "degraded" {
        assert!(Instant::now() < deadline, "{:?}", gate.world.status());
        std::thread::sleep(Duration::from_millis(100));
    }
    // By the file's name already, before anything runs.
    fs::write(&file, text.replace("[face]", "[face]\nformer_embedding = \"embedding.toml\""))?;
    let output = Command::new(program()).args(["check", "--config", &file]).output()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("name the one that it replaces"), "{said}");
    Ok(())
}
