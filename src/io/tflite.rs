//! TensorFlow Lite, through tflitec, on XNNPACK. The only file that knows it.

use crate::vision::Model;
use std::path::{Path, PathBuf};

/// What was expected to lie on disk. `None` accepts whatever the manifest says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// sha256 of the manifest file.
    pub manifest: Option<[u8; 32]>,
    /// sha256 of the .tflite file.
    pub model: Option<[u8; 32]>,
}

/// Why a model can't be used. Names the file, and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct LoadError {
    pub path: PathBuf,
    pub why: String,
    /// The file is missing or unreadable, rather than wrong.
    pub missing: bool,
}

/// Loads a manifest and the .tflite file beside it.
pub fn load(manifest: &Path, threads: u8) -> Result<Model, LoadError> {
    load_pinned(manifest, threads, &Pin::default())
}

/// As [`load`], refusing what isn't exactly the pinned files.
pub fn load_pinned(manifest: &Path, threads: u8, pin: &Pin) -> Result<Model, LoadError> {
    let _ = (manifest, threads, pin);
    todo!()
}
