//! The shipped models through TensorFlow Lite: equal to dlib, right about real pictures, refused by name
//! when they are not what their manifests say. Needs the `face` feature.
#![cfg(feature = "face")]

use eithergate::io::tflite::{LoadError, Pin, load, load_pinned};
use eithergate::vision::{Bounds, Chain, Face, Kind, Picture, Template};
use eithergate::worker::pictures::{embed_picture, read_picture};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

type Outcome = Result<(), Box<dyn Error>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chain(embedding: &str, threads: u8) -> Result<Chain, Box<dyn Error>> {
    let model = |name: &str| load(&root().join(name), threads);
    let (detector, landmarks) = (model("models/detector.toml")?, model("models/landmarks.toml")?);
    Ok(Chain::new(detector, landmarks, model(embedding)?)?)
}

/// A face whose landmarks are exactly where the embedding wants them, so that alignment moves nothing.
fn already_aligned(chain: &Chain) -> Result<Face, Box<dyn Error>> {
    let Kind::Embedding(embedding) = &chain.manifests()[2].kind else { return Err("kind".into()) };
    let mut mesh = vec![[0.0; 2]; 468];
    let alignment = &embedding.alignment;
    for (index, [x, y]) in alignment.landmarks.iter().zip(&alignment.points) {
        mesh[*index] = [x + 0.5, y + 0.5];
    }
    let bounds = Bounds { x: 0.0, y: 0.0, width: 150.0, height: 150.0 };
    let (eyes, depths) = ([[0.0; 2]; 2], vec![0.0; 468]);
    Ok(Face {
        bounds,
        score: 1.0,
        presence: 1.0,
        quality: 1.0,
        eyes,
        mesh,
        depths,
        patch: Vec::new(),
    })
}

/// The largest difference from dlib's own descriptors in any number, over dlib's own face chips.
fn difference_from_dlib(embedding: &str) -> Result<f32, Box<dyn Error>> {
    let fixture = root().join("tests/fixtures/dlib");
    let text = std::fs::read_to_string(fixture.join("descriptors.json"))?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    assert!(rows.len() >= 5);
    let mut chain = chain(embedding, 1)?;
    let face = already_aligned(&chain)?;
    let mut largest = 0.0f32;
    for row in rows {
        let chip = read_picture(&fixture.join(row["chip"].as_str().ok_or("chip")?))?;
        let template = chain.template(&chip, &face)?;
        let dlibs: Vec<f32> = serde_json::from_value(row["descriptor"].clone())?;
        assert_eq!(template.values().len(), dlibs.len());
        for (ours, dlibs) in template.values().iter().zip(dlibs) {
            largest = largest.max((ours - dlibs).abs());
        }
    }
    Ok(largest)
}

#[test]
fn the_unrounded_embedding_gives_dlibs_own_numbers() -> Outcome {
    let largest = difference_from_dlib("tests/fixtures/dlib/embedding-fp32.toml")?;
    assert!(largest < 1e-4, "{largest}");
    Ok(())
}

#[test]
fn the_shipped_embedding_stays_near_them() -> Outcome {
    let largest = difference_from_dlib("models/embedding.toml")?;
    assert!(largest < 0.02, "{largest}");
    Ok(())
}

/// Name without what numbers the picture: the person.
fn person(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    stem.trim_end_matches("_partial_face").to_owned()
}

fn pictures(dir: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut all: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    all.retain(|e| e.path().extension().is_some_and(|e| e == "jpg"));
    let mut all: Vec<_> = all.into_iter().map(|e| e.path()).collect();
    all.sort();
    Ok(all)
}

/// Every picture has a face, and at the shipped threshold no pair is judged wrongly.
fn judges_rightly(dir: &Path, at_least: usize) -> Outcome {
    let mut chain = chain("models/embedding.toml", 1)?;
    let mut all: Vec<(PathBuf, Template)> = Vec::new();
    for path in pictures(dir)? {
        let (template, _) = embed_picture(&mut chain, &path)?;
        all.push((path, template));
    }
    assert!(all.len() >= at_least, "{} pictures in {}", all.len(), dir.display());
    let space = *chain.space();
    for (i, (path_a, a)) in all.iter().enumerate() {
        for (path_b, b) in &all[i + 1..] {
            let distance = space.distance(a, b)?;
            let same = person(path_a) == person(path_b);
            assert_eq!(
                distance < space.metric.threshold,
                same,
                "{} {}: {distance}",
                path_a.display(),
                path_b.display()
            );
        }
    }
    Ok(())
}

