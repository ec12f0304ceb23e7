//! The site's gates.

use super::Failure;
use crate::domain::GateId;
use crate::site::Office;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a gate's keys and the bundle its installer takes along
    Add(Add),
}

#[derive(clap::Args)]
pub(super) struct Add {
    /// The gate's name: 1 to 32 of a-z, 0-9 and '-'
    name: GateId,
    /// A new directory for the bundle
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(dir: &Path, command: &Command) -> Result<(), Failure> {
    let Command::Add(args) = command;
    let (mut office, _lock) = Office::open_to_change(dir)?;
    let keys = office.add_gate(&args.name, &args.out)?;
    let out = args.out.display();
    println!("Gate {} is added. Its public key is {}", args.name, keys.signing);
    println!();
    println!("For its installer, in {out}:");
    println!(
        "  gate.key   the gate's secret keys: there is no other copy. Carry it there in person,"
    );
    println!("             then remove it here:  shred -u {out}/gate.key");
    println!("  gate.toml  the lines to paste into the gate's configuration");
    Ok(())
}
