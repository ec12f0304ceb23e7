use super::*;

const EMBEDDING: &str = r#"
schema = 1
kind = "embedding"
name = "some-net"
about = "For tests."
file = "some.tflite"
sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
licence = "CC0-1.0"
licence_file = "LICENSE"
origin = "nowhere"

[input]
name = "data"
width = 96
height = 112
layout = "nhwc"
channels = "bgr"
mean = [127.5, 127.5, 127.5]
scale = [128.0, 128.0, 128.0]

[[output]]
name = "fc1"
shape = [1, 64]
meaning = "template"

[alignment]
landmarks = [33, 263, 2]
points = [[30.0, 50.0], [66.0, 50.0], [48.0, 70.0]]

[metric]
kind = "cosine"
threshold = 0.4
rests_on = "nothing"
"#;

const DETECTOR: &str = include_str!("../../../models/detector.toml");
const LANDMARKS: &str = include_str!("../../../models/landmarks.toml");

fn refusal(text: &str) -> String {
    Manifest::from_toml(text).err().map_or("nothing was refused".into(), |e| e.to_string())
}

#[test]
fn another_embedding_is_read_whole() -> Result<(), BadManifest> {
    let manifest = Manifest::from_toml(EMBEDDING)?;
    let space = manifest.space().ok_or(BadManifest("no space".into()))?;
    assert_eq!(space.dimension, 64);
    assert_eq!(space.metric, Metric { kind: MetricKind::Cosine, threshold: 0.4 });
    assert_eq!(space.model[..3], [0x00, 0x11, 0x22]);
    assert_eq!(manifest.input.shape(), [1, 112, 96, 3]);
    Ok(())
}

#[test]
fn the_shipped_manifests_are_read() -> Result<(), BadManifest> {
    assert!(matches!(Manifest::from_toml(DETECTOR)?.kind, Kind::Detector(_)));
    let landmarks = Manifest::from_toml(LANDMARKS)?;
    assert!(matches!(landmarks.kind, Kind::Landmarks(Landmarks { points: 468, .. })));
    assert_eq!(landmarks.space(), None);
    let embedding = Manifest::from_toml(include_str!("../../../models/embedding.toml"))?;
    assert_eq!(embedding.space().map(|s| s.dimension), Some(128));
    Ok(())
}

