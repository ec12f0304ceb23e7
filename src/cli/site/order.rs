//! Commands to gates: open once, door modes, and what else an operator may ask for. Signed here, answered by the
//! gate with its own signature.

use super::broker::{Login, resolve};
use super::{Failure, now};
use crate::domain::{DoorMode, GateId};
use crate::site::{CommandAnswer, GateMessage, Operator, Session, Signed, Span, Watcher, topic};
use crate::wire::order::{Request, Wish};
use std::path::Path;
use std::time::{Duration, Instant};

/// A gate whose clock can't be trusted asks once; a broker may have lost something.
const ROUNDS: usize = 3;

/// Where to, and how long to wait.
#[derive(clap::Args)]
pub(super) struct Way {
    /// The gate
    gate: GateId,
    /// The broker: mqtt://HOST[:PORT]
    #[arg(long, value_name = "URL", env = "EITHERGATE_BROKER")]
    broker: String,
    #[command(flatten)]
    login: Login,
    /// Wait so many seconds for the gate's signed answer; 0 doesn't wait, which a gate without a trusted clock
    /// can't work with
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(0..=60))]
    wait: u64,
    /// The answer as the gate signed it, as JSON
    #[arg(long)]
    json: bool,
}

/// Let one person in.
///
/// A guard's key does as well as the office's.
///
///   eithergate site open north main --broker mqtt://127.0.0.1:1883
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Open {
    #[command(flatten)]
    way: Way,
    /// The door, as the gate's configuration names it
    door: String,
}

/// Put a door into a mode, or end it.
///
///   locked        who has a right gets in; what a door is anyway
///   unlocked      everybody gets in
///   blocked       nobody gets in; out as always
///   locked-down   the same, and nothing is obeyed but `end`
///   locked-open   everybody gets in, and nothing is obeyed but `end`
///   end           what the door's schedule says counts again
///
/// A fire opens whatever the mode. Events tell who set it.
///
///   eithergate site mode north main unlocked --for 2h --broker mqtt://127.0.0.1:1883
///   eithergate site mode north main end --broker mqtt://127.0.0.1:1883
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Mode {
    #[command(flatten)]
    way: Way,
    /// The door, as the gate's configuration names it
    door: String,
    mode: ModeName,
    /// So long, instead of until it is ended: 30m, 2h, 1d
    #[arg(long = "for", value_name = "SPAN")]
    lasting: Option<Span>,
}

/// A command to the gate as a whole.
#[derive(clap::Args)]
pub(super) struct Whole {
    #[command(flatten)]
    way: Way,
}

/// As people write modes.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(in crate::cli) enum ModeName {
    Locked,
    Unlocked,
    Blocked,
    LockedDown,
    LockedOpen,
    End,
}

/// What to set, or to end.
pub(in crate::cli) fn mode_wish(
    door: &str,
    mode: ModeName,
    lasting: Option<Span>,
) -> Result<Wish, Failure> {
    let door = door.to_owned();
    let mode = match mode {
        ModeName::Locked => DoorMode::Locked,
        ModeName::Unlocked => DoorMode::Unlocked,
        ModeName::Blocked => DoorMode::Blocked,
        ModeName::LockedDown => DoorMode::LockedDown,
        ModeName::LockedOpen => DoorMode::LockedOpen,
        ModeName::End if lasting.is_some() => {
            return Err(Failure::Usage("end is at once: leave --for out".into()));
        }
        ModeName::End => return Ok(Wish::EndMode { door }),
    };
    Ok(Wish::SetMode { door, mode, for_s: lasting.map(|Span(seconds)| seconds) })
}

pub(super) fn open(dir: &Path, args: &Open) -> Result<(), Failure> {
    give(dir, &args.way, Wish::OpenOnce { door: args.door.clone() })
}

pub(super) fn mode(dir: &Path, args: &Mode) -> Result<(), Failure> {
    give(dir, &args.way, mode_wish(&args.door, args.mode, args.lasting)?)
}

pub(super) fn amnesty(dir: &Path, args: &Whole) -> Result<(), Failure> {
    give(dir, &args.way, Wish::Amnesty {})
}

pub(super) fn acknowledge(dir: &Path, args: &Whole) -> Result<(), Failure> {
    give(dir, &args.way, Wish::Acknowledge {})
}

