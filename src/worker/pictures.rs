//! The commands that look at picture files: detect, embed, compare, evaluate, calibrate, liveness. They run the very chain
//! that the gate runs on its camera. No picture and no template is written anywhere, but for the
//! annotated copy that `detect --out` asks for.

mod attacks;
mod calibrate;
mod draw;
mod enrol;
mod evaluate;
mod evidence;
mod liveness;
mod models;
mod people;
mod read;
mod seal;
mod stage;

pub use models::{Chosen, chain, models_dir, name_models};
pub use read::{ReadError, read_picture};

use crate::failure::Failure;
use crate::vision::{Bounds, Chain, ChainError, Face, Picture, Template};
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to do with pictures.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Find the faces in a picture
    ///
    /// Lists each face with its place, the detector's score and how good it is for recognition (quality,
    /// 0 to 1). --out writes a copy with the boxes, the landmarks and the scores drawn in, for a person to
    /// look at. No face is an answer, not an error.
    ///
    /// Example:
    ///   eithergate face detect street.jpg --out seen.png
    #[command(verbatim_doc_comment)]
    Detect(Detect),
    /// Turn the largest face of each picture into a template
    ///
    /// With --json the template's numbers are printed: they are as sensitive as the picture. Exits with 65
    /// if a picture shows no face. With --seal they are sealed to one subject, as a gate stores them: only
    /// those of good and varied pictures; the others are named with the reason.
    ///
    /// Examples:
    ///   eithergate face embed --json a.jpg b.jpg > templates.jsonl
    ///   eithergate face embed --seal template.key --subject 0123456789abcdef0123456789abcdef a.jpg
    #[command(verbatim_doc_comment)]
    Embed(Embed),
    /// Tell whether two pictures show the same person
    ///
    /// Of several faces in a picture the largest is taken. Prints the distance between the two templates;
    /// below the model's threshold it is the same person. Exits with 65 if a picture shows no face.
    ///
    /// Example:
    ///   eithergate face compare --json at-the-gate.jpg enrolled.jpg
    ///   {"distance":0.33,"same":true,"threshold":0.47}
    #[command(verbatim_doc_comment)]
    Compare(Compare),
    /// Measure recognition over pairs of pictures
    ///
    /// PAIRS.csv has the columns a, b and same: two pictures below --root, and 1 (or true) if they show
    /// one person, else 0 (or false). A side may also be several pictures of one person, with semicolons
    /// between them: their templates are fused, as the gate fuses frames. Each picture is embedded once, by its
    /// largest face; pairs with a side that shows no face are counted as undetected and otherwise left out.
    ///
    /// A pair is accepted if its distance is below a threshold. FMR is the share of different people
    /// accepted, FNMR the share of same people refused; "FNMR at FMR 1e-3" is taken at the largest
    /// threshold that accepts at most one in 1000 different pairs (with fewer pairs: none). The equal
    /// error rate is where the two shares are nearest to each other.
    ///
    /// Example:
    ///   eithergate face evaluate pairs.csv --root pictures/
    #[command(verbatim_doc_comment)]
    Evaluate(evaluate::Args),
    /// Derive how sure recognition is from pictures of people, and show what that is worth
    ///
    /// Each picture is enrolled, and presented as the gate sees somebody: five frames, fused. Every presentation
    /// is held against every person's enrolment. From these distances follow the threshold for a gallery of a
    /// size, the shares of strangers accepted and residents refused, and the largest gallery supported;
    /// the last table is on people who had no part in the threshold that judged them. Without --write the
    /// [evidence] section for the embedding's manifest is printed first.
    ///
    /// A gate's own residents, from the templates it has, no picture needed (of more than 1,000 people, some):
    ///   eithergate subject export | eithergate face calibrate --sealed - --key /etc/eithergate/template.key
    ///
    /// Examples:
    ///   eithergate face calibrate residents/            (a folder for each person)
    ///   eithergate face calibrate people.csv --write    (columns picture,person)
    #[command(verbatim_doc_comment)]
    Calibrate(calibrate::Args),
    /// Try stills, films and heads before the liveness test, class by class
    ///
    /// The attacks and the heads are rendered from the pictures named: a still moved, tilted, bent, cut out, on a
    /// screen; a film of a turning head on a screen; a head with the depth that the landmarks model gives
    /// it, turning by a few degrees. Rendered heads are not people, and rendered attacks are not all
    /// that can be thought of.
    ///
    /// Example:
    ///   eithergate face liveness pictures/
    #[command(verbatim_doc_comment)]
    Liveness(liveness::Args),
}

