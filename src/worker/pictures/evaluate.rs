//! How well recognition tells people apart, over pairs of pictures or of several fused.

use super::people::is_below;
use super::{Chosen, PictureError, chain, embed_picture, print, say};
use crate::failure::Failure;
use crate::vision::{Chain, Space, Template, fuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
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
    /// With --json: also how far apart the two kinds of pairs lie
    #[arg(long)]
    spread: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Two sides, each of one picture or of several that are fused, as indices of the list of names.
struct Pair {
    a: Vec<usize>,
    b: Vec<usize>,
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
        let space = chain.space();
        let (Some(a), Some(b)) =
            (side(space, &templates, &pair.a), side(space, &templates, &pair.b))
        else {
            undetected += 1;
            continue;
        };
        let distance = space.distance(&a, &b).map_err(|e| Failure::Data(e.to_string()))?;
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
            spread: args.spread.then(|| Spread {
                same_pairs: rates.same.len(),
                farthest_same: rates.same.last().copied(),
                nearest_different: rates.different.first().copied(),
                d_prime: f.map(|f| f.d_prime),
            }),
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
        let mut index = |names: &str| {
            let mut indices = Vec::new();
            for name in names.split(';').map(str::trim) {
                if !is_below(name) {
                    return Err(format!("line {line}: {name:?} is no path below the root"));
                }
                let next = known.len();
                indices.push(*known.entry(name.to_owned()).or_insert(next));
            }
            Ok(indices)
        };
        pairs.push(Pair { a: index(&row.a)?, b: index(&row.b)?, same });
        if pairs.len() > MAX_PAIRS {
            return Err(format!("more than {MAX_PAIRS} pairs"));
        }
    }
    let mut names = vec![String::new(); known.len()];
    known.into_iter().for_each(|(name, i)| names[i] = name);
    Ok((names, pairs))
}

/// A picture's template and quality; `None` where no face was found.
type Found = Option<(Template, f32)>;

/// One side of a pair: the mean of its pictures' templates by quality, as the gate fuses frames. `None` if none of
/// them shows a face.
fn side(space: &Space, found: &[Found], pictures: &[usize]) -> Option<Template> {
    let of: Vec<_> = pictures.iter().filter_map(|i| found.get(*i)?.clone()).collect();
    match of.as_slice() {
        [(one, _)] => Some(one.clone()),
        several => fuse(space, several),
    }
}

fn embed_all(chain: &mut Chain, root: &Path, names: &[String]) -> Result<Vec<Found>, Failure> {
    let mut templates = Vec::with_capacity(names.len());
    let mut told = Instant::now();
    for (i, name) in names.iter().enumerate() {
        match embed_picture(chain, &root.join(name)) {
            Ok((template, face)) => templates.push(Some((template, face.quality))),
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
    d_prime: f64,
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
    #[serde(flatten)]
    spread: Option<Spread>,
}

#[derive(Serialize)]
struct Spread {
    same_pairs: usize,
    farthest_same: Option<f32>,
    nearest_different: Option<f32>,
    /// In standard deviations.
    d_prime: Option<f64>,
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
            d_prime: self.apart(),
        })
    }

    /// How far the two kinds lie apart, in standard deviations.
    fn apart(&self) -> f64 {
        let moments = |all: &[f32]| {
            let n = all.len() as f64;
            let mean = all.iter().map(|d| f64::from(*d)).sum::<f64>() / n;
            (mean, all.iter().map(|d| (f64::from(*d) - mean).powi(2)).sum::<f64>() / n)
        };
        let ((same, same_squared), (different, different_squared)) =
            (moments(&self.same), moments(&self.different));
        (different - same) / ((same_squared + different_squared) / 2.0).sqrt()
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
        let mut figures = Rates { same, different }.figures();
        // By the definition, of 4 and of 1000 numbers.
        let apart = figures.as_mut().map(|f| std::mem::take(&mut f.d_prime));
        assert!(apart.is_some_and(|d| (d - 1.543_37).abs() < 1e-3), "{apart:?}");
        let expected = Figures {
            // Just above 1.005 FMR is 6/1000 and FNMR 1/4, at 1.25 both are 1/4.
            eer: 0.25,
            fnmr_at_fmr_1e_2: 0.25,
            fnmr_at_fmr_1e_3: 0.5,
            threshold_at_fmr_1e_3: 1.001,
            d_prime: 0.0,
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
    fn a_side_is_the_mean_of_the_pictures_that_show_a_face()
    -> Result<(), Box<dyn std::error::Error>> {
        use crate::vision::{Metric, MetricKind};
        let metric = Metric { kind: MetricKind::Euclidean, threshold: 0.5 };
        let space = Space { model: [1; 32], dimension: 1, metric };
        let template = |x: f32| Template::new(space.model, vec![x]);
        let found = [Some((template(1.0)?, 0.9)), None, Some((template(3.0)?, 0.3))];
        let both = side(&space, &found, &[0, 1, 2]).ok_or("no template")?;
        assert!(space.distance(&both, &template(1.5)?)? < 1e-6);
        assert_eq!(side(&space, &found, &[2]), Some(template(3.0)?));
        assert_eq!(side(&space, &found, &[1]), None);
        Ok(())
    }

    #[test]
    fn pairs_are_read_strictly() -> Result<(), String> {
        let (names, pairs) =
            parse_pairs("a,b,same\nx.jpg, y/z.png ,1\ny/z.png,w.jpg,false\n".as_bytes())?;
        assert_eq!(names, ["x.jpg", "y/z.png", "w.jpg"]);
        let read: Vec<_> = pairs.iter().map(|p| (p.a.as_slice(), p.b.as_slice(), p.same)).collect();
        assert_eq!(read, [(&[0][..], &[1][..], true), (&[1], &[2], false)]);
        let (names, fused) = parse_pairs("a,b,same\nx, y; x ;z,0\n".as_bytes())?;
        assert_eq!((names.len(), fused[0].b.as_slice()), (3, &[1, 0, 2][..]));
        for (bad, why) in [
            ("a,b\nx,y\n", "same is missing"),
            ("a,b,same\nx,y,1\nx,y,maybe\n", "line 3: same must be"),
            ("a,b,same\nx,y\n", "line 2"),
            ("a,b,same\n/etc/x,y,1\n", "line 2: \"/etc/x\" is no path below"),
            ("a,b,same\nx,../y,1\n", "is no path below"),
            ("a,b,same\nx,y;;z,1\n", "\"\" is no path below"),
            ("", "a is missing"),
        ] {
            let error = parse_pairs(bad.as_bytes()).err().unwrap_or_default();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
        Ok(())
    }
}