pub(super) fn end_fire(dir: &Path, args: &Whole) -> Result<(), Failure> {
    give(dir, &args.way, Wish::EndFire {})
}

fn give(dir: &Path, way: &Way, wish: Wish) -> Result<(), Failure> {
    if !wish.is_sound() {
        return Err(Failure::Usage("a door's name has 1 to 64 characters".into()));
    }
    let operator = Operator::open(dir)?;
    let office = operator.office();
    let site = office.name();
    let broker = resolve(&way.broker, &way.login)?;
    let keys = office.gates().iter().map(|(gate, record)| (gate.clone(), record.signing)).collect();
    let mut watcher = Watcher::new(site.clone(), keys);
    // Signed before the line is there, so that what can't be signed is told without one; its minute is long.
    let mut signed = operator.sign(&way.gate, &Request::new(wish.clone(), None), now())?;
    let mut session = Session::connect(&broker)?;
    if way.wait > 0 {
        session.subscribe(&topic(site, way.gate.as_str(), "answer"))?;
    }
    let end = Instant::now() + Duration::from_secs(way.wait);
    for _ in 0..ROUNDS {
        let to = topic(site, way.gate.as_str(), "command");
        session.publish(&to, false, std::mem::take(&mut signed.envelope))?;
        if way.wait == 0 {
            session.close();
            println!("The broker has it.");
            return Ok(());
        }
        let Some((message, answer)) = answer(&mut session, &mut watcher, &operator, &signed, end)?
        else {
            session.close();
            return Err(silent(way, &signed));
        };
        if let Some(challenge) = answer.challenge {
            let request = Request::new(wish.clone(), Some(challenge));
            signed = operator.sign(&way.gate, &request, now())?;
            continue;
        }
        session.close();
        return tell(way, &message, &answer);
    }
    session.close();
    Err(silent(way, &signed))
}

/// The gate's answer to exactly this command.
fn answer(
    session: &mut Session,
    watcher: &mut Watcher,
    operator: &Operator,
    signed: &Signed,
    end: Instant,
) -> Result<Option<(GateMessage, CommandAnswer)>, Failure> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let Some(message) = session.next(left)? else { return Ok(None) };
        let Ok(Some(message)) = watcher.take(&message.topic, &message.payload) else { continue };
        let Some(answer) = message.command_answer() else { continue };
        let ours = answer.by.as_deref().is_none_or(|by| by == operator.name().as_str());
        if ours && answer.version == Some(signed.version) {
            return Ok(Some((message, answer)));
        }
    }
}

fn silent(way: &Way, signed: &Signed) -> Failure {
    Failure::Unavailable(format!(
        "{}: no answer within {} s. It may still be done until {}, and never after that; `eithergate site watch` \
         shows whether it was",
        way.gate,
        way.wait,
        crate::site::to_rfc3339(signed.expires_at)
    ))
}

fn tell(way: &Way, message: &GateMessage, answer: &CommandAnswer) -> Result<(), Failure> {
    if way.json {
        println!("{}", message.object);
    } else if answer.done {
        println!("{}: done", way.gate);
    } else {
        let why: String = answer.why.as_deref().unwrap_or("no reason given").to_owned();
        println!("{}: REFUSED: {}", way.gate, explain(&why));
    }
    if answer.done { Ok(()) } else { Err(Failure::Negative) }
}

/// A reason of docs/mqtt.md, and what to do about it. What is not known is shown without control characters.
fn explain(why: &str) -> String {
    let remedy = match why {
        "no-door" => "the gate has no door of that name; its configuration has their names",
        "door-mode" => {
            "the door is locked down, locked open or blocked: end that first (mode GATE DOOR end)"
        }
        "expired" => {
            "its minute was over, or not begun, by the gate's clock: is this machine's clock right?"
        }
        "older" => "a later command was there before it, or it was there before",
        "uncertified" => "this operator may not order that",
        "bad-signature" | "not-for-us" | "sealed" => {
            "the gate belongs to another site, or has other keys now"
        }
        "not-kept" => "the gate's disk is too slow or full",
        _ => "",
    };
    let why: String = why.chars().filter(|c| !c.is_control()).take(60).collect();
    if remedy.is_empty() { why } else { format!("{why}: {remedy}") }
}