#[derive(clap::Args)]
pub struct Detect {
    /// A JPEG or PNG file
    picture: PathBuf,
    /// Write an annotated copy here, as PNG
    #[arg(long, value_name = "ANNOTATED.png")]
    out: Option<PathBuf>,
    #[command(flatten)]
    chosen: Chosen,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct Embed {
    /// JPEG or PNG files
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    #[command(flatten)]
    chosen: Chosen,
    /// One JSON object a picture, with the template's numbers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    seal: seal::Seal,
}

#[derive(clap::Args)]
pub struct Compare {
    /// A JPEG or PNG file
    a: PathBuf,
    /// Another one
    b: PathBuf,
    #[command(flatten)]
    chosen: Chosen,
    /// One JSON object instead of a sentence
    #[arg(long)]
    json: bool,
}

pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Detect(args) => detect(&args),
        Command::Embed(args) => embed(&args),
        Command::Compare(args) => compare(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Liveness(args) => liveness::run(&args),
    }
}

/// Why a picture gave no template.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{}: no face found; use a picture with a larger face, seen from the front", path.display())]
    NoFace { path: PathBuf },
    #[error("{}: {why}", path.display())]
    Chain { path: PathBuf, why: ChainError },
}

impl From<PictureError> for Failure {
    fn from(e: PictureError) -> Self {
        match &e {
            PictureError::Read(ReadError::Missing { .. }) => Failure::NoInput(e.to_string()),
            PictureError::Read(ReadError::NoPicture { .. }) | PictureError::NoFace { .. } => {
                Failure::Data(e.to_string())
            }
            PictureError::Chain { .. } => Failure::Unavailable(e.to_string()),
        }
    }
}

fn faces(chain: &mut Chain, path: &Path) -> Result<(Picture, Vec<Face>), PictureError> {
    let picture = read_picture(path)?;
    let faces = chain
        .faces_closely(&picture)
        .map_err(|why| PictureError::Chain { path: path.into(), why })?;
    Ok((picture, faces))
}

/// The template of a picture's largest face, and that face.
pub fn embed_picture(chain: &mut Chain, path: &Path) -> Result<(Template, Face), PictureError> {
    let (picture, faces) = faces(chain, path)?;
    let Some(face) = faces.into_iter().next() else {
        return Err(PictureError::NoFace { path: path.into() });
    };
    let template = chain
        .template(&picture, &face)
        .map_err(|why| PictureError::Chain { path: path.into(), why })?;
    Ok((template, face))
}

fn detect(args: &Detect) -> Result<(), Failure> {
    let mut chain = chain(&args.chosen)?;
    let (picture, faces) = faces(&mut chain, &args.picture)?;
    if let Some(out) = &args.out {
        draw::annotate(&picture, &faces, out).map_err(|e| {
            Failure::Unavailable(format!("{}: can't be written: {e}", out.display()))
        })?;
    }
    if args.json {
        return say(&Detected {
            picture: args.picture.display().to_string(),
            width: picture.width(),
            height: picture.height(),
            faces: faces.iter().map(FaceAnswer::from).collect(),
        });
    }
    let mut table = format!("{} face(s) in {}\n", faces.len(), args.picture.display());
    if !faces.is_empty() {
        table += "      x      y  width height  score  quality\n";
    }
    for face in &faces {
        let b = &face.bounds;
        table += &format!(
            "{:>7.0}{:>7.0}{:>7.0}{:>7.0}{:>7.2}{:>9.2}\n",
            b.x, b.y, b.width, b.height, face.score, face.quality
        );
    }
    print(&table)
}

