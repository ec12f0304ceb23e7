//! `enroll`: a resident who consented gets a face as a second way in, at this gate: from pictures, or before its
//! camera.
//!
//! The worker's program looks at the pictures and seals the templates; nothing else leaves it.

mod live;

use super::{Failure, load_config};
use crate::app::{self, Answer, MAX_TEMPLATES, Question};
use crate::config::Face;
use crate::domain::{Clock, SubjectId};
use crate::io::clock::SystemClock;
use crate::places;
use crate::wire::enrolled::Consent;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Store a consenting resident's face templates at this gate
///
/// The gate must be running and its allowlist must have the subject, with a card and with the wish to use
/// a face: a face is never the only way in. The largest face of each picture is taken; several varied
/// pictures of one person make recognition surer. With --live the resident stands before the gate's camera
/// instead and is told what to do; nobody is recognised meanwhile, and cards work. Only sealed templates
/// are kept, never a picture, in place of any this subject had before.
///
/// Examples:
///   eithergate enroll --subject 3f2a... --consent "notice 2026-04" front.jpg left.jpg smiling.jpg
///   eithergate enroll --subject 3f2a... --consent "notice 2026-04" --live
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The gate's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG)]
    config: PathBuf,
    /// The subject's id, as the office has it
    #[arg(long, value_name = "HEX")]
    subject: String,
    /// The notice, by its version, that the resident agreed to separately
    #[arg(long, value_name = "NOTICE")]
    consent: String,
    /// JPEG or PNG pictures of this one person
    #[arg(required_unless_present = "live", num_args = 1..=MAX_TEMPLATES)]
    pictures: Vec<PathBuf>,
    /// Of whoever stands before the gate's camera
    #[arg(long, conflicts_with = "pictures")]
    live: bool,
    /// With --live: give up after so long
    #[arg(long, requires = "live", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(5..=i64::from(app::sitting::MAX_SITTING_S)))]
    seconds: u32,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = load_config(&args.config)?;
    let face = config.face.as_ref().ok_or_else(|| {
        Failure::Config("this gate has no camera: add [face] to its configuration".into())
    })?;
    if args.subject.parse::<SubjectId>().is_err() {
        return Err(Failure::Usage(
            "--subject: must be 32 hex digits, as the office has it".into(),
        ));
    }
    let now = SystemClock.wall().ok_or_else(|| {
        Failure::Unavailable(
            "the clock is not set, and a consent needs its date: set the clock, then enrol".into(),
        )
    })?;
    let sealed = if args.live {
        live::sealed(&config, &args.subject, args.seconds)?
    } else {
        of_pictures(face, &args)?
    };
    let question = Question::Enrol {
        subject: args.subject,
        sealed,
        consent: Consent { notice: args.consent, given_at: now.0 },
    };
    match app::ask(&config, &question) {
        Ok(Answer::Ok(done)) => {
            println!("enrolled {} templates", done["templates"]);
            if done["taken"].is_null() {
                println!(
                    "the face path is not up: nobody has tried them yet. `eithergate check` says why"
                );
            }
            let alike = done["look_alikes"].as_u64().unwrap_or(0);
            if alike > 0 {
                println!(
                    "looks like {alike} other(s) enrolled here: where both may pass, either is let in and \
                     neither is named; where one may not, the gate asks for the card"
                );
            }
            Ok(())
        }
        Ok(Answer::Refused(why)) => Err(Failure::Data(why)),
        Err(e) => Err(silent(&e)),
    }
}

fn silent(error: &std::io::Error) -> Failure {
    Failure::Unavailable(format!(
        "the gate doesn't answer ({error}): start it with `eithergate run`, then enrol"
    ))
}

/// Sealed templates, in base64.
fn of_pictures(face: &Face, args: &Args) -> Result<Vec<String>, Failure> {
    let options = app::wiring::face_options(face);
    let output = Command::new(places::face_program())
        .arg("embed")
        .arg("--seal")
        .arg(&face.template_key)
        .args(["--subject", &args.subject])
        .arg("--models")
        .arg(options.detector.parent().unwrap_or(&options.detector))
        .arg("--embedding")
        .arg(&options.embedding)
        .args(&args.pictures)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| {
            let program = places::face_program();
            Failure::Unavailable(format!("{}: {e}: build it with `make build`", program.display()))
        })?;
    if !output.status.success() {
        let why = "nothing was enrolled".to_owned();
        return Err(match output.status.code() {
            Some(66) => Failure::NoInput(why),
            Some(78) => Failure::Config(why),
            Some(69) => Failure::Unavailable(why),
            _ => Failure::Data(why),
        });
    }
    let sealed = output
        .stdout
        .split(|b| *b == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter_map(|line| line["sealed"].as_str().map(String::from))
        .collect();
    Ok(sealed)
}
