//! Arguments, tracing, exit codes; one file a subcommand. Never byte formats, never policy.

mod check;
mod decode;
mod demo;
mod enroll;
mod face;
mod journal;
mod outputs;
mod run;
mod site;

pub use crate::failure::{Failure, conclude};

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A gate that opens with either a card or a face.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gate: the daemon that systemd starts
    Run(run::Args),
    /// Look at everything this gate needs and say what to mend
    Check(check::Args),
    /// A whole gate, simulated on this machine
    Demo(demo::Args),
    /// What a reader really sent: from a capture, a number on paper, or recorded bytes
    Decode(decode::Args),
    /// Look at and measure face recognition on pictures
    Face(face::Args),
    /// Store a consenting resident's face templates at this gate
    Enroll(enroll::Args),
    /// Read the gate's journal of events
    Journal(journal::Args),
    /// Put outputs in their configured fail state
    Outputs(outputs::Args),
    /// The property office: keys, gates, cards, allowlists
    Site(site::Args),
}

/// Runs the command line and turns its outcome into an exit code (sysexits: 64 usage, 65 data, 66 no
/// input, 69 unavailable, 78 configuration).
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Face(args) => face::run(args),
        Command::Enroll(args) => enroll::run(args),
        Command::Journal(args) => journal::run(args),
        Command::Outputs(args) => outputs::run(args),
        Command::Site(args) => site::run(args),
    };
    conclude(outcome)
}
