//! How sure a recognition is: from distances measured between strangers, and between pictures of one person, to the
//! threshold for a gallery of a size, to what that threshold accepts and refuses, and to the largest gallery a
//! model supports.
//!
//! A stranger is compared with everybody enrolled, so what one comparison may let through shrinks with the
//! gallery. All shares here are of presentations unless they are called a comparison's.

mod tail;

use super::share::{CONFIDENCE, at_most, each_of, normal_at, normal_below, once_in};
use tail::Tail;

/// Candidates compared when a gallery is larger than the model supports and somebody claims to be one of
/// them, say by their flat's number.
pub const MAX_CLAIMED: u64 = 8;
/// The largest gallery anybody is promised.
const MAX_GALLERY: u64 = 1_000_000;
/// Quantiles of up to this share (or from one minus it on) shape the tail beyond the last one.
const TAIL: f64 = 0.15;
/// The most quantiles kept, and the fewest that say anything.
const MAX_QUANTILES: usize = 256;
const MIN_QUANTILES: usize = 3;
/// More than all pairs of forty thousand people, and few enough to be counted with exactly.
const MAX_COMPARISONS: u64 = 1_000_000_000;

/// Distances between templates, by quantiles, and what they rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Distances {
    people: u32,
    comparisons: u64,
    curve: Box<Curve>,
}

#[derive(Clone, Debug, PartialEq)]
struct Curve {
    /// Share of comparisons below (above 0, below 1), distance; both rising.
    quantiles: Vec<(f64, f64)>,
    /// Their shares' places on normal paper, which take long to find.
    places: Vec<f64>,
}

/// Why numbers are no distribution of distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDistances {
    #[error("a distribution wants {MIN_QUANTILES} to {MAX_QUANTILES} quantiles")]
    Count,
    #[error(
        "quantiles must be shares above 0 and below 1, each with a larger distance than the last"
    )]
    Order,
    #[error("nobody has compared more than {MAX_COMPARISONS} times")]
    TooMany,
    #[error("a quantile can't lie beyond what one in the number of comparisons shows")]
    Unfounded,
}

/// A share, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    pub share: f64,
    /// With 95 % confidence it is no more than this: the larger of what the count of comparisons leaves open, as
    /// though they were independent, and what the number of people does, as though distances were about normal.
    pub at_most: f64,
    /// Lies beyond what was compared: the curve was drawn on.
    pub extrapolated: bool,
}

/// The configured shares of presentations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Targets {
    pub strangers_accepted: f64,
    pub residents_refused: f64,
    /// No threshold is wider than this: what the manifest calls one person when one picture is compared with another.
    pub widest: f32,
}

impl Default for Targets {
    /// GA/T 1093's bar for recognition among many.
    fn default() -> Self {
        Self { strangers_accepted: 0.01, residents_refused: 0.05, widest: f32::INFINITY }
    }
}

/// What a gate can promise at its gallery's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Nearer than this matches.
    pub threshold: f32,
    /// Subjects a presentation is compared with: the whole gallery, or with a claim its candidates.
    pub compared: u64,
    /// The gallery is larger than supported: nobody is looked for without a claim.
    pub claim_needed: bool,
    pub strangers_accepted: Expected,
    pub residents_refused: Expected,
    /// The largest gallery at which, with 95 % confidence, strangers are accepted no more often than the target, and
    /// residents are expected to be refused no more often than theirs; 0 if there is none.
    pub supported: u64,
}

