//! A picture in memory: 8-bit RGB, and its halvings for sampling it small without aliasing.

use std::sync::OnceLock;
use zeroize::Zeroize;

/// The longest side taken.
pub const MAX_SIDE: u32 = 12_000;
/// The most pixels taken.
pub const MAX_PIXELS: u64 = 64_000_000;
/// Halvings of a side of [`MAX_SIDE`] until it is one pixel.
const MAX_LEVELS: usize = 14;

/// A picture, overwritten with zeros when dropped.
pub struct Picture {
    full: Level,
    /// `halved[k]` has 2^(k+1) times fewer pixels a side; made when first asked for.
    halved: [OnceLock<Level>; MAX_LEVELS],
}

/// One size of a picture: interleaved RGB, row by row.
pub(super) struct Level {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// Why bytes are no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPicture {
    #[error("a picture has at least one pixel, at most {MAX_SIDE} a side and {MAX_PIXELS} in all")]
    Size,
    #[error("{have} bytes were given, its size needs {want}")]
    Length { want: usize, have: usize },
}

impl Drop for Level {
    fn drop(&mut self) {
        self.rgb.zeroize();
    }
}

impl Picture {
    /// From interleaved 8-bit RGB (sRGB as cameras give it), row by row, without padding.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, BadPicture> {
        let mut full = Level { width: width as usize, height: height as usize, rgb };
        let checked = check(width, height, full.rgb.len(), 3 * full.width * full.height);
        if checked.is_err() {
            full.rgb.zeroize();
        }
        checked.map(|()| Self { full, halved: Default::default() })
    }

    /// How long a raw YUV420 (I420) frame is: a plane of luma, two of chroma with half the sides, rounded
    /// up.
    pub fn i420_len(width: u32, height: u32) -> usize {
        let (w, h) = (width as usize, height as usize);
        w * h + 2 * (w.div_ceil(2) * h.div_ceil(2))
    }

    /// From a raw YUV420 frame (I420: Y, then U, then V, no padding), BT.601 matrix, limited range (luma
    /// 16-235): what `rpicam-vid --codec yuv420` gives below 720 lines, and most V4L2 programs. Taking a
    /// full-range frame for limited costs contrast (black and white clip), not correctness.
    pub fn from_i420(width: u32, height: u32, data: &[u8]) -> Result<Self, BadPicture> {
        check(width, height, data.len(), Self::i420_len(width, height))?;
        let (w, h) = (width as usize, height as usize);
        let (luma, chroma) = data.split_at(w * h);
        let chroma_width = w.div_ceil(2);
        let (u, v) = chroma.split_at(chroma_width * h.div_ceil(2));
        let mut rgb = vec![0; 3 * w * h];
        for (y, (out, luma)) in rgb.chunks_exact_mut(3 * w).zip(luma.chunks_exact(w)).enumerate() {
            let row = (y / 2) * chroma_width..(y / 2 + 1) * chroma_width;
            let chroma = u[row.clone()].iter().zip(&v[row]);
            for ((out, luma), (u, v)) in out.chunks_mut(6).zip(luma.chunks(2)).zip(chroma) {
                let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
                // 8 bits of fraction; 128 rounds.
                let (r, g, b) = (409 * v + 128, -100 * u - 208 * v + 128, 516 * u + 128);
                for (out, luma) in out.chunks_exact_mut(3).zip(luma) {
                    let y = 298 * (i32::from(*luma) - 16);
                    for (out, add) in out.iter_mut().zip([r, g, b]) {
                        *out = ((y + add) >> 8).clamp(0, 255) as u8;
                    }
                }
            }
        }
        Self::from_rgb(width, height, rgb)
    }

    /// The reverse of [`Picture::from_i420`], as a capture program would send it.
    pub fn to_i420(&self) -> Vec<u8> {
        let (w, h) = (self.full.width, self.full.height);
        let mut data = Vec::with_capacity(Self::i420_len(self.width(), self.height()));
        for p in self.full.rgb.chunks_exact(3) {
            let (r, g, b) = (i32::from(p[0]), i32::from(p[1]), i32::from(p[2]));
            data.push((((66 * r + 129 * g + 25 * b + 128) >> 8) + 16) as u8);
        }
        for weights in [[-38, -74, 112], [112, -94, -18]] {
            for y in (0..h).step_by(2) {
                for x in (0..w).step_by(2) {
                    let mut sum = 0;
                    for (x, y) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
                        let at = 3 * (y.min(h - 1) * w + x.min(w - 1));
                        let pixel = self.full.rgb[at..at + 3].iter().zip(weights);
                        sum += pixel.map(|(c, weight)| weight * i32::from(*c)).sum::<i32>();
                    }
                    data.push((((sum + 512) >> 10) + 128) as u8);
                }
            }
        }
        data
    }

    pub fn width(&self) -> u32 {
        self.full.width as u32
    }

    pub fn height(&self) -> u32 {
        self.full.height as u32
    }

    /// Interleaved RGB, row by row.
    pub fn rgb(&self) -> &[u8] {
        &self.full.rgb
    }

    /// The picture halved `level` times, or the last halving there is, and how often that was.
    pub(super) fn level(&self, level: usize) -> (&Level, usize) {
        let mut reached = (&self.full, 0);
        for (k, halved) in self.halved.iter().take(level).enumerate() {
            if reached.0.width < 2 || reached.0.height < 2 {
                break;
            }
            reached = (halved.get_or_init(|| reached.0.halve()), k + 1);
        }
        reached
    }
}

