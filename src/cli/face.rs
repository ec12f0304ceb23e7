//! `eithergate face`: hands over to `eithergate-face`, the only program that links TensorFlow Lite.

use super::Failure;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The program that has the commands, beside this one.
const PROGRAM: &str = "eithergate-face";

const TEACHING: &str = "\
The chain that the gate runs on its camera looks at pictures here, and closer, so
that it finds smaller faces than the gate does:

  detect PICTURE          find the faces; --out writes an annotated copy
  embed PICTURE...        turn the largest face of each into a template
  compare A B             tell whether two pictures show the same person
  evaluate PAIRS.csv      measure recognition over pairs of pictures
  calibrate PEOPLE        derive threshold and certainty from people's pictures
  liveness PICTURE...     try stills, films and heads before the liveness test

`eithergate face COMMAND --help` tells more of each.

Examples:
  eithergate face detect street.jpg --out seen.png
  eithergate face compare --json at-the-gate.jpg enrolled.jpg
  eithergate face evaluate pairs.csv --root pictures/";

#[derive(clap::Args)]
#[command(after_help = TEACHING, arg_required_else_help = true)]
pub(super) struct Args {
    /// A command of the list below, and what it takes
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

/// Becomes `eithergate-face`, whose exit code is then this command's.
pub(super) fn run(args: Args) -> Result<(), Failure> {
    let own = std::env::current_exe()
        .map_err(|e| Failure::Unavailable(format!("can't tell where this program is: {e}")))?;
    let program = own.with_file_name(PROGRAM);
    let why = Command::new(&program).args(args.arguments).exec();
    Err(missing(&program, &why))
}

fn missing(program: &Path, why: &std::io::Error) -> Failure {
    Failure::Unavailable(format!(
        "{} can't be started: {why}; it comes with the package, or from `make build`",
        program.display()
    ))
}
