//! Surfaces, how they are held, and their projection, triangle by triangle.

use super::paint::{HALF, Look, Texture};
use super::{Camera, FRAME, Sitter};

/// Cells along a surface's side.
const CELLS: usize = 56;

/// How a surface is held: turned about its pivot, then put somewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Pose {
    /// Radians: to the side, up or down, in the picture's plane.
    pub yaw: f64,
    pub pitch: f64,
    pub roll: f64,
    pub at: [f64; 3],
}

/// What of the picture is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Outline {
    Whole,
    /// Centre, half width, half height.
    Oval([f64; 4]),
}

/// A grid of points over the texture, (CELLS + 1) squared, row by row.
pub(in super::super) struct Surface {
    points: Vec<[f64; 3]>,
    outline: Outline,
    /// Depth that it turns about.
    pivot: f64,
}

fn grid() -> impl Iterator<Item = [f64; 2]> {
    let at = |i: usize| HALF * (2.0 * i as f64 / CELLS as f64 - 1.0);
    (0..=CELLS).flat_map(move |row| (0..=CELLS).map(move |column| [at(column), at(row)]))
}

impl Surface {
    /// A flat picture, or one bent around an axis in its plane: `bend` is one over the radius, and `axis` the
    /// angle across which it bends.
    pub fn sheet(bend: f64, axis: f64, outline: Outline) -> Self {
        let (sin, cos) = axis.sin_cos();
        let place = |[x, y]: [f64; 2]| {
            if bend.abs() < 1e-6 {
                return [x, y, 0.0];
            }
            let (along, across) = (x * cos + y * sin, y * cos - x * sin);
            let (bent, z) = ((bend * along).sin() / bend, (1.0 - (bend * along).cos()) / bend);
            [bent * cos - across * sin, bent * sin + across * cos, z]
        };
        Self { points: grid().map(place).collect(), outline, pivot: 0.0 }
    }

    /// A head: each place as deep as the landmarks around it, the outline's rim as its nearest ones.
    pub fn head(sitter: &Sitter) -> Self {
        let deep = |[x, y]: [f64; 2]| {
            let (mut sum, mut weight) = (0.0, 0.0);
            for [px, py, pz] in &sitter.points {
                let w = ((x - px).powi(2) + (y - py).powi(2) + 0.0015).powi(-2);
                sum += w * pz;
                weight += w;
            }
            [x, y, sum / weight]
        };
        let pivot = sitter.points.iter().map(|p| p[2]).fold(f64::MIN, f64::max);
        let outline = Outline::Oval(sitter.oval());
        Self { points: grid().map(deep).collect(), outline, pivot }
    }

    /// Paints it, nearest last where it hides itself.
    pub fn draw(
        &self,
        pose: Pose,
        camera: Camera,
        texture: &Texture,
        look: &Look,
        canvas: &mut [[f32; 3]],
    ) {
        let (sy, cy) = pose.yaw.sin_cos();
        let (sp, cp) = pose.pitch.sin_cos();
        let (sr, cr) = pose.roll.sin_cos();
        let project = |p: &[f64; 3]| {
            let [x, y, z] = [p[0], p[1], p[2] - self.pivot];
            let (x, z) = (x * cy + z * sy, z * cy - x * sy);
            let (y, z) = (y * cp - z * sp, y * sp + z * cp);
            let (x, y) = (x * cr - y * sr, x * sr + y * cr);
            let away = (z + self.pivot + pose.at[2]).max(0.5);
            let k = camera.focal / away;
            let middle = FRAME as f64 / 2.0;
            [middle + k * (x + pose.at[0]), middle + k * (y + pose.at[1]), away]
        };
        let seen: Vec<[f64; 3]> = self.points.iter().map(project).collect();
        let places: Vec<[f64; 2]> = grid().collect();
        let mut depth = vec![f64::INFINITY; FRAME * FRAME];
        let corner = |i: usize| Some((*seen.get(i)?, *places.get(i)?));
        for row in 0..CELLS {
            for column in 0..CELLS {
                let a = row * (CELLS + 1) + column;
                let (b, c) = (a + 1, a + CELLS + 1);
                for three in [[a, b, c], [b, c + 1, c]] {
                    let [Some(p), Some(q), Some(r)] = three.map(corner) else { continue };
                    self.triangle([p, q, r], texture, look, &mut depth, canvas);
                }
            }
        }
    }

    fn triangle(
        &self,
        corners: [([f64; 3], [f64; 2]); 3],
        texture: &Texture,
        look: &Look,
        depth: &mut [f64],
        canvas: &mut [[f32; 3]],
    ) {
        let [(p, pt), (q, qt), (r, rt)] = corners;
        let area = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
        // Edge on, or seen from behind.
        if area.is_nan() || area <= 1e-9 {
            return;
        }
        let span = |axis: usize| {
            let low = p[axis].min(q[axis]).min(r[axis]) - 0.5;
            let high = p[axis].max(q[axis]).max(r[axis]) - 0.5;
            let inside = |v: f64| v.ceil().clamp(0.0, FRAME as f64) as usize;
            inside(low)..inside(high)
        };
        for y in span(1) {
            for x in span(0) {
                let (u, v) = (x as f64 + 0.5, y as f64 + 0.5);
                let beside = |a: [f64; 3], b: [f64; 3]| {
                    ((b[0] - a[0]) * (v - a[1]) - (b[1] - a[1]) * (u - a[0])) / area
                };
                let (wr, wp) = (beside(p, q), beside(q, r));
                let wq = 1.0 - wr - wp;
                if wr < 0.0 || wp < 0.0 || wq < 0.0 {
                    continue;
                }
                let away = wp * p[2] + wq * q[2] + wr * r[2];
                let at = [0, 1].map(|i| wp * pt[i] + wq * qt[i] + wr * rt[i]);
                let index = y * FRAME + x;
                let (Some(nearest), Some(pixel)) = (depth.get_mut(index), canvas.get_mut(index))
                else {
                    continue;
                };
                if away < *nearest && self.is_there(at) {
                    *nearest = away;
                    *pixel = look.shade(texture.at(at), at);
                }
            }
        }
    }

    fn is_there(&self, [x, y]: [f64; 2]) -> bool {
        match self.outline {
            Outline::Whole => true,
            Outline::Oval([cx, cy, rx, ry]) => {
                ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) <= 1.0
            }
        }
    }
}
