//! `listen`: what arrives at the readers, live.

mod row;

use super::{Failure, load_config};
use crate::app::listen::{Heard, MAX_LISTEN_S};
use crate::app::{self};
use crate::config::Config;
use row::Row;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Show what arrives at the readers, live: for whoever installs or mends them
///
/// Hold a card to a reader and see each read as it arrives: bits, raw value, the formats that fit, facility
/// and number as printed on cards, and the line to put into the configuration. What is wrong is shown with
/// its remedy; exchanged data wires are noticed.
///
/// With the gate running it listens through it: cards open as usual meanwhile. With the gate stopped it
/// opens the configured readers itself, and nothing opens. Card numbers are shown here and nowhere else; a
/// running gate ends it after a while and records that somebody listened.
///
/// Examples:
///   eithergate listen
///   eithergate listen --reader entrance --seconds 60
///   eithergate listen --json | jq .candidates
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The gate's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
    config: PathBuf,
    /// Only this reader
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
    /// Stop after so many seconds; Ctrl-C stops at once
    #[arg(long, value_name = "SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LISTEN_S)))]
    seconds: u32,
    /// Show which keys are pressed, not just that some are: they may be somebody's PIN
    #[arg(long)]
    show_keys: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = load_config(&args.config)?;
    if let Some(name) = &args.reader
        && !config.readers.iter().any(|reader| reader.name == *name)
    {
        let known: Vec<_> = config.readers.iter().map(|reader| reader.name.as_str()).collect();
        let what = format!("--reader: there is no reader {name}; there are: {}", known.join(", "));
        return Err(Failure::Usage(what));
    }
    let end = Instant::now() + Duration::from_secs(args.seconds.into());
    match app::listen(&config, args.seconds, args.show_keys) {
        Ok(Ok(heard)) => {
            announce(&args, "through the running gate: cards open as usual")?;
            for heard in heard {
                if !show(&args, &config, &heard) {
                    return Ok(());
                }
            }
            // A little early is the gate's clock; much too early is the gate's end.
            if Instant::now() + Duration::from_secs(1) < end {
                return Err(Failure::Unavailable(
                    "the gate has ended, and listening with it".into(),
                ));
            }
            Ok(())
        }
        Ok(Err(why)) => Err(Failure::Unavailable(why)),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            let what =
                format!("the gate's control socket: {e}: run this as the gate's user, or root");
            Err(Failure::Unavailable(what))
        }
        Err(_) => alone(&args, &config, end),
    }
}

/// No gate is running: the readers are opened here.
fn alone(args: &Args, config: &Config, end: Instant) -> Result<(), Failure> {
    announce(args, "to the readers themselves: the gate is stopped, nothing opens")?;
    app::listen::alone(config, args.show_keys, |heard| {
        Instant::now() < end && heard.is_none_or(|heard| show(args, config, &heard))
    })
    .map_err(|e| Failure::Unavailable(e.to_string()))
}

fn announce(args: &Args, how: &str) -> Result<(), Failure> {
    let whom = args.reader.as_deref().unwrap_or("each reader");
    let seconds = args.seconds;
    // Nobody has to read it.
    let _ = writeln!(
        std::io::stderr(),
        "Listening {how}.\nHold a card to {whom}. Ends after {seconds} s, or with Ctrl-C."
    );
    if args.json { Ok(()) } else { say(&Row::heading()) }
        .map_err(|e| Failure::Unavailable(format!("can't write the result: {e}")))
}

/// Whether somebody still reads.
fn show(args: &Args, config: &Config, heard: &Heard) -> bool {
    if args.reader.as_ref().is_some_and(|name| *name != heard.reader) {
        return true;
    }
    let row = Row::of(heard, config);
    if args.json {
        return serde_json::to_string(&row).is_ok_and(|line| say(&line).is_ok());
    }
    say(&row.to_table()).is_ok()
}

fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