impl Distances {
    /// As a manifest carries them.
    pub fn new(
        people: u32,
        comparisons: u64,
        quantiles: Vec<(f64, f64)>,
    ) -> Result<Self, BadDistances> {
        if !(MIN_QUANTILES..=MAX_QUANTILES).contains(&quantiles.len()) {
            return Err(BadDistances::Count);
        }
        if comparisons > MAX_COMPARISONS {
            return Err(BadDistances::TooMany);
        }
        let sound = |q: &(f64, f64)| q.0 > 0.0 && q.0 < 1.0 && q.1 >= 0.0 && q.1.is_finite();
        let rising = quantiles.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1);
        if !(rising && quantiles.iter().all(sound)) {
            return Err(BadDistances::Order);
        }
        // Half a comparison, and the last digits of a share written in decimals.
        let least = 0.499 / comparisons.max(1) as f64;
        if quantiles.iter().any(|(share, _)| *share < least || 1.0 - share < least) {
            return Err(BadDistances::Unfounded);
        }
        let places = quantiles.iter().map(|q| normal_at(q.0)).collect();
        Ok(Self { people, comparisons, curve: Box::new(Curve { quantiles, places }) })
    }

    /// From measured distances: denser quantiles towards both ends, where decisions are made.
    pub fn measured(people: u32, mut distances: Vec<f32>) -> Result<Self, BadDistances> {
        distances.retain(|d| d.is_finite());
        distances.sort_by(f32::total_cmp);
        let count = distances.len();
        let mut places: Vec<usize> = (1..100).map(|i| i * count / 100).collect();
        let mut from_end = 0.0f64;
        while (from_end as usize) < count / 20 {
            places.extend([from_end as usize, count - 1 - from_end as usize]);
            from_end = (from_end * 1.3).max(from_end + 1.0);
        }
        places.sort_unstable();
        places.dedup();
        let mut quantiles: Vec<(f64, f64)> = Vec::with_capacity(places.len());
        for place in places {
            // The middle of the step that this one distance is in the curve.
            let share = (place as f64 + 0.5) / count as f64;
            let Some(distance) = distances.get(place).map(|d| f64::from(*d)) else { continue };
            if quantiles.last().is_none_or(|last| last.1 < distance) {
                quantiles.push((share, distance));
            }
        }
        Self::new(people, count as u64, quantiles)
    }

    pub fn people(&self) -> u32 {
        self.people
    }

    pub fn comparisons(&self) -> u64 {
        self.comparisons
    }

    pub fn quantiles(&self) -> &[(f64, f64)] {
        &self.curve.quantiles
    }

    /// The share of comparisons below a distance. Between quantiles as straight lines on normal paper; beyond
    /// them along the line that fits the outer ones best, or all, whichever is flatter.
    pub fn share_below(&self, distance: f64) -> f64 {
        let (slope, from) = self.line(self.curve.quantiles.partition_point(|q| q.1 <= distance));
        normal_below(from.0 + slope * (distance - from.1))
    }

    /// The distance below which a share of comparisons lies; never below 0.
    pub fn distance_at(&self, share: f64) -> f64 {
        let (slope, from) = self.line(self.curve.quantiles.partition_point(|q| q.0 <= share));
        (from.1 + (normal_at(share) - from.0) / slope).max(0.0)
    }

    /// Place on normal paper and distance of each quantile.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> + Clone {
        self.curve.places.iter().copied().zip(self.curve.quantiles.iter().map(|q| q.1))
    }

    /// Where so many quantiles lie below: standard deviations per distance, and a point of the line.
    fn line(&self, below: usize) -> (f64, (f64, f64)) {
        let at = |i: usize| self.points().nth(i);
        let (near, far) = (below.checked_sub(1).and_then(at), at(below));
        if let (Some(a), Some(b)) = (near, far) {
            return (slope([a, b].into_iter()), a);
        }
        let is_outer =
            |share: f64| if near.is_none() { share <= TAIL } else { share >= 1.0 - TAIL };
        let outer = || self.points().zip(&self.curve.quantiles).filter(|(_, q)| is_outer(q.0));
        let all = slope(self.points());
        let enough = outer().count() >= MIN_QUANTILES;
        // Of few comparisons the outer ones may lie steeply by chance; the flatter line promises less.
        let flatter = if enough { slope(outer().map(|(p, _)| p)).min(all) } else { all };
        (flatter, near.or(far).unwrap_or_default())
    }

    /// What is known of the share below a distance, at the near end. Comparisons of the same few people repeat each
    /// other, so the bound is the larger of two: that of Clopper and Pearson over `comparisons`, where the share was
    /// measured and not drawn on, and that of the lines that the curve may follow.
    fn near(&self, tail: &Tail, distance: f64) -> Expected {
        let known = self.expected(self.share_below(distance));
        let is_measured = self.curve.quantiles.first().is_some_and(|q| q.1 <= distance);
        let measured = is_measured.then(|| normal_at(known.share));
        let at_most = tail.at_most_below(distance, measured).max(known.share);
        let at_most = if known.extrapolated { at_most } else { at_most.max(known.at_most) };
        Expected { at_most, ..known }
    }

    /// What is known of a comparison's share that was measured, or lies little beyond: the larger of the exact bound
    /// over `comparisons` and that of a normal curve known from `people` samples, of which a place has the variance
    /// 1/n + z^2/2n.
    fn expected(&self, share: f64) -> Expected {
        let hits = (share * self.comparisons as f64).ceil() as u64;
        let extrapolated = share * (self.comparisons as f64) < 1.0;
        let counted = if extrapolated { 0.0 } else { at_most(hits, self.comparisons, CONFIDENCE) };
        let z = normal_at(share);
        let error = ((1.0 + z * z / 2.0) / f64::from(self.people.max(1))).sqrt();
        let by_people = normal_below(z + normal_at(CONFIDENCE) * error);
        Expected { share, at_most: counted.max(by_people).max(share), extrapolated }
    }

    fn tail(&self) -> Tail {
        Tail::new(&self.curve.quantiles, &self.curve.places, self.people, self.comparisons)
    }

    /// The largest distance below which surely no more than this share lies; of too few people there is none but 0.
    fn surely(&self, at_most: f64) -> f64 {
        let tail = self.tail();
        let within = |distance: f64| self.near(&tail, distance).at_most <= at_most;
        // Of very few people the bound falls at first: from there on nothing is sure.
        if !within(0.0) {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, self.distance_at(at_most));
        for _ in 0..50 {
            let middle = (low + high) / 2.0;
            if within(middle) { low = middle } else { high = middle }
        }
        low
    }
}

