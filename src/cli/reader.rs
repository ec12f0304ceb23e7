//! `reader`: what an installer does at a reader of an OSDP bus, through the running gate.

use super::{Failure, load_config};
use crate::app::{self, Answer, Question};
use crate::config::Config;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Give an OSDP reader its own key, while you stand in front of it
    ///
    /// For these minutes alone the gate accepts the reader's factory key, in order to hand over a random
    /// one; then nothing but that one is accepted. The reader must be as it left the factory, or reset by
    /// its maker's procedure. Only this gate's user and root may do this, and it is on record: who opened
    /// the window, and how it ended.
    ///
    /// Example:
    ///   eithergate reader install entrance --minutes 5
    #[command(verbatim_doc_comment)]
    Install {
        /// The reader, as in the configuration
        name: String,
        /// How long the window stays open, at most
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=30))]
        minutes: u8,
        /// The gate's configuration
        #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
        config: PathBuf,
    },
    /// How a reader is: enrolled, up, in a secure channel
    Status {
        /// The reader, as in the configuration
        name: String,
        /// One JSON object: {"enrolled","up","secure","installing","breach"}
        #[arg(long)]
        json: bool,
        /// The gate's configuration
        #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
        config: PathBuf,
    },
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Install { name, minutes, config } => {
            install(&load_config(&config)?, name, minutes)
        }
        Command::Status { name, json, config } => {
            let status = status(&load_config(&config)?, &name)?;
            if json {
                println!("{status}");
                return Ok(());
            }
            for (key, value) in status.as_object().into_iter().flatten() {
                println!("{key:<12} {}", value.as_str().map_or(value.to_string(), str::to_owned));
            }
            Ok(())
        }
    }
}

fn ask(config: &Config, question: &Question) -> Result<Value, Failure> {
    match app::ask(config, question) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Refused(why)) => Err(Failure::Unavailable(why)),
        Err(e) => Err(Failure::Unavailable(format!(
            "the gate is not running ({e}): start it, the reader is installed through it"
        ))),
    }
}

fn status(config: &Config, name: &str) -> Result<Value, Failure> {
    ask(config, &Question::Reader { reader: name.into() })
}

fn install(config: &Config, name: String, minutes: u8) -> Result<(), Failure> {
    ask(config, &Question::InstallReader { reader: name.clone(), minutes })?;
    println!(
        "Install mode for {name}, {minutes} minutes at most. Waiting for it to take its key ..."
    );
    let end = Instant::now() + Duration::from_secs(60 * u64::from(minutes) + 5);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(300));
        let now = status(config, &name)?;
        if now["installing"] == true {
            continue;
        }
        if now["enrolled"] == true {
            println!("{name} has its own key now; nothing else opens a session with it.");
            return Ok(());
        }
        break;
    }
    Err(Failure::Unavailable(format!(
        "{name} has taken no key: is it powered, at its configured address and baud rate, and reset to \
         its factory key? Install mode is closed."
    )))
}
