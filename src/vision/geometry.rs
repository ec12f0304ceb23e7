//! Boxes and similarities in the plane.

/// A box in picture coordinates. It may reach outside the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

impl Bounds {
    /// No place: it overlaps nothing and is near nothing.
    pub(super) const NOWHERE: Self = Self { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };

    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// Intersection over union, 0 to 1.
    pub fn overlap(&self, other: &Bounds) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        let shared = width.max(0.0) * height.max(0.0);
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }
}

/// A turn, a scaling and a shift, never a reflection: `(x, y)` goes to
/// `(a x - b y + tx, b x + a y + ty)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Similarity {
    pub a: f32,
    pub b: f32,
    pub tx: f32,
    pub ty: f32,
}

impl Similarity {
    pub fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        (self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty)
    }

    /// How much longer lengths become.
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    /// The least-squares similarity that takes each `from` to its `to` (Umeyama 1991; in the plane, with
    /// points as complex numbers, it is one division). `None` for fewer than two different points.
    pub fn fit(from: &[[f32; 2]], to: &[[f32; 2]]) -> Option<Self> {
        let n = from.len().min(to.len());
        let mean = |points: &[[f32; 2]]| {
            let sum = points.iter().take(n).fold([0.0, 0.0], |s, p| [s[0] + p[0], s[1] + p[1]]);
            [sum[0] / n as f32, sum[1] / n as f32]
        };
        let (mf, mt) = (mean(from), mean(to));
        let (mut real, mut imaginary, mut spread) = (0.0, 0.0, 0.0);
        for (f, t) in from.iter().zip(to) {
            let (fx, fy) = (f[0] - mf[0], f[1] - mf[1]);
            let (tx, ty) = (t[0] - mt[0], t[1] - mt[1]);
            real += fx * tx + fy * ty;
            imaginary += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        let (a, b) = (real / spread, imaginary / spread);
        let fitted =
            Self { a, b, tx: mt[0] - (a * mf[0] - b * mf[1]), ty: mt[1] - (b * mf[0] + a * mf[1]) };
        let whole = [fitted.a, fitted.b, fitted.tx, fitted.ty].iter().all(|v| v.is_finite());
        (whole && fitted.scale() > 0.0).then_some(fitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_similarity_is_found_again(
            a in 0.1f32..5.0, b in -5.0f32..5.0, tx in -500.0f32..500.0, ty in -500.0f32..500.0,
        ) {
            let made = Similarity { a, b, tx, ty };
            let from = [[0.0, 0.0], [10.0, 2.0], [-3.0, 7.0], [5.0, 5.0]];
            let to = from.map(|[x, y]| { let (x, y) = made.apply(x, y); [x, y] });
            let found = Similarity::fit(&from, &to).ok_or(TestCaseError::fail("nothing"))?;
            prop_assert!((found.a - a).abs() < 1e-3 && (found.b - b).abs() < 1e-3);
            prop_assert!((found.tx - tx).abs() < 1e-2 && (found.ty - ty).abs() < 1e-2);
        }
    }

    #[test]
    fn least_squares_in_the_target_space() {
        // Worked by hand: sum(conj(p) q) / sum(|p|^2) for p = -1, 1 and q = -2 - 1i, 2 + 3i.
        let found = Similarity::fit(&[[-1.0, 0.0], [1.0, 0.0]], &[[-2.0, -1.0], [2.0, 3.0]]);
        assert_eq!(found, Some(Similarity { a: 2.0, b: 2.0, tx: 0.0, ty: 1.0 }));
    }

    #[test]
    fn points_in_one_place_have_no_similarity() {
        assert_eq!(Similarity::fit(&[[1.0, 1.0]; 3], &[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]), None);
        assert_eq!(Similarity::fit(&[[0.0, 0.0], [1.0, 0.0]], &[[4.0, 4.0]; 2]), None);
        assert_eq!(Similarity::fit(&[], &[]), None);
    }

    #[test]
    fn overlap_is_shared_over_all() {
        let a = Bounds { x: 0.0, y: 0.0, width: 2.0, height: 2.0 };
        assert_eq!(a.overlap(&a), 1.0);
        assert!((a.overlap(&Bounds { x: 1.0, ..a }) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.overlap(&Bounds { x: 2.0, ..a }), 0.0);
        assert_eq!(a.overlap(&Bounds { x: 5.0, ..a }), 0.0);
    }
}
