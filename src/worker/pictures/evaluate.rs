//! How well recognition tells people apart, over pairs of pictures.

use super::{Chosen, PictureError, chain, embed_picture, print, say};
use crate::failure::Failure;
use crate::vision::{Chain, Template};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

const MAX_PAIRS: usize = 10_000_000;
const MAX_FILE_BYTES: u64 = 1 << 30;
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub struct Args {
    /// A CSV file with the columns a,b,same
    pairs: PathBuf,
    /// The folder that a and b are below
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    #[command(flatten)]
    chosen: Chosen,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Two pictures, as indices of the list of names.
struct Pair {
    a: usize,
    b: usize,
    same: bool,
}

#[derive(Deserialize)]
struct Row {
    a: String,
    b: String,
    same: String,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (names, pairs) = read_pairs(&args.pairs)?;
    let mut chain = chain(&args.chosen)?;
    let templates = embed_all(&mut chain, &args.root, &names)?;

    let mut rates = Rates::default();
    let mut undetected = 0;
    for pair in &pairs {
        let (Some(a), Some(b)) = (&templates[pair.a], &templates[pair.b]) else {
            undetected += 1;
            continue;
        };
        let distance = chain.space().distance(a, b).map_err(|e| Failure::Data(e.to_string()))?;
        if pair.same { &mut rates.same } else { &mut rates.different }.push(distance);
    }
    let figures = rates.figures();
    if args.json {
        let f = figures.as_ref();
        return say(&Answer {
            pairs: pairs.len(),
            undetected,
            eer: f.map(|f| f.eer),
            fnmr_at_fmr_1e_2: f.map(|f| f.fnmr_at_fmr_1e_2),
            fnmr_at_fmr_1e_3: f.map(|f| f.fnmr_at_fmr_1e_3),
            threshold_at_fmr_1e_3: f.map(|f| f.threshold_at_fmr_1e_3),
        });
    }
    let (same, different) = (rates.same.len(), rates.different.len());
    let mut table = format!(
        "pairs                  {}\n  of one person        {same}\n  of different people  {different}\n  \
         undetected           {undetected}\n",
        pairs.len()
    );
    match figures {
        Some(f) => {
            table += &format!(
                "equal error rate       {:.4}\nFNMR at FMR 1e-2       {:.4}\nFNMR at FMR 1e-3       {:.4}, \
                 threshold {:.4}\n",
                f.eer, f.fnmr_at_fmr_1e_2, f.fnmr_at_fmr_1e_3, f.threshold_at_fmr_1e_3
            );
            if different < 1000 {
                table += "Fewer than 1000 pairs of different people: \"FMR 1e-3\" is at none accepted.\n";
            }
        }
        None => table += "No rates: they need pairs of both kinds.\n",
    }
    print(&table)
}

/// The names of all pictures, each once, and the pairs.
fn read_pairs(path: &Path) -> Result<(Vec<String>, Vec<Pair>), Failure> {
    let file = File::open(path)
        .map_err(|e| Failure::NoInput(format!("{}: can't be opened: {e}", path.display())))?;
    parse_pairs(file.take(MAX_FILE_BYTES))
        .map_err(|why| Failure::Data(format!("{}: {why}", path.display())))
}

fn parse_pairs(text: impl Read) -> Result<(Vec<String>, Vec<Pair>), String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().map_err(|e| e.to_string())?;
    for column in ["a", "b", "same"] {
        if !header.iter().any(|h| h == column) {
            return Err(format!(
                "the first line must name the columns a, b and same; {column} is missing"
            ));
        }
    }
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for (number, row) in reader.deserialize::<Row>().enumerate() {
        // The header is line 1.
        let line = number + 2;
        let row = row.map_err(|e| format!("line {line}: {e}"))?;
        let same = match row.same.as_str() {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => return Err(format!("line {line}: same must be 1, true, 0 or false")),
        };
        for name in [&row.a, &row.b] {
            let plain = |c| matches!(c, Component::Normal(_) | Component::CurDir);
            if name.is_empty() || !Path::new(name).components().all(plain) {
                return Err(format!("line {line}: {name:?} is no path below the root"));
            }
        }
        let mut index = |name| {
            let next = known.len();
            *known.entry(name).or_insert(next)
        };
        pairs.push(Pair { a: index(row.a), b: index(row.b), same });
        if pairs.len() > MAX_PAIRS {
            return Err(format!("more than {MAX_PAIRS} pairs"));
        }
    }
    let mut names = vec![String::new(); known.len()];
    known.into_iter().for_each(|(name, i)| names[i] = name);
    Ok((names, pairs))
}

/// One template a picture, `None` where no face was found.
fn embed_all(
    chain: &mut Chain,
    root: &Path,
    names: &[String],
) -> Result<Vec<Option<Template>>, Failure> {
    let mut templates = Vec::with_capacity(names.len());
    let mut told = Instant::now();
    for (i, name) in names.iter().enumerate() {
        match embed_picture(chain, &root.join(name)) {
            Ok((template, _)) => templates.push(Some(template)),
            Err(PictureError::NoFace { path }) => {
                eprintln!("{}: no face found", path.display());
                templates.push(None);
            }
            Err(e) => return Err(e.into()),
        }
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            eprintln!("{} of {} pictures", i + 1, names.len());
        }
    }
    Ok(templates)
}

