//! `alarms`: what stands at this gate, and saying that somebody has seen it.

use super::{Failure, load_config};
use crate::app::{self, Answer, Question};
use serde_json::Value;
use std::path::PathBuf;

/// List the alarms that stand, and say that somebody has seen them
///
/// An alarm stands while its cause is there, and until somebody has acknowledged it; until then the gate says
/// it again every five minutes. Acknowledging is on record.
///
/// Examples:
///   eithergate alarms
///   eithergate alarms --acknowledge
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Somebody has seen all there are
    #[arg(long)]
    acknowledge: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// The gate's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
    config: PathBuf,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = load_config(&args.config)?;
    let ask = |question| match app::ask(&config, &question) {
        Ok(Answer::Ok(value)) => Ok(value),
        Ok(Answer::Refused(why)) => Err(Failure::Unavailable(why)),
        Err(e) => Err(Failure::Unavailable(format!(
            "the gate is not running ({e}): start it; alarms stand in a running gate, and \
             `eithergate journal list` has those of before"
        ))),
    };
    let health = ask(Question::Health {})?;
    for alarm in health["alarms"].as_array().into_iter().flatten() {
        if args.json { println!("{alarm}") } else { println!("{}", line(alarm)) }
    }
    if args.acknowledge {
        ask(Question::Acknowledge {})?;
    }
    Ok(())
}

fn line(alarm: &Value) -> String {
    let word = |key: &str| alarm[key].as_str().unwrap_or("");
    let place = if alarm["reader"].is_string() { word("reader") } else { word("door") };
    let cause = if alarm["active"] == true { "there" } else { "over" };
    let seen = if alarm["acknowledged"] == true { "seen" } else { "not seen" };
    format!("{:<16} {place:<16} {cause:<6} {seen}", word("alarm"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_what_where_and_whether_somebody_must_look() {
        let alarm =
            json!({"alarm":"tamper","reader":"entrance","active":false,"acknowledged":false});
        assert_eq!(line(&alarm), "tamper           entrance         over   not seen");
        let alarm = json!({"alarm":"fire","active":true,"acknowledged":true});
        assert_eq!(line(&alarm), "fire                              there  seen");
    }
}
