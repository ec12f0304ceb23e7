//! After many recognitions by the real daemon and the real worker: no picture, crop or plaintext template in any
//! file they can write, nor in a log. That the search would find each of them is shown first.
//!
//! `EITHERGATE_RECOGNITIONS` says how many (`make traces`: 1,000); by default a few, to be quick.
#![cfg(feature = "face")]

mod traces;

use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{Stage, World};
use eithergate::config::Config;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use traces::{Kind, Needles, is_there, search};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const WIDTH: u32 = 480;
const HEIGHT: u32 = 640;
const LATER: Duration = Duration::from_secs(60);

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_eithergate"))
}

/// People come and go as fast as the tracker lets them: a picture, black, the picture again.
fn hurry(world: &mut World, resident: &Path) -> Outcome {
    world.crash_gate().map_err(|e| format!("{e:?}"))?;
    let path = world.path("gate.toml");
    let live = "\"--live\"";
    let hurried = "\"--loop\", \"--hold-ms\", \"400\", \"--gap-ms\", \"320\", \"--fps\", \"25\"";
    let text = std::fs::read_to_string(&path)?;
    assert!(text.contains(live) && text.contains("liveness = \"off\""), "{text}");
    let text = text
        .replace(live, hurried)
        .replace("liveness = \"off\"", "liveness = \"off\"\ndwell_ms = 0\nrearm_ms = 200");
    std::fs::write(&path, text)?;
    world.show(Some(resident)).map_err(|e| format!("{e:?}"))?;
    world.start_gate().map_err(|e| format!("{e:?}"))?;
    Ok(())
}

fn recognised(world: &World) -> u64 {
    let health = world.status().unwrap_or_default();
    health["face"]["recognised"].as_u64().unwrap_or(0)
}

#[test]
fn recognitions_leave_no_picture_crop_or_template_in_any_file() -> Outcome {
    let wanted = std::env::var("EITHERGATE_RECOGNITIONS").ok().and_then(|n| n.parse().ok());
    let wanted: u64 = wanted.unwrap_or(12);
    let began = SystemTime::now();
    let pictures = Pictures::find(None).map_err(|e| format!("{e:?}"))?;
    let stage = Stage { program: program(), pictures: Some(&pictures), sabotage: None };
    let mut world = World::build(stage, &|_| {}).map_err(|e| format!("{e:?}"))?;
    hurry(&mut world, &pictures.resident)?;

    // Each is given so long at first, and later so much more.
    let mut end = Instant::now() + LATER;
    let mut seen = 0;
    while seen < wanted {
        assert!(Instant::now() < end, "{seen} recognitions, and no more");
        std::thread::sleep(Duration::from_millis(500));
        let now = recognised(&world);
        if now > seen {
            (seen, end) = (now, Instant::now() + LATER);
        }
    }
    // What the processes have open is inside what is searched.
    let config = Config::load(Path::new(&world.path("gate.toml")))?;
    let folders = [PathBuf::from(world.path("")), config.data_dir.clone(), config.run_dir.clone()];
    let health = world.status().ok_or("the gate has gone")?;
    let worker = health["face"]["worker"]["worker_pid"].as_u64().ok_or("no worker")?;
    assert_eq!(traces::files_of(worker)?, Vec::<PathBuf>::new(), "the worker has files open");
    world.crash_gate().map_err(|e| format!("{e:?}"))?;

    let needles = Needles::of(&pictures, WIDTH, HEIGHT)?;
    let files = traces::files(&folders, began, &[PathBuf::from(world.path("stage"))]);
    let bytes: u64 = files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
    assert!(files.iter().any(|f| f.ends_with("gate.log")) && bytes > 10_000, "{files:?}");
    let found = search(&files, &needles);
    assert!(found.is_empty(), "{found:?}");
    eprintln!("{seen} recognitions, {} files, {bytes} bytes, {needles}: no trace", files.len());

    // The control: each kind, planted in the middle of a file of the gate's own.
    let planted = config.data_dir.join("store/planted");
    for kind in Kind::ALL {
        std::fs::write(&planted, needles.planted(kind))?;
        let files = traces::files(&folders, began, &[]);
        let found = search(&files, &needles);
        assert!(is_there(&found, &planted, kind), "a planted {kind:?} was not found: {found:?}");
    }
    Ok(())
}
