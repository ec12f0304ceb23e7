//! The residents' cards: import and removal. Never prints a card number.

use super::{Failure, unreadable};
use crate::site::{ImportOptions, Office, SiteError, Written, known_formats};
use crate::wire::notation::Notation;
use std::path::{Path, PathBuf};

/// So many lines with cards that can't be told apart are shown.
const SHOWN: usize = 50;

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
    /// How number is written, e.g. 10D, 8H, 3+5 or 8H-reversed
    #[arg(long)]
    notation: Option<Notation>,
}

fn remove(dir: &Path, args: &Remove) -> Result<(), Failure> {
    let (office, _lock) = Office::open_to_change(dir)?;
    let numbers = office.remove_card(Written {
        format: &args.format,
        notation: args.notation,
        facility: args.facility.as_deref(),
        number: args.number.as_deref(),
        whole_number: args.whole_number.as_deref(),
    })?;
    if numbers > 1 {
        println!("It was known by {numbers} numbers; all of them are removed.");
    }
    println!("The card is removed. The gates learn of it with the next `eithergate site publish`.");
    Ok(())
}

/// Take over cards from a CSV file: all of it or nothing.
///
/// The first line names the columns, in any order:
///
///   format        the card's format, or the kind of its serial; the list is below
///   facility      facility code as printed, where the format has one
///   number        card number as printed
///   whole_number  instead of facility and number: all data bits as one decimal number
///   notation      how number is written: 10D, 8D, 8H, 10H, 3+5, 5+5, 8H-reversed and so on; see docs/cards.md
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
///
/// Numbers as printed on EM tags:
///
///   format,notation,number
///   em4100,10D,0126153249
///   em4100,3+5,"132,61985"
#[derive(clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = format!("Formats and kinds of serials: {}", known_formats())
)]
pub(super) struct Import {
    /// The card file, UTF-8
    file: PathBuf,
    /// Say what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The numbers look like mobile phone numbers but are cards
    #[arg(long)]
    numbers_are_cards: bool,
    /// How numbers are written where the file doesn't say it in a column
    #[arg(long)]
    notation: Option<Notation>,
    /// A line without a subject whose card somebody has already, known in another way, is for that one
    #[arg(long)]
    link: bool,
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
    let options = ImportOptions {
        numbers_are_cards: args.numbers_are_cards,
        notation: args.notation,
        link: args.link,
        dry_run: args.dry_run,
    };
    let done = office.import(&bytes, options).map_err(|e| match e {
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
    if done.linked > 0 {
        println!(
            "{} lines are of cards that subjects had already, known in another way.",
            done.linked
        );
    }
    for clash in done.clashing.iter().take(SHOWN) {
        println!(
            "  line {}: by its {} a reader here can't tell this card from another subject's: there it opens for \
             neither",
            clash.line, clash.view
        );
    }
    if let Some(more) = done.clashing.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        println!("  and {more} more");
    }
    if args.dry_run {
        println!("Nothing was changed (--dry-run).");
    } else {
        println!("The gates learn of it with the next `eithergate site publish`.");
    }
    Ok(())
}
