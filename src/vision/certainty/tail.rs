//! The near end of a curve of strangers' distances: how large a share may lie below a distance that nothing was measured
//! at, and how wrong that can be.
//!
//! Straight lines on normal paper are laid through the nearest half, quarter, eighth and so on of what was measured,
//! as far as there is enough of it, and through all of it. Each has its own error; the largest of their bounds
//! counts. So a curve that is normal only at its end is followed there where many were compared, and few
//! comparisons are not asked for more than a mean and a spread.

use super::super::share::{normal_at, normal_below};

/// Fewer independent samples than this in a part of the curve make no line of their own.
const LEAST_SAMPLES: f64 = 32.0;
/// Nearer than all but two comparisons, standard deviations count for less: real curves needn't be normal. In made-up worlds
/// with somewhat heavy tails, and with a few relatives among the strangers, this much keeps the confidence.
const FLATTER: f64 = 0.86;
/// The normal curve's one-sided 95 % limit.
const SURE: f64 = 1.644_853_6;

/// Lines that the curve may follow, and the place from which on nearly nothing was measured.
pub(super) struct Tail {
    lines: Vec<Line>,
    seen_to: f64,
}

struct Line {
    slope: f64,
    /// A point of it: standard deviations, distance.
    through: (f64, f64),
    error: Error,
}

/// The error of a place read off a line, in standard deviations.
struct Error {
    /// Where on normal paper the part ends that the line is laid through; `None` for all of it.
    part: Option<f64>,
    /// Independent samples that the mean and the spread were known from, as though all had been looked at.
    samples: (f64, f64),
    /// Student's limit for so many samples instead of the normal curve's.
    times: f64,
}

impl Tail {
    /// From shares and distances, both rising, and the shares' places on normal paper.
    pub fn new(quantiles: &[(f64, f64)], places: &[f64], people: u32, comparisons: u64) -> Self {
        let people = f64::from(people.max(1));
        let spread_from = spread_samples(people, comparisons);
        let points: Vec<Point> = points(quantiles, places);
        let mut lines = Vec::new();
        let mut share = 1.0;
        while lines.is_empty() || share * spread_from >= LEAST_SAMPLES {
            let part = points.partition_point(|p| p.share <= share);
            let Some((slope, through)) = points.get(..part).and_then(fitted) else { break };
            let samples =
                if share < 1.0 { (spread_from, spread_from) } else { (people, spread_from) };
            let error = Error {
                part: (share < 1.0).then(|| normal_at(share)),
                samples,
                times: student(share * spread_from - 1.0),
            };
            lines.push(Line { slope, through, error });
            share /= 2.0;
        }
        Self { lines, seen_to: normal_at((2.0 / comparisons.max(1) as f64).min(0.5)) }
    }

    /// With 95 % confidence no larger share lies below this distance. `measured` is its place on normal paper if
    /// something nearer was measured: it is known no better than the nearest part's line.
    pub fn at_most_below(&self, distance: f64, measured: Option<f64>) -> f64 {
        let bound = |line: &Line| {
            let z = line.through.0 + line.slope * (distance - line.through.1);
            let beyond = (z - self.seen_to).min(0.0);
            z - beyond * (1.0 - FLATTER) + line.error.at(z)
        };
        let seen = self.lines.last().zip(measured).map(|(line, z)| z + line.error.at(z));
        self.lines.iter().map(bound).chain(seen).map(normal_below).fold(0.0, f64::max)
    }
}

impl Error {
    fn at(&self, z: f64) -> f64 {
        let (mean, spread) = self.samples;
        let variance = match self.part {
            None => 1.0 / mean + z * z / (2.0 * spread),
            Some(part) => censored(z, part) / spread,
        };
        self.times * variance.sqrt()
    }
}

struct Point {
    share: f64,
    z: f64,
    distance: f64,
    /// The share of comparisons that it stands for.
    weight: f64,
}

