//! Whether a face is a living one. [`Blink`] is beside it; here it is depth: landmark motion that a flat, tilted or bent picture can't make.
//!
//! Seen again from another side, a head's nose moves against its cheeks and eyes by its depth times the
//! sine of the turn. A flat picture, moved, turned or tilted, moves its points by a projective map, and a bent
//! one by little more; both are low polynomials of where the points are. So what polynomials up to the third
//! degree can make is taken off the depths that the landmarks model gives, and what is left, the relief of nose,
//! eyes and lips, is looked for in the motion. How much of it is there is the sine of the turn,
//! whatever else moved.
//!
//! The model believes in heads, so a steeply tilted picture shows a little relief that isn't there: what is
//! asked for grows with the foreshortening. A video replayed, or a mask, has what this looks for.

mod alive;
mod blink;

pub(super) use alive::Alive;
pub use blink::Blink;
use std::fmt;
use zeroize::Zeroize;

/// 1, x, y and so on up to the third degree.
const POLYNOMIALS: usize = 10;
/// Fewer points say nothing of a relief.
const MIN_POINTS: usize = 100;
/// A face whose depths are all but a polynomial (root mean square, in pupil distances) says nothing: a model
/// that gives no depth, or no face.
const MIN_RELIEF: f64 = 0.005;
/// Frames whose mean counts: it halves the landmarks' jitter.
const TOGETHER: usize = 3;

/// How much turn is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Sine of the least turn.
    pub least: f64,
    /// More of it for each part of foreshortening.
    pub foreshortened: f64,
}

impl Default for Turn {
    /// From portraits and heads rendered of them before the shipped landmarks model. Portraits moved, turned, zoomed
    /// or bent reach a turn of 0.04, tilted by 20 degrees 0.06, by 30 degrees 0.1; heads turned by 5
    /// degrees show 0.08, by 8 degrees 0.12, by 12 degrees 0.18, with foreshortenings of about 0.05. So most
    /// heads have to turn by 10 degrees, and pictures that show part of a face, tilted by 30, can pass: the quality
    /// gates have to keep those away.
    fn default() -> Self {
        Self { least: 0.085, foreshortened: 0.5 }
    }
}

/// Follows one track's landmarks from a first frame on.
#[derive(Default)]
pub struct Motion {
    reference: Option<Reference>,
    /// The last few frames' parallax and foreshortening.
    recent: Vec<Parallax>,
    /// The strongest so far, relative to what is asked for.
    strongest: f64,
}

/// What one frame shows against the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Parallax {
    /// Sines of the turn to the side and up or down.
    turn: [f64; 2],
    /// 0 for a view as upright as the reference's, 1 for one edge on.
    foreshortening: f64,
}

/// The first frame, made ready.
struct Reference {
    /// Centred, in pupil distances.
    points: Vec<[f64; 2]>,
    /// What polynomials can't make of the depths, over its own squared length.
    relief: Vec<f64>,
    /// The inverse of the points' covariance.
    inverse: [[f64; 2]; 2],
}

impl Motion {
    /// One frame's landmarks, in picture coordinates, the model's depths in the same unit, and the distance
    /// between the pupils. Frames whose points don't fit the first one's are left out.
    pub fn see(&mut self, points: &[[f32; 2]], depths: &[f32], pupils_px: f32, asked: Turn) {
        let Some(points) = scaled(points, pupils_px) else { return };
        let Some(reference) = &self.reference else {
            self.reference = Reference::new(points, depths, pupils_px);
            return;
        };
        let Some(parallax) = reference.parallax(&points) else { return };
        if self.recent.len() == TOGETHER {
            self.recent.remove(0);
        }
        self.recent.push(parallax);
        if self.recent.len() < TOGETHER {
            return;
        }
        let mean = |of: &dyn Fn(&Parallax) -> f64| {
            self.recent.iter().map(of).sum::<f64>() / self.recent.len() as f64
        };
        let turn = mean(&|p| p.turn[0]).hypot(mean(&|p| p.turn[1]));
        let steepest = self.recent.iter().fold(0.0f64, |m, p| m.max(p.foreshortening));
        let share = turn / (asked.least + asked.foreshortened * steepest);
        self.strongest = self.strongest.max(share);
    }

    /// Depth was shown.
    pub fn is_shown(&self) -> bool {
        self.strongest >= 1.0
    }

