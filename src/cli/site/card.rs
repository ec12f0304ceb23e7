//! The residents' cards: import and removal. Never prints a card number.

use super::{Failure, unreadable};
use crate::site::{Cells, ImportOptions, Imported, Office, SiteError, Written, known_formats};
use crate::wire::notation::Notation;
use std::path::{Path, PathBuf};

/// So many lines with cards that can't be told apart are shown.
const SHOWN: usize = 50;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    Import(Import),
    Add(Add),
    Remove(Remove),
}

/// One card, as it is written down.
#[derive(clap::Args)]
pub(super) struct Which {
    /// The card's format or the kind of its serial, as in a card file
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

impl Which {
    pub(super) fn written(&self) -> Written<'_> {
        Written {
            format: &self.format,
            notation: self.notation,
            facility: self.facility.as_deref(),
            number: self.number.as_deref(),
            whole_number: self.whole_number.as_deref(),
        }
    }
}

/// Take a lost or returned card away from its subject.
///
///   eithergate site card remove --format h10301 --facility 123 --number 4567
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Remove {
    #[command(flatten)]
    which: Which,
}

fn remove(dir: &Path, args: &Remove) -> Result<(), Failure> {
    let (office, _lock) = Office::open_to_change(dir)?;
    let numbers = office.remove_card(args.which.written())?;
    if numbers > 1 {
        println!("It was known by {numbers} numbers; all of them are removed.");
    }
    println!("The card is removed. The gates learn of it with the next `eithergate site publish`.");
    Ok(())
}

/// Take over one card, as a card file of one line would.
///
/// Rights that are not named stay as they are; an empty one ('') is taken away. A visitor's card is better given
/// with `eithergate site pass add`. PINs come by a card file alone: a command line is for everybody to see.
///
///   eithergate site card add --format h10301 --facility 123 --number 4567
///   eithergate site card add --format h10301 --facility 123 --number 4567 --profile 2 --extended yes
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Add {
    #[command(flatten)]
    which: Which,
    /// The resident's id, 32 hex digits; made up if absent
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// yes if the resident chose the face as well
    #[arg(long, value_name = "yes|no")]
    face: Option<String>,
    /// Gates separated by ';'; all if empty
    #[arg(long, value_name = "NAMES")]
    gates: Option<String>,
    /// Not before this date or time
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until the end of this day, or before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How often it may be used at each gate
    #[arg(long, value_name = "N")]
    uses: Option<String>,
    /// Number of the weekly profile it holds in
    #[arg(long, value_name = "N")]
    profile: Option<String>,
    /// yes if doors are to stay open longer
    #[arg(long, value_name = "yes|no")]
    extended: Option<String>,
    /// Another of the holder's cards is known already, by another number: it is for the same one
    #[arg(long)]
    link: bool,
}

fn add(dir: &Path, args: &Add) -> Result<(), Failure> {
    let (office, _lock) = Office::open_to_change(dir)?;
    let Add { which, .. } = args;
    let notation = which.notation.map(|notation| notation.to_string());
    let cells = [
        ("format", Some(&which.format)),
        ("facility", which.facility.as_ref()),
        // A column that has to be there.
        ("number", Some(which.number.as_ref().unwrap_or(const { &String::new() }))),
        ("whole_number", which.whole_number.as_ref()),
        ("notation", notation.as_ref()),
        ("subject", args.subject.as_ref()),
        ("face", args.face.as_ref()),
        ("gates", args.gates.as_ref()),
        ("from", args.from.as_ref()),
        ("until", args.until.as_ref()),
        ("uses", args.uses.as_ref()),
        ("profile", args.profile.as_ref()),
        ("extended", args.extended.as_ref()),
    ];
    let cells: Cells<'_> =
        cells.into_iter().filter_map(|(name, cell)| Some((name, cell?.as_str()))).collect();
    // Typed on purpose: no column of a residents' register.
    let options =
        ImportOptions { numbers_are_cards: true, link: args.link, ..ImportOptions::default() };
    let done = office.add_card(&cells, options)?;
    let new = if done.new_cards > 0 { "The card is added." } else { "The card was there." };
    let changed = if done.changed_subjects > 0 { " Its holder's rights are changed." } else { "" };
    println!("{new}{changed}");
    tell_clashing(&done);
    println!("The gates learn of it with the next `eithergate site publish`.");
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
///   duress_pin    other digits, typed under threat: opens as the pin does, and calls for help unseen
///   uses          how often it may be used at each gate, 1 to 65535; no limit if empty
///   profile       number of the weekly profile it holds in, as the gates have it; always if empty
///   extended      yes if doors are to stay open longer for this resident
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
        Command::Add(args) => return add(dir, args),
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
    tell_clashing(&done);
    if args.dry_run {
        println!("Nothing was changed (--dry-run).");
    } else {
        println!("The gates learn of it with the next `eithergate site publish`.");
    }
    Ok(())
}

fn tell_clashing(done: &Imported) {
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
}
