//! Cutting a turned and scaled piece out of a picture, straight into a network's input.

use super::geometry::Similarity;
use super::manifest::{Channels, Input};
use super::picture::{Level, Picture};

/// What lies outside the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Border {
    Black,
    /// The nearest pixel inside.
    Replicate,
}

/// Fills `out` as `input` says. `to_picture` takes continuous coordinates of the input to those of the
/// picture. Bilinear, from the halving at which a step is between one and two pixels, so that nothing
/// smaller than an input pixel shows as a pattern.
pub(super) fn sample(
    picture: &Picture,
    to_picture: &Similarity,
    border: Border,
    input: &Input,
    out: &mut [f32],
) {
    let wanted = to_picture.scale().log2().clamp(0.0, 15.0) as usize;
    let (level, halvings) = picture.level(wanted);
    let shrink = 1.0 / (1u32 << halvings) as f32;
    // From pixel indices of the input to those of the level: a pixel's centre is half a pixel in.
    let (cx, cy) = to_picture.apply(0.5, 0.5);
    let (a, b) = (to_picture.a * shrink, to_picture.b * shrink);
    let start = (cx * shrink - 0.5, cy * shrink - 0.5);

    let swap = input.channels == Channels::Bgr;
    let gain = input.scale.map(|s| 1.0 / s);
    let shift = [0, 1, 2].map(|c| -input.mean[c] * gain[c]);
    // Counted in i32, which becomes f32 in one instruction.
    for (row, out) in (0i32..).zip(out.chunks_exact_mut(3 * input.width)) {
        let (x0, y0) = (start.0 - b * row as f32, start.1 + a * row as f32);
        for (column, out) in (0i32..).zip(out.chunks_exact_mut(3)) {
            let (x, y) = (x0 + a * column as f32, y0 + b * column as f32);
            let mut pixel = inside(level, x, y).unwrap_or_else(|| near_edge(level, x, y, border));
            if swap {
                pixel.swap(0, 2);
            }
            for c in 0..3 {
                out[c] = pixel[c] * gain[c] + shift[c];
            }
        }
    }
}

/// The picture at pixel indices `x`, `y`, between its four neighbours, if they are well inside. Written
/// for the compiler to make vector instructions of: eight bytes a row, of which six count, and no
/// `floor`, which the oldest x86-64 has only as a call.
#[inline(always)]
fn inside(level: &Level, x: f32, y: f32) -> Option<[f32; 4]> {
    // Pictures are at most 12,000 a side, so nothing here comes near i32's end.
    let (width, height) = (level.width as i32, level.height as i32);
    if !(x >= 0.0 && y >= 0.0 && x < (width - 2) as f32 && y < (height - 1) as f32) {
        return None;
    }
    let (xi, yi) = (x as i32, y as i32);
    let (fx, fy) = (x - xi as f32, y - yi as f32);
    let at = (3 * yi.wrapping_mul(width).wrapping_add(xi)) as usize;
    let top: &[u8; 8] = level.rgb.get(at..at + 8)?.first_chunk()?;
    let at = at + 3 * level.width;
    let bottom: &[u8; 8] = level.rgb.get(at..at + 8)?.first_chunk()?;
    let rows: [f32; 8] = std::array::from_fn(|i| mix(f32::from(top[i]), f32::from(bottom[i]), fy));
    Some(std::array::from_fn(|c| mix(rows[c], rows[c + 3], fx)))
}

/// As [`inside`], anywhere.
#[cold]
fn near_edge(level: &Level, x: f32, y: f32, border: Border) -> [f32; 4] {
    let (xf, yf) = (x.floor(), y.floor());
    let (fx, fy) = (x - xf, y - yf);
    // Saturates far outside, and is 0 for what is no number.
    let (xi, yi) = (xf as i32, yf as i32);
    let [a, b, c, d] = [(0, 0), (1, 0), (0, 1), (1, 1)]
        .map(|(dx, dy)| bordered(level, xi.saturating_add(dx), yi.saturating_add(dy), border));
    std::array::from_fn(|i| mix(mix(a[i], b[i], fx), mix(c[i], d[i], fx), fy))
}