#[test]
fn public_figures_are_told_apart() -> Outcome {
    let dir = root().join("target/pictures");
    if !dir.join("obama.jpg").is_file() {
        eprintln!("left out: {} is not there; `make setup` brings it", dir.display());
        return Ok(());
    }
    judges_rightly(&dir, 6)
}

#[test]
fn relatives_are_told_apart() -> Outcome {
    let Some(data) = std::env::var_os("EITHERGATE_TEST_DATA") else {
        eprintln!("left out: EITHERGATE_TEST_DATA is not set");
        return Ok(());
    };
    judges_rightly(&Path::new(&data).join("faces"), 16)
}

/// What a camera sends (YUV420, half the colour) and two threads make no difference that matters.
#[test]
fn a_camera_frame_gives_the_same_template() -> Outcome {
    let path = root().join("target/pictures/obama.jpg");
    if !path.is_file() {
        eprintln!("left out: {} is not there; `make setup` brings it", path.display());
        return Ok(());
    }
    let (mut one, mut two) =
        (chain("models/embedding.toml", 1)?, chain("models/embedding.toml", 2)?);
    let (still, _) = embed_picture(&mut one, &path)?;
    let picture = read_picture(&path)?;
    let frame = Picture::from_i420(picture.width(), picture.height(), &picture.to_i420())?;
    let faces = two.faces(&frame)?;
    let [face] = &faces[..] else { return Err(format!("{} faces", faces.len()).into()) };
    assert!(face.quality > 0.5 && face.presence > 0.9);
    let streamed = two.template(&frame, face)?;
    let distance = one.space().distance(&still, &streamed)?;
    assert!(distance < 0.1, "{distance}");
    Ok(())
}

/// A face of a sixteenth of the picture's width: the detector sees it on a tile only.
#[test]
fn a_small_face_in_a_large_still_is_found_closely() -> Outcome {
    let chip = image::open(root().join("tests/fixtures/dlib/obama-1.png"))?.into_rgb8();
    let mut street = image::RgbImage::from_pixel(2400, 1800, image::Rgb([120, 130, 140]));
    image::imageops::overlay(&mut street, &chip, 1500, 900);
    let street = Picture::from_rgb(2400, 1800, street.into_raw())?;
    let mut chain = chain("models/embedding.toml", 1)?;
    assert!(chain.faces(&street)?.is_empty());
    let faces = chain.faces_closely(&street)?;
    let [face] = &faces[..] else { return Err(format!("{} faces", faces.len()).into()) };
    let (x, y) = face.bounds.centre();
    assert!((x - 1575.0).abs() < 20.0 && (y - 975.0).abs() < 30.0, "{face:?}");

    let large = Picture::from_rgb(chip.width(), chip.height(), chip.into_raw())?;
    let faces = chain.faces(&large)?;
    let alone = chain.template(&large, faces.first().ok_or("no face")?)?;
    let there = chain.template(&street, face)?;
    let distance = chain.space().distance(&alone, &there)?;
    assert!(distance < 0.2, "{distance}");
    Ok(())
}

/// A face of 72 pixels in a 640x480 frame: whole, the frame loses it; its squares don't.
#[test]
fn a_face_in_a_wide_frame_is_found() -> Outcome {
    let chip = image::open(root().join("tests/fixtures/dlib/obama-1.png"))?.into_rgb8();
    let chip = image::imageops::thumbnail(&chip, 80, 80);
    let mut frame = image::RgbImage::from_pixel(640, 480, image::Rgb([120, 130, 140]));
    image::imageops::overlay(&mut frame, &chip, 420, 200);
    let frame = Picture::from_rgb(640, 480, frame.into_raw())?;
    let mut chain = chain("models/embedding.toml", 1)?;
    assert!(chain.faces(&frame)?.is_empty(), "the detector got better: make the face smaller");
    let faces = chain.faces_in_frame(&frame)?;
    let [face] = &faces[..] else { return Err(format!("{} faces", faces.len()).into()) };
    let (x, y) = face.bounds.centre();
    assert!((x - 460.0).abs() < 15.0 && (y - 240.0).abs() < 20.0, "{face:?}");
    Ok(())
}

