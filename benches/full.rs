//! What a gate of the size the design is for takes: the real daemon and worker with 100,000 cards and 10,000
//! enrolled residents, one template each and five. Prints JSON. The templates are made up, sealed as enrolment does, and
//! put into the store while the gate is stopped: 10,000 people can't be photographed here.
//!
//! `cargo bench --features face,osdp --bench full`

use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{RESIDENT, Stage, World};
use eithergate::domain::SubjectId;
use eithergate::io::store::Store;
use eithergate::io::template_key;
use eithergate::vision::Manifest;
use eithergate::wire::enrolled::{Consent, Record};
use eithergate::wire::template::{ModelHash, NONCE_LEN, seal};
use serde_json::json;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const CARDS: u128 = 100_000;
const PEOPLE: u128 = 10_000;
const LIMIT: Duration = Duration::from_secs(120);

fn subject(n: u128) -> SubjectId {
    SubjectId((n + 1).to_be_bytes())
}

/// Cards of this facility on; the demonstration's own have 123.
const FACILITY: u128 = 130;

fn cards() -> String {
    let mut csv = String::from("format,facility,number,subject,face\n");
    for n in 0..CARDS {
        let (facility, number) = (FACILITY + n / 50_000, n % 50_000 + 1);
        let _ = if n < PEOPLE {
            writeln!(csv, "h10301,{facility},{number},{},yes", subject(n).to_hex())
        } else {
            writeln!(csv, "h10301,{facility},{number},,no")
        };
    }
    csv
}

/// As a pseudo-random number from 0 to 1.
fn uniform(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / 16_777_216.0
}

fn enrol_all(world: &World, templates: u8) -> Result<f64, Box<dyn Error>> {
    let manifest = Manifest::from_toml(&std::fs::read_to_string("models/embedding.toml")?)?;
    let space = manifest.space().ok_or("models/embedding.toml is no embedding")?;
    let key = template_key::read(Path::new(&world.path("template.key")))?;
    let (store, _) = Store::open(Path::new(&world.path("data")))?;
    let (start, mut state) = (Instant::now(), 9);
    for n in 0..PEOPLE {
        let who: Vec<f32> = (0..space.dimension).map(|_| 0.3 * uniform(&mut state)).collect();
        let mut records = Vec::new();
        for i in 0..templates {
            let picture: Vec<f32> = who.iter().map(|v| v + 0.02 * uniform(&mut state)).collect();
            let mut nonce = [i; NONCE_LEN];
            nonce[1..17].copy_from_slice(&n.to_be_bytes());
            let sealed = seal(&key, subject(n), &ModelHash(space.model), &picture, nonce)?;
            let consent = Consent { notice: "notice 2026-04".into(), given_at: 1_777_000_000_000 };
            records.push(Record { sealed, consent }.to_bytes()?);
        }
        store.put_templates(&subject(n).0, &records)?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Resident memory now and at its peak, in MiB.
fn memory(pid: u64) -> Option<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some((line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0).round())
    };
    Some((of("VmRSS:")?, of("VmHWM:")?))
}

fn failed(what: impl std::fmt::Debug) -> String {
    format!("{what:?}")
}

fn main() -> Result<(), Box<dyn Error>> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_eithergate"));
    let pictures = Pictures::find(Some("target/pictures".into())).map_err(failed)?;
    let stage = Stage { program: program.clone(), pictures: Some(&pictures), sabotage: None };
    let mut world = World::build(stage, &|_| {}).map_err(failed)?;

    let csv = world.path("all.csv");
    std::fs::write(&csv, cards())?;
    let broker = format!("mqtt://127.0.0.1:{}", world.port());
    for arguments in
        [vec!["card", "import", &csv], vec!["publish", "--broker", &broker, "--wait", "60"]]
    {
        let mut office = Command::new(&program);
        let output =
            office.args(["site", "--site", &world.path("site")]).args(arguments).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
    }
    let cards = world.status().unwrap_or_default()["allowlist"]["cards"].as_u64().unwrap_or(0);
    if u128::from(cards) < CARDS {
        return Err(format!("the large allowlist was not applied: {cards} cards").into());
    }

    world.crash_gate().map_err(failed)?;
    world.start_gate().map_err(failed)?;
    if !world.face_is_up(LIMIT) {
        return Err("the face path did not come up".into());
    }
    let cards_alone = world.daemon_pid().map(u64::from).and_then(memory).ok_or("no daemon")?;
    [1, 5].into_iter().try_for_each(|each| with(&mut world, &pictures, each, cards_alone.0))
}

fn with(
    world: &mut World,
    pictures: &Pictures,
    templates: u8,
    cards_alone_mb: f64,
) -> Result<(), Box<dyn Error>> {
    world.crash_gate().map_err(failed)?;
    let enrolled_s = enrol_all(world, templates)?;
    let start = Instant::now();
    world.start_gate().map_err(failed)?;
    let all = (PEOPLE * u128::from(templates)) as u64;
    let health = loop {
        let health = world.status().unwrap_or_default();
        let people = health["face"]["terms"]["people"].as_u64().unwrap_or(0);
        let loaded =
            u128::from(people) > PEOPLE && health["face"]["templates"].as_u64() > Some(all);
        if loaded && health["face"]["status"] == "up" {
            break health;
        }
        if start.elapsed() > LIMIT {
            return Err(format!("the gallery was not loaded: {}", health["face"]).into());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let loaded_s = start.elapsed().as_secs_f64();
    // Both at work: a card, and a face before the camera.
    let mark = world.eyes.mark();
    world.show(Some(&pictures.resident)).map_err(failed)?;
    world.present_card(RESIDENT).map_err(failed)?;
    world.eyes.wait(mark, LIMIT, |s| s.is_output(true)).ok_or("the card opened nothing")?;
    std::thread::sleep(Duration::from_secs(5));

    let daemon = world.daemon_pid().map(u64::from).and_then(memory).ok_or("no daemon")?;
    let worker =
        health["face"]["worker"]["worker_pid"].as_u64().and_then(memory).ok_or("no worker")?;
    let figures = json!({
        "bench": "resident memory, a full gate", "cards": CARDS, "people": PEOPLE, "templates": all,
        "daemon_mb": daemon.0, "worker_mb": worker.0, "total_mb": daemon.0 + worker.0, "target_mb": 150,
        "daemon_with_cards_alone_mb": cards_alone_mb, "daemon_peak_mb": daemon.1, "worker_peak_mb": worker.1,
        "seconds_to_face_path_up": (loaded_s * 10.0).round() / 10.0,
        "seconds_to_store_all": enrolled_s.round(),
    });
    println!("{figures}");
    Ok(())
}
