//! What is looked for, and where.

use eithergate::cli::demo::pictures::Pictures;
use eithergate::io::tflite;
use eithergate::vision::{Chain, Manifest, Model, Network, NetworkError, Picture};
use eithergate::wire::template::pack;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a trace could be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A row of a frame as the camera program sent it.
    Frame,
    /// A row of it as RGB.
    Colour,
    /// What the embedding was fed, as numbers.
    Crop,
    /// The same as bytes of a picture.
    CropBytes,
    Template,
    TemplateText,
    TemplateHex,
    TemplateBase64,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Frame,
        Self::Colour,
        Self::Crop,
        Self::CropBytes,
        Self::Template,
        Self::TemplateText,
        Self::TemplateHex,
        Self::TemplateBase64,
    ];
}

/// Bytes that must not be anywhere, by their first eight.
pub struct Needles {
    by_start: HashMap<[u8; 8], Vec<(Kind, Vec<u8>)>>,
}

/// Takes the place of the embedding and keeps what it was fed.
struct Recorder {
    input: Vec<f32>,
    fed: Arc<Mutex<Vec<f32>>>,
    answer: Vec<f32>,
}

impl Network for Recorder {
    fn input(&mut self) -> &mut [f32] {
        &mut self.input
    }

    fn run(&mut self) -> std::result::Result<(), NetworkError> {
        self.fed.lock().unwrap_or_else(|e| e.into_inner()).clone_from(&self.input);
        Ok(())
    }

    fn output(&self, _: usize) -> &[f32] {
        &self.answer
    }
}

impl Needles {
    /// Of everybody's pictures: as enrolled, and as they come to the gate.
    pub fn of(pictures: &Pictures, width: u32, height: u32) -> Result<Self> {
        let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
        let model = |name: &str| tflite::load(&models.join(name), 1);
        let mut chain = Chain::new(
            model("detector.toml")?,
            model("landmarks.toml")?,
            model("embedding.toml")?,
        )?;
        let text = std::fs::read_to_string(models.join("embedding.toml"))?;
        let manifest = Manifest::from_toml(&text)?;
        let input = manifest.input.clone();
        let dimension = manifest.space().ok_or("no embedding")?.dimension;
        let fed = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder {
            input: vec![0.0; input.len()],
            fed: fed.clone(),
            answer: vec![1.0; dimension],
        };
        let recorder = Model::new(manifest, Box::new(recorder))?;
        let mut feeding = Chain::new(model("detector.toml")?, model("landmarks.toml")?, recorder)?;

        let mut needles = Self { by_start: HashMap::new() };
        for path in pictures.enrolled.iter().chain([&pictures.resident]) {
            // A frame as the gate's camera program makes it; and the picture itself, as enrolment sees it.
            let frame = frame_of(path, width, height)?;
            let picture = Picture::from_i420(width, height, &frame)?;
            needles.rows(Kind::Frame, &frame[..(width * height) as usize], 64);
            needles.rows(Kind::Colour, picture.rgb(), 64);
            let whole = image::open(path)?.into_rgb8();
            let whole = Picture::from_rgb(whole.width(), whole.height(), whole.into_raw())?;
            needles.rows(Kind::Colour, whole.rgb(), 64);
            for picture in [&picture, &whole] {
                let faces = chain.faces_closely(picture)?;
                let face = faces.first().ok_or("no face")?;
                feeding.template(picture, face)?;
                let crop = fed.lock().unwrap_or_else(|e| e.into_inner()).clone();
                needles.rows(Kind::Crop, &floats(&crop), 64);
                let bytes: Vec<u8> = crop
                    .chunks_exact(3)
                    .flat_map(|p| [0, 1, 2].map(|c| p[c] * input.scale[c] + input.mean[c]))
                    .map(|v| v.round().clamp(0.0, 255.0) as u8)
                    .collect();
                needles.rows(Kind::CropBytes, &bytes, 32);
                needles.template(chain.template(picture, face)?.values());
            }
        }
        Ok(needles)
    }

    fn template(&mut self, values: &[f32]) {
        use base64::Engine;
        let engine = base64::engine::general_purpose::STANDARD;
        // As the model gives it, and as it is sealed.
        for bytes in [&floats(values), &*pack(values)] {
            for piece in bytes.chunks_exact(12) {
                self.add(Kind::Template, piece.to_vec());
                let hex: String = piece.iter().map(|b| format!("{b:02x}")).collect();
                self.add(Kind::TemplateHex, hex.into_bytes());
            }
            for shift in 0..3 {
                for piece in bytes[shift..].chunks_exact(12) {
                    self.add(Kind::TemplateBase64, engine.encode(piece).into_bytes());
                }
            }
        }
        for value in values {
            let text = value.to_string();
            if text.len() >= 9 {
                self.add(Kind::TemplateText, text.into_bytes());
            }
        }
    }