/// Enrolment seals one person's pictures or none.
#[test]
fn two_people_are_not_sealed_as_one() -> Outcome {
    let dir = tempfile::tempdir()?;
    let key = dir.path().join("template.key");
    std::fs::write(&key, "ab".repeat(32))?;
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let fixture = root().join("tests/fixtures/dlib");
    let picture = |name: &str| fixture.join(name).display().to_string();
    let subject = "00112233445566778899aabbccddeeff";
    for (second, code, lines) in [("obama-2.png", 0, 2), ("biden-1.png", 65, 0)] {
        let (a, b, key) = (picture("obama-1.png"), picture(second), key.display().to_string());
        let output = face(&["embed", "--seal", &key, "--subject", subject, &a, &b])?;
        assert_eq!(output.status.code(), Some(code), "{second}");
        assert_eq!(String::from_utf8(output.stdout)?.lines().count(), lines, "{second}");
    }
    Ok(())
}

/// A copy of the detector and its manifest to spoil.
fn copy() -> Result<(tempfile::TempDir, PathBuf), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    for name in ["detector.toml", "detector.tflite"] {
        std::fs::copy(root().join("models").join(name), dir.path().join(name))?;
    }
    let manifest = dir.path().join("detector.toml");
    Ok((dir, manifest))
}

fn refusal(manifest: &Path) -> Result<LoadError, Box<dyn Error>> {
    load(manifest, 1).err().ok_or_else(|| "it was loaded".into())
}

#[test]
fn a_model_that_disagrees_with_its_manifest_is_refused_by_name() -> Outcome {
    let text = std::fs::read_to_string(root().join("models/detector.toml"))?;
    for (from, to, named) in [
        ("name = \"input\"", "name = \"picture\"", "its input is named \"input\""),
        ("width = 128\nheight = 128", "width = 256\nheight = 128", "has shape [1, 128, 128, 3]"),
        ("name = \"classificators\"", "name = \"scores\"", "no output named \"scores\""),
        ("shape = [1, 896, 16]", "shape = [896, 16]", "\"regressors\" has shape [1, 896, 16]"),
        ("grids = [[16, 2], [8, 6]]", "grids = [[8, 6]]", "384 anchors"),
        ("schema = 1", "schema = 1\nsizes = 2", "sizes"),
    ] {
        let (_dir, manifest) = copy()?;
        assert!(text.contains(from), "{from}");
        std::fs::write(&manifest, text.replacen(from, to, 1))?;
        let error = refusal(&manifest)?.to_string();
        assert!(error.contains(named) && error.contains("detector.t"), "{from}: {error}");
    }
    Ok(())
}

#[test]
fn an_altered_or_missing_file_is_refused_by_name() -> Outcome {
    let (dir, manifest) = copy()?;
    let model = dir.path().join("detector.tflite");
    let mut bytes = std::fs::read(&model)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&model, &bytes)?;
    let error = refusal(&manifest)?;
    assert_eq!((&error.path, error.missing), (&model, false));
    assert!(error.why.contains("sha256 is"), "{error}");

    // A file that is no model, with a manifest that says so of it.
    let nonsense = b"TFL3 it is not, whatever it says".repeat(100);
    std::fs::write(&model, &nonsense)?;
    let sum: String = {
        use sha2::Digest;
        sha2::Sha256::digest(&nonsense).iter().map(|b| format!("{b:02x}")).collect()
    };
    let text = std::fs::read_to_string(&manifest)?;
    let start = text.find("sha256 = \"").ok_or("no sha256")? + 10;
    std::fs::write(&manifest, text.replace(&text[start..start + 64], &sum))?;
    let error = refusal(&manifest)?;
    assert!(error.path == model && error.why.contains("not usable"), "{error}");

    std::fs::remove_file(&model)?;
    let error = refusal(&manifest)?;
    assert!(error.missing && error.path == model, "{error}");
    let error = refusal(&dir.path().join("none.toml"))?;
    assert!(error.missing && error.to_string().contains("none.toml"), "{error}");
    // Nobody writes into this one: it would be waited for.
    let pipe = dir.path().join("pipe.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    let error = refusal(&pipe)?;
    assert!(error.why == "is no file" && error.path == pipe, "{error}");
    Ok(())
}

#[test]
fn a_pin_accepts_exactly_its_files() -> Outcome {
    use sha2::Digest;
    let manifest = root().join("models/detector.toml");
    let own = |path: &Path| -> Result<[u8; 32], std::io::Error> {
        Ok(sha2::Sha256::digest(std::fs::read(path)?).into())
    };
    let pin = Pin {
        manifest: vec![[9; 32], own(&manifest)?],
        model: Some(own(&root().join("models/detector.tflite"))?),
    };
    load_pinned(&manifest, 1, &pin)?;
    for (other, named) in [
        (Pin { manifest: vec![[0; 32], [1; 32]], ..pin.clone() }, "detector.toml"),
        (Pin { model: Some([0; 32]), ..pin.clone() }, "detector.tflite"),
    ] {
        let error = load_pinned(&manifest, 1, &other).err().ok_or("it was loaded")?.to_string();
        assert!(error.contains(named) && error.contains("sha256"), "{error}");
    }
    Ok(())
}

