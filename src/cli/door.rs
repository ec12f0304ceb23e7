//! `door`: what an operator may ask of a door, at the gate's own machine.

use super::site::{ModeName, mode_wish};
use super::{Failure, load_config};
use crate::app::{self, Answer, Question};
use crate::site::Span;
use crate::wire::order::Wish;
use std::path::PathBuf;

/// Open a door once, or set its mode
///
/// Asks the running gate by its control socket, which its own user and root may open. On record under the name
/// uid-NUMBER.
///
/// Examples:
///   eithergate door open main
///   eithergate door mode main unlocked --for 2h
///   eithergate door mode main end
///   eithergate door amnesty
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// The gate's configuration
    #[arg(long, global = true, value_name = "FILE", default_value = super::CONFIG)]
    config: PathBuf,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Let one person in
    Open { door: String },
    /// Put a door into a mode, or `end` it; `eithergate site mode --help` tells what each is
    Mode {
        door: String,
        mode: ModeName,
        /// So long, instead of until it is ended: 30m, 2h, 1d
        #[arg(long = "for", value_name = "SPAN")]
        lasting: Option<Span>,
    },
    /// Nobody violates anti-passback with the next passage
    Amnesty,
    /// The fire is over, where doors don't relock with the fire panel
    EndFire,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = load_config(&args.config)?;
    let wish = match args.command {
        Command::Open { door } => Wish::OpenOnce { door },
        Command::Mode { door, mode, lasting } => mode_wish(&door, mode, lasting)?,
        Command::Amnesty => Wish::Amnesty {},
        Command::EndFire => Wish::EndFire {},
    };
    match app::ask(&config, &Question::Order(wish)) {
        Ok(Answer::Ok(_)) => {
            println!("done");
            Ok(())
        }
        Ok(Answer::Refused(why)) => Err(Failure::Unavailable(why)),
        Err(e) => Err(Failure::Unavailable(format!("the gate is not running ({e}): start it"))),
    }
}
