//! What an empty gate costs: processor time of the face worker and of the daemon's side of it while nobody is
//! there, by trigger, and for comparison while every frame is searched; and what turning a frame upright takes.
//! Prints JSON, one object a line.

use eithergate::app::face::{Enrolled, FaceEvent, Options, Supervisor};
use eithergate::domain::{Rotation, Trigger, Watch};
use eithergate::vision::upright;
use eithergate::wire::worker::Tracking;
use serde_json::json;
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

const WORKER: &str = env!("CARGO_BIN_EXE_eithergate-face");
/// Longer than it is looked at the start.
const SETTLE: Duration = Duration::from_secs(8);
const MEASURED: Duration = Duration::from_secs(30);
const SIDES: (u32, u32) = (640, 480);
/// The unit of times in /proc on every architecture this runs on.
const USER_HZ: f64 = 100.0;

/// Seconds of processor time of a process, all its threads, since it started.
fn processor_s(pid: u32) -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| -> Result<f64, Box<dyn Error>> {
        Ok(fields.get(at).ok_or("a short stat")?.parse()?)
    };
    Ok((ticks(12)? + ticks(13)?) / USER_HZ)
}

fn measure(dir: &Path, trigger: Trigger) -> Result<(), Box<dyn Error>> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let key = dir.join("template.key");
    fs::write(&key, "5a".repeat(32))?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let pictures = dir.display().to_string();
    let (width, height) = (SIDES.0.to_string(), SIDES.1.to_string());
    let capture = [
        WORKER, "frames", &pictures, "--live", "--yard", "--width", &width, "--height", &height,
        "--fps", "10",
    ];
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
        capture: capture.map(str::to_owned).to_vec(),
        width: SIDES.0,
        height: SIDES.1,
        tracking: Tracking::default(),
        watch: Watch { trigger, ..Watch::default() },
    };
    let (sender, events) = sync_channel(1_000);
    let supervisor = Supervisor::spawn(options, Enrolled::default, move |event| {
        let _ = sender.try_send(event);
    })?;
    while events.recv_timeout(Duration::from_secs(60))? != FaceEvent::Up {}
    std::thread::sleep(SETTLE);
    let status = supervisor.status();
    let pids = (status.worker_pid.ok_or("no worker")?, status.capture_pid.ok_or("no camera")?);
    let used = || -> Result<[f64; 3], Box<dyn Error>> {
        Ok([processor_s(pids.0)?, processor_s(std::process::id())?, processor_s(pids.1)?])
    };
    let (from, before, seen) = (Instant::now(), used()?, status.frames_seen);
    std::thread::sleep(MEASURED);
    let (took, after) = (from.elapsed().as_secs_f64(), used()?);
    let percent = |at: usize| ((after[at] - before[at]) / took * 10_000.0).round() / 100.0;
    let frames = supervisor.status().frames_seen - seen;
    println!(
        "{}",
        json!({
            "empty_gate": format!("{trigger:?}").to_lowercase(),
            "size": format!("{}x{}", SIDES.0, SIDES.1),
            "frames_per_s": (frames as f64 / took * 10.0).round() / 10.0,
            "worker_percent_of_a_core": percent(0),
            "daemon_percent_of_a_core": percent(1),
            "simulated_camera_percent_of_a_core": percent(2),
        })
    );
    Ok(())
}

/// The median over many frames of turning one.
fn turn(rotation: Rotation) -> Result<(), Box<dyn Error>> {
    let frame: Vec<u8> = (0..SIDES.0 * SIDES.1 * 3 / 2).map(|i| (i % 251) as u8).collect();
    let mut turned = vec![0; frame.len()];
    let mut times = Vec::new();
    for _ in 0..1_000 {
        let from = Instant::now();
        upright(rotation, SIDES, std::hint::black_box(&frame), &mut turned)?;
        times.push(from.elapsed());
        std::hint::black_box(&mut turned);
    }
    times.sort();
    println!(
        "{}",
        json!({
            "turning": format!("{rotation:?}").to_lowercase(),
            "size": format!("{}x{}", SIDES.0, SIDES.1),
            "median_us": times.get(times.len() / 2).map(Duration::as_micros),
        })
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters]
        .into_iter()
        .try_for_each(turn)?;
    let dir = std::env::temp_dir().join(format!("eithergate-camera-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let outcome = [Trigger::Button, Trigger::Motion, Trigger::Always]
        .into_iter()
        .try_for_each(|trigger| measure(&dir, trigger));
    fs::remove_dir_all(&dir)?;
    outcome
}
