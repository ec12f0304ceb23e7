//! The running gate, measured from outside through its simulated pins: start to cards working, last edge to
//! relay, memory of both processes. Prints JSON, one object a line.

use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{RESIDENT, Stage, World};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
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

/// One frame's notices. A busy machine may tell of the relay before it tells that the frame was sent.
#[derive(Default)]
struct Seen {
    last: Option<f64>,
    relay: Vec<(f64, bool)>,
}

impl Seen {
    fn take(&mut self, notice: &Value, reader: &str, relay: &str) {
        if notice["reader"] == *reader {
            self.last = self.last.or(notice["last_us"].as_f64());
        }
        if notice["output"] == *relay
            && let (Some(t), Some(on)) = (notice["t_us"].as_f64(), notice["active"].as_bool())
        {
            self.relay.push((t, on));
        }
    }

    /// When the relay was energised by this frame. A grant by face may come in between: this card's is the
    /// first after its last edge's quiet.
    fn on(&self, quiet_us: f64) -> Option<f64> {
        let after = self.last? + quiet_us;
        self.relay.iter().find(|(t, on)| *on && *t >= after).map(|(t, _)| *t)
    }

    /// From the last edge to the relay, once that is released again.
    fn over(&self, quiet_us: f64) -> Option<f64> {
        let on = self.on(quiet_us)?;
        let released = self.relay.iter().any(|(t, energised)| !energised && *t > on);
        released.then_some(on - self.last?)
    }
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
        let mut seen = Seen::default();
        let on = loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            seen.take(&serde_json::from_str(&line)?, "entrance", "main.relay");
            if let Some(on) = seen.on(QUIET_US) {
                break on;
            }
        };
        latencies.push(on - seen.last.unwrap_or(0.0));
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

/// Readers that send at once, and frames of all of them together.
const READERS: usize = 8;
const FRAMES: usize = 10_000;
/// Three of their intervals of 1 ms.
const BUSY_QUIET_US: f64 = 3_000.0;

/// Seven more doors, each with a reader, beside the one there is.
fn more_readers() -> String {
    let section = |i: usize| {
        format!(
            "[[door]]\nname = \"door{i}\"\nrelay = {}\nopen_ms = 100\n\
             [[reader]]\nname = \"reader{i}\"\ndoor = \"door{i}\"\nd0 = {}\nd1 = {}\nformats = [\"h10301\"]\n",
            60 + i,
            80 + 2 * i,
            81 + 2 * i
        )
    };
    (2..=READERS).map(section).collect()
}

/// One reader, frame after frame: from the last falling edge to its door's relay.
fn one_of_many(socket: PathBuf, reader: String, door: String) -> Result<Vec<f64>, String> {
    let failed = |e: std::io::Error| format!("{reader}: {e}");
    let stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(SOON)).map_err(failed)?;
    let mut to = stream.try_clone().map_err(failed)?;
    let mut from = BufReader::new(stream);
    let relay = format!("{door}.relay");
    let read =
        json!({"read": {"reader": reader, "bits": 26, "raw": "2f623ae", "interval_us": 1_000}});
    let mut latencies = Vec::new();
    for _ in 0..FRAMES / READERS {
        writeln!(to, "{read}").map_err(failed)?;
        let mut seen = Seen::default();
        latencies.push(loop {
            let mut line = String::new();
            if from.read_line(&mut line).map_err(failed)? == 0 {
                return Err(format!("{reader}: the pins are gone"));
            }
            let notice = serde_json::from_str(&line).map_err(|e| format!("{reader}: {e}"))?;
            seen.take(&notice, &reader, &relay);
            if let Some(latency) = seen.over(BUSY_QUIET_US) {
                break latency;
            }
        });
    }
    Ok(latencies)
}

/// All readers at once, with the face worker at full load: faces that change before it is done with one,
/// more of them than it can look at.
fn many_readers(world: &mut World, pictures: &Pictures) -> Result<(), Box<dyn Error>> {
    world.crash_gate().map_err(|e| format!("{e:?}"))?;
    let config = world.path("gate.toml");
    let text = std::fs::read_to_string(&config)?.replace("open_ms = 1500", "open_ms = 100");
    let folder = pictures.resident.parent().unwrap_or(Path::new("."));
    let folder = folder.canonicalize()?.display().to_string();
    let text = text
        .replace(&world.path("stage"), &folder)
        .replace("\"--live\"", "\"--loop\", \"--hold-ms\", \"150\", \"--fps\", \"120\"");
    if !text.contains("--loop") {
        return Err("the stage's camera is another than this measurement knows".into());
    }
    std::fs::write(&config, text + &more_readers())?;
    world.start_gate().map_err(|e| format!("{e:?}"))?;
    if !world.face_is_up(SOON) {
        return Err("the face path did not come up".into());
    }
    let before = worker_cpu_s(world);
    let start = Instant::now();
    let names = (2..=READERS).map(|i| (format!("reader{i}"), format!("door{i}")));
    let names = names.chain([("entrance".into(), "main".into())]);
    let threads: Vec<_> = names
        .map(|(reader, door)| {
            let socket = world.socket();
            std::thread::spawn(move || one_of_many(socket, reader, door))
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a reader's thread panicked")??);
    }
    let seconds = start.elapsed().as_secs_f64();
    let load = worker_cpu_s(world).zip(before).map(|(after, before)| (after - before) / seconds);
    let (p50, p99) = (percentile(&mut latencies, 0.5), percentile(&mut latencies, 0.99));
    let max = percentile(&mut latencies, 1.0);
    let figures = json!({
        "bench": "last edge to relay, 8 readers at once, the face worker at full load",
        "frames": latencies.len(), "readers": READERS, "seconds": seconds.round(),
        "worker_cores": load.map(|l| (l * 100.0).round() / 100.0),
        "p50_us": p50, "p99_us": p99, "max_us": max,
        "of_which_quiet_us": BUSY_QUIET_US, "target_p99_us": BUSY_QUIET_US + 1_000.0,
    });
    println!("{figures}");
    Ok(())
}

/// What the face worker has used so far, in seconds of one core.
fn worker_cpu_s(world: &World) -> Option<f64> {
    let pid = world.status()?["face"]["worker"]["worker_pid"].as_u64()?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name in brackets: state is the first, utime and stime are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
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
    start_to_card(&mut world)?;
    many_readers(&mut world, &pictures)
}
