//! Turning a frame upright. A gate's camera is often mounted on its side, because people are taller than wide;
//! its frames then come lying down.

use crate::domain::Rotation;

/// Bytes a side of what is turned at once: both the rows read and the rows written stay in the nearest cache.
const BLOCK: usize = 32;

/// Not a frame of the size it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an I420 frame of {width} by {height} pixels, both even")]
pub struct BadFrame {
    width: u32,
    height: u32,
}

/// Turns an I420 frame of this size; `turned` is as long, and of the size that [`Rotation::size`] says.
pub fn upright(
    rotation: Rotation,
    (width, height): (u32, u32),
    frame: &[u8],
    turned: &mut [u8],
) -> Result<(), BadFrame> {
    let bad = BadFrame { width, height };
    let (width, height) = (width as usize, height as usize);
    let luma = width.checked_mul(height).ok_or(bad)?;
    let whole = luma.checked_add(luma / 2).ok_or(bad)?;
    let even = width % 2 == 0 && height % 2 == 0;
    if luma == 0 || !even || frame.len() != whole || turned.len() != whole {
        return Err(bad);
    }
    let (from, from_chroma) = frame.split_at(luma);
    let (to, to_chroma) = turned.split_at_mut(luma);
    plane(rotation, width, from, to);
    let chroma = from_chroma.chunks_exact(luma / 4).zip(to_chroma.chunks_exact_mut(luma / 4));
    chroma.for_each(|(from, to)| plane(rotation, width / 2, from, to));
    Ok(())
}

/// One plane of so many columns, into one as long.
fn plane(rotation: Rotation, width: usize, from: &[u8], to: &mut [u8]) {
    match rotation {
        Rotation::None => to.copy_from_slice(from),
        Rotation::Half => to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from),
        Rotation::Quarter => transpose(width, from, to, true),
        Rotation::ThreeQuarters => transpose(width, from, to, false),
    }
}

/// Rows become columns, a block at a time. Clockwise the last row becomes the first column, and the first column the
/// first row; the other way the last column becomes the first row.
fn transpose(width: usize, from: &[u8], to: &mut [u8], clockwise: bool) {
    let height = from.len() / width;
    for top in (0..height).step_by(BLOCK) {
        let rows = BLOCK.min(height - top);
        for left in (0..width).step_by(BLOCK) {
            for x in left..width.min(left + BLOCK) {
                let column = from.iter().skip(top * width + x).step_by(width).take(rows);
                let (row, at) = match clockwise {
                    true => (x, height - top - rows),
                    false => (width - 1 - x, top),
                };
                let start = row * height + at;
                let row = to.get_mut(start..start + rows).unwrap_or_default().iter_mut();
                match clockwise {
                    true => row.rev().zip(column).for_each(|(to, from)| *to = *from),
                    false => row.zip(column).for_each(|(to, from)| *to = *from),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Rotation::{Half, None, Quarter, ThreeQuarters};
    use proptest::prelude::*;

    fn turned(rotation: Rotation, size: (u32, u32), frame: &[u8]) -> (Vec<u8>, (u32, u32)) {
        let mut out = vec![0; frame.len()];
        upright(rotation, size, frame, &mut out).unwrap_or_else(|e| panic!("{e}"));
        (out, rotation.size(size))
    }

    #[test]
    fn a_small_frame_goes_clockwise() {
        // 4 x 2 of luma, 2 x 1 of each chroma.
        let frame = [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 20, 21];
        let (quarter, size) = turned(Quarter, (4, 2), &frame);
        assert_eq!((&quarter[..], size), (&[5, 1, 6, 2, 7, 3, 8, 4, 10, 11, 20, 21][..], (2, 4)));
        let (half, size) = turned(Half, (4, 2), &frame);
        assert_eq!((&half[..], size), (&[8, 7, 6, 5, 4, 3, 2, 1, 11, 10, 21, 20][..], (4, 2)));
        let (three, _) = turned(ThreeQuarters, (4, 2), &frame);
        assert_eq!(three, [4, 8, 3, 7, 2, 6, 1, 5, 11, 10, 21, 20]);
        assert_eq!(turned(None, (4, 2), &frame).0, frame);
    }

    #[test]
    fn what_is_no_frame_of_this_size_is_refused() {
        for (size, frame, out) in [
            ((3, 2), 9, 9),
            ((2, 3), 9, 9),
            ((0, 2), 0, 0),
            ((4, 2), 11, 12),
            ((4, 2), 12, 13),
            ((u32::MAX - 1, u32::MAX - 1), 12, 12),
        ] {
            let outcome = upright(Quarter, size, &vec![0; frame], &mut vec![0; out]);
            assert!(outcome.is_err(), "{size:?} {frame} {out}");
        }
    }

    proptest! {
        /// Also of sizes that are no multiple of a block.
        #[test]
        fn turns_add_up(w in 1u32..70, h in 1u32..70, seed: u8) {
            let size = (2 * w, 2 * h);
            let len = (6 * w * h) as usize;
            let frame: Vec<u8> = (0..len).map(|i| (i * 131 + i / 251) as u8 ^ seed).collect();
            let mut once = (frame.clone(), size);
            for quarters in 1..=4 {
                once = turned(Quarter, once.1, &once.0);
                let at_once = [Quarter, Half, ThreeQuarters, None][quarters - 1];
                prop_assert_eq!(&once, &turned(at_once, size, &frame), "{} quarters", quarters);
            }
        }
    }
}
