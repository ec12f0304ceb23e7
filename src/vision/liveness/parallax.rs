//! How far the relief of a face moves against what is around it, measured in the picture itself.
//!
//! The landmarks model believes in heads: of a picture that is tilted it gives landmarks that moved as a head's
//! would, by up to a third. The picture's own brightness doesn't believe. So one frame is laid over another by a
//! smooth map (all polynomials up to the third degree: whatever a flat or bent thing can do is one, or nearly) plus
//! the relief that no polynomial makes, times two numbers; those two, to the side and up or down, are the sine of the
//! head's turn, and for anything flat they are nothing. Plane plus parallax, estimated directly (Irani and
//! Anandan, "About direct methods", 1999), with the first frame's gradients throughout (Hager and Belhumeur 1998).

use super::View;
use zeroize::Zeroize;

/// Polynomials 1, x, y, ... up to the third degree.
const POLYNOMIALS: usize = 10;
/// What is estimated: the map's two coordinates, the relief along each, and of the light a factor, an offset
/// and its slope both ways.
const UNKNOWNS: usize = 2 * POLYNOMIALS + 2 + 4;
/// Where in them the two numbers are.
const TURN: usize = 2 * POLYNOMIALS;
/// Fewer points are no face.
const MIN_POINTS: usize = 100;
/// A face whose depths are all but a polynomial (root mean square, in pupil distances) says nothing: a model
/// that gives no depth, or no face. The shipped one's faces have 0.08.
const MIN_RELIEF: f64 = 0.02;
/// Steps to the best overlay; most are there after six.
const STEPS: usize = 12;
/// The last step must be smaller than this.
const SETTLED: f64 = 0.003;
/// The share of a face that may lie outside the other frame's patch.
const MAX_OUTSIDE: f64 = 0.02;

/// The patch of a frame that a face is seen in: grey, upright, this many pixels a side.
pub(in super::super) const PATCH: usize = 112;
/// Its pupils are so far apart, and so far from its top, as shares of its side.
pub(in super::super) const PUPILS: f32 = 0.32;
pub(in super::super) const EYES: f32 = 0.34;
/// Pixels a pupil distance.
const SCALE: f64 = PATCH as f64 * PUPILS as f64;

/// What one frame shows against the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Parallax {
    /// Sines of the turn to the side and up or down.
    pub turn: [f64; 2],
    /// What no overlay explains, as a share of the face's contrast: 0.02 to 0.1 for anything flat, more where the
    /// overlay failed.
    pub misfit: f64,
}

/// A first frame, made ready. Coordinates are pupil distances from between the eyes, upright.
pub(super) struct Reference {
    /// Of each pixel of the face: the polynomials, the relief, the brightness, and how it changes with each unknown.
    basis: Vec<[f32; POLYNOMIALS]>,
    relief: Vec<f32>,
    values: Vec<f32>,
    slopes: Vec<[f32; UNKNOWNS]>,
    normal: Cholesky<UNKNOWNS>,
    /// The same polynomials at the landmarks.
    at_points: Vec<[f64; POLYNOMIALS]>,
    points_normal: Cholesky<POLYNOMIALS>,
    contrast: f64,
}

fn polynomials([x, y]: [f64; 2]) -> [f64; POLYNOMIALS] {
    [1.0, x, y, x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y]
}

/// Landmarks upright, from between the eyes, in pupil distances; `None` where that can't be done.
fn upright(view: &View<'_>) -> Option<(Vec<[f64; 2]>, f64)> {
    let [a, b] = view.eyes.map(|e| e.map(f64::from));
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let pupils = dx.hypot(dy);
    if view.points.len() < MIN_POINTS || pupils.is_nan() || pupils <= 1.0 {
        return None;
    }
    let (cos, sin) = (dx / pupils / pupils, dy / pupils / pupils);
    let middle = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let points = view.points.iter().map(|p| {
        let (x, y) = (f64::from(p[0]) - middle[0], f64::from(p[1]) - middle[1]);
        [x * cos + y * sin, y * cos - x * sin]
    });
    let points: Vec<_> = points.collect();
    points.iter().flatten().all(|v| v.is_finite()).then_some((points, pupils))
}