#[derive(Serialize)]
struct Detected {
    picture: String,
    width: u32,
    height: u32,
    faces: Vec<FaceAnswer>,
}

/// The box in pixels; the rest from 0 to 1.
#[derive(Serialize)]
struct FaceAnswer {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    score: f32,
    presence: f32,
    quality: f32,
}

impl From<&Face> for FaceAnswer {
    fn from(face: &Face) -> Self {
        let Bounds { x, y, width, height } = face.bounds;
        let Face { score, presence, quality, .. } = *face;
        Self { x, y, width, height, score, presence, quality }
    }
}

#[derive(Serialize)]
struct Embedded<'a> {
    picture: String,
    face: FaceAnswer,
    /// sha256 of the embedding model.
    model: String,
    template: &'a [f32],
}

#[derive(Serialize)]
struct Compared {
    distance: f32,
    same: bool,
    threshold: f32,
}

fn embed(args: &Embed) -> Result<(), Failure> {
    let sealer = args.seal.sealer()?;
    let mut chain = chain(&args.chosen)?;
    if let Some(sealer) = &sealer {
        return enrol::seal_all(&mut chain, sealer, &args.pictures);
    }
    let mut first_failure = None;
    for path in &args.pictures {
        let name = path.display().to_string();
        match (embed_picture(&mut chain, path), args.json) {
            (Ok((template, face)), true) => {
                let model: String = template.model().iter().map(|b| format!("{b:02x}")).collect();
                let face = FaceAnswer::from(&face);
                say(&Embedded { picture: name, face, model, template: template.values() })?;
            }
            (Ok((template, face)), false) => print(&format!(
                "{name}: a face of {:.0} x {:.0} pixels, quality {:.2}, {} numbers\n",
                face.bounds.width,
                face.bounds.height,
                face.quality,
                template.values().len()
            ))?,
            (Err(e), json) => {
                if json {
                    say(&json!({"picture": name, "error": e.to_string()}))?;
                }
                if let Some(earlier) = first_failure.replace(Failure::from(e)) {
                    first_failure = Some(earlier);
                }
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

fn compare(args: &Compare) -> Result<(), Failure> {
    let mut chain = chain(&args.chosen)?;
    let both = embed_picture(&mut chain, &args.a)
        .and_then(|(a, _)| Ok((a, embed_picture(&mut chain, &args.b)?.0)));
    let (a, b) = match both {
        Ok(both) => both,
        Err(e) => {
            if args.json {
                say(&json!({"error": e.to_string()}))?;
            }
            return Err(e.into());
        }
    };
    let space = chain.space();
    let distance = space.distance(&a, &b).map_err(|e| Failure::Data(e.to_string()))?;
    let threshold = space.metric.threshold;
    let same = distance < threshold;
    if args.json {
        return say(&Compared { distance, same, threshold });
    }
    let verdict = if same { "the same person" } else { "different people" };
    let side = if same { "below" } else { "not below" };
    print(&format!("{verdict}: distance {distance:.3}, {side} the model's threshold {threshold}\n"))
}

/// Beside the place first, then moved there: whole or not at all.
fn write_whole(out: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = out.file_name().ok_or(std::io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = out.with_file_name(name);
    let written = std::fs::File::create_new(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, out));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// One JSON object, on a line of its own.
fn say(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(object)
        .map_err(|e| Failure::Data(format!("the answer can't be put as JSON: {e}")))?;
    print(&(text + "\n"))
}

/// Prints; a closed pipe is an error with an exit code, not a panic.
fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Unavailable(format!("standard output can't be written: {e}")))
}
