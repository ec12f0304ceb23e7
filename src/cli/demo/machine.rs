//! What the stage needs of the machine: a folder, a loopback port, Mosquitto.

use crate::cli::Failure;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) fn failed(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Failure {
    move |e| Failure::Unavailable(format!("{what}: {e}"))
}

/// A folder of our own, that nobody else may look into.
pub(super) fn new_folder(inside: PathBuf) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(|e| Failure::Unavailable(e.to_string()))?;
    let dir = inside.join(format!("eithergate-{:016x}", u64::from_ne_bytes(name)));
    std::fs::DirBuilder::new().mode(0o700).create(&dir).map_err(failed(dir.display()))?;
    Ok(dir)
}

/// In memory, as a gate's run folder is, where this machine has such a place: a disk that is flushing would
/// hold up the pins.
pub(super) fn run_folder() -> Result<PathBuf, Failure> {
    let memory = PathBuf::from("/dev/shm");
    new_folder(if memory.is_dir() { memory } else { std::env::temp_dir() })
}

pub(super) fn free_port() -> Result<u16, Failure> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(failed("a loopback port"))
}

/// Debian puts it where a user's PATH may not reach.
pub(super) fn mosquitto() -> Result<PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join("mosquitto"))
        .find(|program| program.is_file())
        .ok_or_else(|| Failure::Unavailable("mosquitto is not installed: run `make setup`".into()))
}

pub(super) fn wait_for(what: &str, mut ready: impl FnMut() -> bool) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(15);
    while Instant::now() < end {
        if ready() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::Unavailable(format!("{what} did not come up within 15 s")))
}
