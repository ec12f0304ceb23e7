//! Rows of the search: each template as it is, and rounded to a byte a number with what the rounding
//! cost. A search reads the rounded ones, a quarter of the memory traffic that limits it, and looks at a
//! template itself only where the rounded one can't rule it out. The answer is that of comparing every
//! template.
//!
//! The bound: with `x'` and `y'` the rounded row and query, `|x - y| >= |x' - y'| - |x - x'| - |y - y'|`.
//! `|x' - y'|` comes from whole-number products, which have no error of their own.

use zeroize::Zeroize;

/// Rows in one block. A block never moves and never grows, so adding copies no other template. Large, because
/// memory is read faster in long stretches; what no template is in yet costs no memory, only addresses.
pub(super) const ROWS: usize = 16_384;
/// Rows whose bounds are worked out at a time.
const STRETCH: usize = 512;
/// Codes of a row are padded with zeros to a multiple of this: whole vector registers.
const PAD: usize = 32;
/// A byte's largest code.
const ROW_CODE: f32 = 127.0;
/// Relative error of a sum of a few f32 terms, with room to spare: 17 units of the last place.
const ROUNDING: f32 = 1e-6;
/// Rows ruled out together.
const GROUP: usize = 32;
/// More than products too small for f32 can lose.
const UNDERFLOW: f32 = 1e-30;

/// Up to [`ROWS`] templates. Overwritten with zeros when dropped.
pub(super) struct Block {
    dimension: usize,
    len: usize,
    /// `ROWS * dimension` numbers.
    values: Vec<f32>,
    /// `ROWS * padded` codes; a number is about its code times the row's scale.
    codes: Vec<i8>,
    scales: Vec<f32>,
    /// Squared lengths of the rounded rows.
    norms: Vec<f32>,
    /// Distances between row and rounded row, rounded up.
    errors: Vec<f32>,
}

/// What a search needs of its query. Overwritten with zeros when dropped.
pub(super) struct Query {
    values: Vec<f32>,
    codes: Vec<i16>,
    scale: f32,
    norm: f32,
    error: f32,
    /// Relative error of a squared distance computed in f32, at most.
    distance_rounding: f32,
}

/// A row or query rounded to whole multiples of a scale.
struct Rounded {
    scale: f32,
    norm: f32,
    error: f32,
}

fn padded(dimension: usize) -> usize {
    dimension.next_multiple_of(PAD)
}

/// Rounds `values` to codes of at most `most`, which `put` stores.
fn round(values: &[f32], most: f32, mut put: impl FnMut(usize, f32)) -> Rounded {
    let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let scale = if largest > 0.0 { (largest / most).max(f32::MIN_POSITIVE) } else { 1.0 };
    let (mut norm, mut error) = (0.0f64, 0.0f64);
    for (i, v) in values.iter().enumerate() {
        let code = (v / scale).round().clamp(-most, most);
        put(i, code);
        let rounded = f64::from(code) * f64::from(scale);
        norm += rounded * rounded;
        error += (f64::from(*v) - rounded).powi(2);
    }
    // Near f32's end the sums of `bound` would be no numbers that mean anything; a row whose norm is no
    // number is always looked at.
    let norm = if norm < 1e37 { norm as f32 } else { f32::NAN };
    Rounded { scale, norm, error: error.sqrt() as f32 * (1.0 + ROUNDING) }
}

impl Query {
    pub fn new(values: &[f32]) -> Self {
        let dimension = values.len();
        let mut codes = vec![0i16; padded(dimension)];
        // The largest code with which no sum of products can leave an i32.
        let most = (i32::MAX as f32 / (ROW_CODE * dimension as f32)).floor().min(32_767.0);
        let Rounded { scale, norm, error } = round(values, most - 1.0, |i, code| {
            if let Some(c) = codes.get_mut(i) {
                *c = code as i16;
            }
        });
        // Roundings that follow each other in `squared`, each of at most 2^-24.
        let steps = (dimension / 16 + 40) as f32;
        let distance_rounding = 2.0 * steps / 16_777_216.0;
        Self { values: values.to_vec(), codes, scale, norm, error, distance_rounding }
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// How far a rounded row may be from the rounded query and still, but for its own error, be no
    /// farther than a row at `squared`.
    fn reach(&self, squared: f32) -> f32 {
        ((squared * (1.0 + self.distance_rounding)).sqrt() + self.error) * (1.0 + ROUNDING)
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        self.values.zeroize();
        self.codes.zeroize();
    }
}

/// A place for intermediate numbers.
pub(super) struct Scratch {
    dots: [i32; STRETCH],
    /// Lower bounds of rows' squared distances, their own rounding errors not yet taken off.
    least: [f32; STRETCH],
}

impl Scratch {
    pub fn new() -> Self {
        Self { dots: [0; STRETCH], least: [0.0; STRETCH] }
    }
}

impl Block {
    pub fn new(dimension: usize) -> Self {
        Self {
            dimension,
            len: 0,
            values: vec![0.0; ROWS * dimension],
            codes: vec![0; ROWS * padded(dimension)],
            scales: vec![0.0; ROWS],
            norms: vec![0.0; ROWS],
            errors: vec![0.0; ROWS],
        }
    }