fn points(quantiles: &[(f64, f64)], places: &[f64]) -> Vec<Point> {
    let share = |i: usize| quantiles.get(i).map(|q| q.0);
    let point = |(i, ((at, distance), z)): (usize, (&(f64, f64), &f64))| {
        let below = i.checked_sub(1).and_then(share).map_or(0.0, |s| at - s);
        let above = share(i + 1).map_or(0.0, |s| s - at);
        let ends = if below > 0.0 && above > 0.0 { 2.0 } else { 1.0 };
        Point { share: *at, z: *z, distance: *distance, weight: (below + above) / ends }
    };
    quantiles.iter().zip(places).enumerate().map(point).collect()
}

/// Weighted least squares of standard deviations over distance, which errs towards a flat line where few points
/// scatter: slope, and the middle that it goes through. `None` for fewer than three points.
fn fitted(points: &[Point]) -> Option<(f64, (f64, f64))> {
    let all: f64 = points.iter().map(|p| p.weight).sum();
    let mean = |of: fn(&Point) -> f64| points.iter().map(|p| p.weight * of(p)).sum::<f64>() / all;
    let (z, distance) = (mean(|p| p.z), mean(|p| p.distance));
    let (along, across) = points.iter().fold((0.0, 0.0), |s, p| {
        let (dz, dd) = (p.z - z, p.distance - distance);
        (s.0 + p.weight * dz * dd, s.1 + p.weight * dd * dd)
    });
    (points.len() >= 3).then_some(((along / across).max(1e-9), (z, distance)))
}

/// Of how many independent samples a spread is as well known as of these comparisons.
///
/// Two distances that share a person have a correlation of 1/4: a squared distance is the sum of both people's squared
/// lengths less twice their product, and of its variance each length makes a quarter. Over all pairs of p people
/// the mean is then as well known as from p - 1 samples, the spread (whose correlations are those squared) as from
/// 4 p (p - 1) / (p + 6).
fn spread_samples(people: f64, comparisons: u64) -> f64 {
    (4.0 * people * (people - 1.0) / (people + 6.0)).min(comparisons as f64).max(1.0)
}

/// The variance, times the number of samples, of a place `z` on a normal curve of which only what lies below
/// `part` was looked at: from Fisher's information of a censored sample (Halperin 1952).
fn censored(z: f64, part: f64) -> f64 {
    let below = normal_below(part);
    let height = (-part * part / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let hidden = height * height / (1.0 - below);
    let mean = below - part * height + hidden;
    let spread = 2.0 * below - (part.powi(3) + part) * height + part * part * hidden;
    let both = part * hidden - (part * part + 1.0) * height;
    (spread - 2.0 * z * both + z * z * mean) / (mean * spread - both * both)
}

/// Student's one-sided 95 % limit (Abramowitz and Stegun 26.7.5), for three degrees of freedom where there are fewer.
fn student(freedom: f64) -> f64 {
    let (n, z) = (freedom.max(3.0), SURE);
    z + (z.powi(3) + z) / (4.0 * n)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_part_becomes_that_of_the_whole() {
        // Everything seen: the mean's 1, the spread's z^2 / 2.
        assert!((censored(-3.0, 6.0) - 5.5).abs() < 1e-3);
        // Half seen, worked by hand: the information is 1/2 + 1/pi, 1, and -1/sqrt(2 pi) of both.
        assert!(
            (censored(0.0, 0.0) - 1.0 / (0.5 + 1.0 / std::f64::consts::PI - 0.159_155)).abs()
                < 1e-4
        );
        assert!(censored(-4.0, -1.0) > censored(-4.0, 0.0));
    }

    #[test]
    fn limits_are_those_of_the_tables() {
        for (freedom, limit) in [(5.0, 2.015), (10.0, 1.812), (30.0, 1.697), (1e6, 1.645)] {
            assert!((student(freedom) - limit).abs() < 0.01, "{freedom}");
        }
        assert_eq!(student(1.0), student(3.0));
        assert!((spread_samples(10.0, 162) - 22.5).abs() < 1e-9);
        assert_eq!(spread_samples(200.0, 200), 200.0);
        assert_eq!(spread_samples(1.0, 0), 1.0);
    }
}