fn face(arguments: &[&str]) -> Result<Output, std::io::Error> {
    // Through the command line that people use, which hands over.
    let program = env!("CARGO_BIN_EXE_eithergate");
    let models = root().join("models");
    Command::new(program).arg("face").args(arguments).env("EITHERGATE_MODELS", models).output()
}

fn json(output: &Output) -> Result<serde_json::Value, Box<dyn Error>> {
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).map_err(|e| format!("{e}: {error}").into())
}

#[test]
fn the_commands_answer_in_json_and_exit_codes() -> Outcome {
    let fixture = root().join("tests/fixtures/dlib");
    let path = |name: &str| fixture.join(name).display().to_string();
    let (a, b) = (path("obama-1.png"), path("biden-1.png"));

    let out = face(&["compare", &a, &a, "--json"])?;
    let answer = json(&out)?;
    assert_eq!(
        (out.status.code(), &answer["distance"], &answer["same"]),
        (Some(0), &0.0.into(), &true.into())
    );
    let answer = json(&face(&["compare", &a, &b, "--json"])?)?;
    assert_eq!(answer["same"], false);
    assert!(answer["distance"].as_f64() > answer["threshold"].as_f64());

    let dir = tempfile::tempdir()?;
    let grey = dir.path().join("grey.png").display().to_string();
    image::RgbImage::from_pixel(300, 300, image::Rgb([90; 3])).save(&grey)?;
    let out = face(&["compare", &a, &grey, "--json"])?;
    assert_eq!(out.status.code(), Some(65));
    assert!(json(&out)?["error"].as_str().is_some_and(|e| e.contains("grey.png")));

    let text = dir.path().join("text.jpg").display().to_string();
    std::fs::write(&text, "no picture")?;
    for (arguments, code, named) in [
        (vec!["embed", text.as_str()], 65, "text.jpg"),
        (vec!["embed", "nowhere.jpg"], 66, "nowhere.jpg"),
        (vec!["embed", grey.as_str()], 65, "grey.png"),
        (vec!["embed", a.as_str(), "--models", "/nonexistent"], 66, "/nonexistent"),
        (vec!["recognise", a.as_str()], 64, "recognise"),
        (vec!["embed"], 64, "PICTURES"),
    ] {
        let out = face(&arguments)?;
        let error = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(named), "{arguments:?}: {error}");
    }
    Ok(())
}

#[test]
fn detect_draws_and_evaluate_counts() -> Outcome {
    let dir = tempfile::tempdir()?;
    let fixture = root().join("tests/fixtures/dlib");
    let seen = dir.path().join("seen.png");
    let chip = fixture.join("obama-1.png").display().to_string();
    let answer = json(&face(&["detect", &chip, "--json", "--out", &seen.display().to_string()])?)?;
    assert_eq!(answer["faces"].as_array().map(Vec::len), Some(1));
    let (before, after) = (image::open(&chip)?.into_rgb8(), image::open(&seen)?.into_rgb8());
    assert_eq!(before.dimensions(), after.dimensions());
    assert!(before.pixels().zip(after.pixels()).filter(|(a, b)| a != b).count() > 300);

    for name in ["obama-1.png", "obama-2.png", "biden-1.png"] {
        std::fs::copy(fixture.join(name), dir.path().join(name))?;
    }
    image::RgbImage::new(64, 64).save(dir.path().join("black.png"))?;
    let pairs = dir.path().join("pairs.csv");
    std::fs::write(
        &pairs,
        "a,b,same\nobama-1.png,obama-2.png,1\nobama-1.png,biden-1.png,0\nbiden-1.png,black.png,0\n",
    )?;
    let place = dir.path().display().to_string();
    let answer =
        json(&face(&["evaluate", &pairs.display().to_string(), "--root", &place, "--json"])?)?;
    assert_eq!((&answer["pairs"], &answer["undetected"]), (&3.into(), &1.into()));
    for rate in ["eer", "fnmr_at_fmr_1e-2", "fnmr_at_fmr_1e-3"] {
        assert_eq!(answer[rate], 0.0, "{answer}");
    }
    assert!(answer["threshold_at_fmr_1e-3"].as_f64().is_some_and(|t| t > 0.6), "{answer}");
    Ok(())
}
