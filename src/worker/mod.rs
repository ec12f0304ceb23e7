//! The face worker process (`eithergate-face`): shut in before the first picture. It has no network, starts no
//! program and opens no file after start.

#[cfg(feature = "face")]
pub mod pictures;

#[cfg(feature = "face")]
#[derive(clap::Parser)]
#[command(version, about = "Face recognition: the worker, and the same chain on pictures")]
struct Cli {
    #[command(subcommand)]
    command: pictures::Command,
}

#[cfg(feature = "face")]
pub fn main() -> std::process::ExitCode {
    use clap::Parser;
    let outcome = match Cli::try_parse() {
        Ok(cli) => pictures::run(cli.command),
        Err(e) => {
            let _ = e.print();
            return std::process::ExitCode::from(if e.use_stderr() { 64 } else { 0 });
        }
    };
    crate::failure::conclude(outcome)
}