fn check(width: u32, height: u32, have: usize, want: usize) -> Result<(), BadPicture> {
    let sides = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
    if !sides || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(BadPicture::Size);
    }
    if have == want { Ok(()) } else { Err(BadPicture::Length { want, have }) }
}

impl Level {
    /// Means of 2x2 boxes; an odd last row or column is left out.
    fn halve(&self) -> Level {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut rgb = vec![0; 3 * width * height];
        let two_rows = self.rgb.chunks_exact(6 * self.width);
        for (out, rows) in rgb.chunks_exact_mut(3 * width).zip(two_rows) {
            let (top, bottom) = rows.split_at(3 * self.width);
            let boxes = top.chunks_exact(6).zip(bottom.chunks_exact(6));
            for (out, (t, b)) in out.chunks_exact_mut(3).zip(boxes) {
                for c in 0..3 {
                    let four = [t[c], t[c + 3], b[c], b[c + 3]];
                    out[c] = ((four.iter().map(|v| u16::from(*v)).sum::<u16>() + 2) / 4) as u8;
                }
            }
        }
        Level { width, height, rgb }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded_and_lengths_must_fit() {
        assert_eq!(Picture::from_rgb(0, 4, vec![]).err(), Some(BadPicture::Size));
        assert_eq!(Picture::from_rgb(MAX_SIDE + 1, 1, vec![]).err(), Some(BadPicture::Size));
        assert_eq!(Picture::from_i420(12_000, 12_000, &[]).err(), Some(BadPicture::Size));
        let short = Some(BadPicture::Length { want: 12, have: 11 });
        assert_eq!(Picture::from_rgb(2, 2, vec![0; 11]).err(), short);
        let short = Some(BadPicture::Length { want: 6, have: 5 });
        assert_eq!(Picture::from_i420(2, 2, &[0; 5]).err(), short);
    }

    /// Colour bars of BT.601, limited range: the standard's own values.
    #[test]
    fn i420_is_bt601_limited_range() -> Result<(), BadPicture> {
        for (yuv, rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([81, 90, 240], [255, 0, 0]),
            ([145, 54, 34], [0, 255, 0]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            let [y, u, v] = yuv;
            let picture = Picture::from_i420(2, 2, &[y, y, y, y, u, v])?;
            for pixel in picture.rgb().chunks_exact(3) {
                let near = pixel.iter().zip(rgb).all(|(a, b): (&u8, u8)| a.abs_diff(b) <= 2);
                assert!(near, "{yuv:?} gave {pixel:?}, not {rgb:?}");
            }
            let back = picture.to_i420();
            let near = back.iter().zip([y, y, y, y, u, v]).all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(near, "{yuv:?} came back as {back:?}");
        }
        Ok(())
    }

    #[test]
    fn odd_sides_keep_their_last_column_and_row() -> Result<(), BadPicture> {
        let (w, h) = (5, 3);
        assert_eq!(Picture::i420_len(w, h), 15 + 2 * 6);
        let rgb = (0..3 * w * h).map(|i| if i / 3 % w == w - 1 { 200 } else { 40 }).collect();
        let picture = Picture::from_rgb(w, h, rgb)?;
        let again = Picture::from_i420(w, h, &picture.to_i420())?;
        for (a, b) in picture.rgb().iter().zip(again.rgb()) {
            assert!(a.abs_diff(*b) <= 3, "{a} {b}");
        }
        Ok(())
    }

    #[test]
    fn halving_means_boxes_and_stops_at_a_pixel() -> Result<(), BadPicture> {
        let mut rgb = vec![0; 5 * 2 * 3];
        // The second box's four red values.
        (rgb[6], rgb[9], rgb[15 + 6], rgb[15 + 9]) = (10, 20, 30, 41);
        let picture = Picture::from_rgb(5, 2, rgb)?;
        let (half, level) = picture.level(9);
        assert_eq!((half.width, half.height, level), (2, 1, 1));
        assert_eq!(half.rgb, [0, 0, 0, 25, 0, 0]);
        assert_eq!(picture.level(0).0.width, 5);
        Ok(())
    }
}
