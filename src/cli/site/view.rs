//! How the site's readers present cards: the list that allowlists are made by. Prints views, counts and
//! subject ids, never a card number.

use super::Failure;
use crate::site::{Clash, Office};
use crate::wire::card::View;
use serde_json::json;
use std::path::Path;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Say that readers here present serials in this way
    ///
    /// Needed for readers that cut serials down: a gate can't bring back what was cut off, so the office
    /// lists each card as such a reader sees it. Views are low24 (the last 24 bits), low32, high24 (the first
    /// 24) and so on, or a whole serial (uid32, em4100, uid56, uid64, uid80); each also with -reversed where
    /// the reader sends the last byte first. docs/cards.md tells how to find out which one a reader has.
    #[command(after_help = "Example:\n  eithergate site view add low24")]
    Add(Name),
    /// Take a view away that no reader here has any more
    Remove(Name),
    /// The views, how many numbers each can tell apart, and what to put into a gate's configuration
    List(List),
    /// Subjects whose cards a reader can't tell apart: at such a reader they open for neither
    Clashes(List),
}

#[derive(clap::Args)]
pub(super) struct Name {
    /// For example low24 or low32-reversed
    #[arg(value_name = "VIEW")]
    view: View,
}

#[derive(clap::Args)]
pub(super) struct List {
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(dir: &Path, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Add(Name { view }) => {
            let (mut office, _lock) = Office::open_to_change(dir)?;
            let now = if office.set_view(*view, true)? { "now" } else { "already" };
            let clashes = office.clashes()?;
            println!("{view} is {now} among the site's views.");
            println!("  At the gates, in [[reader]]:  view = \"{view}\"");
            tell_clashes(&clashes);
            println!("The gates learn of it with the next `eithergate site publish`.");
        }
        Command::Remove(Name { view }) => {
            let (mut office, _lock) = Office::open_to_change(dir)?;
            office.set_view(*view, false)?;
            println!("{view} is no longer among the site's views.");
            println!("The gates learn of it with the next `eithergate site publish`.");
        }
        Command::List(args) => list(&Office::open(dir)?, args.json)?,
        Command::Clashes(args) => clashes(&Office::open(dir)?, args.json)?,
    }
    Ok(())
}

/// What to do about cards that a reader can't tell apart.
pub(super) fn tell_clashes(clashes: &[Clash]) {
    if clashes.is_empty() {
        return;
    }
    println!(
        "{} times some reader here can't tell whose card it is. At that reader such cards open for nobody, at \
         others they do.\n  `eithergate site view clashes` lists the subjects: give one of them another card, or \
         have the reader send more of the serial.",
        clashes.len()
    );
}

fn list(office: &Office, as_json: bool) -> Result<(), Failure> {
    let (seen, clashes) = (office.seen()?, office.clashes()?);
    let clashing = |view: &View| clashes.iter().filter(|clash| clash.part == view.part).count();
    if as_json {
        for (view, numbers) in &seen {
            let name = view.to_string();
            println!("{}", json!({"view": name, "numbers": numbers, "clashes": clashing(view)}));
        }
        return Ok(());
    }
    if seen.is_empty() {
        println!("No views: every reader here sends what is enrolled.");
        return Ok(());
    }
    println!("{:<18}{:>8}{:>9}  IN A GATE'S [[reader]]", "VIEW", "NUMBERS", "CLASHES");
    for (view, numbers) in &seen {
        let name = view.to_string();
        println!("{name:<18}{numbers:>8}{:>9}  view = \"{name}\"", clashing(view));
    }
    tell_clashes(&clashes);
    Ok(())
}

fn clashes(office: &Office, as_json: bool) -> Result<(), Failure> {
    let clashes = office.clashes()?;
    if !as_json {
        if clashes.is_empty() {
            println!("Every reader here tells all subjects' cards apart.");
            return Ok(());
        }
        println!("{:<10}SUBJECTS", "PART");
    }
    for clash in &clashes {
        let subjects: Vec<String> = clash.subjects.iter().map(|subject| subject.to_hex()).collect();
        let part = clash.part.to_string();
        if as_json {
            println!("{}", json!({"part": part, "subjects": subjects}));
        } else {
            println!("{part:<10}{}", subjects.join(" "));
        }
    }
    Ok(())
}