    /// How much of what is asked for was shown, 1 being enough: for a hint to turn the head.
    pub fn share(&self) -> f64 {
        self.strongest
    }
}

/// Centred and in pupil distances; `None` where that can't be done.
fn scaled(points: &[[f32; 2]], pupils_px: f32) -> Option<Vec<[f64; 2]>> {
    if points.len() < MIN_POINTS || !(pupils_px > 1.0 && pupils_px.is_finite()) {
        return None;
    }
    let n = points.len() as f64;
    let points: Vec<[f64; 2]> =
        points.iter().map(|p| p.map(|v| f64::from(v) / f64::from(pupils_px))).collect();
    let mean = points.iter().fold([0.0, 0.0], |m, p| [m[0] + p[0] / n, m[1] + p[1] / n]);
    let finite = mean.iter().all(|v| v.is_finite());
    finite.then(|| points.iter().map(|p| [p[0] - mean[0], p[1] - mean[1]]).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Reference {
    fn new(points: Vec<[f64; 2]>, depths: &[f32], pupils_px: f32) -> Option<Self> {
        if depths.len() != points.len() {
            return None;
        }
        // Gram and Schmidt, twice over for the digits' sake.
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(POLYNOMIALS);
        let off_basis = |mut v: Vec<f64>, basis: &[Vec<f64>]| {
            for _ in 0..2 {
                for b in basis {
                    let along = dot(&v, b);
                    v.iter_mut().zip(b).for_each(|(v, b)| *v -= along * b);
                }
            }
            v
        };
        for degree in 0..4i32 {
            for j in 0..=degree {
                let term = points.iter().map(|p| p[0].powi(degree - j) * p[1].powi(j)).collect();
                let term = off_basis(term, &basis);
                let length = dot(&term, &term).sqrt();
                // Points on a curve: no face.
                if length < 1e-9 {
                    return None;
                }
                basis.push(term.into_iter().map(|v| v / length).collect());
            }
        }
        let depths = depths.iter().map(|d| f64::from(*d) / f64::from(pupils_px)).collect();
        let relief = off_basis(depths, &basis);
        let squared = dot(&relief, &relief);
        let enough = squared.is_finite() && (squared / points.len() as f64).sqrt() >= MIN_RELIEF;
        let covariance = products(&points, &points);
        let [[a, b], [c, d]] = covariance;
        let determinant = a * d - b * c;
        (enough && determinant > 1e-12).then(|| Self {
            relief: relief.iter().map(|r| r / squared).collect(),
            inverse: [[d / determinant, -b / determinant], [-c / determinant, a / determinant]],
            points,
        })
    }

    fn parallax(&self, points: &[[f64; 2]]) -> Option<Parallax> {
        if points.len() != self.points.len() {
            return None;
        }
        // The relief is off the polynomials, so nothing need be taken off the motion.
        let along = |axis: usize| {
            let moved = points.iter().zip(&self.points).map(|(p, q)| p[axis] - q[axis]);
            moved.zip(&self.relief).map(|(m, r)| m * r).sum::<f64>()
        };
        // The linear part of the motion, and by how much its two directions differ in length.
        let [[a, b], [c, d]] = times(products(points, &self.points), self.inverse);
        let (sum, difference) = ((a + d).hypot(b - c), (a - d).hypot(b + c));
        let foreshortening = 1.0 - (sum - difference).abs() / (sum + difference);
        let parallax = Parallax { turn: [along(0), along(1)], foreshortening };
        let finite = parallax.turn.iter().all(|v| v.is_finite()) && foreshortening.is_finite();
        finite.then_some(parallax)
    }
}

/// Sums of products of coordinates: of the first by of the second.
fn products(a: &[[f64; 2]], b: &[[f64; 2]]) -> [[f64; 2]; 2] {
    let mut sums = [[0.0; 2]; 2];
    for (a, b) in a.iter().zip(b) {
        for (i, row) in sums.iter_mut().enumerate() {
            row[0] += a[i] * b[0];
            row[1] += a[i] * b[1];
        }
    }
    sums
}

fn times([[a, b], [c, d]]: [[f64; 2]; 2], [[e, f], [g, h]]: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    [[a * e + b * g, a * f + b * h], [c * e + d * g, c * f + d * h]]
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.points.iter_mut().for_each(|p| p.zeroize());
        self.relief.zeroize();
    }
}

impl fmt::Debug for Motion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Motion({:.2} of what is asked for)", self.strongest)
    }
}

#[cfg(test)]
mod tests;