fn bordered(level: &Level, x: i32, y: i32, border: Border) -> [f32; 4] {
    let last = |side: usize| side.saturating_sub(1) as i32;
    let (near_x, near_y) = (x.clamp(0, last(level.width)), y.clamp(0, last(level.height)));
    if border == Border::Black && (near_x, near_y) != (x, y) {
        return [0.0; 4];
    }
    let at = 3 * (near_y as usize * level.width + near_x as usize);
    let rgb = level.rgb.get(at..at + 3).unwrap_or(&[0; 3]);
    [f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2]), 0.0]
}

#[inline]
fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Layout;
    use super::super::picture::BadPicture;
    use super::*;

    fn input(width: usize, height: usize, channels: Channels) -> Input {
        Input {
            name: "in".into(),
            width,
            height,
            layout: Layout::Nhwc,
            channels,
            mean: [0.0, 10.0, 20.0],
            scale: [1.0, 2.0, 4.0],
        }
    }

    const SAME: Similarity = Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 };

    /// Red is the column, green the row, blue constant.
    fn ramp(width: u32, height: u32) -> Result<Picture, BadPicture> {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| [x as u8, y as u8, 200]));
        Picture::from_rgb(width, height, pixels.flatten().collect())
    }

    fn cut(picture: &Picture, to: &Similarity, border: Border, input: &Input) -> Vec<f32> {
        let mut out = vec![f32::NAN; input.len()];
        sample(picture, to, border, input, &mut out);
        out
    }

    #[test]
    fn unmoved_pixels_are_themselves_normalised_and_in_the_networks_order() -> Result<(), BadPicture>
    {
        let picture = ramp(16, 16)?;
        let out = cut(&picture, &SAME, Border::Black, &input(16, 16, Channels::Rgb));
        assert_eq!(out[3 * (16 * 5 + 9)..][..3], [9.0, (5.0 - 10.0) / 2.0, (200.0 - 20.0) / 4.0]);
        let out = cut(&picture, &SAME, Border::Black, &input(16, 16, Channels::Bgr));
        assert_eq!(out[3 * (16 * 5 + 9)..][..3], [200.0, (5.0 - 10.0) / 2.0, (9.0 - 20.0) / 4.0]);
        Ok(())
    }

    #[test]
    fn a_turned_and_enlarged_cut_lands_between_pixels() -> Result<(), BadPicture> {
        let picture = ramp(40, 40)?;
        // A quarter turn, half size: input (x, y) is at picture (20 - y / 2, 4 + x / 2).
        let to = Similarity { a: 0.0, b: 0.5, tx: 20.0, ty: 4.0 };
        let out = cut(&picture, &to, Border::Black, &input(16, 16, Channels::Rgb));
        let (x, y) = (7.0 + 0.5, 3.0 + 0.5);
        let expected = [20.0 - y / 2.0 - 0.5, ((4.0 + x / 2.0 - 0.5) - 10.0) / 2.0];
        let got = &out[3 * (16 * 3 + 7)..][..2];
        assert!((got[0] - expected[0]).abs() < 1e-4 && (got[1] - expected[1]).abs() < 1e-4);
        Ok(())
    }

    #[test]
    fn a_small_cut_averages_instead_of_skipping() -> Result<(), BadPicture> {
        // Stripes a pixel wide: sampled without halving they would come out as 0 or 250.
        let rgb = (0..128 * 128).flat_map(|i| [if i % 2 == 0 { 0 } else { 250 }; 3]).collect();
        let picture = Picture::from_rgb(128, 128, rgb)?;
        let to = Similarity { a: 8.0, ..SAME };
        let out = cut(&picture, &to, Border::Black, &input(16, 16, Channels::Rgb));
        assert!(out.iter().step_by(3).all(|v| (v - 125.0).abs() < 1.0));
        Ok(())
    }

    #[test]
    fn outside_is_black_or_the_nearest_pixel() -> Result<(), BadPicture> {
        let picture = ramp(4, 4)?;
        let away = Similarity { tx: -100.0, ty: 1.0, ..SAME };
        let input = input(16, 16, Channels::Rgb);
        assert_eq!(cut(&picture, &away, Border::Black, &input)[2], -5.0);
        assert_eq!(cut(&picture, &away, Border::Replicate, &input)[2], 45.0);
        let nowhere = Similarity { tx: f32::NAN, ty: f32::INFINITY, ..SAME };
        cut(&picture, &nowhere, Border::Replicate, &input);
        Ok(())
    }
}
