//! What the site is made of. Counts, never subjects or cards.

use super::{Failure, now};
use crate::domain::WallTime;
use crate::site::{Office, to_rfc3339};
use serde_json::json;
use std::path::Path;

const WARN_DAYS: u64 = 60;

#[derive(clap::Args)]
pub(super) struct Args {
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let office = Office::open(dir)?;
    let subjects = office.subjects()?;
    let until = office.certificate()?.0.valid_until();
    let root_here = office.root_key_left_here();
    if args.json {
        let gates: Vec<_> = office
            .gates()
            .iter()
            .map(|(gate, r)| json!({"gate": gate, "key": r.signing, "version": r.version}))
            .collect();
        let status = json!({
            "site": office.name(), "root_key": office.root_key(),
            "root_key_offline": root_here.is_none(), "certified_until": to_rfc3339(until),
            "epoch": office.epoch(), "subjects": subjects.len(), "cards": subjects.cards(),
            "faces": subjects.faces(), "last_version": office.last_version(), "gates": gates,
        });
        println!("{status}");
        return Ok(());
    }
    println!("Site {} in {}", office.name(), dir.display());
    println!("  root key    {}", office.root_key());
    println!("  office key  certified until {}", to_rfc3339(until));
    println!(
        "  subjects    {}, {} of them chose the face as well",
        subjects.len(),
        subjects.faces()
    );
    println!("  cards       {}", subjects.cards());
    println!();
    println!("{:<14}{:<14}KEY", "GATE", "LAST LIST");
    for (gate, record) in office.gates() {
        let version =
            if record.version == 0 { "none".to_owned() } else { record.version.to_string() };
        println!("{:<14}{:<14}{}", gate.as_str(), version, record.signing);
    }
    let soon = WallTime::from_secs(now().as_secs() + WARN_DAYS * 86_400);
    let mut todo = Vec::new();
    if let Some(path) = root_here {
        todo.push(format!("move the root key offline, then: shred -u {}", path.display()));
    }
    if until <= soon {
        todo.push("bring the root key: eithergate site renew --root-key FILE".into());
    }
    if office.gates().is_empty() {
        todo.push("add a gate: eithergate site gate add NAME --out DIR".into());
    }
    if !todo.is_empty() {
        println!("\nTo do:");
        for item in todo {
            println!("  - {item}");
        }
    }
    Ok(())
}
