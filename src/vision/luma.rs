//! A frame so small that no face is in it: the mean brightness of 32 by 24 blocks. What tells whether
//! anything moves, and whether the camera still sees its gate.

use super::picture::BadPicture;
use zeroize::Zeroize;

pub(super) const COLUMNS: usize = 32;
pub(super) const ROWS: usize = 24;
pub(super) const BLOCKS: usize = COLUMNS * ROWS;

/// Row by row; each from 0 to 255. Overwritten with zeros when dropped.
pub struct Luma(pub(super) [f32; BLOCKS]);

impl Drop for Luma {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Luma {
    /// From the luma plane that a raw YUV420 (I420) frame begins with. Frames smaller than the blocks are
    /// none that can be judged.
    pub fn of_frame(width: u32, height: u32, i420: &[u8]) -> Result<Self, BadPicture> {
        let (width, height) = (width as usize, height as usize);
        if width < COLUMNS || height < ROWS {
            return Err(BadPicture::Size);
        }
        let want = width * height;
        let plane = i420.get(..want).ok_or(BadPicture::Length { want, have: i420.len() })?;
        let mut blocks = [0.0; BLOCKS];
        let mut sums = [0u32; COLUMNS];
        for (row, out) in blocks.chunks_exact_mut(COLUMNS).enumerate() {
            let (top, bottom) = (row * height / ROWS, (row + 1) * height / ROWS);
            sums.fill(0);
            for line in plane.chunks_exact(width).skip(top).take(bottom - top) {
                for (column, sum) in sums.iter_mut().enumerate() {
                    let (left, right) = (column * width / COLUMNS, (column + 1) * width / COLUMNS);
                    let pixels = line.get(left..right).unwrap_or_default();
                    *sum += pixels.iter().map(|&p| u32::from(p)).sum::<u32>();
                }
            }
            for (column, (out, sum)) in out.iter_mut().zip(&mut sums).enumerate() {
                let across = (column + 1) * width / COLUMNS - column * width / COLUMNS;
                *out = *sum as f32 / (across * (bottom - top)) as f32;
            }
        }
        sums.zeroize();
        Ok(Self(blocks))
    }

    /// The share of blocks at least this bright.
    pub(super) fn brighter(&self, than: f32) -> f32 {
        self.0.iter().filter(|&&b| b >= than).count() as f32 / BLOCKS as f32
    }

    /// How much there is to see: the mean difference between a block and what its neighbours would make of
    /// it. A flat field has none, nor has one that only fades from one side to the other.
    pub(super) fn detail(&self) -> f32 {
        let at = |row: usize, column: usize| self.0.get(row * COLUMNS + column).copied();
        let mut sum = 0.0;
        for row in 1..ROWS - 1 {
            for column in 1..COLUMNS - 1 {
                let around =
                    [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)];
                let around: f32 = around.iter().filter_map(|&(r, c)| at(r, c)).sum();
                sum += (at(row, column).unwrap_or_default() - around / 4.0).abs();
            }
        }
        sum / ((ROWS - 2) * (COLUMNS - 2)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_means_of_all_their_pixels() -> Result<(), BadPicture> {
        // Sides that the blocks don't divide evenly.
        let (width, height) = (70, 50);
        let plane: Vec<u8> =
            (0..width * height).map(|i| if i % width < width / 2 { 40 } else { 200 }).collect();
        let luma = Luma::of_frame(width as u32, height as u32, &plane)?;
        assert!(luma.0.chunks(COLUMNS).all(|row| row[15] == 40.0 && row[16] == 200.0));
        assert_eq!(luma.brighter(100.0), 0.5);
        Ok(())
    }

    #[test]
    fn a_fade_has_no_detail_and_a_chequerboard_has() -> Result<(), BadPicture> {
        let of = |f: fn(usize, usize) -> u8| {
            let plane: Vec<u8> = (0..96 * 128).map(|i| f(i % 128, i / 128)).collect();
            Luma::of_frame(128, 96, &plane).map(|luma| luma.detail())
        };
        assert_eq!(of(|_, _| 80)?, 0.0);
        assert!(of(|x, y| (x + y) as u8)? < 0.1);
        assert!(of(|x, y| if (x / 4 + y / 4) % 2 == 0 { 50 } else { 150 })? > 90.0);
        Ok(())
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(Luma::of_frame(30, 48, &[0; 4000]).err(), Some(BadPicture::Size));
        let short = Some(BadPicture::Length { want: 64 * 48, have: 5 });
        assert_eq!(Luma::of_frame(64, 48, &[0; 5]).err(), short);
    }
}
