//! Arguments, tracing, exit codes; one file a subcommand. Never byte formats, never policy.

/// As the standard one, but a reader that has gone away (`| head`) or a full disk is no reason to panic.
macro_rules! println {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($what)*);
    }};
}

mod alarms;
mod check;
mod clock;
mod decode;
/// Public for the integration tests, which play on the same stage.
pub mod demo;
mod door;
mod enroll;
mod face;
mod journal;
mod listen;
mod outputs;
mod reader;
mod replay;
mod run;
#[cfg(feature = "sim")]
mod simulate;
mod site;
mod subject;

pub use crate::failure::{Failure, conclude};

use crate::config::{Config, ConfigError};
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
    Check(check::Args),
    Demo(demo::Args),
    /// What a reader really sent: from a capture, a number on paper, or recorded bytes
    Decode(decode::Args),
    /// Look at and measure face recognition on pictures
    Face(face::Args),
    Listen(listen::Args),
    Enroll(enroll::Args),
    Subject(subject::Args),
    Alarms(alarms::Args),
    Clock(clock::Args),
    /// Read the gate's journal of events
    Journal(journal::Args),
    /// Install an OSDP reader: give it its own key
    Reader(reader::Args),
    Replay(replay::Args),
    #[cfg(feature = "sim")]
    Simulate(simulate::Args),
    /// Put outputs in their configured fail state
    Outputs(outputs::Args),
    Door(door::Args),
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
        Command::Listen(args) => listen::run(args),
        Command::Enroll(args) => enroll::run(args),
        Command::Subject(args) => subject::run(args),
        Command::Alarms(args) => alarms::run(args),
        Command::Clock(args) => clock::run(args),
        Command::Journal(args) => journal::run(args),
        Command::Reader(args) => reader::run(args),
        Command::Replay(args) => replay::run(args),
        #[cfg(feature = "sim")]
        Command::Simulate(args) => simulate::run(args),
        Command::Outputs(args) => outputs::run(args),
        Command::Door(args) => door::run(args),
        Command::Site(args) => site::run(args),
    };
    conclude(outcome)
}

/// Where the packages put a gate's configuration.
const CONFIG: &str = "/etc/eithergate/eithergate.toml";

fn load_config(path: &std::path::Path) -> Result<Config, Failure> {
    Config::load(path).map_err(config_failure)
}

fn config_failure(error: ConfigError) -> Failure {
    match error {
        ConfigError::Read { .. } => Failure::NoInput(error.to_string()),
        ConfigError::Wrong { .. } => Failure::Config(error.to_string()),
    }
}

/// Milliseconds since 1970 as `2026-11-22 08:30:00Z` (Howard Hinnant's `civil_from_days`).
fn utc(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1_000 % 86_400);
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    let (h, m, s) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}Z")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_across_leap_days_and_year_ends() {
        assert_eq!(super::utc(0), "1970-01-01 00:00:00Z");
        assert_eq!(super::utc(951_782_399_000), "2000-02-28 23:59:59Z");
        assert_eq!(super::utc(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(super::utc(1_798_761_599_999), "2026-12-31 23:59:59Z");
    }
}