/// Every mistake is refused, and the refusal names what is wrong.
#[test]
fn mistakes_are_refused_by_name() {
    for (whole, from, to, named) in [
        (EMBEDDING, "schema = 1", "schema = 2", "schema 2"),
        (EMBEDDING, "origin = \"nowhere\"", "origin = \"nowhere\"\nsize = 3", "size"),
        (EMBEDDING, "rests_on = \"nothing\"", "rests_on = \"nothing\"\nmargin = 1", "margin"),
        (EMBEDDING, "licence = \"CC0-1.0\"", "", "licence"),
        (EMBEDDING, "file = \"some.tflite\"", "file = \"../some.tflite\"", "file"),
        (EMBEDDING, "sha256 = \"00", "sha256 = \"zz", "sha256"),
        (EMBEDDING, "sha256 = \"00", "sha256 = \"", "sha256"),
        (EMBEDDING, "width = 96", "width = 100000", "width"),
        (EMBEDDING, "height = 112", "height = -1", "height"),
        (EMBEDDING, "layout = \"nhwc\"", "layout = \"nchw\"", "nchw"),
        (EMBEDDING, "channels = \"bgr\"", "channels = \"grey\"", "grey"),
        (EMBEDDING, "scale = [128.0, 128.0, 128.0]", "scale = [128.0, 0.0, 128.0]", "scale"),
        (EMBEDDING, "mean = [127.5, 127.5, 127.5]", "mean = [nan, 1.0, 1.0]", "mean"),
        (EMBEDDING, "shape = [1, 64]", "shape = [1, 0]", "fc1"),
        (EMBEDDING, "shape = [1, 64]", "shape = [4294967296, 4294967296]", "fc1"),
        (EMBEDDING, "shape = [1, 64]", "shape = [1, 1025]", "1024"),
        (EMBEDDING, "meaning = \"template\"", "meaning = \"scores\"", "Template"),
        (EMBEDDING, "landmarks = [33, 263, 2]", "landmarks = [33, 263]", "alignment"),
        (EMBEDDING, "[30.0, 50.0]", "[inf, 50.0]", "points"),
        (EMBEDDING, "kind = \"cosine\"", "kind = \"hamming\"", "hamming"),
        (EMBEDDING, "threshold = 0.4", "threshold = 0.0", "threshold"),
        (EMBEDDING, "kind = \"embedding\"", "kind = \"detector\"", "[detector] is missing"),
        (DETECTOR, "kind = \"detector\"", "kind = \"landmarks\"", "[detector] doesn't belong"),
        (DETECTOR, "grids = [[16, 2], [8, 6]]", "grids = [[16, 2]]", "512 anchors"),
        (DETECTOR, "grids = [[16, 2], [8, 6]]", "grids = []", "grids"),
        (DETECTOR, "grids = [[16, 2], [8, 6]]", "grids = [[16000000000, 2]]", "grids"),
        (DETECTOR, "min_score = 0.5", "min_score = 1.5", "min_score"),
        (LANDMARKS, "points = 468", "points = 467", "landmarks"),
        (LANDMARKS, "crop = 1.5", "crop = 0.0", "crop"),
        (LANDMARKS, "decoder = \"facemesh\"", "decoder = \"other\"", "other"),
    ] {
        assert!(whole.contains(from), "{from}");
        let why = refusal(&whole.replacen(from, to, 1));
        assert!(why.contains(named), "{from} -> {to}: {why}");
    }
    assert!(refusal("").contains("schema"));
}

const EVIDENCE: &str = r#"
[evidence]
frames = 5
templates = 4
rests_on = "40 people"
[evidence.strangers]
people = 40
comparisons = 780
quantiles = [[0.001, 0.5], [0.1, 0.6], [0.5, 0.8]]
[evidence.residents]
people = 40
comparisons = 400
quantiles = [[0.5, 0.2], [0.9, 0.3], [0.99, 0.4]]
"#;

#[test]
fn how_sure_an_embedding_is_comes_with_it() -> Result<(), BadManifest> {
    let text = format!("{EMBEDDING}{EVIDENCE}");
    let Kind::Embedding(embedding) = Manifest::from_toml(&text)?.kind else {
        return refuse("no embedding");
    };
    let evidence = embedding.evidence.ok_or(BadManifest("no evidence".into()))?;
    assert_eq!((evidence.frames, evidence.templates, evidence.centred), (5, 4, false));
    assert_eq!(evidence.strangers.comparisons(), 780);
    assert_eq!(evidence.residents.quantiles()[2], (0.99, 0.4));
    for (from, to, word) in [
        ("frames = 5", "frames = 0", "frames"),
        ("\"40 people\"", "\" \"", "rests_on"),
        ("[0.1, 0.6]", "[0.1, 0.4]", "strangers"),
        ("[0.001, 0.5]", "[0.0001, 0.5]", "number of comparisons"),
        ("templates = 4", "templates = 4\ncentred = true", "cohort"),
        ("people = 40", "people = 40\nplace = 1", "place"),
    ] {
        let why = refusal(&text.replacen(from, to, 1));
        assert!(why.contains(word), "{to}: {why}");
    }
    let mean = |n| format!("{text}[cohort]\npeople = 78\nmean = {:?}\n", vec![0.5; n]);
    assert!(matches!(
        Manifest::from_toml(&mean(64))?.kind,
        Kind::Embedding(Embedding { cohort: Some(_), .. })
    ));
    assert!(refusal(&mean(63)).contains("cohort"));
    Ok(())
}
