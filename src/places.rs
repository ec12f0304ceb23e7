//! Where the parts of an installation lie relative to the running program.

use std::path::PathBuf;

/// The folder of model manifests: the one named, else `$EITHERGATE_MODELS`, else
/// `../share/eithergate/models` beside the program's folder, `./models`, or a `models` folder above the
/// program (a build tree). `None` if there is none with a detector in it.
pub fn models_dir(named: Option<PathBuf>) -> Option<PathBuf> {
    if let Some(dir) = named.or_else(|| std::env::var_os("EITHERGATE_MODELS").map(PathBuf::from)) {
        return Some(dir);
    }
    let program = std::env::current_exe().unwrap_or_default();
    let above = || program.ancestors().skip(1);
    let installed = above().nth(1).map(|dir| dir.join("share/eithergate/models"));
    let mut places = installed
        .into_iter()
        .chain([PathBuf::from("models")])
        .chain(above().map(|dir| dir.join("models")));
    places.find(|dir| dir.join("detector.toml").is_file())
}

/// The face worker's program: beside this one.
pub fn face_program() -> PathBuf {
    let name = "eithergate-face";
    std::env::current_exe().unwrap_or_default().with_file_name(name)
}
