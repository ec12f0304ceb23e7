//! The residents' cards: import and removal. Never prints a card number.

use super::{Failure, unreadable};
use crate::site::{Office, SiteError};
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    Import(Import),
    Remove(Remove),
}

/// Take a lost or returned card away from its subject.
///
///   eithergate site card remove --format h10301 --facility 123 --number 4567
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Remove {
    /// The card's format, as in a card file
    #[arg(long)]
    format: String,
    /// Facility code as printed
    #[arg(long)]
    facility: Option<String>,
    /// Card number as printed
    #[arg(long)]
    number: Option<String>,
    /// Instead of both: all data bits as one decimal number
    #[arg(long)]
    whole_number: Option<String>,
}

fn remove(dir: &Path, args: &Remove) -> Result<(), Failure> {
    let (office, _lock) = Office::open_to_change(dir)?;
    office.remove_card(
        &args.format,
        args.facility.as_deref(),
        args.number.as_deref(),
        args.whole_number.as_deref(),
    )?;
    println!("The card is removed. The gates learn of it with the next `eithergate site publish`.");
    Ok(())
}

/// Take over cards from a CSV file: all of it or nothing.
///
/// The first line names the columns, in any order:
///
///   format        the card's format: h10301 (26 bits), h10306 (34), h10302 or h10304 (37), em4100
///   facility      facility code as printed; h10302 and em4100 have none
///   number        card number as printed
///   whole_number  instead of facility and number: all data bits as one decimal number
///   subject       the resident's id, 32 hex digits; made up if absent
///   face          yes if the resident chose the face as well; no if empty
///   gates         gates separated by ';'; all if empty
///   from          not before this date or time, e.g. 2026-12-01 or 2026-12-01T08:00+08:00
///   until         until the end of this day, or before this time
///   pin           4 to 8 digits, for readers that ask for a PIN beside the card; none if empty
///
/// Several lines with one subject give it several cards. Importing a card again changes nothing but the rights
/// that the file has columns for. Names, phone numbers and identity numbers are refused: a gate has no use for
/// them.
///
///   format,facility,number,face,until
///   h10301,123,4567,no,
///   h10301,123,4568,yes,2026-12-31
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Import {
    /// The card file, UTF-8
    file: PathBuf,
    /// Say what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The numbers look like mobile phone numbers but are cards
    #[arg(long)]
    numbers_are_cards: bool,
    /// One JSON object instead of a sentence
    #[arg(long)]
    json: bool,
}

pub(super) fn run(dir: &Path, command: &Command) -> Result<(), Failure> {
    let args = match command {
        Command::Import(args) => args,
        Command::Remove(args) => return remove(dir, args),
    };
    let (office, _lock) = Office::open_to_change(dir)?;
    let bytes =
        std::fs::read(&args.file).map(zeroize::Zeroizing::new).map_err(unreadable(&args.file))?;
    let done =
        office.import(&bytes, args.numbers_are_cards, args.dry_run).map_err(|e| match e {
            SiteError::Import(why) => Failure::Data(format!("{}: {why}", args.file.display())),
            other => other.into(),
        })?;
    if args.json {
        let text = serde_json::to_string(&done).map_err(|e| Failure::Data(e.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    println!(
        "{}: {} lines, {} new cards, {} new subjects, {} subjects with changed rights.",
        args.file.display(),
        done.lines,
        done.new_cards,
        done.new_subjects,
        done.changed_subjects
    );
    if args.dry_run {
        println!("Nothing was changed (--dry-run).");
    } else {
        println!("The gates learn of it with the next `eithergate site publish`.");
    }
    Ok(())
}
