//! Deriving an embedding's certainty from pictures of people, or from sealed templates, and showing what it
//! would have done to people who had no part in it.

use super::evidence::{OnOthers, Seen, Table, replaced, section};
use super::people::{self, Person};
use super::seal::{self, Gallery};
use super::stage::{Camera, Dice, Look, Pose, Sitter, Surface, frame};
use super::{Chosen, PictureError, chain, faces, models_dir, print, say, write_whole};
use crate::failure::Failure;
use crate::vision::{
    Chain, Distances, Face, Manifest, Picture, Space, Targets, Template, Terms, fuse, terms,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// A gate that supports fewer is hardly worth a camera.
const FEW: u64 = 100;

/// Frames rendered of one picture as one presentation, and pictures enrolled at most.
const FRAMES: usize = 5;
const TEMPLATES: usize = 5;
/// The galleries that the table shows.
const GALLERIES: [u64; 3] = [100, 500, 2_000];

#[derive(clap::Args)]
pub struct Args {
    /// A folder with a folder of pictures for each person, or a CSV file with the columns
    /// picture,person and perhaps family: relatives are no strangers, and are told apart
    #[arg(required_unless_present = "sealed")]
    people: Option<PathBuf>,
    /// The folder that the CSV file's pictures are below [default: the file's own]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Instead of pictures: enrolled templates, a line each as `face embed --seal` and `subject export` print
    /// them; - is standard input
    #[arg(long, value_name = "TEMPLATES.jsonl", requires = "key", conflicts_with = "people")]
    sealed: Option<PathBuf>,
    /// The key they are sealed with
    #[arg(long, value_name = "KEYFILE")]
    key: Option<PathBuf>,
    /// Put the evidence into the embedding's manifest, in place of any there
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    chosen: Chosen,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let manifest = match &args.chosen.embedding {
        Some(manifest) => manifest.clone(),
        None => models_dir(args.chosen.models.as_deref())?.join("embedding.toml"),
    };
    let mut chain = chain(&args.chosen)?;
    let space = *chain.space();
    let (table, basis) = match (&args.sealed, &args.key, &args.people) {
        (Some(sealed), Some(key), _) => of_enrolled(&seal::open_all(sealed, key, &space)?, &space)?,
        (_, _, Some(place)) => {
            let people = people::read(place, args.root.as_deref())?;
            of_pictures(&mut chain, &people)?
        }
        _ => return Err(Failure::Usage("name pictures or --sealed templates".into())),
    };
    let frames = basis.frames;
    // Wider than what the manifest calls one person, no gate goes.
    let targets = Targets { widest: space.metric.threshold, ..Targets::default() };
    let too_few = |e: crate::vision::BadDistances| {
        Failure::Data(format!("too few comparisons ({e}): more people, with two pictures each"))
    };
    let [strangers, residents] = table.derive(|_| false).map_err(too_few)?;
    let on_others = table.on_others(&GALLERIES, targets).map_err(too_few)?;
    let rests_on = rests_on(&basis, &strangers, &residents);
    let evidence = format!(
        "[evidence]\nframes = {frames}\ntemplates = {TEMPLATES}\nrests_on = {:?}\n{}{}",
        rests_on,
        section("strangers", &strangers),
        section("residents", &residents)
    );
    if args.write {
        write(&manifest, &evidence)?;
    }
    let promised = GALLERIES.map(|g| terms(&strangers, &residents, g, targets));
    let relatives = table.relatives_below(promised.iter().fold(0.0, |t, p| p.threshold.max(t)));
    if args.json {
        return say(&json!({
            "people": table.people(), "pictures": basis.pictures, "frames": frames,
            "strangers": figures(&strangers), "residents": figures(&residents),
            "supported": promised[0].supported, "relatives_below_the_threshold": relatives.hits,
            "relatives": relatives.of,
            "galleries": promised.iter().zip(&on_others).map(|(t, o)| row_json(t, o)).collect::<Vec<_>>(),
            "rests_on": rests_on,
        }));
    }
    if !args.write {
        print(&format!("{evidence}\n"))?;
    }
    print(&tables(&strangers, &residents, &promised, &on_others))?;
    if relatives.of > 0 {
        print(&format!(
            "Of {} comparisons between relatives, {} lie below the widest of these thresholds.\n",
            relatives.of, relatives.hits
        ))?;
    }
    print(&format!("\n{rests_on}\n"))?;
    if args.write {
        print(&format!(
            "\n{}: written. Its sha256 has changed: where a gate's configuration pins it, pin it anew.\n",
            manifest.display()
        ))?;
    }
    Ok(())
}

fn figures(d: &Distances) -> serde_json::Value {
    json!({"people": d.people(), "comparisons": d.comparisons(), "quantiles": d.quantiles()})
}

fn row_json(terms: &Terms, others: &OnOthers) -> serde_json::Value {
    json!({
        "gallery": others.gallery,
        "thresholds": others.thresholds,
        "strangers": {"accepted": others.accepted.hits, "comparisons": others.accepted.of,
            "bounds": others.accepted.bounds()},
        "residents": {"refused": others.refused.hits, "presentations": others.refused.of,
            "bounds": others.refused.bounds()},
        "expected": {"strangers_accepted": terms.strangers_accepted.share,
            "at_most": terms.strangers_accepted.at_most,
            "extrapolated": terms.strangers_accepted.extrapolated,
            "residents_refused": terms.residents_refused.share,
            "claim_needed": terms.claim_needed},
    })
}

/// In words, for whoever reads the manifest.
/// What a table was made of.
struct Basis {
    pictures: usize,
    /// What they are, and how strangers and residents were compared.
    what: String,
    how: String,
    frames: usize,
}

fn wrong_model(e: crate::vision::WrongModel) -> Failure {
    Failure::Data(e.to_string())
}

fn of_pictures(chain: &mut Chain, people: &[Person]) -> Result<(Table, Basis), Failure> {
    let seen = look_at(chain, people)?;
    let family = |person: usize| people.get(person).and_then(|p| p.family.as_ref());
    let related = |a: usize, b: usize| family(a).is_some() && family(a) == family(b);
    let table = Table::new(chain.space(), &seen, TEMPLATES, related).map_err(wrong_model)?;
    let how = format!(
        "each against up to {TEMPLATES} others fused; a presentation is {FRAMES} frames rendered of one picture \
         (small turns, light, blur, noise), so it varies less than a person does"
    );
    Ok((table, Basis { pictures: seen.len(), what: "pictures".into(), how, frames: FRAMES }))
}

fn of_enrolled(gallery: &Gallery, space: &Space) -> Result<(Table, Basis), Failure> {
    let Gallery { people, of } = gallery;
    let mut counts: Vec<usize> = people.iter().map(Vec::len).collect();
    counts.sort_unstable();
    // As many as three quarters of them have: these come as strangers to all others.
    let frames = counts.get(counts.len() / 4).map_or(1, |count| (*count).clamp(1, FRAMES));
    let table = Table::of_enrolled(space, people, frames, TEMPLATES).map_err(wrong_model)?;
    let how = format!(
        "strangers as {frames} of their templates fused against up to {TEMPLATES}, people with themselves as one \
         half against the other, so they are refused more often here than at the gate; all of it pictures \
         that were good enough to enrol, not frames at the gate"
    );
    let what = match *of > people.len() {
        true => format!("templates, taken from {of} enrolled,"),
        false => "enrolled templates".to_owned(),
    };
    Ok((table, Basis { pictures: counts.iter().sum(), what, how, frames }))
}

fn rests_on(basis: &Basis, strangers: &Distances, residents: &Distances) -> String {
    format!(
        "{} {} of {} people: {} comparisons between strangers, {} of {} people with themselves, {}. Whatever \
         lies beyond one in {} is drawn on from there, not measured.",
        basis.pictures,
        basis.what,
        strangers.people(),
        strangers.comparisons(),
        residents.comparisons(),
        residents.people(),
        basis.how,
        strangers.comparisons()
    )
}

fn tables(
    strangers: &Distances,
    residents: &Distances,
    promised: &[Terms],
    on_others: &[OnOthers],
) -> String {
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    let mut text = format!(
        "Distances                 people  comparisons     1 %    50 %    99 %\n\
         strangers             {:>10}{:>13}{:>8.3}{:>8.3}{:>8.3}\n\
         residents, themselves {:>10}{:>13}{:>8.3}{:>8.3}{:>8.3}\n\n",
        strangers.people(),
        strangers.comparisons(),
        strangers.distance_at(0.01),
        strangers.distance_at(0.5),
        strangers.distance_at(0.99),
        residents.people(),
        residents.comparisons(),
        residents.distance_at(0.01),
        residents.distance_at(0.5),
        residents.distance_at(0.99),
    );
    text += "On people who had no part in the threshold (leaving two out, then one; of many, groups)\n\
             gallery   threshold      strangers' comparisons       residents refused\n";
    for o in on_others {
        let ((_, a), (_, r)) = (o.accepted.bounds(), o.refused.bounds());
        text += &format!(
            "{:>7}{:>7.3}-{:.3}{:>6} of {:>6}, at most {:>5} %{:>5} of {:>4}, at most {:>5} %\n",
            o.gallery,
            o.thresholds[0],
            o.thresholds[1],
            o.accepted.hits,
            o.accepted.of,
            percent(a),
            o.refused.hits,
            o.refused.of,
            percent(r)
        );
    }
    text += "\nWhat a gate would say of itself, a presentation at a time\n\
             gallery  compared  threshold   strangers accepted, %   residents refused, %\n";
    for (t, o) in promised.iter().zip(on_others) {
        let extrapolated = if t.strangers_accepted.extrapolated { "drawn on" } else { "measured" };
        text += &format!(
            "{:>7}{:>10}{:>11.3}{:>7}, at most {:>6} ({extrapolated}){:>7}, at most {:>5}\n",
            o.gallery,
            t.compared,
            t.threshold,
            percent(t.strangers_accepted.share),
            percent(t.strangers_accepted.at_most),
            percent(t.residents_refused.share),
            percent(t.residents_refused.at_most)
        );
    }
    if let Some(terms) = promised.first() {
        text += &format!(
            "\nLargest gallery supported: {}. With 95 % confidence strangers are accepted no more often than the \
             target there,\nif distances go on about as a normal curve does, and residents are expected to be refused no \
             more often than theirs.\nIn a larger one nobody is looked for without a claim (a PIN).\n",
            terms.supported
        );
        if terms.supported < FEW {
            text += "That is few. If relatives are among these people, they were taken for strangers: name families in \
                     a CSV file (`face calibrate --help`). More people would show more, too.\n";
        }
    }
    text
}

fn write(manifest: &Path, evidence: &str) -> Result<(), Failure> {
    let named = |why: String| format!("{}: {why}", manifest.display());
    let before = std::fs::read_to_string(manifest)
        .map_err(|e| Failure::NoInput(named(format!("can't be read: {e}"))))?;
    let after = replaced(&before, evidence);
    Manifest::from_toml(&after).map_err(|e| Failure::Data(named(e.to_string())))?;
    write_whole(manifest, after.as_bytes())
        .map_err(|e| Failure::Unavailable(named(format!("can't be written: {e}"))))
}

/// Each picture enrolled, and presented. Pictures without a face are named and left out.
fn look_at(chain: &mut Chain, people: &[Person]) -> Result<Vec<Seen>, Failure> {
    let mut seen = Vec::new();
    let mut dice = Dice(1);
    for (person, one) in people.iter().enumerate() {
        for path in &one.pictures {
            let (picture, found) = faces(chain, path)?;
            let failed = |why| Failure::from(PictureError::Chain { path: path.clone(), why });
            let Some(face) = found.first() else {
                eprintln!("{}: no face found, left out", path.display());
                continue;
            };
            let enrolled = chain.template(&picture, face).map_err(failed)?;
            let Some(presented) = presented(chain, &picture, face, &mut dice).map_err(failed)?
            else {
                eprintln!("{}: no face found in frames made of it, left out", path.display());
                continue;
            };
            seen.push(Seen { person, enrolled, quality: face.quality, presented });
        }
    }
    Ok(seen)
}

/// A picture's face as it would stand before the camera for some frames, fused as the gate does.
fn presented(
    chain: &mut Chain,
    picture: &Picture,
    face: &Face,
    dice: &mut Dice,
) -> Result<Option<Template>, crate::vision::ChainError> {
    let Some(sitter) = Sitter::new(picture, face) else { return Ok(None) };
    let head = Surface::head(&sitter);
    let mut templates = Vec::new();
    for _ in 0..FRAMES {
        let turn = |dice: &mut Dice| dice.between(-6.0, 6.0).to_radians();
        let away = dice.between(8.0, 14.0);
        let pose = Pose {
            yaw: turn(dice),
            pitch: turn(dice),
            roll: turn(dice),
            at: [dice.between(-0.3, 0.3), dice.between(-0.3, 0.3), away],
        };
        let camera = Camera { focal: dice.between(50.0, 90.0) * away };
        let look = Look {
            light: dice.between(0.75, 1.15) as f32,
            from_the_side: dice.between(-0.15, 0.15) as f32,
            noise: dice.between(1.0, 5.0),
            blur: usize::from(dice.uniform() < 0.3),
            ..Look::default()
        };
        let Ok(frame) = frame(&head, pose, &sitter.texture, camera, &look, dice) else { continue };
        let Some(face) = chain.faces(&frame)?.into_iter().next() else { continue };
        templates.push((chain.template(&frame, &face)?, face.quality));
    }
    Ok(fuse(chain.space(), &templates))
}
