//! `outputs safe`: what the service manager runs after the daemon has ended, however it ended.

use super::{Failure, load_config};
use crate::app::{self, Question, pins};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Put every output in its configured fail state
    ///
    /// A kernel may keep the level of a line whose process was killed, and a relay with it. systemd runs
    /// this after every end of the daemon (ExecStopPost=). Refused while the daemon runs.
    Safe {
        /// The gate's configuration
        #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
        config: PathBuf,
    },
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Command::Safe { config } = args.command;
    let config = load_config(&config)?;
    if app::ask(&config, &Question::Health {}).is_ok() {
        return Err(Failure::Unavailable(
            "the gate is running and holds its outputs: stop it first".into(),
        ));
    }
    pins::make_safe(&config).map_err(|e| Failure::Unavailable(e.to_string()))?;
    for (name, output) in config.outputs() {
        let state = if output.safe_energised { "energised" } else { "released" };
        println!("{name}: {state}");
    }
    Ok(())
}
