//! Who plays: pictures of at least two people, one of them twice.

use crate::cli::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who appears before the camera.
pub struct Pictures {
    /// Enrolled from these.
    pub enrolled: Vec<PathBuf>,
    /// Another picture of the same person.
    pub resident: PathBuf,
    pub stranger: PathBuf,
}

impl Pictures {
    /// From the named folder, or the one that `make setup` filled.
    pub fn find(named: Option<PathBuf>) -> Result<Self, Failure> {
        let given = named.is_some();
        let dir = match named {
            Some(dir) => dir,
            None => std::env::current_exe()
                .unwrap_or_default()
                .ancestors()
                .flat_map(|dir| [dir.join("pictures"), dir.join("target/pictures")])
                .find(|dir| dir.is_dir())
                .ok_or_else(|| {
                    Failure::NoInput(
                        "the demonstration's pictures are missing: run `make setup`, or name a \
                         folder with --pictures"
                            .into(),
                    )
                })?,
        };
        let people =
            people(&dir).map_err(|e| Failure::NoInput(format!("{}: {e}", dir.display())))?;
        // By default: obama.jpg is enrolled, obama2.jpg comes to the gate, biden.jpg is the stranger.
        let resident = people.iter().find(|(_, pictures)| pictures.len() >= 2);
        let stranger =
            resident.and_then(|(name, _)| people.iter().find(|(other, _)| *other != name));
        match (resident, stranger) {
            (Some((_, pictures)), Some((_, others))) if !pictures.is_empty() => {
                let mut enrolled = pictures.clone();
                // The picture that comes to the gate is none of those enrolled.
                let resident = enrolled.remove(1);
                let stranger = others.first().cloned().unwrap_or_default();
                Ok(Self { enrolled, resident, stranger })
            }
            _ => Err(Failure::Data(format!(
                "{}: needs at least two pictures of one person and one of another, named \
                 PERSON-1.jpg, PERSON-2.jpg, OTHER-1.jpg{}",
                dir.display(),
                if given { "" } else { "; run `make setup` again" }
            ))),
        }
    }
}

/// Pictures by person: what stands before the number at the end of a name.
fn people(dir: &Path) -> std::io::Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut people: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let is_picture = path.extension().is_some_and(|e| {
            ["jpg", "jpeg", "png"].iter().any(|known| e.eq_ignore_ascii_case(known))
        });
        let Some(name) = path.file_stem().and_then(|s| s.to_str()).filter(|_| is_picture) else {
            continue;
        };
        let person =
            name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_']);
        // The set-up's pictures of half a face are for tests, not for the play.
        if !person.is_empty() && !person.contains("partial") {
            people.entry(person.to_owned()).or_default().push(path);
        }
    }
    people.values_mut().for_each(|pictures| pictures.sort());
    Ok(people)
}
