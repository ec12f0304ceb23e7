//! The face worker process (`eithergate-face`): shut in before the first picture. It has no network, starts no
//! program and opens no file after start.
//!
//! `run` is that worker, started by the daemon. The commands beside it work on picture files for a
//! person at a terminal; they look at what they are given and are not shut in.

#[cfg(feature = "face")]
pub mod frames;
#[cfg(feature = "face")]
mod intake;
#[cfg(feature = "face")]
mod look;
#[cfg(feature = "face")]
pub mod pictures;
#[cfg(feature = "face")]
mod run;
pub mod sandbox;
pub mod sandbox_test;
#[cfg(feature = "face")]
mod watch;

#[cfg(feature = "face")]
pub use entry::main;

#[cfg(feature = "face")]
mod entry {
    use super::{frames, pictures, run, sandbox_test};
    use crate::failure::conclude;
    use crate::wire::template::ModelHash;
    use clap::{Parser, Subcommand};
    use std::path::PathBuf;
    use std::process::ExitCode;

    /// Eithergate's face recognition: the daemon's worker, and commands that look at pictures.
    #[derive(Parser)]
    #[command(version, about, max_term_width = 100)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Subcommand)]
    enum Command {
        #[command(flatten)]
        Pictures(pictures::Command),
        /// Play the pictures of a folder as a camera would, for `capture` in a gate's configuration
        Frames(frames::Args),
        /// Load the models as the worker does, and name them
        #[command(hide = true)]
        Models {
            /// Their manifests: detector, landmarks, embedding, and what else there is
            #[arg(num_args = 3..=5, required = true)]
            manifests: Vec<PathBuf>,
            /// sha256 of a manifest that may be loaded; with any of these, no other may
            #[arg(long = "pin", value_name = "HEX")]
            pins: Vec<ModelHash>,
        },
        /// The worker itself, started by the daemon
        #[command(hide = true)]
        Run(run::Args),
        /// Shut in as the worker is, try what it must not be able to do
        #[command(hide = true)]
        SandboxTest,
    }

    pub fn main() -> ExitCode {
        let cli = match Cli::try_parse() {
            Ok(cli) => cli,
            Err(e) => {
                let _ = e.print();
                return if e.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
            }
        };
        conclude(match cli.command {
            Command::Pictures(command) => pictures::run(command),
            Command::Models { manifests, pins } => pictures::name_models(&manifests, &pins),
            Command::Frames(args) => frames::run(&args),
            Command::Run(args) => run::run(&args),
            Command::SandboxTest => sandbox_test::run(),
        })
    }
}
