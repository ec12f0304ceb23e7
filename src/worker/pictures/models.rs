//! Which models the picture commands use, and where those lie.

use crate::failure::Failure;
use crate::io::tflite::{LoadError, Pin, load, load_pinned};
use crate::places;
use crate::vision::Chain;
use crate::wire::template::ModelHash;
use std::path::{Path, PathBuf};

/// The models to use.
#[derive(clap::Args)]
pub struct Chosen {
    /// Folder with detector.toml, landmarks.toml and embedding.toml [default: $EITHERGATE_MODELS, else
    /// where they were installed or built]
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Another embedding model, by its manifest
    #[arg(long, value_name = "MANIFEST.toml")]
    pub embedding: Option<PathBuf>,
    /// Threads for each network
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub threads: u8,
}

/// Loads the three models.
pub fn chain(chosen: &Chosen) -> Result<Chain, Failure> {
    let dir = models_dir(chosen.models.as_deref())?;
    let model = |path: &Path| load(path, chosen.threads).map_err(failure);
    let embedding = match &chosen.embedding {
        Some(manifest) => model(manifest)?,
        None => model(&dir.join("embedding.toml"))?,
    };
    let (detector, landmarks) =
        (model(&dir.join("detector.toml"))?, model(&dir.join("landmarks.toml"))?);
    Chain::new(detector, landmarks, embedding).map_err(|e| Failure::Data(e.to_string()))
}

fn failure(e: LoadError) -> Failure {
    if e.missing { Failure::NoInput(e.to_string()) } else { Failure::Data(e.to_string()) }
}

/// Where the models lie; see [`places::models_dir`].
pub fn models_dir(given: Option<&Path>) -> Result<PathBuf, Failure> {
    places::models_dir(given.map(Path::to_path_buf)).ok_or_else(|| {
        Failure::NoInput(
            "the models were not found; name their folder with --models DIR or $EITHERGATE_MODELS"
                .into(),
        )
    })
}

/// Loads models and prints what they are called: for `eithergate check`.
pub fn name_models(manifests: &[PathBuf], pins: &[ModelHash]) -> Result<(), Failure> {
    let pin = Pin { manifest: pins.iter().map(|p| p.0).collect(), model: None };
    let mut names = Vec::new();
    for manifest in manifests {
        names.push(load_pinned(manifest, 1, &pin).map_err(failure)?.manifest().name.clone());
    }
    println!("{}", names.join(", "));
    Ok(())
}
