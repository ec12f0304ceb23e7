//! Visitors' passes. Never prints a card number.

use super::card::Which;
use super::{Failure, now};
use crate::domain::GateId;
use crate::site::{NewPass, Office, PassRow, Span, to_rfc3339};
use std::num::NonZeroU16;
use std::path::Path;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    Add(Add),
    List(List),
    /// Forget passes that are over
    Clear,
}

/// Give a visitor a card that ends by itself.
///
/// The card may be one of a stack at the desk: whatever pass it had before is over with this, and its uses are
/// counted anew. A resident's card is refused. A visitor has no face and no PIN here: while a reader
/// asks for a PIN beside the card, a pass doesn't open there.
///
///   eithergate site pass add --format h10301 --facility 123 --number 9001 --for 4h
///   eithergate site pass add --format h10301 --facility 123 --number 9001 --until 2026-12-24 --uses 2 --gate north
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
#[command(group = clap::ArgGroup::new("end").required(true).args(["lasting", "until"]))]
pub(super) struct Add {
    #[command(flatten)]
    which: Which,
    /// Not before this date or time; at once if absent
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until the end of this day, or before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// So long from its beginning: 30m, 4h, 2d
    #[arg(long = "for", value_name = "SPAN")]
    lasting: Option<Span>,
    /// How often it opens, at each gate
    #[arg(long, value_name = "N")]
    uses: Option<NonZeroU16>,
    /// Only at this gate; may be repeated
    #[arg(long, value_name = "NAME")]
    gate: Vec<GateId>,
    /// Number of the weekly profile it holds in, as the gates have it
    #[arg(long, value_name = "N")]
    profile: Option<u8>,
    /// Doors stay open longer
    #[arg(long)]
    extended: bool,
}

/// What passes there are, the next to end first.
#[derive(clap::Args)]
pub(super) struct List {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(dir: &Path, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Add(args) => add(dir, args),
        Command::List(args) => list(dir, args),
        Command::Clear => {
            let (office, _lock) = Office::open_to_change(dir)?;
            let over = office.clear_passes(now())?;
            println!("{over} passes that were over are forgotten.");
            Ok(())
        }
    }
}

fn add(dir: &Path, args: &Add) -> Result<(), Failure> {
    let (office, _lock) = Office::open_to_change(dir)?;
    let row = office.add_pass(&NewPass {
        written: args.which.written(),
        gates: &args.gate,
        from: args.from.as_deref(),
        until: args.until.as_deref(),
        lasting: args.lasting,
        uses: args.uses,
        profile: args.profile,
        extended: args.extended,
        now: now(),
    })?;
    println!("{HEADING}");
    println!("{}", line(&row));
    println!("The gates learn of it with the next `eithergate site publish`.");
    Ok(())
}

fn list(dir: &Path, args: &List) -> Result<(), Failure> {
    let rows = Office::open(dir)?.passes(now())?;
    if args.json {
        for row in &rows {
            println!("{}", serde_json::to_string(row).map_err(|e| Failure::Data(e.to_string()))?);
        }
        return Ok(());
    }
    println!("{HEADING}");
    for row in &rows {
        println!("{}", line(row));
    }
    Ok(())
}

const HEADING: &str = "FROM (UTC)            UNTIL (UTC)           USES   GATES";

fn line(row: &PassRow) -> String {
    let from = row.from.map_or_else(|| "at once".to_owned(), to_rfc3339);
    let until = row.until.map_or_else(|| "-".to_owned(), to_rfc3339);
    let uses = row.uses.map_or_else(|| "any".to_owned(), |uses| uses.to_string());
    let gates = row
        .gates
        .as_ref()
        .map(|gates| gates.iter().map(GateId::as_str).collect::<Vec<_>>().join(" "));
    let gates = gates.unwrap_or_else(|| "all".to_owned());
    let over = if row.over { "  over" } else { "" };
    format!("{from:<20}  {until:<20}  {uses:<5}  {gates}{over}")
}
