//! Signing allowlists and sending them, to a broker or a file.

use super::broker::{Login, resolve};
use super::{Failure, now};
use crate::domain::{GateId, SiteId};
use crate::site::{Ack, Broker, Office, Published, Session, Watcher, topic, write_new};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Sign the allowlist and send it to the gates.
///
/// The broker keeps each gate's list (retained), so a gate that is away gets it when it comes back.
///
///   eithergate site publish --broker mqtt://127.0.0.1:1883 --wait 10
///   eithergate site publish --gate north --out north.allowlist
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group = clap::ArgGroup::new("to").required(true).args(["broker", "out"]))]
pub(super) struct Args {
    /// Only this gate; may be repeated
    #[arg(long, value_name = "NAME")]
    gate: Vec<GateId>,
    /// Send through this broker: mqtt://HOST[:PORT]
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    #[command(flatten)]
    login: Login,
    /// Write one gate's envelope to a new file instead
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Wait so many seconds for the gates' signed answers
    #[arg(long, value_name = "SECONDS", conflicts_with = "out",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: Option<u64>,
    /// How long the list may still be delivered; gates keep what they have accepted
    #[arg(long, value_name = "DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=365))]
    valid_days: u64,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let (mut office, _lock) = Office::open_to_change(dir)?;
    if let Some(out) = &args.out {
        let gates = if args.gate.is_empty() {
            office.gates().keys().cloned().collect()
        } else {
            args.gate.clone()
        };
        if gates.len() > 1 {
            return Err(Failure::Usage(
                "--out holds one gate's envelope; say which with --gate NAME".into(),
            ));
        }
        if out.exists() {
            let why = format!("{}: is there already; choose another name", out.display());
            return Err(Failure::Usage(why));
        }
        for list in office.publish(&gates, args.valid_days, now())? {
            write_new(out, &list.envelope, false)?;
            println!("{}", made(&list));
        }
        super::view::tell_clashes(&office.clashes()?);
        return Ok(());
    }
    let url = args.broker.as_deref().unwrap_or_default();
    let broker = resolve(url, &args.login)?;
    send(&mut office, args, &broker)
}

fn made(list: &Published) -> String {
    let names = match list.names {
        names if names == list.cards => String::new(),
        names => format!(" under {names} names"),
    };
    format!(
        "{:<12}  version {}  {} subjects, {} cards{names}, {} bytes",
        list.gate.as_str(),
        list.version,
        list.subjects,
        list.cards,
        list.envelope.len()
    )
}

fn send(office: &mut Office, args: &Args, broker: &Broker) -> Result<(), Failure> {
    // The line first: no version is used up when there is no broker.
    let mut session = Session::connect(broker)?;
    let site = office.name().clone();
    if args.wait.is_some() {
        session.subscribe(&topic(&site, "+", "ack"))?;
    }
    let lists = office.publish(&args.gate, args.valid_days, now())?;
    let mut versions = BTreeMap::new();
    for list in lists {
        println!("{}", made(&list));
        versions.insert(list.gate.clone(), list.version);
        session.publish(&topic(&site, list.gate.as_str(), "allowlist"), true, list.envelope)?;
    }
    super::view::tell_clashes(&office.clashes()?);
    println!("The broker has {}.", if versions.len() == 1 { "it" } else { "them all" });
    let Some(seconds) = args.wait else {
        session.close();
        return Ok(());
    };
    let keys = office.gates().iter().map(|(gate, record)| (gate.clone(), record.signing)).collect();
    let answers = answers(&mut session, site, keys, &versions, Duration::from_secs(seconds))?;
    session.close();
    println!();
    println!("{:<12}  ANSWER", "GATE");
    let mut applied = 0;
    for gate in versions.keys() {
        let answer = match answers.get(gate) {
            Some(ack) if ack.applied => {
                applied += 1;
                "applied".to_owned()
            }
            Some(ack) => {
                let why = ack.why.as_deref().unwrap_or("no reason given");
                let why: String = why.chars().filter(|c| !c.is_control()).take(60).collect();
                format!("REFUSED: {why}")
            }
            None => format!("none within {seconds} s; it gets the list when it is back"),
        };
        println!("{gate:<12}  {answer}", gate = gate.as_str());
    }
    if applied == versions.len() { Ok(()) } else { Err(Failure::Negative) }
}

/// The gates' answers to exactly these versions. A refusal of something older is a retained answer from
/// before and says nothing.
fn answers(
    session: &mut Session,
    site: SiteId,
    keys: BTreeMap<GateId, crate::trust::PublicKey>,
    versions: &BTreeMap<GateId, u64>,
    within: Duration,
) -> Result<BTreeMap<GateId, Ack>, Failure> {
    let mut watcher = Watcher::new(site, keys);
    let mut answers = BTreeMap::new();
    let end = Instant::now() + within;
    while answers.len() < versions.len() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let Some(message) = session.next(left)? else { break };
        let Ok(Some(message)) = watcher.take(&message.topic, &message.payload) else { continue };
        let version = versions.get(&message.gate);
        if let Some(ack) = message.allowlist_ack()
            && version.is_some()
            && ack.version.as_ref() == version
        {
            answers.insert(message.gate, ack);
        }
    }
    Ok(answers)
}
