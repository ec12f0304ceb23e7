//! `run`: the daemon.

use super::{Failure, load_config};
use crate::app;
use std::io::IsTerminal;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The gate's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
    config: PathBuf,
    /// Log lines as JSON, for a collector
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    log(args.json);
    give_large_blocks_back();
    let config = load_config(&args.config)?;
    app::run(config).map_err(|error| match error {
        app::AppError::Key(_) | app::AppError::ExampleKey => Failure::Config(error.to_string()),
        _ => Failure::Unavailable(error.to_string()),
    })
}

/// glibc keeps ever larger blocks once one of them was freed: after each new allowlist some megabytes more. With a
/// bound of one's own it stays as it is.
fn give_large_blocks_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator's; no thread but this one runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
    }
}

/// What is logged is set by RUST_LOG (`info` without it) and goes to standard error, which systemd keeps.
fn log(json: bool) {
    use tracing_subscriber::EnvFilter;
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sled=warn"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second subscriber can only be a test's; that one is fine too.
    let _ = if json { lines.json().try_init() } else { lines.compact().try_init() };
}
