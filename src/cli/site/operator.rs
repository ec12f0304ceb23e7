//! Operators beside the office.

use super::{Failure, now};
use crate::domain::OperatorId;
use crate::site::{Office, to_rfc3339};
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    Add(Add),
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RoleName {
    /// Lets one person through at a time, and acknowledges alarms
    Guard,
}

/// Make a guard's key, certified by the root key, in a directory for the guard's machine.
///
/// There it is used as the site's directory; it holds no card and nobody's id.
///
///   eithergate site operator add gatehouse --role guard --out gatehouse --root-key /media/stick/root.key
///   eithergate site --site gatehouse open north main --broker mqtt://127.0.0.1:1883
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Add {
    /// The name that events have for them: 1 to 32 of a-z, 0-9 and '-'
    name: OperatorId,
    /// What they may do
    #[arg(long, value_enum)]
    role: RoleName,
    /// A new directory
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The root key, e.g. on a mounted stick; the site's own directory is looked into if absent
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// How long they are certified
    #[arg(long, value_name = "DAYS", default_value_t = 365,
          value_parser = clap::value_parser!(u64).range(1..=3650))]
    valid_days: u64,
}

pub(super) fn run(dir: &Path, command: &Command) -> Result<(), Failure> {
    let Command::Add(args) = command;
    let RoleName::Guard = args.role;
    let office = Office::open(dir)?;
    let root = args.root_key.clone().or_else(|| office.root_key_left_here()).ok_or_else(|| {
        Failure::Usage("the root key is offline: bring it, and name it with --root-key FILE".into())
    })?;
    let until = office.add_guard(&args.name, &root, &args.out, args.valid_days, now())?;
    let out = args.out.display();
    println!("Operator {} is certified until {}.", args.name, to_rfc3339(until));
    println!(
        "Carry {out} to their machine, as private as a key to the gates, then remove it here."
    );
    println!("After a gate is added, put the office's new site.toml there.");
    Ok(())
}