/// A pixel's middle, and back: to the place between four pixels' middles.
pub(super) fn place(column: usize, row: usize) -> [f64; 2] {
    let middle = PATCH as f64 / 2.0;
    let top = PATCH as f64 * f64::from(EYES);
    [(column as f64 + 0.5 - middle) / SCALE, (row as f64 + 0.5 - top) / SCALE]
}

/// The brightness at a place, and whether the place is in the patch.
fn at(patch: &[f32], [x, y]: [f64; 2]) -> (f32, bool) {
    let x = (x * SCALE) as f32 + PATCH as f32 / 2.0 - 0.5;
    let y = (y * SCALE) as f32 + PATCH as f32 * EYES - 0.5;
    let most = (PATCH - 1) as f32 - 0.001;
    // Also what is no number ends inside.
    let (cx, cy) = (x.max(0.0).min(most), y.max(0.0).min(most));
    let (column, row) = (cx as usize, cy as usize);
    let (fx, fy) = (cx - column as f32, cy - row as f32);
    let get = |index: usize| patch.get(index).copied().unwrap_or_default();
    let index = row * PATCH + column;
    let top = get(index) + (get(index + 1) - get(index)) * fx;
    let below = index + PATCH;
    let bottom = get(below) + (get(below + 1) - get(below)) * fx;
    (top + (bottom - top) * fy, cx == x && cy == y)
}

/// Smoothed by 1 2 1 both ways, three times: what is smaller is noise, or a screen's grid.
fn smooth(patch: &[f32]) -> Vec<f32> {
    let mut patch = patch.to_vec();
    for _ in 0..3 {
        for step in [1, PATCH] {
            let before = std::mem::take(&mut patch);
            let get =
                |i: Option<usize>, or: f32| i.and_then(|i| before.get(i)).copied().unwrap_or(or);
            patch = before
                .iter()
                .enumerate()
                .map(|(i, v)| {
                    let around = get(i.checked_sub(step), *v) + get(i.checked_add(step), *v);
                    (2.0 * v + around) / 4.0
                })
                .collect();
        }
    }
    patch
}

impl Reference {
    pub fn new(view: &View<'_>) -> Option<Self> {
        let (points, pupils) = upright(view)?;
        if view.depths.len() != points.len() || view.patch.len() != PATCH * PATCH {
            return None;
        }
        let depths: Vec<f64> = view.depths.iter().map(|d| f64::from(*d) / pupils).collect();
        let at_points: Vec<_> = points.iter().map(|p| polynomials(*p)).collect();
        let points_normal = Cholesky::of(at_points.iter())?;

        let patch = smooth(view.patch);
        let (places, indices) = inside(&points);
        if places.len() < 10 * UNKNOWNS {
            return None;
        }
        let basis: Vec<_> = places.iter().map(|p| polynomials(*p)).collect();
        let deep: Vec<f64> = places.iter().map(|p| interpolated(*p, &points, &depths)).collect();
        let polynomial = Cholesky::of(basis.iter())?.fit(basis.iter().zip(deep.iter().copied()));
        let relief: Vec<f64> =
            basis.iter().zip(&deep).map(|(b, d)| d - dot(b, &polynomial)).collect();
        let count = relief.len() as f64;
        let size = (relief.iter().map(|r| r * r).sum::<f64>() / count).sqrt();
        if size.is_nan() || size < MIN_RELIEF {
            return None;
        }
        let get = |i: usize| f64::from(patch.get(i).copied().unwrap_or_default());
        let values: Vec<f64> = indices.iter().map(|i| get(*i)).collect();
        let mean = values.iter().sum::<f64>() / count;
        let contrast = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
        let slopes: Vec<[f64; UNKNOWNS]> = indices
            .iter()
            .zip(&places)
            .zip(basis.iter().zip(&relief))
            .map(|((i, [x, y]), (basis, relief))| {
                let along = (get(i + 1) - get(i - 1)) / 2.0 * SCALE;
                let down = (get(i + PATCH) - get(i - PATCH)) / 2.0 * SCALE;
                std::array::from_fn(|k| match k {
                    _ if k < POLYNOMIALS => along * basis[k],
                    _ if k < TURN => down * basis[k - POLYNOMIALS],
                    TURN => along * relief,
                    _ if k == TURN + 1 => down * relief,
                    _ if k == TURN + 2 => get(*i),
                    _ if k == TURN + 3 => 1.0,
                    _ if k == TURN + 4 => *x,
                    _ => *y,
                })
            })
            .collect();
        let normal = Cholesky::of(slopes.iter())?;
        Some(Self {
            basis: basis.iter().map(|b| b.map(|v| v as f32)).collect(),
            relief: relief.iter().map(|v| *v as f32).collect(),
            values: values.iter().map(|v| *v as f32).collect(),
            slopes: slopes.iter().map(|s| s.map(|v| v as f32)).collect(),
            normal,
            at_points,
            points_normal,
            contrast: contrast.max(1.0),
        })
    }

