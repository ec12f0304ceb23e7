//! `subject`: what a resident may ask for at this gate, by their subject id; and all their templates, sealed.

use super::{Failure, load_config};
use crate::app::{self, Answer, Question};
use crate::config::Config;
use crate::domain::SubjectId;
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;

/// Delete a resident's face, say that they were taken for somebody else, or hand all templates out sealed
///
/// Cards are the office's: nothing here changes what a card opens.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    wish: Wish,
    /// The gate's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG, global = true)]
    config: PathBuf,
    /// One JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Wish {
    /// Delete all face templates of a subject, and wait until the gate's memory is rid of them
    ///
    /// They are gone from the store when this returns, unless it says otherwise. If the face worker did not
    /// confirm in time that its memory is rid of them too, this says so and exits with 69: it is replaced or
    /// started anew without them.
    ///
    /// Example:
    ///   eithergate subject forget 3f2a...
    #[command(verbatim_doc_comment)]
    Forget {
        #[arg(value_name = "SUBJECT")]
        subject: String,
    },
    /// A subject was taken for another: between these two, nearly is not enough from now on
    ///
    /// Example:
    ///   eithergate subject not-me 3f2a... --taken-for 9b01...
    #[command(verbatim_doc_comment)]
    NotMe {
        #[arg(value_name = "SUBJECT")]
        subject: String,
        /// Whom the gate took them for
        #[arg(long, value_name = "SUBJECT")]
        taken_for: String,
    },
    /// Print all templates kept at this gate, still sealed: a line each, {"subject","sealed"}
    ///
    /// For `eithergate face calibrate`, which derives from them how sure recognition is among the very people
    /// this gate serves. Sealed, they are of no use without the gate's template key; only the gate's own user and
    /// root may ask. Works beside a running gate and without one, and writes no file.
    ///
    /// Example:
    ///   eithergate subject export | eithergate face calibrate --sealed - --key /etc/eithergate/template.key
    #[command(verbatim_doc_comment)]
    Export,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Args { wish, config, json } = args;
    let config = load_config(&config)?;
    let question = match &wish {
        Wish::Forget { subject } => Question::Forget { subject: id(subject)? },
        Wish::NotMe { subject, taken_for } => {
            Question::NotMe { subject: id(subject)?, taken_for: id(taken_for)? }
        }
        Wish::Export => return export(&config),
    };
    let done = match app::ask(&config, &question) {
        Ok(Answer::Ok(done)) => done,
        Ok(Answer::Refused(why)) => return Err(Failure::Data(why)),
        Err(e) => {
            return Err(Failure::Unavailable(format!(
                "the gate doesn't answer ({e}): start it with `eithergate run`, then ask again"
            )));
        }
    };
    if json {
        println!("{done}");
    }
    match wish {
        Wish::Forget { .. } => forgotten(&done, json),
        Wish::Export => Ok(()),
        Wish::NotMe { .. } => {
            if !json {
                println!(
                    "kept apart{}",
                    if done["now"] == true { "" } else { " from the next start on" }
                );
            }
            Ok(())
        }
    }
}

/// Page by page, until none are left. Already JSON, whether that is asked for or not.
fn export(config: &Config) -> Result<(), Failure> {
    let (mut after, mut unreadable) = (None, Vec::new());
    loop {
        let page = match app::ask(config, &Question::Sealed { after: after.clone() }) {
            Ok(Answer::Ok(page)) => page,
            Ok(Answer::Refused(why)) => return Err(Failure::Unavailable(why)),
            // Nobody answers: the gate isn't running, so its store is free to read.
            Err(_) => {
                let store = app::open_store(&config.data_dir)
                    .map_err(|e| Failure::Unavailable(e.to_string()))?;
                app::sealed(after.as_deref(), &store).map_err(Failure::Unavailable)?
            }
        };
        let ids = page["unreadable"].as_array().into_iter().flatten();
        unreadable.extend(ids.filter_map(|id| id.as_str().map(str::to_owned)));
        for template in page["templates"].as_array().into_iter().flatten() {
            writeln!(std::io::stdout(), "{template}").map_err(|e| {
                Failure::Unavailable(format!("standard output can't be written: {e}"))
            })?;
        }
        match page["last"].as_str() {
            Some(last) => after = Some(last.to_owned()),
            None if unreadable.is_empty() => return Ok(()),
            None => {
                let count = unreadable.len();
                unreadable.dedup();
                return Err(Failure::Data(format!(
                    "{count} of the templates kept here can't be read and were left out: enrol again {}",
                    unreadable.join(" ")
                )));
            }
        }
    }
}

fn forgotten(done: &Value, json: bool) -> Result<(), Failure> {
    if done["removed"] == false {
        return Err(Failure::Unavailable(
            "deleted from the disk; the face worker has not confirmed that its memory is rid of them \
             yet: ask again, or restart the gate"
                .into(),
        ));
    }
    if !json {
        let memory = if done["removed"] == true { "; the face worker confirmed" } else { "" };
        println!("deleted {} templates{memory}", done["templates"]);
    }
    Ok(())
}

fn id(text: &str) -> Result<String, Failure> {
    match text.parse::<SubjectId>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Failure::Usage("a subject is 32 hex digits, as the office has it".into())),
    }
}
