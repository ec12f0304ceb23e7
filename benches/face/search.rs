//! The search for the two nearest, beside `usearch` exact and `faiss-cpu` flat: the same rows, the same queries, one
//! thread each, in turns in one run. A peer's answers must be ours, or the figures are no comparison.

use super::{Peer, median};
use eithergate::domain::SubjectId;
use eithergate::vision::{Gallery, Metric, MetricKind, Space, Template};
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

const DIMENSION: usize = 128;
const QUERIES: usize = 64;
const TURNS: usize = 9;
const PEERS: [&str; 2] = ["faiss", "usearch"];
const SPACE: Space = Space {
    model: [1; 32],
    dimension: DIMENSION,
    metric: Metric { kind: MetricKind::Euclidean, threshold: 0.5 },
};

/// Made-up templates that lie as this project's model's do: strangers about 0.8 apart, one in ten a relative of
/// another at about 0.5, two pictures of one person about 0.3, most of the spread in few directions, which
/// are mixed over all the numbers.
struct People {
    state: u64,
    known: Vec<[f32; DIMENSION]>,
}

impl People {
    fn uniform(&mut self) -> f32 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f32 / 16_777_216.0
    }

    fn spread(&mut self, size: f32) -> [f32; DIMENSION] {
        let mut v = std::array::from_fn(|i| {
            let bell = (0..6).map(|_| self.uniform() - 0.5).sum::<f32>() * 2f32.sqrt();
            bell / (1.0 + i as f32 / 12.0)
        });
        mix(&mut v);
        // The spectrum's own length is taken out, so that `size` is the usual one.
        v.map(|x| x * size / 3.32)
    }

    fn person(&mut self) -> [f32; DIMENSION] {
        let (around, size) = if !self.known.is_empty() && self.uniform() < 0.1 {
            let at = (self.uniform() * self.known.len() as f32) as usize;
            (self.known[at.min(self.known.len() - 1)], 0.5)
        } else {
            ([0.11; DIMENSION], 0.57)
        };
        let person = add(around, self.spread(size));
        self.known.push(person);
        person
    }

    fn picture_of(&mut self, person: usize) -> [f32; DIMENSION] {
        let spread = self.spread(0.21);
        add(self.known[person], spread)
    }
}

fn add(a: [f32; DIMENSION], b: [f32; DIMENSION]) -> [f32; DIMENSION] {
    std::array::from_fn(|i| a[i] + b[i])
}

/// A Hadamard transform: turns the axes, changes no distance.
fn mix(v: &mut [f32; DIMENSION]) {
    let mut step = 1;
    while step < DIMENSION {
        for i in (0..DIMENSION).filter(|i| i & step == 0) {
            (v[i], v[i + step]) = (v[i] + v[i + step], v[i] - v[i + step]);
        }
        step *= 2;
    }
    v.iter_mut().for_each(|x| *x /= (DIMENSION as f32).sqrt());
}

fn subject(n: usize) -> SubjectId {
    SubjectId((n as u128).to_le_bytes())
}

fn save(name: &str, rows: &[[f32; DIMENSION]]) -> Result<PathBuf, Box<dyn Error>> {
    let path = Path::new("target").join(name);
    let bytes: Vec<u8> = rows.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(&path, bytes)?;
    Ok(path)
}