    /// `None` where the frame can't be laid over the reference.
    pub fn parallax(&self, view: &View<'_>) -> Option<Parallax> {
        let (points, _) = upright(view)?;
        if points.len() != self.at_points.len() || view.patch.len() != PATCH * PATCH {
            return None;
        }
        // Where to begin: as the landmarks moved, but for any relief.
        let start = |axis: usize| {
            let pairs = self.at_points.iter().zip(points.iter().map(move |p| p[axis]));
            self.points_normal.fit(pairs)
        };
        let (mut across, mut down) = (start(0), start(1));
        let mut turn = [0.0; 2];
        let patch = smooth(view.patch);
        let mut last = f64::INFINITY;
        for _ in 0..STEPS {
            let (step, _, _) = self.step(&patch, &across, &down, turn);
            for k in 0..POLYNOMIALS {
                across[k] -= step[k];
                down[k] -= step[POLYNOMIALS + k];
            }
            let by = [step[TURN], step[TURN + 1]];
            turn = [turn[0] - by[0], turn[1] - by[1]];
            last = by[0].hypot(by[1]);
            if last < SETTLED / 10.0 {
                break;
            }
        }
        let (_, misfit, outside) = self.step(&patch, &across, &down, turn);
        let sound = turn.iter().all(|t| t.is_finite()) && misfit.is_finite() && last <= SETTLED;
        (sound && outside <= MAX_OUTSIDE).then_some(Parallax { turn, misfit })
    }

    /// By how much each unknown is off, what is then left as a share of the contrast, and the share of the face that
    /// lies outside the patch.
    fn step(
        &self,
        patch: &[f32],
        across: &[f64; POLYNOMIALS],
        down: &[f64; POLYNOMIALS],
        turn: [f64; 2],
    ) -> ([f64; UNKNOWNS], f64, f64) {
        let (across, down) = (across.map(|v| v as f32), down.map(|v| v as f32));
        let turn = turn.map(|v| v as f32);
        let mut right = [0f32; UNKNOWNS];
        let (mut squared, mut outside) = (0f64, 0usize);
        let pixels = self.basis.iter().zip(&self.relief).zip(self.values.iter().zip(&self.slopes));
        for ((basis, relief), (value, slopes)) in pixels {
            let along =
                |by: &[f32; POLYNOMIALS]| basis.iter().zip(by).map(|(b, v)| b * v).sum::<f32>();
            let x = along(&across) + turn[0] * relief;
            let y = along(&down) + turn[1] * relief;
            let (seen, is_in) = at(patch, [f64::from(x), f64::from(y)]);
            outside += usize::from(!is_in);
            let off = seen - value;
            squared += f64::from(off * off);
            right.iter_mut().zip(slopes).for_each(|(r, s)| *r += s * off);
        }
        let right = right.map(f64::from);
        let step = self.normal.solve(right);
        let left = (squared - dot(&step, &right)).max(0.0);
        let count = self.values.len() as f64;
        (step, (left / count).sqrt() / self.contrast, outside as f64 / count)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.values.zeroize();
        self.slopes.iter_mut().for_each(|s| s.zeroize());
        self.relief.zeroize();
        self.at_points.iter_mut().for_each(|p| p.zeroize());
    }
}

