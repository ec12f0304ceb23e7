//! How often liveness by motion is deceived, class by class, and how often it refuses a head.

use super::attacks::{Class, HEADS, STILLS, presentation};
use super::people::pictures_in;
use super::stage::{Dice, Sitter};
use super::{Chosen, PictureError, chain, faces, print, say};
use crate::domain::Hint;
use crate::failure::Failure;
use crate::vision::share::{CONFIDENCE, at_most, bounds};
use crate::vision::{Chain, ChainError, Gates, Motion, Picture, Quality, Turn};
use serde_json::json;
use std::path::PathBuf;

/// From this share of films on, liveness by motion is no protection against them.
const LOW_ASSURANCE: f64 = 0.05;

#[derive(clap::Args)]
pub struct Args {
    /// Pictures, or folders of them; the largest face of each is used
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// Attempts of each class, over all pictures in turn
    #[arg(long, default_value_t = 66, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    attempts: u32,
    /// Another number, other attempts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    chosen: Chosen,
    /// One JSON object a class instead of a table
    #[arg(long)]
    json: bool,
}

/// What became of a class's attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    tried: u64,
    shown: u64,
    /// Not shown, with frames that didn't count because the face looked aside.
    aside: u64,
    /// The largest and the smallest share of what is asked for.
    most: f64,
    least: f64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut chain = chain(&args.chosen)?;
    let sitters = sitters(&mut chain, &args.pictures)?;
    if !args.json {
        print(&format!(
            "{} faces. accepted, or refused, of tried, with 95 % confidence at most; share: of the turn asked for; \
             looked aside: of those refused, for frames that didn't count\n\n",
            sitters.len()
        ))?;
    }
    let mut films = 0.0;
    for class in STILLS.into_iter().chain([Class::Replay]).chain(HEADS) {
        let tally = tally(&mut chain, &sitters, class, args)?;
        let is_head = matches!(class, Class::Head(_));
        let wrong = if is_head { tally.tried - tally.shown } else { tally.shown };
        let high = at_most(wrong, tally.tried, CONFIDENCE);
        if class == Class::Replay {
            films = tally.shown as f64 / tally.tried.max(1) as f64;
        }
        let what = if is_head { "refused" } else { "accepted" };
        if args.json {
            let (low, two_sided) = bounds(wrong, tally.tried, CONFIDENCE);
            say(&json!({
                "class": class.name(), "tried": tally.tried, what: wrong, "at_most": high,
                "bounds": [low, two_sided], "share": [tally.least, tally.most],
                "looked_aside": tally.aside,
            }))?;
        } else {
            let aside = if is_head && tally.aside > 0 {
                format!("   {} looked aside", tally.aside)
            } else {
                String::new()
            };
            print(&format!(
                "{:<30}{what:>9}{wrong:>5} of {:>4}, at most {:>5.1} %   share {:>5.2} to {:>5.2}{aside}\n",
                class.name(),
                tally.tried,
                100.0 * high,
                tally.least,
                tally.most
            ))?;
        }
    }
    if !args.json {
        if films > LOW_ASSURANCE {
            print(
                "\nFilms get through: against somebody with a film of a resident, liveness by motion is of LOW \
                 ASSURANCE.\n",
            )?;
        }
        print(
            "Heads and attacks are rendered from pictures with the landmarks model's own depths: no person \
             has stood before a camera for these figures.\n",
        )?;
    }
    Ok(())
}

fn tally(
    chain: &mut Chain,
    sitters: &[Sitter],
    class: Class,
    args: &Args,
) -> Result<Tally, Failure> {
    let mut tally = Tally { least: f64::INFINITY, ..Tally::default() };
    let mut dice = Dice(args.seed);
    for sitter in sitters.iter().cycle().take(args.attempts as usize) {
        let frames =
            presentation(class, sitter, &mut dice).map_err(|e| Failure::Data(e.to_string()))?;
        let (motion, aside) =
            watched(chain, &frames).map_err(|e| Failure::Unavailable(e.to_string()))?;
        tally.tried += 1;
        tally.shown += u64::from(motion.is_shown());
        tally.aside += u64::from(aside && !motion.is_shown());
        tally.most = tally.most.max(motion.share());
        tally.least = tally.least.min(motion.share());
    }
    Ok(tally)
}

/// What the gate makes of one presentation: only frames that pass its quality gates count. Whether some didn't because
/// the face looked aside.
fn watched(chain: &mut Chain, frames: &[Picture]) -> Result<(Motion, bool), ChainError> {
    let (mut motion, mut aside) = (Motion::default(), false);
    for picture in frames {
        let faces = chain.faces(picture)?;
        let Some(face) = faces.first() else { continue };
        let flaw = Quality::of(picture, face).map(|quality| quality.flaw(&Gates::default()));
        match flaw {
            Some(None) => motion.see(&face.view(), Turn::default()),
            Some(Some(Hint::LookAtCamera)) => aside = true,
            _ => {}
        }
    }
    Ok((motion, aside))
}

fn sitters(chain: &mut Chain, places: &[PathBuf]) -> Result<Vec<Sitter>, Failure> {
    let mut sitters = Vec::new();
    for place in places {
        let no_input = |e: std::io::Error| Failure::NoInput(format!("{}: {e}", place.display()));
        let is_folder = std::fs::metadata(place).map_err(no_input)?.is_dir();
        let files =
            if is_folder { pictures_in(place).map_err(no_input)? } else { vec![place.clone()] };
        for path in files {
            let (picture, faces) = faces(chain, &path)?;
            match faces.first().and_then(|face| Sitter::new(&picture, face)) {
                Some(sitter) => sitters.push(sitter),
                None => eprintln!("{}: no face found, left out", path.display()),
            }
        }
    }
    if sitters.is_empty() {
        let path = places.first().cloned().unwrap_or_default();
        return Err(PictureError::NoFace { path }.into());
    }
    Ok(sitters)
}