/// Least squares on normal paper. Rising points give a rising line.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let n = points.clone().count() as f64;
    let (mz, md) = points.clone().fold((0.0, 0.0), |m, (z, d)| (m.0 + z / n, m.1 + d / n));
    let (along, across) =
        points.fold((0.0, 0.0), |s, (z, d)| (s.0 + (z - mz) * (d - md), s.1 + (d - md) * (d - md)));
    (along / across).max(1e-9)
}

/// The terms at a gallery's size.
///
/// `strangers` are distances between different people, `residents` between pictures of one, both gathered
/// as the gate will: so many frames fused against so many templates.
pub fn terms(
    strangers: &Distances,
    residents: &Distances,
    gallery: u64,
    targets: Targets,
) -> Terms {
    let supported = supported(strangers, residents, targets);
    let claim_needed = gallery > supported;
    let compared = if claim_needed { gallery.min(MAX_CLAIMED) } else { gallery }.max(1);
    let threshold = f64::from(threshold(strangers, compared, targets));
    let comparison = strangers.near(&strangers.tail(), threshold);
    let refused = 1.0 - residents.share_below(threshold);
    Terms {
        threshold: threshold as f32,
        compared,
        claim_needed,
        strangers_accepted: Expected {
            share: once_in(comparison.share, compared),
            at_most: once_in(comparison.at_most, compared),
            extrapolated: comparison.extrapolated,
        },
        residents_refused: residents.expected(refused),
        supported,
    }
}

/// The threshold at which, with 95 % confidence, a gallery accepts no more than the configured share of strangers;
/// 0 where the evidence doesn't carry any.
pub fn threshold(strangers: &Distances, gallery: u64, targets: Targets) -> f32 {
    let sure = strangers.surely(each_of(targets.strangers_accepted, gallery));
    (sure as f32).min(targets.widest)
}

/// The largest gallery at which both targets hold: see [`Terms::supported`].
pub fn supported(strangers: &Distances, residents: &Distances, targets: Targets) -> u64 {
    let widest = residents.distance_at(1.0 - targets.residents_refused);
    let each = strangers.near(&strangers.tail(), widest).at_most;
    let fits = |gallery: u64| each_of(targets.strangers_accepted, gallery) >= each;
    let (mut low, mut high) = (0, MAX_GALLERY + 1);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests;
