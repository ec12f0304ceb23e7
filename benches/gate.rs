//! The running gate, measured from outside through its simulated pins: start to cards working, last edge to
//! relay, memory of both processes. Prints JSON, one object a line.

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{RESIDENT, Stage, World};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);
const CARDS: usize = 200;
/// Three of the frame's own intervals of 2 ms.
const QUIET_US: f64 = 6_000.0;

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1;
    values[at]
}

/// From the last falling edge to the relay, as the pins stamped both.
fn edge_to_relay(world: &World) -> Result<Vec<f64>, Box<dyn Error>> {
    let stream = UnixStream::connect(world.socket())?;
    // Better no figure than none for ever.
    stream.set_read_timeout(Some(SOON))?;
    let mut to = stream.try_clone()?;
    let mut from = BufReader::new(stream);
    let raw = "2f623ae";
    let mut latencies = Vec::new();
    for _ in 0..CARDS {
        let read = json!({"read": {"reader": "entrance", "bits": 26, "raw": raw}});
        writeln!(to, "{read}")?;
        let (mut on, mut last): (Option<f64>, Option<f64>) = (None, None);
        while on.is_none() {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let notice: Value = serde_json::from_str(&line)?;
            last = last.or(notice["last_us"].as_f64());
            // A grant by face may come in between: this card's is the first after its last edge's quiet.
            if notice["output"] == "main.relay" && notice["active"] == true {
                let after = |t: &f64| last.is_some_and(|last| *t >= last + QUIET_US);
                on = notice["t_us"].as_f64().filter(after);
            }
        }
        latencies.push(on.unwrap_or(0.0) - last.unwrap_or(0.0));
        // The leaf opens and closes: the relay is at rest for the next one.
        writeln!(to, "{}", json!({"input": {"name": "main.contact", "active": true}}))?;
        writeln!(to, "{}", json!({"input": {"name": "main.contact", "active": false}}))?;
        let mut line = String::new();
        while !line.contains("\"active\":false") || !line.contains("main.contact") {
            line.clear();
            from.read_line(&mut line)?;
        }
    }
    Ok(latencies)
}

fn report_latency(what: &str, world: &World) -> Result<(), Box<dyn Error>> {
    let mut latencies = edge_to_relay(world)?;
    let (p50, p99) = (percentile(&mut latencies, 0.5), percentile(&mut latencies, 0.99));
    let figures = json!({
        "bench": what, "cards": CARDS, "p50_us": p50, "p99_us": p99,
        "of_which_quiet_us": QUIET_US, "target_p99_us": QUIET_US + 1_000.0,
    });
    println!("{figures}");
    Ok(())
}

/// From starting the process to the relay of a card that was presented as soon as there were pins.
fn start_to_card(world: &mut World) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..10 {
        world.crash_gate().map_err(|e| format!("{e:?}"))?;
        let mark = world.eyes.mark();
        let start = Instant::now();
        world.start_gate().map_err(|e| format!("{e:?}"))?;
        world.present_card(RESIDENT).map_err(|e| format!("{e:?}"))?;
        let seen = world.eyes.wait(mark, SOON, |s| s.is_output(true)).ok_or("no relay")?;
        times.push(seen.at.duration_since(start).as_secs_f64() * 1e3);
    }
    let figures = json!({
        "bench": "start to a card's relay", "starts": times.len(), "p50_ms": percentile(&mut times, 0.5).round(),
        "max_ms": percentile(&mut times, 1.0).round(), "target_ms": 1_000,
        "note": "the reader's own 52 ms for the frame included",
    });
    println!("{figures}");
    Ok(())
}

fn resident_mb(pid: u64) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_eithergate"));
    let pictures = Pictures::find(Some("target/pictures".into())).map_err(|e| format!("{e:?}"))?;
    let stage = Stage { program, pictures: Some(&pictures), sabotage: None };
    let mut world = World::build(stage, &|_| {}).map_err(|e| format!("{e:?}"))?;
    let applied = |s: &Sight| matches!(s, Sight::Ack(a) if a["applied"] == true);
    world.eyes.wait(0, SOON, applied).ok_or("no allowlist")?;
    if !world.face_is_up(SOON) {
        return Err("the face path did not come up".into());
    }
    report_latency("last edge to relay, camera idle", &world)?;
    world.show(Some(&pictures.resident)).map_err(|e| format!("{e:?}"))?;
    if let Err(e) = report_latency("last edge to relay, a face before the camera", &world) {
        // What the gate said of it, before its folder goes.
        let log = std::fs::read_to_string(world.path("gate.log"))?;
        log.lines().rev().take(20).for_each(|line| eprintln!("{line}"));
        return Err(e);
    }

    let health = world.status().ok_or("no health")?;
    let worker = health["face"]["worker"]["worker_pid"].as_u64().and_then(resident_mb);
    let daemon = world.daemon_pid().map(u64::from).and_then(resident_mb);
    let total = worker.zip(daemon).map(|(a, b)| (a + b).round());
    let figures = json!({
        "bench": "resident memory", "daemon_mb": daemon.map(f64::round), "worker_mb": worker.map(f64::round),
        "total_mb": total, "target_mb": 150, "note": "2 cards, 2 templates; the target is for 100,000 and 10,000",
    });
    println!("{figures}");
    start_to_card(&mut world)
}