/// Distances of pairs, by kind.
#[derive(Default)]
struct Rates {
    same: Vec<f32>,
    different: Vec<f32>,
}

#[derive(Debug, PartialEq)]
struct Figures {
    eer: f64,
    fnmr_at_fmr_1e_2: f64,
    fnmr_at_fmr_1e_3: f64,
    threshold_at_fmr_1e_3: f32,
}

/// As tools rely on it; the rates are null where there were no pairs of one kind.
#[derive(Serialize)]
struct Answer {
    pairs: usize,
    undetected: usize,
    eer: Option<f64>,
    #[serde(rename = "fnmr_at_fmr_1e-2")]
    fnmr_at_fmr_1e_2: Option<f64>,
    #[serde(rename = "fnmr_at_fmr_1e-3")]
    fnmr_at_fmr_1e_3: Option<f64>,
    #[serde(rename = "threshold_at_fmr_1e-3")]
    threshold_at_fmr_1e_3: Option<f32>,
}

/// The share of sorted distances below `t`.
fn share_below(sorted: &[f32], t: f32) -> f64 {
    sorted.partition_point(|d| *d < t) as f64 / sorted.len() as f64
}

impl Rates {
    /// `None` without pairs of both kinds.
    fn figures(&mut self) -> Option<Figures> {
        self.same.sort_by(f32::total_cmp);
        self.different.sort_by(f32::total_cmp);
        if self.same.is_empty() {
            return None;
        }
        // Of N different pairs N / n may be accepted, so the threshold is at the next one.
        let threshold_at_one_in = |n: usize| self.different.get(self.different.len() / n).copied();
        let (at_1e_2, at_1e_3) = (threshold_at_one_in(100)?, threshold_at_one_in(1000)?);
        Some(Figures {
            eer: self.equal(),
            fnmr_at_fmr_1e_2: 1.0 - share_below(&self.same, at_1e_2),
            fnmr_at_fmr_1e_3: 1.0 - share_below(&self.same, at_1e_3),
            threshold_at_fmr_1e_3: at_1e_3,
        })
    }

    /// Where FMR and FNMR are nearest to each other, their mean; the smallest such threshold.
    fn equal(&self) -> f64 {
        let mut candidates = [&self.same[..], &self.different, &[f32::INFINITY]].concat();
        candidates.sort_by(f32::total_cmp);
        let (mut nearest, mut rate) = (f64::INFINITY, 0.0);
        for t in candidates {
            let (fmr, fnmr) = (share_below(&self.different, t), 1.0 - share_below(&self.same, t));
            if (fmr - fnmr).abs() < nearest {
                (nearest, rate) = ((fmr - fnmr).abs(), (fmr + fnmr) / 2.0);
            }
        }
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_worked_out_by_hand() {
        // 1000 different pairs at 1.000, 1.001, ...; one may be accepted at FMR 1e-3, ten at 1e-2.
        let different = (0..1000).rev().map(|i| 1.0 + i as f32 / 1000.0).collect();
        let same = vec![0.5, 1.0005, 1.005, 1.5];
        let figures = Rates { same, different }.figures();
        let expected = Figures {
            // Just above 1.005 FMR is 6/1000 and FNMR 1/4, at 1.25 both are 1/4.
            eer: 0.25,
            fnmr_at_fmr_1e_2: 0.25,
            fnmr_at_fmr_1e_3: 0.5,
            threshold_at_fmr_1e_3: 1.001,
        };
        assert_eq!(figures, Some(expected));
    }

    #[test]
    fn few_pairs_accept_nobody() {
        let mut rates = Rates { same: vec![0.1, 0.3], different: vec![0.9, 0.2] };
        let figures = rates.figures();
        assert_eq!(
            figures.map(|f| (f.threshold_at_fmr_1e_3, f.fnmr_at_fmr_1e_3)),
            Some((0.2, 0.5))
        );
        assert_eq!(Rates { same: vec![], different: vec![0.1] }.figures(), None);
        assert_eq!(Rates { same: vec![0.1], different: vec![] }.figures(), None);
    }

    #[test]
    fn pairs_are_read_strictly() -> Result<(), String> {
        let (names, pairs) =
            parse_pairs("a,b,same\nx.jpg, y/z.png ,1\ny/z.png,w.jpg,false\n".as_bytes())?;
        assert_eq!(names, ["x.jpg", "y/z.png", "w.jpg"]);
        let read: Vec<_> = pairs.iter().map(|p| (p.a, p.b, p.same)).collect();
        assert_eq!(read, [(0, 1, true), (1, 2, false)]);
        for (bad, why) in [
            ("a,b\nx,y\n", "same is missing"),
            ("a,b,same\nx,y,1\nx,y,maybe\n", "line 3: same must be"),
            ("a,b,same\nx,y\n", "line 2"),
            ("a,b,same\n/etc/x,y,1\n", "line 2: \"/etc/x\" is no path below"),
            ("a,b,same\nx,../y,1\n", "is no path below"),
            ("", "a is missing"),
        ] {
            let error = parse_pairs(bad.as_bytes()).err().unwrap_or_default();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
        Ok(())
    }
}