fn at_size(count: usize) -> Result<(), Box<dyn Error>> {
    let mut people = People { state: 7, known: Vec::with_capacity(count) };
    let mut gallery = Gallery::new(SPACE);
    for n in 0..count {
        let person = people.person().to_vec();
        gallery.add(subject(n), &Template::new(SPACE.model, person)?)?;
    }
    let rows = save("bench-rows.f32", &people.known)?;
    // Residents and strangers by turns.
    let queries: Vec<_> = (0..QUERIES)
        .map(|i| {
            let who = if i % 2 == 0 { i * 7919 % count } else { people.known.len() };
            if who == people.known.len() {
                people.person();
            }
            people.picture_of(who)
        })
        .collect();
    people.known = Vec::new();
    let query_file = save("bench-queries.f32", &queries)?;
    let queries = queries.iter().map(|q| Template::new(SPACE.model, q.to_vec()));
    let queries = queries.collect::<Result<Vec<_>, _>>()?;
    let arguments = |peer: &str| {
        let mut all = vec!["models/tools/search_bench.py".into(), "--with".into(), peer.into()];
        all.extend(["--rows".into(), rows.clone().into_os_string()]);
        all.extend(["--queries".into(), query_file.clone().into_os_string()]);
        all.extend(["--dimension".into(), DIMENSION.to_string().into()]);
        all
    };
    let mut peers = Vec::new();
    for name in PEERS {
        if let Some(mut peer) = Peer::start(&arguments(name))? {
            agree(name, &peer.answer()?, &gallery, &queries)?;
            peers.push((peer, Vec::new(), Vec::new()));
        }
    }
    let mut ours = Vec::new();
    for _ in 0..TURNS {
        let mut times = Vec::with_capacity(QUERIES);
        for query in &queries {
            let start = Instant::now();
            black_box(gallery.nearest(black_box(query))?);
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        let us = median(times);
        ours.push(us);
        for (peer, theirs, ratios) in &mut peers {
            let peer_us = peer.p50_us()?;
            theirs.push(peer_us);
            ratios.push(us / peer_us);
        }
    }
    let mut figures = json!({
        "bench": "search, best 2", "templates": count, "threads": 1,
        "p50_us": (median(ours) * 10.0).round() / 10.0,
    });
    for (name, (_, theirs, ratios)) in PEERS.iter().zip(peers) {
        figures[format!("{name}_p50_us")] = json!(median(theirs));
        figures[format!("ratio_to_{name}")] = json!((median(ratios) * 1000.0).round() / 1000.0);
    }
    if count >= 50_000 {
        figures["target_ratio"] = json!(0.5);
    }
    println!("{figures}");
    std::fs::remove_file(rows)?;
    Ok(std::fs::remove_file(query_file)?)
}

/// The peer found the same two, or others just as far.
fn agree(
    name: &str,
    answer: &Value,
    gallery: &Gallery,
    queries: &[Template],
) -> Result<(), Box<dyn Error>> {
    for (i, query) in queries.iter().enumerate() {
        let found = gallery.nearest(query)?.ok_or("an empty gallery")?;
        let second = found.second.ok_or("one subject alone")?;
        for (place, (who, distance)) in
            [(found.subject, found.distance), second].into_iter().enumerate()
        {
            let theirs = answer["squared"][i][place].as_f64().ok_or("no distance")?;
            let row = answer["rows"][i][place].as_u64().ok_or("no row")?;
            let tie = (f64::from(distance) - theirs.sqrt()).abs() < 2e-3;
            if !tie
                || (subject(row as usize) != who
                    && (f64::from(distance) - theirs.sqrt()).abs() > 1e-5)
            {
                return Err(format!("{name} gives another answer to query {i}").into());
            }
        }
    }
    Ok(())
}

/// What changing the gallery of 10,000 people with five templates each costs.
fn in_use() -> Result<(), Box<dyn Error>> {
    const SUBJECTS: usize = 10_000;
    let mut people = People { state: 8, known: Vec::with_capacity(SUBJECTS) };
    for _ in 0..SUBJECTS {
        people.person();
    }
    let mut gallery = Gallery::new(SPACE);
    let start = Instant::now();
    for n in 0..5 * SUBJECTS {
        let picture = people.picture_of(n % SUBJECTS).to_vec();
        gallery.add(subject(n % SUBJECTS), &Template::new(SPACE.model, picture)?)?;
    }
    let added_us = start.elapsed().as_secs_f64() * 1e6 / (5 * SUBJECTS) as f64;
    let start = Instant::now();
    for n in (0..SUBJECTS).step_by(10) {
        gallery.remove(&subject(n));
    }
    let removed_us = start.elapsed().as_secs_f64() * 1e6 / (SUBJECTS / 10) as f64;
    let figures = json!({
        "bench": "gallery of 10,000 subjects, 5 templates each",
        "add_template_us": (added_us * 100.0).round() / 100.0,
        "remove_subject_us": (removed_us * 100.0).round() / 100.0,
    });
    println!("{figures}");
    Ok(())
}

pub fn run() -> Result<(), Box<dyn Error>> {
    in_use()?;
    [1_000, 10_000, 50_000, 500_000].into_iter().try_for_each(at_size)
}
