//! `subject`: what a resident may ask for at this gate, by their subject id.

use super::{Failure, load_config};
use crate::app::{self, Answer, Question};
use crate::domain::SubjectId;
use serde_json::Value;
use std::path::PathBuf;

/// Delete a resident's face, or say that they were taken for somebody else
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
    /// They are gone from the disk when this returns, whatever the answer. If the face worker did not
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
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Args { wish, config, json } = args;
    let config = load_config(&config)?;
    let question = match &wish {
        Wish::Forget { subject } => Question::Forget { subject: id(subject)? },
        Wish::NotMe { subject, taken_for } => {
            Question::NotMe { subject: id(subject)?, taken_for: id(taken_for)? }
        }
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
