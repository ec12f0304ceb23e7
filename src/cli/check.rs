//! `check`: everything this gate needs, looked at one by one; what is wrong with its remedy. Changes
//! nothing, moves no relay, and may run beside the daemon.

mod buses;
mod pins;
mod ports;
mod probes;
mod rules;

use super::{Failure, load_config};
use serde::Serialize;
use std::path::PathBuf;

/// Look at everything this gate needs and say what to mend
///
/// Configuration, keys, folders, disk, clock, allowlist, broker, camera, models and the worker's shell
/// are each tried for real. Exits with 1 if something is wrong. May run beside a running gate.
///
/// Example:
///   eithergate check --config /etc/eithergate/eithergate.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The gate's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
    config: PathBuf,
    /// One JSON object a line: {"check","result","detail","remedy"}
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    /// The gate works, but somebody should know.
    Warn,
    Fail,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    result: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn pass(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, result: Verdict::Pass, detail: detail.into(), remedy: None }
    }

    fn warn(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        Self { check, result: Verdict::Warn, detail, remedy }
    }

    fn fail(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        Self { check, result: Verdict::Fail, detail, remedy }
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = load_config(&args.config)?;
    let mut failed = 0;
    if !args.json {
        println!("Gate {} of {}\n", config.gate, config.site);
    }
    for probe in probes::ALL {
        for finding in probe(&config) {
            failed += u32::from(finding.result == Verdict::Fail);
            show(&finding, args.json);
        }
    }
    if failed == 0 {
        return Ok(());
    }
    if !args.json {
        println!("\n{failed} to mend.");
    }
    Err(Failure::Negative)
}

fn show(finding: &Finding, json: bool) {
    if json {
        println!("{}", serde_json::to_string(finding).unwrap_or_default());
        return;
    }
    let mark = match finding.result {
        Verdict::Pass => "ok  ",
        Verdict::Warn => "note",
        Verdict::Fail => "FAIL",
    };
    println!("{mark}  {:<12} {}", finding.check, finding.detail);
    if let Some(remedy) = &finding.remedy {
        println!("{:<19}-> {remedy}", "");
    }
}
