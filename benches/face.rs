//! What a face costs: each model beside the same file under Google's ai-edge-litert, in turns in one run;
//! the whole chain from a 640x480 frame to an observation, stage by stage; the search among many templates. Prints JSON, one object a
//! line. `cargo bench --features face --bench face -- search` does the search alone.
//!
//! `make bench` brings the peers; without `EITHERGATE_LITERT_PYTHON` the ratios are left out.

#[path = "face/search.rs"]
mod search;

use eithergate::domain::SubjectId;
use eithergate::io::tflite;
use eithergate::vision::{Chain, Gallery, Model, Motion, Picture, Quality, Template, Turn};
use eithergate::worker::pictures::read_picture;
use serde_json::{Value, json};
use std::error::Error;
use std::ffi::OsString;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// Turns taken, and runs in each: the median of the turns' ratios is what counts.
const TURNS: usize = 21;
const RUNS: usize = 40;
const MODELS: [&str; 3] = ["detector", "landmarks", "embedding"];

struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts one of the peers' programs; `None` where there is no Python to run it.
    fn start(arguments: &[OsString]) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(python) = std::env::var_os("EITHERGATE_LITERT_PYTHON").filter(|p| !p.is_empty())
        else {
            return Ok(None);
        };
        let mut child = Command::new(python)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let ask = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Some(Self { child, ask, answers }))
    }

    fn litert(model: &str, threads: u8) -> Result<Option<Self>, Box<dyn Error>> {
        let mut arguments: Vec<OsString> =
            ["models/tools/litert_bench.py", "--on-request", "--model"].map(Into::into).to_vec();
        arguments.push(format!("models/{model}.tflite").into());
        arguments.extend(["--threads".into(), threads.to_string().into()]);
        arguments.extend(["--runs".into(), RUNS.to_string().into()]);
        Self::start(&arguments)
    }

    fn answer(&mut self) -> Result<Value, Box<dyn Error>> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn p50_us(&mut self) -> Result<f64, Box<dyn Error>> {
        self.ask.write_all(b"\n")?;
        self.answer()?["p50_us"].as_f64().ok_or_else(|| "no figure".into())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn timed(mut work: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

/// Copying the input into the tensor, running, copying every output out: what the peer's time holds too. The
/// input is ready in the caller's own buffer on both sides.
fn run(model: &mut Model) -> Result<(), Box<dyn Error>> {
    black_box(model.run(|_, _| {})?.output(0));
    Ok(())
}

/// One model in turns with its peer. Returns the peer's median, for the sum of the three.
fn model(name: &str, threads: u8) -> Result<Option<f64>, Box<dyn Error>> {
    let mut model = tflite::load(Path::new(&format!("models/{name}.toml")), threads)?;
    let input: Vec<f32> =
        (0..model.manifest().input.len()).map(|i| (i * 7919 % 1000) as f32 / 1000.0).collect();
    model.run(|_, to| to.copy_from_slice(&input))?;
    timed(|| run(&mut model))?;
    let mut peer = Peer::litert(name, threads)?;
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let us = timed(|| run(&mut model))?;
        ours.push(us);
        if let Some(peer) = &mut peer {
            let peer_us = peer.p50_us()?;
            theirs.push(peer_us);
            ratios.push(us / peer_us);
        }
    }
    let peer_us = peer.is_some().then(|| median(theirs));
    let ratio = peer.is_some().then(|| median(ratios));
    let figures = json!({
        "bench": name, "threads": threads, "p50_us": median(ours).round(),
        "litert_p50_us": peer_us.map(f64::round), "median_ratio": ratio.map(|r| (r * 1000.0).round() / 1000.0),
        "target_ratio": 1.05,
    });
    println!("{figures}");
    Ok(peer_us)
}

/// A frame as the camera gives it, with a real face in it, to all that an observation rests on.
fn whole(threads: u8, peers_us: Option<f64>) -> Result<(), Box<dyn Error>> {
    let load = |name: &str| tflite::load(Path::new(&format!("models/{name}.toml")), threads);
    let mut chain = Chain::new(load("detector")?, load("landmarks")?, load("embedding")?)?;
    let picture = read_picture(Path::new("target/pictures/obama.jpg"))?;
    // The frame is the picture's middle at its own scale, padded or cut to 640x480.
    let frame = fit(&picture, 640, 480)?.to_i420();
    let space = *chain.space();
    let mut gallery = Gallery::new(space);
    for n in 0..1_000u128 {
        let values =
            (0..space.dimension).map(|i| ((n * 31 + i as u128 * 7) % 97) as f32 / 97.0).collect();
        gallery.add(SubjectId(n.to_le_bytes()), &Template::new(space.model, values)?)?;
    }
    // Each stage as the worker goes through it; liveness from its second frame on, when it is dearest.
    const STAGES: [&str; 7] =
        ["convert", "detect", "landmarks", "quality", "embed", "search 1000", "liveness"];
    let mut motion = Motion::default();
    let mut turn = |chain: &mut Chain| -> Result<[f64; STAGES.len()], Box<dyn Error>> {
        let mut times = [0.0; STAGES.len()];
        let mut begun = Instant::now();
        let mut stages = times.iter_mut();
        let mut next = || {
            let now = Instant::now();
            if let Some(stage) = stages.next() {
                *stage = (now - begun).as_secs_f64() * 1e6;
            }
            begun = now;
        };
        let picture = Picture::from_i420(640, 480, &frame)?;
        next();
        let found = chain.find(&picture)?;
        next();
        let faces = chain.look_at(&picture, found)?;
        let face = faces.first().ok_or("no face in the benchmark's picture")?;
        next();
        black_box(Quality::of(&picture, face));
        next();
        let template = chain.template(&picture, face)?;
        next();
        black_box(gallery.nearest(&template)?);
        next();
        motion.see(&face.view(), Turn::default());
        next();
        Ok(times)
    };
    turn(&mut chain)?;
    let mut all: Vec<[f64; STAGES.len()]> = Vec::new();
    for _ in 0..TURNS * RUNS {
        all.push(turn(&mut chain)?);
    }
    let of = |stage: usize| median(all.iter().map(|times| times[stage]).collect()).round();
    let stages: serde_json::Map<String, Value> =
        STAGES.iter().enumerate().map(|(i, name)| ((*name).to_owned(), json!(of(i)))).collect();
    let us = median(all.iter().map(|times| times[..5].iter().sum()).collect());
    let observed = median(all.iter().map(|times| times.iter().sum()).collect());
    let figures = json!({
        "bench": "frame to observation, 640x480", "threads": threads,
        "picture_to_template_p50_us": us.round(), "target_us": 6000,
        "frame_to_observation_p50_us": observed.round(), "stages_p50_us": stages,
        "litert_three_models_us": peers_us.map(f64::round),
        "ratio_to_bare_models": peers_us.map(|p| (us / p * 1000.0).round() / 1000.0),
    });
    println!("{figures}");
    Ok(())
}

/// Nearest-neighbour, which is good enough to have a face of a usual size in the frame.
fn fit(picture: &Picture, width: u32, height: u32) -> Result<Picture, Box<dyn Error>> {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let scale = (w as f64 / f64::from(width)).max(h as f64 / f64::from(height));
    let mut rgb = vec![0; (width * height * 3) as usize];
    for (i, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (i % width as usize, i / width as usize);
        let (sx, sy) = ((x as f64 * scale) as usize, (y as f64 * scale) as usize);
        if sx < w && sy < h {
            let at = (sy * w + sx) * 3;
            pixel.copy_from_slice(&picture.rgb()[at..at + 3]);
        }
    }
    Ok(Picture::from_rgb(width, height, rgb)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().any(|a| a == "search") {
        return search::run();
    }
    for threads in [1, 2] {
        let mut sum = Some(0.0);
        for name in MODELS {
            let peer = model(name, threads)?;
            sum = sum.zip(peer).map(|(a, b)| a + b);
        }
        whole(threads, sum)?;
    }
    search::run()
}
