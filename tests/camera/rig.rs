//! A gate with a camera of its own, for tests of the real daemon.

use super::WORKER;
use super::stage::{Outcome, is_applied, must, program};
use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::pictures::Pictures;
use eithergate::cli::demo::world::{Stage, World};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Generous: two cores may be busy with other tests.
pub const LIMIT: Duration = Duration::from_secs(60);

pub fn script(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, format!("#!/bin/sh\n{text}\n"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// A folder with a daemon that finds its programs in it first.
pub fn daemon_with(programs: &Path) -> std::io::Result<PathBuf> {
    let wrapper = programs.join("eithergate");
    let path = std::env::var("PATH").unwrap_or_default();
    let (real, programs_text) = (program(), programs.display());
    script(&wrapper, &format!("PATH='{programs_text}:{path}' exec '{}' \"$@\"", real.display()))?;
    symlink(WORKER, programs.join("eithergate-face"))?;
    Ok(wrapper)
}

/// A gate with a camera section of its own, its worker looking.
pub fn gate(
    programs: &Path,
    pictures: &Pictures,
    camera: &str,
) -> Result<World, Box<dyn std::error::Error>> {
    let stage = Stage { program: daemon_with(programs)?, pictures: Some(pictures), sabotage: None };
    let mut world = World::build(stage, &|_| {}).map_err(|e| format!("{e:?}"))?;
    assert!(world.eyes.wait(0, LIMIT, is_applied).is_some(), "no allowlist was applied");
    with_camera(&mut world, camera)?;
    Ok(world)
}

/// Starts the gate anew with another camera section, which comes last.
pub fn with_camera(world: &mut World, camera: &str) -> Outcome {
    anew(world, |text| {
        let (before, _) = text.split_once("[camera]")?;
        Some(format!("{before}[camera]\n{camera}\n"))
    })
}

/// Starts the gate anew with a changed configuration.
pub fn anew(world: &mut World, change: impl FnOnce(&str) -> Option<String>) -> Outcome {
    let file = world.path("gate.toml");
    let text = change(&fs::read_to_string(&file)?).ok_or("nothing to change in it")?;
    must(world.crash_gate());
    fs::write(&file, text)?;
    must(world.start_gate());
    Ok(())
}

pub fn pictures() -> Result<Pictures, Box<dyn std::error::Error>> {
    Ok(Pictures::find(None).map_err(|e| format!("{e:?}"))?)
}

pub fn output(name: &'static str, want: bool) -> impl Fn(&Sight) -> bool {
    move |sight| matches!(sight, Sight::Output { name: n, active } if n == name && *active == want)
}

pub fn alarm(kind: &'static str, alarm: &'static str) -> impl Fn(&Sight) -> bool {
    move |sight| sight.is_event(kind, &[("alarm", alarm), ("door", "main")])
}
