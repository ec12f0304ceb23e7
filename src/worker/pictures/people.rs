//! Whose pictures there are: a folder a person, or a list.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// One person's pictures, sorted by name.
#[derive(Debug, PartialEq)]
pub(super) struct Person {
    pub pictures: Vec<PathBuf>,
    /// Relatives share one; none are anybody's.
    pub family: Option<String>,
}

/// Person to family, if any, and the names of the pictures.
type Listed = BTreeMap<String, (Option<String>, Vec<String>)>;

const MAX_LIST_BYTES: u64 = 64 << 20;
/// Every picture is held against every person.
const MAX_PICTURES: usize = 20_000;

/// From a folder with a folder for each person, or a CSV file with the columns picture,person and perhaps family,
/// whose pictures lie below the file's own folder (or `root`).
pub(super) fn read(place: &Path, root: Option<&Path>) -> Result<Vec<Person>, Failure> {
    let no_input = |e: std::io::Error| Failure::NoInput(format!("{}: {e}", place.display()));
    let is_folder = std::fs::metadata(place).map_err(no_input)?.is_dir();
    let people: Vec<Person> = if is_folder {
        folders(place).map_err(no_input)?
    } else {
        let below = root.or_else(|| place.parent()).unwrap_or(Path::new(""));
        let file = File::open(place).map_err(no_input)?;
        let named = list(file.take(MAX_LIST_BYTES))
            .map_err(|why| Failure::Data(format!("{}: {why}", place.display())))?;
        let person = |(family, names): (Option<String>, Vec<String>)| Person {
            pictures: names.iter().map(|n| below.join(n)).collect(),
            family,
        };
        named.into_values().map(person).collect()
    };
    let count: usize = people.iter().map(|p| p.pictures.len()).sum();
    if people.len() < 2 || count > MAX_PICTURES {
        return Err(Failure::Data(format!(
            "{}: {count} pictures of {} people; at least two people and at most {MAX_PICTURES} \
             pictures are wanted: a folder for each person, or a CSV file with the columns \
             picture,person",
            place.display(),
            people.len()
        )));
    }
    Ok(people)
}

pub(super) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    extension.is_some_and(|e| e == "jpg" || e == "jpeg" || e == "png")
}

/// The pictures in a folder, sorted by name.
pub(super) fn pictures_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if is_picture(&path) {
            pictures.push(path);
        }
    }
    pictures.sort();
    Ok(pictures)
}

fn folders(place: &Path) -> std::io::Result<Vec<Person>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    let mut people = Vec::new();
    for folder in folders {
        let pictures = pictures_in(&folder)?;
        if !pictures.is_empty() {
            people.push(Person { pictures, family: None });
        }
    }
    Ok(people)
}

/// Whether a name in a list stays below the list's root.
pub(super) fn is_below(name: &str) -> bool {
    let plain = |c| matches!(c, Component::Normal(_) | Component::CurDir);
    !name.is_empty() && Path::new(name).components().all(plain)
}

fn list(text: impl Read) -> Result<Listed, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let column = |name: &str| {
        let why =
            format!("the first line must name the columns picture and person; {name} is missing");
        header.iter().position(|h| h == name).ok_or(why)
    };
    let (picture, person) = (column("picture")?, column("person")?);
    let family = header.iter().position(|h| h == "family");
    let mut people = Listed::new();
    for (number, row) in reader.records().enumerate() {
        // The header is line 1.
        let line = number + 2;
        let row = row.map_err(|e| format!("line {line}: {e}"))?;
        let (Some(name), Some(person)) = (row.get(picture), row.get(person)) else {
            return Err(format!("line {line}: a picture and a person are needed"));
        };
        if !is_below(name) {
            return Err(format!("line {line}: {name:?} is no path below the list's folder"));
        }
        if person.is_empty() {
            return Err(format!("line {line}: whose picture is it?"));
        }
        let family = family.and_then(|at| row.get(at)).filter(|f| !f.is_empty()).map(String::from);
        let known = people.entry(person.to_owned()).or_insert_with(|| (family.clone(), Vec::new()));
        if known.0 != family {
            return Err(format!("line {line}: {person} has another family than before"));
        }
        known.1.push(name.to_owned());
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_people_and_stays_below_its_folder() {
        let people = list("picture, person,family\nb.jpg,x,F\na/c.png, y,\nd.jpg,x,F\n".as_bytes());
        let names = vec!["b.jpg".to_owned(), "d.jpg".to_owned()];
        let x = ("x".to_owned(), (Some("F".to_owned()), names));
        let y = ("y".to_owned(), (None, vec!["a/c.png".to_owned()]));
        assert_eq!(people, Ok(BTreeMap::from([x, y])));
        for (bad, why) in [
            ("picture\nx\n", "person is missing"),
            ("picture,person\n/etc/x,y\n", "line 2: \"/etc/x\" is no path"),
            ("picture,person\na.jpg,x\n../x,y\n", "line 3"),
            ("picture,person\na.jpg,\n", "line 2: whose"),
            ("picture,person\na.jpg\n", "line 2"),
            ("picture,person,family\na,x,F\nb,x,G\n", "line 3: x has another family"),
        ] {
            let error = list(bad.as_bytes()).err().unwrap_or_default();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_folder_a_person() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        for name in ["ann/2.JPG", "ann/1.png", "ann/notes.txt", "bob/x.jpeg", "empty/x.txt"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().ok_or("parent")?)?;
            std::fs::write(path, "")?;
        }
        std::fs::write(dir.path().join("stray.jpg"), "")?;
        let people = read(dir.path(), None).map_err(|e| format!("{e:?}"))?;
        let ann = ["ann/1.png", "ann/2.JPG"].map(|n| dir.path().join(n)).to_vec();
        let bob = vec![dir.path().join("bob/x.jpeg")];
        let person = |pictures| Person { pictures, family: None };
        assert_eq!(people, [person(ann), person(bob)]);
        let alone = read(&dir.path().join("ann"), None).map(|p| p.len());
        assert!(matches!(alone, Err(Failure::Data(_))));
        let gone = read(&dir.path().join("gone"), None).map(|p| p.len());
        assert!(matches!(gone, Err(Failure::NoInput(_))));
        Ok(())
    }
}