    pub fn is_full(&self) -> bool {
        self.len == ROWS
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dimension..][..self.dimension]
    }

    /// The caller has seen that there is room.
    pub fn push(&mut self, values: &[f32]) {
        let row = self.len;
        self.values[row * self.dimension..][..self.dimension].copy_from_slice(values);
        let width = padded(self.dimension);
        let codes = &mut self.codes[row * width..][..width];
        let Rounded { scale, norm, error } = round(values, ROW_CODE, |i, code| {
            if let Some(c) = codes.get_mut(i) {
                *c = code as i8;
            }
        });
        (self.scales[row], self.norms[row], self.errors[row]) = (scale, norm, error);
        self.len += 1;
    }

    /// Puts a row of another block in the place of `row`.
    pub fn replace(&mut self, row: usize, values: &[f32]) {
        let len = std::mem::replace(&mut self.len, row);
        self.push(values);
        self.len = len;
    }

    /// Puts the block's own last row in the place of `row`, and overwrites the last.
    pub fn pop_into(&mut self, row: usize) {
        let Some(last) = self.len.checked_sub(1) else { return };
        let (d, width) = (self.dimension, padded(self.dimension));
        self.values.copy_within(last * d..(last + 1) * d, row * d);
        self.codes.copy_within(last * width..(last + 1) * width, row * width);
        for numbers in [&mut self.scales, &mut self.norms, &mut self.errors] {
            numbers.copy_within(last..=last, row);
        }
        self.values[last * d..(last + 1) * d].zeroize();
        self.codes[last * width..(last + 1) * width].zeroize();
        self.len = last;
    }

    /// Calls `look` with each row that may be as near as `limit`, a squared distance, in the rows' order;
    /// it gives the limit from then on.
    pub fn scan(
        &self,
        query: &Query,
        scratch: &mut Scratch,
        mut limit: f32,
        mut look: impl FnMut(usize, &[f32]) -> f32,
    ) -> f32 {
        let mut reach = query.reach(limit);
        for stretch in (0..self.len).step_by(STRETCH) {
            let rows = stretch..(stretch + STRETCH).min(self.len);
            let count = rows.len();
            self.bound(rows.start, query, scratch, count);
            for group in (0..count).step_by(GROUP) {
                let here = group..(group + GROUP).min(count);
                let errors = &self.errors[stretch..][here.clone()];
                // Nearly always none of them is near, and vectors find that out in no time; asking one by
                // one would take as long as the products did.
                let bounds = scratch.least[here.clone()].iter().zip(errors);
                if !bounds.fold(false, |any, (least, e)| any | is_near(*least, reach, *e)) {
                    continue;
                }
                for (row, error) in here.zip(errors) {
                    if is_near(scratch.least[row], reach, *error) {
                        limit = look(stretch + row, self.row(stretch + row));
                        reach = query.reach(limit);
                    }
                }
            }
        }
        limit
    }

    /// Lower bounds of `count` rows from `first` on.
    fn bound(&self, first: usize, query: &Query, scratch: &mut Scratch, count: usize) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the line above asked this very processor for what the function is compiled for.
            return unsafe { bound_avx2(self, first, query, scratch, count) };
        }
        bound_anywhere(self, first, query, scratch, count);
    }
}

/// Whether a row, by its lower bound, may be within reach.
#[inline(always)]
fn is_near(least: f32, reach: f32, error: f32) -> bool {
    // What is no number must be looked at.
    let room = (reach + error) * (reach + error);
    least <= room || (least - room).is_nan()
}

/// The same safe code once more, compiled for a processor with AVX2: x86-64's baseline has vectors of half
/// the width and takes four times as long. On arm64 the baseline has all there is to use.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
// SAFETY: nothing but safe code; it may be called where the processor has AVX2, which its caller asks first.
unsafe fn bound_avx2(b: &Block, first: usize, q: &Query, scratch: &mut Scratch, count: usize) {
    bound_anywhere(b, first, q, scratch, count);
}

#[inline(always)]
fn bound_anywhere(b: &Block, first: usize, query: &Query, scratch: &mut Scratch, count: usize) {
    let width = query.codes.len();
    let rows = b.codes[first * width..][..count * width].chunks_exact(width);
    for (codes, dot) in rows.zip(&mut scratch.dots) {
        // No overflow: see `Query::new`. Wrapping, because a check would forbid vectors.
        *dot = codes
            .iter()
            .zip(&query.codes)
            .fold(0, |sum: i32, (c, q)| sum.wrapping_add(i32::from(*c) * i32::from(*q)));
    }
    let (norms, scales) = (&b.norms[first..][..count], &b.scales[first..][..count]);
    let known = norms.iter().zip(scales).zip(&scratch.dots);
    for (((norm, scale), dot), least) in known.zip(&mut scratch.least) {
        // What f32 may have rounded away is taken off; twice the product is at most the norms' sum.
        let norms = (norm + query.norm) * (1.0 - 4.0 * ROUNDING);
        *least = norms - UNDERFLOW - 2.0 * (query.scale * scale) * *dot as f32;
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.values.zeroize();
        self.codes.zeroize();
    }
}
