//! `clock`: whether this gate believes its clock, and making it believe again.

use super::{Failure, load_config};
use crate::app::{self, Answer, Question};
use std::path::PathBuf;

/// Tell whether the gate believes its clock
///
/// A gate believes no time before one it has believed already: a clock that was set back would make expired
/// passes valid again. Until then residents' cards and faces open as usual, passes that hold for a time follow
/// `untrusted_clock`, and events say that their time is not known. Where the wrong time was the later one, set
/// the machine's clock and say so here.
///
/// Examples:
///   eithergate clock
///   eithergate clock --believe
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The machine's clock is right now, whatever it said before
    #[arg(long)]
    believe: bool,
    /// The gate's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
    config: PathBuf,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = load_config(&args.config)?;
    let ask = |question| match app::ask(&config, &question) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Refused(why)) => Err(Failure::Unavailable(why)),
        Err(e) => Err(Failure::Unavailable(format!("the gate is not running ({e}): start it"))),
    };
    if args.believe {
        ask(Question::BelieveClock {})?;
        println!("From now on the gate goes by the machine's clock as it is set now.");
        return Ok(());
    }
    let trusted = ask(Question::Health {})?["clock_trusted"] == true;
    println!("{}", if trusted { "believed" } else { "not believed" });
    Ok(())
}