/// The pixels well inside a face: their places, and where they are in the patch.
fn inside(points: &[[f64; 2]]) -> (Vec<[f64; 2]>, Vec<usize>) {
    let reach = |axis: usize| {
        let values = || points.iter().map(move |p| p[axis]);
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        ((low + high) / 2.0, (high - low).max(1e-3) / 2.0)
    };
    let ((cx, rx), (cy, ry)) = (reach(0), reach(1));
    let mut found = (Vec::new(), Vec::new());
    for row in 2..PATCH - 2 {
        for column in 2..PATCH - 2 {
            let [x, y] = place(column, row);
            if ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 0.9 {
                found.0.push([x, y]);
                found.1.push(row * PATCH + column);
            }
        }
    }
    found
}

/// The depth at a place: that of the landmarks around it, the nearer the more.
fn interpolated([x, y]: [f64; 2], points: &[[f64; 2]], depths: &[f64]) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for ([px, py], depth) in points.iter().zip(depths) {
        let near = (x - px).powi(2) + (y - py).powi(2) + 0.0015;
        let w = 1.0 / (near * near);
        sum += w * depth;
        weight += w;
    }
    sum / weight
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower triangle of a least-squares problem's normal matrix.
struct Cholesky<const N: usize>(Box<[[f64; N]; N]>);

impl<const N: usize> Cholesky<N> {
    /// `None` where the rows don't tell all unknowns.
    fn of<'a>(rows: impl Iterator<Item = &'a [f64; N]>) -> Option<Self> {
        let mut m = Box::new([[0.0; N]; N]);
        for row in rows {
            for (i, into) in m.iter_mut().enumerate() {
                into.iter_mut().zip(row).take(i + 1).for_each(|(m, r)| *m += r * row[i]);
            }
        }
        for i in 0..N {
            for j in 0..=i {
                let so_far: f64 = (0..j).map(|k| m[i][k] * m[j][k]).sum();
                if i == j {
                    // A trace of the diagonal keeps what is nearly nothing from being everything.
                    let pivot = m[i][i] * (1.0 + 1e-9) - so_far;
                    if pivot.is_nan() || pivot <= 1e-12 * m[i][i] {
                        return None;
                    }
                    m[i][i] = pivot.sqrt();
                } else {
                    m[i][j] = (m[i][j] - so_far) / m[j][j];
                }
            }
        }
        Some(Self(m))
    }

    fn solve(&self, mut right: [f64; N]) -> [f64; N] {
        let l = &self.0;
        for i in 0..N {
            let known: f64 = (0..i).map(|k| l[i][k] * right[k]).sum();
            right[i] = (right[i] - known) / l[i][i];
        }
        for i in (0..N).rev() {
            let known: f64 = (i + 1..N).map(|k| l[k][i] * right[k]).sum();
            right[i] = (right[i] - known) / l[i][i];
        }
        right
    }

    fn fit<'a>(&self, rows: impl Iterator<Item = (&'a [f64; N], f64)>) -> [f64; N] {
        let mut right = [0.0; N];
        for (row, value) in rows {
            right.iter_mut().zip(row).for_each(|(r, v)| *r += v * value);
        }
        self.solve(right)
    }
}
