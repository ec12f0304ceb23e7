//! `journal`: events as this gate keeps them.

use super::{Failure, load_config};
use crate::app::{self, Answer, Question};
use crate::config::Config;
use crate::domain::{DoorId, ReaderId};
use serde_json::Value;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List events, oldest first
    ///
    /// Works beside a running gate and without one. Events hold no card number and no subject.
    ///
    /// Example:
    ///   eithergate journal list --after 1200
    #[command(verbatim_doc_comment)]
    List {
        /// The gate's configuration
        #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
        config: PathBuf,
        /// Only events with a higher number
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Command::List { config, mut after, json } = args.command;
    let config = load_config(&config)?;
    loop {
        let events = match app::ask(&config, &Question::Events { after }) {
            Ok(Answer::Ok(events)) => events,
            Ok(Answer::Refused(why)) => return Err(Failure::Unavailable(why)),
            // Nobody answers: the gate isn't running, so its store is free to read.
            Err(_) => {
                let store = app::open_store(&config.data_dir)
                    .map_err(|e| Failure::Unavailable(e.to_string()))?;
                app::events(&store, after).map_err(Failure::Unavailable)?
            }
        };
        let Some(events) = events.as_array().filter(|events| !events.is_empty()) else {
            return Ok(());
        };
        for entry in events {
            after = after.max(entry["seq"].as_u64().unwrap_or(u64::MAX));
            let entry = named(entry, &config);
            if json { println!("{entry}") } else { println!("{}", line(&entry)) }
        }
    }
}

/// Doors and readers by their names, as everywhere outside the gate.
fn named(entry: &Value, config: &Config) -> Value {
    let mut entry = entry.clone();
    let place = |value: &Value| value.as_u64().and_then(|i| u8::try_from(i).ok());
    if let Some(door) = place(&entry["event"]["door"]) {
        entry["event"]["door"] = config.door_name(DoorId(door)).into();
    }
    if let Some(reader) = place(&entry["event"]["reader"]) {
        entry["event"]["reader"] = config.reader_name(ReaderId(reader)).into();
    }
    entry
}

fn line(entry: &Value) -> String {
    let event = &entry["event"];
    let when = event["wall"].as_u64().map_or("time unknown".into(), super::utc);
    let rest: Vec<String> = event
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "at" | "wall" | "kind"))
        .map(|(key, value)| format!("{key} {}", value.to_string().trim_matches('"')))
        .collect();
    let kind = event["kind"].as_str().unwrap_or("unreadable");
    format!("{:>8}  {when}  {kind:<18} {}", entry["seq"], rest.join(", "))
}
