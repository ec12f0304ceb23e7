//! Making a site, and renewing the office's certificate.

use super::{Failure, now};
use crate::domain::SiteId;
use crate::site::{Init, Office, UtcOffset, to_rfc3339};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The site's name: 1 to 32 of a-z, 0-9 and '-'. It is part of every topic and can't be changed
    #[arg(long, value_name = "NAME")]
    name: SiteId,
    /// The site's offset from UTC, for dates in card files, e.g. +08:00
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    utc_offset: Option<UtcOffset>,
}

pub(super) fn run(dir: &Path, args: &Args) -> Result<(), Failure> {
    let init = Init { name: args.name.clone(), utc_offset: args.utc_offset, now: now() };
    let office = Office::init(dir, &init)?;
    let dir = dir.display();
    println!("Site {} is made in {dir}", args.name);
    println!("  root key    {}", office.root_key());
    println!("  office key  certified until {}", to_rfc3339(office.certificate()?.0.valid_until()));
    println!();
    println!("Next, move the root key offline: whoever has it can certify keys for every gate.");
    println!("  1. Copy {dir}/root.key to two storage sticks, and look that both can be read.");
    println!("  2. Remove it here:  shred -u {dir}/root.key");
    println!("  3. Lock the sticks away. They are needed again for `eithergate site renew` only.");
    println!("Keep a backup of the rest of {dir}, as private as the original.");
    println!();
    println!("Then add a gate:  eithergate site gate add NAME --out DIR");
    Ok(())
}

#[derive(clap::Args)]
pub(super) struct RenewArgs {
    /// The root key, e.g. on a mounted stick
    #[arg(long, value_name = "FILE")]
    root_key: PathBuf,
}

pub(super) fn renew(dir: &Path, args: &RenewArgs) -> Result<(), Failure> {
    let (office, _lock) = Office::open_to_change(dir)?;
    office.renew(&args.root_key, now())?;
    let until = to_rfc3339(office.certificate()?.0.valid_until());
    println!("The office's key is certified until {until}.");
    Ok(())
}
