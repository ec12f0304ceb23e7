//! What the figures of recognition and liveness rest on, on the real models: small versions of what
//! `eithergate-face liveness`, `calibrate` and `evaluate` print. Needs the `face` feature.
#![cfg(feature = "face")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

type Outcome = Result<(), Box<dyn Error>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn face(arguments: &[&str]) -> Result<Output, std::io::Error> {
    Command::new(env!("CARGO_BIN_EXE_eithergate-face")).current_dir(root()).args(arguments).output()
}

fn json(output: &Output) -> Result<Vec<serde_json::Value>, Box<dyn Error>> {
    let text = String::from_utf8(output.stdout.clone())?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// No still gets through, heads that turn enough do; a film is known to.
#[test]
fn stills_of_every_class_are_refused_and_turning_heads_are_not() -> Outcome {
    let output =
        face(&["liveness", "target/pictures", "--attempts", "6", "--seed", "11", "--json"])?;
    let classes = json(&output)?;
    assert_eq!(classes.len(), 13, "{}", String::from_utf8_lossy(&output.stderr));
    for class in &classes {
        let name = class["class"].as_str().ok_or("class")?;
        if name.starts_with("still") {
            assert_eq!(class["accepted"], 0, "{class}");
        }
        if name == "head, turns 12 degrees" {
            assert!(class["refused"].as_u64() <= Some(1), "{class}");
        }
        assert_eq!(class["tried"], 6, "{class}");
    }
    Ok(())
}

#[test]
fn fused_sides_are_evaluated_as_one() -> Outcome {
    let dir = tempfile::tempdir()?;
    let pairs = dir.path().join("pairs.csv");
    std::fs::write(
        &pairs,
        "a,b,same\nobama.jpg,obama2.jpg;obama3.jpg,1\nbiden.jpg,obama.jpg;obama2.jpg;obama3.jpg,0\n",
    )?;
    let pairs = pairs.display().to_string();
    let output = face(&["evaluate", &pairs, "--root", "target/pictures", "--json", "--spread"])?;
    let answer = json(&output)?.pop().ok_or("no answer")?;
    assert_eq!((&answer["pairs"], &answer["same_pairs"]), (&2.into(), &1.into()));
    let figure = |name: &str| answer[name].as_f64().ok_or(format!("{name}: {answer}"));
    assert!(figure("farthest_same")? < 0.45 && figure("nearest_different")? > 0.6, "{answer}");
    Ok(())
}

#[test]
fn two_people_are_too_few_to_derive_anything_from() -> Outcome {
    let dir = tempfile::tempdir()?;
    let list = dir.path().join("people.csv");
    std::fs::write(&list, "picture,person\nbiden.jpg,b\nobama.jpg,o\nobama2.jpg,o\n")?;
    let list = list.display().to_string();
    let output = face(&["calibrate", &list, "--root", "target/pictures"])?;
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8(output.stderr)?.contains("too few comparisons"));
    Ok(())
}

/// The pictures of ten people, as far as they are there.
fn ten_people(into: &Path) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let Some(data) = std::env::var_os("EITHERGATE_TEST_DATA") else { return Ok(None) };
    // In the order of their names: it seeds what is rendered of each.
    let mut rows = std::collections::BTreeSet::new();
    for folder in [root().join("target/pictures"), PathBuf::from(data).join("faces")] {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let person = stem.trim_end_matches(|c: char| c.is_ascii_digit());
            let person = person.trim_end_matches("_partial_face").to_owned();
            if name.ends_with(".jpg") {
                std::fs::copy(&path, into.join(&name))?;
                let family = person.split_once('-').map_or("", |(family, _)| family);
                rows.insert(format!("{name},{person},{family}\n"));
            }
        }
    }
    let rows: String = rows.into_iter().collect();
    std::fs::write(into.join("people.csv"), format!("picture,person,family\n{rows}"))?;
    Ok(Some(into.join("people.csv")))
}

#[test]
fn evidence_is_derived_written_and_holds_on_people_left_out() -> Outcome {
    let dir = tempfile::tempdir()?;
    let Some(list) = ten_people(dir.path())? else {
        eprintln!("left out: EITHERGATE_TEST_DATA names no folder with faces/");
        return Ok(());
    };
    let manifest = dir.path().join("embedding.toml");
    for name in ["embedding.toml", "embedding.tflite"] {
        std::fs::copy(root().join("models").join(name), dir.path().join(name))?;
    }
    let (list, named) = (list.display().to_string(), manifest.display().to_string());
    let output = face(&["calibrate", &list, "--embedding", &named, "--write", "--json"])?;
    let answer = json(&output)?.pop().ok_or("no answer")?;
    assert_eq!(answer["people"], 10, "{answer}");
    assert!(answer["supported"].as_u64() >= Some(100), "{answer}");
    assert!(answer["relatives"].as_u64() > Some(30), "{answer}");
    let galleries = answer["galleries"].as_array().ok_or("galleries")?;
    assert_eq!(galleries.len(), 3, "{answer}");
    // Of 19 residents, at thresholds derived without them. Larger galleries want a threshold that nine people
    // can't show to be right with 95 % confidence otherwise than by a narrow one.
    for (gallery, most) in galleries.iter().zip([1, 4, 8]) {
        assert_eq!(gallery["strangers"]["accepted"], 0, "{gallery}");
        assert!(gallery["residents"]["refused"].as_u64() <= Some(most), "{gallery}");
    }
    // What was written is read again, and is what the shipped manifest carries.
    let evidence = |text: &str| -> Result<String, Box<dyn Error>> {
        let value: toml::Value = toml::from_str(text)?;
        Ok(value["evidence"].to_string())
    };
    let shipped = std::fs::read_to_string(root().join("models/embedding.toml"))?;
    assert_eq!(evidence(&std::fs::read_to_string(&manifest)?)?, evidence(&shipped)?);
    Ok(())
}
