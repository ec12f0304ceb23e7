//! An annotated copy of a picture, for a person to look at: boxes, landmarks, scores.

use super::write_whole;
use crate::vision::{Face, Picture};
use image::{ImageFormat, Rgb, RgbImage};
use std::io;
use std::path::Path;

const BOX: Rgb<u8> = Rgb([0, 220, 0]);
const POINT: Rgb<u8> = Rgb([255, 210, 0]);
const BEHIND_TEXT: Rgb<u8> = Rgb([0, 0, 0]);

/// Writes the copy as PNG: beside the place first, then moved there, so that it is there whole or not.
pub(super) fn annotate(picture: &Picture, faces: &[Face], out: &Path) -> io::Result<()> {
    let mut canvas = RgbImage::from_raw(picture.width(), picture.height(), picture.rgb().to_vec())
        .ok_or(io::ErrorKind::InvalidData)?;
    // Lines that show on a large picture and don't hide a small one.
    let thick = (picture.width().max(picture.height()) / 500).max(1) as i32;
    for face in faces {
        for [x, y] in &face.mesh {
            dot(&mut canvas, *x as i32, *y as i32, (face.bounds.width / 250.0) as i32, POINT);
        }
        frame(&mut canvas, face, thick);
        let (x, y) = (face.bounds.x as i32, face.bounds.y as i32 - 7 * thick);
        text(&mut canvas, x, y.max(0), thick, &format!("{:.2} {:.2}", face.score, face.quality));
    }
    let mut png = io::Cursor::new(Vec::new());
    canvas.write_to(&mut png, ImageFormat::Png).map_err(io::Error::other)?;
    write_whole(out, png.get_ref())
}

fn put(canvas: &mut RgbImage, x: i32, y: i32, colour: Rgb<u8>) {
    let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
    if let Some(pixel) = canvas.get_pixel_mut_checked(x, y) {
        *pixel = colour;
    }
}

fn dot(canvas: &mut RgbImage, x: i32, y: i32, radius: i32, colour: Rgb<u8>) {
    for dy in -radius..=radius {
        for dx in -radius..=radius {
            put(canvas, x.saturating_add(dx), y.saturating_add(dy), colour);
        }
    }
}

fn frame(canvas: &mut RgbImage, face: &Face, thick: i32) {
    let b = &face.bounds;
    // Cut to the picture, so that a box gone astray costs no time.
    let inside = |v: f32, side: u32| v.clamp(0.0, side.saturating_sub(1) as f32) as i32;
    let (left, right) = (inside(b.x, canvas.width()), inside(b.x + b.width, canvas.width()));
    let (top, bottom) = (inside(b.y, canvas.height()), inside(b.y + b.height, canvas.height()));
    for i in 0..thick {
        for x in left..=right {
            put(canvas, x, top + i, BOX);
            put(canvas, x, bottom - i, BOX);
        }
        for y in top..=bottom {
            put(canvas, left + i, y, BOX);
            put(canvas, right - i, y, BOX);
        }
    }
}

/// Three by five dots a sign, a row of three bits each.
fn glyph(sign: char) -> [u8; 5] {
    match sign {
        '0' => [7, 5, 5, 5, 7],
        '1' => [2, 6, 2, 2, 7],
        '2' => [7, 1, 7, 4, 7],
        '3' => [7, 1, 7, 1, 7],
        '4' => [5, 5, 7, 1, 1],
        '5' => [7, 4, 7, 1, 7],
        '6' => [7, 4, 7, 5, 7],
        '7' => [7, 1, 2, 2, 2],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 7],
        '.' => [0, 0, 0, 0, 2],
        _ => [0; 5],
    }
}

fn text(canvas: &mut RgbImage, x: i32, y: i32, size: i32, text: &str) {
    for (i, sign) in text.chars().enumerate() {
        let rows = glyph(sign);
        for (row, column) in (-1..6).flat_map(|row| (-1..3).map(move |column| (row, column))) {
            let bits = usize::try_from(row).ok().and_then(|r| rows.get(r)).copied().unwrap_or(0);
            let set = column >= 0 && bits >> (2 - column) & 1 == 1;
            let colour = if set { BOX } else { BEHIND_TEXT };
            for (dx, dy) in (0..size).flat_map(|dx| (0..size).map(move |dy| (dx, dy))) {
                let left = x + (1 + 4 * i as i32 + column) * size;
                put(canvas, left + dx, y + (1 + row) * size + dy, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Bounds;

    #[test]
    fn what_is_drawn_stays_in_the_picture_and_shows() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let out = dir.path().join("seen.png");
        let picture = Picture::from_rgb(60, 40, vec![90; 60 * 40 * 3])?;
        let face = |x: f32, mesh| Face {
            bounds: Bounds { x, y: 10.0, width: 20.0, height: 20.0 },
            score: 0.5,
            presence: 1.0,
            quality: 1.0,
            eyes: [[0.0; 2]; 2],
            mesh,
            depths: Vec::new(),
            patch: Vec::new(),
        };
        let faces = [face(30.0, vec![[35.5, 20.5]]), face(-1e30, vec![[f32::MAX, -5.0]])];
        annotate(&picture, &faces, &out)?;
        let seen = image::open(&out)?.into_rgb8();
        assert_eq!(*seen.get_pixel(30, 25), BOX);
        assert_eq!(*seen.get_pixel(35, 20), POINT);
        assert_eq!(*seen.get_pixel(45, 25), Rgb([90; 3]));
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_place_that_cant_be_written_is_an_error_and_leaves_nothing() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("taken"))?;
        assert!(write_whole(&dir.path().join("taken"), b"x").is_err());
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 1);
        Ok(())
    }
}
