//! What an empty gate costs: processor time of the daemon, of the face worker and of the program that plays the camera,
//! in a whole running gate with nobody there, by trigger; and what turning a frame upright takes. Prints JSON, one object
//! a line.
//!
//! The camera is simulated: the same still yard ten times a second. A real one has noise, which is no motion, and a program
//! of its own, whose cost isn't this project's: the two figures that count are the daemon's and the worker's. Processor
//! time hardly depends on what else the machine does, so this may run on a busy one. A minute for each trigger.

use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{Stage, World};
use eithergate::domain::Rotation;
use eithergate::vision::upright;
use serde_json::json;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longer than everything is looked at after the start.
const SETTLE: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(30);
/// The stage's own camera, and what is measured instead.
const STAGE: &str = "\"--width\", \"480\", \"--height\", \"640\"]\nwidth = 480\nheight = 640\n";
const CAMERA: &str =
    "\"--width\", \"640\", \"--height\", \"480\", \"--fps\", \"10\"]\nwidth = 640\nheight = 480\n";
const TRIGGERS: [(&str, &str); 3] = [
    ("button", "trigger = \"button\"\nbutton = 24\n"),
    ("presence", "trigger = \"presence\"\n"),
    ("always", "trigger = \"always\"\n"),
];
/// The unit of times in /proc on every architecture this runs on.
const USER_HZ: f64 = 100.0;

/// Seconds of processor time of a process, all its threads, since it started.
fn processor_s(pid: u64) -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name in brackets: state is the first, utime and stime are the 12th and 13th.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| -> Result<f64, Box<dyn Error>> {
        Ok(fields.get(at).ok_or("a short stat")?.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / USER_HZ)
}

fn measure(world: &mut World, as_built: &str, trigger: (&str, &str)) -> Result<(), Box<dyn Error>> {
    world.crash_gate().map_err(|e| format!("{e:?}"))?;
    let text = as_built.replace(STAGE, &format!("{CAMERA}{}", trigger.1));
    if text == as_built {
        return Err("the stage's camera is another than this measurement knows".into());
    }
    std::fs::write(world.path("gate.toml"), text)?;
    world.start_gate().map_err(|e| format!("{e:?}"))?;
    if !world.face_is_up(SOON) {
        return Err("the face path did not come up".into());
    }
    std::thread::sleep(SETTLE);
    let face =
        || Ok::<_, Box<dyn Error>>(world.status().ok_or("no health")?["face"]["worker"].take());
    let before = face()?;
    let pid = |name: &str| before[name].as_u64().ok_or(format!("no {name} in {before}"));
    let daemon = world.daemon_pid().map(u64::from).ok_or("no daemon")?;
    let pids = [daemon, pid("worker_pid")?, pid("capture_pid")?];
    let used = || pids.into_iter().map(processor_s).collect::<Result<Vec<f64>, _>>();
    let (from, start) = (Instant::now(), used()?);
    std::thread::sleep(MEASURED);
    let (took, end) = (from.elapsed().as_secs_f64(), used()?);
    let after = face()?;
    if ["worker_pid", "capture_pid"].iter().any(|name| before[name] != after[name]) {
        return Err("the worker or the camera was replaced in between".into());
    }
    let percent = |at: usize| ((end[at] - start[at]) / took * 10_000.0).round() / 100.0;
    let a_second = |name: &str| {
        let count = |of: &serde_json::Value| of[name].as_f64().unwrap_or(f64::NAN);
        ((count(&after) - count(&before)) / took * 10.0).round() / 10.0
    };
    let figures = json!({
        "bench": "processor time, nobody there", "trigger": trigger.0, "size": "640x480",
        "frames_per_s": a_second("frames_seen"), "passed_on_per_s": a_second("frames_processed"),
        "daemon_percent_of_a_core": percent(0), "worker_percent_of_a_core": percent(1),
        "simulated_camera_percent_of_a_core": percent(2), "measured_s": took.round(),
    });
    println!("{figures}");
    Ok(())
}

/// The median over many frames of turning one.
fn turn(rotation: Rotation) -> Result<(), Box<dyn Error>> {
    let sides = (640, 480);
    let frame: Vec<u8> = (0..sides.0 * sides.1 * 3 / 2).map(|i| (i % 251) as u8).collect();
    let mut turned = vec![0; frame.len()];
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let from = Instant::now();
        upright(rotation, sides, std::hint::black_box(&frame), &mut turned)?;
        times.push(from.elapsed());
        std::hint::black_box(&mut turned);
    }
    times.sort();
    println!(
        "{}",
        json!({
            "bench": "turning a frame upright", "turning": format!("{rotation:?}").to_lowercase(),
            "size": format!("{}x{}", sides.0, sides.1),
            "median_us": times.get(times.len() / 2).map(Duration::as_micros),
        })
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters]
        .into_iter()
        .try_for_each(turn)?;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_eithergate"));
    let pictures = Pictures::find(Some("target/pictures".into())).map_err(|e| format!("{e:?}"))?;
    let stage = Stage { program, pictures: Some(&pictures), sabotage: None };
    let mut world = World::build(stage, &|_| {}).map_err(|e| format!("{e:?}"))?;
    let as_built = std::fs::read_to_string(world.path("gate.toml"))?;
    TRIGGERS.into_iter().try_for_each(|trigger| measure(&mut world, &as_built, trigger))
}