    /// Stretches with something to see in them, at least every 256 bytes.
    fn rows(&mut self, kind: Kind, bytes: &[u8], len: usize) {
        for piece in bytes.chunks(256).filter_map(|chunk| chunk.get(..len)) {
            if piece.iter().collect::<BTreeSet<_>>().len() >= 12 {
                self.add(kind, piece.to_vec());
            }
        }
    }

    fn add(&mut self, kind: Kind, needle: Vec<u8>) {
        if let Some(start) = needle.first_chunk() {
            self.by_start.entry(*start).or_default().push((kind, needle));
        }
    }

    fn all(&self) -> impl Iterator<Item = &(Kind, Vec<u8>)> {
        self.by_start.values().flatten()
    }

    /// One of a kind in the middle of something else.
    pub fn planted(&self, kind: Kind) -> Vec<u8> {
        let needle = self.all().find(|(k, _)| *k == kind).map(|(_, n)| n.as_slice());
        [&[b'x'; 1_001][..], needle.unwrap_or_default(), &[b'y'; 333][..]].concat()
    }

    fn find(&self, bytes: &[u8]) -> BTreeSet<Kind> {
        let mut found = BTreeSet::new();
        for (at, start) in bytes.windows(8).enumerate() {
            let Some(start) = start.first_chunk() else { continue };
            for (kind, needle) in self.by_start.get(start).into_iter().flatten() {
                if bytes[at..].starts_with(needle) {
                    found.insert(*kind);
                }
            }
        }
        found
    }
}

impl fmt::Display for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in Kind::ALL {
            write!(f, "{kind:?} {}, ", self.all().filter(|(k, _)| *k == kind).count())?;
        }
        f.write_str("sought")
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The first frame that the camera program makes of a picture.
fn frame_of(path: &Path, width: u32, height: u32) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let name = path.file_name().ok_or("no name")?;
    std::fs::copy(path, dir.path().join(name))?;
    let output = Command::new(env!("CARGO_BIN_EXE_eithergate-face"))
        .arg("frames")
        .arg(dir.path())
        .args(["--hold-ms", "10", "--fps", "100"])
        .args(["--width", &width.to_string(), "--height", &height.to_string()])
        .output()?;
    let len = Picture::i420_len(width, height);
    Ok(output.stdout.get(..len).ok_or("the camera program gave no frame")?.to_vec())
}

/// Everything in the folders, and whatever else was written since in places open to all.
pub fn files(folders: &[PathBuf], since: SystemTime, without: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = BTreeSet::new();
    for folder in folders {
        gather(folder, None, &mut files, 12);
    }
    for open in [std::env::temp_dir(), "/dev/shm".into(), "/var/tmp".into()] {
        gather(&open, Some(since), &mut files, 0);
    }
    // The pictures themselves are the stage's.
    let is_picture = |f: &Path| f.extension().is_some_and(|e| e == "jpg" || e == "png");
    files.retain(|f| !without.iter().any(|w| f.starts_with(w)) && !is_picture(f));
    files.into_iter().collect()
}

fn gather(folder: &Path, since: Option<SystemTime>, files: &mut BTreeSet<PathBuf>, deep: u8) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        let fresh = since.is_none_or(|since| meta.modified().is_ok_and(|at| at >= since));
        if meta.is_file() && fresh {
            files.insert(entry.path());
        } else if meta.is_dir() && deep > 0 {
            gather(&entry.path(), since, files, deep - 1);
        }
    }
}

pub fn search(files: &[PathBuf], needles: &Needles) -> Vec<(PathBuf, BTreeSet<Kind>)> {
    let found = files.iter().filter_map(|path| {
        let bytes = std::fs::read(path).ok()?;
        let found = needles.find(&bytes);
        (!found.is_empty()).then(|| (path.clone(), found))
    });
    found.collect()
}

pub fn is_there(found: &[(PathBuf, BTreeSet<Kind>)], path: &Path, kind: Kind) -> bool {
    found.iter().any(|(p, kinds)| p == path && kinds.contains(&kind))
}

/// Regular files that a process has open, outside of devices.
pub fn files_of(pid: u64) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for fd in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let to = std::fs::read_link(fd?.path())?;
        if to.is_absolute() && !to.starts_with("/dev") {
            files.push(to);
        }
    }
    Ok(files)
}
