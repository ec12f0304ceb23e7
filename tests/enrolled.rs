//! Who is enrolled at a running gate: handed out sealed, and measured, so that recognition rests on the people the
//! gate serves.
#![cfg(feature = "face")]

#[allow(dead_code, reason = "these tests need a part of it")]
mod stage;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eithergate::app::{self, Answer, Question};
use eithergate::config::Config;
use eithergate::domain::SubjectId;
use eithergate::wire::enrolled::Consent;
use eithergate::wire::template::{ModelHash, NONCE_LEN, TemplateKey, seal};
use serde_json::Value;
use stage::{Outcome, card_gate, must, program};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// More than are told of at a time.
const PEOPLE: u8 = 40;
const TEMPLATES: usize = 4;

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// Some numbers around 0, the same each time.
struct Numbers(u64);

impl Numbers {
    fn template(&mut self, around: &[f32], spread: f32) -> Vec<f32> {
        let mut number = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        };
        around.iter().map(|centre| centre + spread * number()).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn export(config: &str) -> std::io::Result<Output> {
    Command::new(program()).args(["subject", "export", "--config", config]).output()
}

#[test]
fn a_gate_is_calibrated_with_the_templates_it_keeps() -> Outcome {
    let mut world = card_gate();
    let file = world.path("gate.toml");
    let config = Config::load(Path::new(&file))?;
    let key: TemplateKey = fs::read_to_string(world.path("template.key"))?.parse()?;
    let manifest: toml::Value =
        toml::from_str(&fs::read_to_string(models().join("embedding.toml"))?)?;
    let model: ModelHash = manifest["sha256"].as_str().ok_or("no sha256")?.parse()?;

    // Residents with cards, who want to use their faces, too.
    let id = |n: u8| SubjectId([n + 1; 16]);
    let mut csv = "format,facility,number,subject,face\n".to_owned();
    (0..PEOPLE)
        .for_each(|n| csv += &format!("h10301,7,{},{},yes\n", 100 + u16::from(n), id(n).to_hex()));
    let cards = world.path("residents.csv");
    fs::write(&cards, csv)?;
    let office = ["site", "--site", &world.path("site"), "card", "import", &cards];
    let imported = Command::new(program()).args(office).output()?;
    assert!(imported.status.success(), "{}", said(&imported));
    must(world.publish());

    let mut numbers = Numbers(7);
    let mut kept = BTreeSet::new();
    for n in 0..PEOPLE {
        let who = numbers.template(&[0.0; 128], 0.09);
        let mut sealed = Vec::new();
        for picture in 0..TEMPLATES {
            let mut nonce = [n; NONCE_LEN];
            nonce[0] = picture as u8;
            let template = numbers.template(&who, 0.02);
            let one = seal(&key, id(n), &model, &template, nonce)?;
            sealed.push(STANDARD.encode(one.bytes));
        }
        if n == 0 {
            // Of the model that the site is changing from.
            let former = seal(&key, id(n), &ModelHash([9; 32]), &[1.0; 64], [n; NONCE_LEN])?;
            sealed.push(STANDARD.encode(former.bytes));
        }
        kept.extend(sealed.iter().map(|sealed| (id(n).to_hex(), sealed.clone())));
        let consent = Consent { notice: "demonstration".into(), given_at: 1 };
        let question = Question::Enrol { subject: id(n).to_hex(), sealed, consent };
        let answer = app::ask(&config, &question)?;
        assert!(matches!(answer, Answer::Ok(_)), "{answer:?}");
    }

    // Nobody but the gate's user and root may ask.
    let mode = |path: &Path| fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
    assert_eq!(mode(&config.run_dir.join("control.sock"))?, 0o600);

    let exported = export(&file)?;
    assert!(exported.status.success(), "{}", said(&exported));
    let lines = String::from_utf8(exported.stdout.clone())?;
    let told = lines.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        (field("subject"), field("sealed"))
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), kept.len(), "each once");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), kept, "as they were enrolled");
    let log = fs::read_to_string(world.path("gate.log"))?;
    assert!(log.contains("the sealed templates are handed out"), "it is on record: {log}");

    let mut calibrate = Command::new(program())
        .args([
            "face",
            "calibrate",
            "--json",
            "--sealed",
            "-",
            "--key",
            &world.path("template.key"),
        ])
        .arg("--models")
        .arg(models())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    calibrate.stdin.take().ok_or("no input")?.write_all(&exported.stdout)?;
    let calibrated = calibrate.wait_with_output()?;
    assert!(calibrated.status.success(), "{}", said(&calibrated));
    assert!(said(&calibrated).contains("1 templates made with another"), "{}", said(&calibrated));
    let found: Value = serde_json::from_slice(&calibrated.stdout)?;
    let people = u64::from(PEOPLE);
    assert_eq!(
        (&found["people"], &found["frames"]),
        (&people.into(), &TEMPLATES.into()),
        "{found}"
    );
    assert_eq!(found["strangers"]["comparisons"], people * (people - 1), "{found}");
    assert_eq!(found["residents"]["comparisons"], people * TEMPLATES as u64, "{found}");
    assert!(found["supported"].as_u64() > Some(100), "{found}");

    // The same from a gate that isn't running.
    must(world.crash_gate());
    let again = export(&file)?;
    assert_eq!(again.stdout, exported.stdout, "{}", said(&again));
    Ok(())
}
