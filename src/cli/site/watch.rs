//! What gates say, as a live table. Believes signed messages only.

use super::Failure;
use super::broker::{Login, resolve};
use crate::site::{GateMessage, Message, Office, Session, Watcher, topic};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest pause between two attempts to reach the broker again.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Show what the gates say, live: signatures checked, each event once.
///
/// Ends with Ctrl-C, or after --seconds.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The broker: mqtt://HOST[:PORT]
    #[arg(long, value_name = "URL")]
    broker: String,
    #[command(flatten)]
    login: Login,
    /// One JSON object a line: what the gate signed
    #[arg(long)]
    json: bool,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u32>,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let office = Office::open(dir)?;
    let broker = resolve(&args.broker, &args.login)?;
    let keys = office.gates().iter().map(|(gate, record)| (gate.clone(), record.signing)).collect();
    let mut watcher = Watcher::new(office.name().clone(), keys);
    let end = args.seconds.map(|s| Instant::now() + Duration::from_secs(s.into()));
    let connect = || -> Result<Session, Failure> {
        let mut session = Session::connect(&broker)?;
        session.subscribe(&topic(office.name(), "+", "event"))?;
        session.subscribe(&topic(office.name(), "+", "health"))?;
        Ok(session)
    };
    // The first attempt fails plainly: most likely the address is wrong.
    let mut session = connect()?;
    if !args.json && !say(&GateMessage::heading()) {
        return Ok(());
    }
    let mut refused = 0u64;
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(());
        }
        match session.next(left.unwrap_or(MAX_PAUSE).min(MAX_PAUSE)) {
            Ok(None) => {}
            Ok(Some(message)) => {
                if !show(&mut watcher, &message, args.json, &mut refused) {
                    return Ok(());
                }
            }
            Err(why) => {
                eprintln!("eithergate: {why}");
                match again(connect, end) {
                    Some(next) => session = next,
                    None => return Ok(()),
                }
            }
        }
    }
}

/// Connects again, with growing pauses, or `None` when the time is over.
fn again(connect: impl Fn() -> Result<Session, Failure>, end: Option<Instant>) -> Option<Session> {
    let mut pause = Duration::from_secs(1);
    loop {
        if end.is_some_and(|end| Instant::now() + pause >= end) {
            return None;
        }
        std::thread::sleep(pause);
        if let Ok(session) = connect() {
            eprintln!("eithergate: the broker is back");
            return Some(session);
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Whether somebody still reads.
fn show(watcher: &mut Watcher, message: &Message, json: bool, refused: &mut u64) -> bool {
    match watcher.take(&message.topic, &message.payload) {
        Ok(None) => true,
        Ok(Some(message)) => say(&if json { message.object.clone() } else { message.to_row() }),
        Err(why) => {
            *refused += 1;
            // Somebody who floods the broker must not flood this terminal.
            if refused.is_power_of_two() {
                eprintln!("eithergate: a message was not believed: {why} ({refused} so far)");
            }
            true
        }
    }
}

fn say(line: &str) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}
