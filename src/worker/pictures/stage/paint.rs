//! Colours: the picture on the surface, the light, a screen's grid, the camera's noise.

use super::{Dice, FRAME};
use crate::vision::{BadPicture, Picture};

/// Half a surface's side, in pupil distances: a face with its hair and some of what is around it.
pub(super) const HALF: f64 = 2.6;
/// The texture's side, in pixels.
const SIDE: usize = 420;

/// The piece of a picture that is on a surface.
#[derive(Clone)]
pub(in super::super) struct Texture {
    rgb: Vec<[f32; 3]>,
}

impl Texture {
    /// Around a face: `middle` between the eyes and `pupils` apart, in pixels of the picture.
    pub fn cut(picture: &Picture, middle: [f64; 2], pupils: f64) -> Self {
        let step = 2.0 * HALF * pupils / SIDE as f64;
        let parts = step.ceil().clamp(1.0, 16.0) as usize;
        let texel = |i: usize| {
            let (column, row) = (i % SIDE, i / SIDE);
            let mut sum = [0.0f32; 3];
            for part in 0..parts * parts {
                let within = |i: usize| (i as f64 + 0.5) / parts as f64;
                let x = (column as f64 + within(part % parts)) * step - HALF * pupils + middle[0];
                let y = (row as f64 + within(part / parts)) * step - HALF * pupils + middle[1];
                let pixel = nearby(picture, x - 0.5, y - 0.5);
                sum.iter_mut().zip(pixel).for_each(|(s, p)| *s += p);
            }
            sum.map(|s| s / (parts * parts) as f32)
        };
        Self { rgb: (0..SIDE * SIDE).map(texel).collect() }
    }

    /// A frame as the picture on a screen.
    pub fn of_frame(frame: &Picture, pupils: f64) -> Self {
        Self::cut(frame, [FRAME as f64 / 2.0; 2], pupils)
    }

    /// The colour at a place of the surface.
    pub fn at(&self, place: [f64; 2]) -> [f32; 3] {
        let [x, y] = place.map(|v| ((v / HALF + 1.0) / 2.0 * SIDE as f64 - 0.5) as f32);
        between(x, y, SIDE, SIDE, |column, row| {
            self.rgb.get(row * SIDE + column).copied().unwrap_or_default()
        })
    }
}

impl Drop for Texture {
    fn drop(&mut self) {
        self.rgb.fill([0.0; 3]);
    }
}

fn nearby(picture: &Picture, x: f64, y: f64) -> [f32; 3] {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    between(x as f32, y as f32, width, height, |column, row| {
        let at = 3 * (row * width + column);
        let pixel = picture.rgb().get(at..at + 3).unwrap_or(&[0; 3]);
        [f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])]
    })
}

/// Between four neighbours; the edge goes on outside.
fn between(
    x: f32,
    y: f32,
    width: usize,
    height: usize,
    get: impl Fn(usize, usize) -> [f32; 3],
) -> [f32; 3] {
    let (x, y) = (x.clamp(0.0, width as f32 - 1.0), y.clamp(0.0, height as f32 - 1.0));
    let (column, row) = (x as usize, y as usize);
    let (fx, fy) = (x - column as f32, y - row as f32);
    let (right, below) = ((column + 1).min(width - 1), (row + 1).min(height - 1));
    let [a, b, c, d] = [(column, row), (right, row), (column, below), (right, below)]
        .map(|(column, row)| get(column, row));
    std::array::from_fn(|i| {
        let (top, bottom) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
        top + (bottom - top) * fy
    })
}

/// A display: its grid beats with the camera's, its brightness is its own, its refresh shows as a band.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Screen {
    /// Pixels a pupil distance, and how much darker it is between them.
    pub pitch: f64,
    pub grid: f32,
    pub gamma: f32,
    /// Where the band is, 0 to 1, and how dark.
    pub band: f64,
    pub band_depth: f32,
}

/// Light, display and camera.
#[derive(Clone, Debug)]
pub(in super::super) struct Look {
    /// Factor of brightness, and how much brighter the picture's right is than its left.
    pub light: f32,
    pub from_the_side: f32,
    /// The camera's noise, in steps of 255, and its blur, in pixels.
    pub noise: f64,
    pub blur: usize,
    pub behind: [f32; 3],
    pub screen: Option<Screen>,
}

impl Default for Look {
    fn default() -> Self {
        let behind = [110.0, 115.0, 120.0];
        Self { light: 1.0, from_the_side: 0.0, noise: 3.0, blur: 0, behind, screen: None }
    }
}

impl Look {
    pub(super) fn shade(&self, rgb: [f32; 3], [x, y]: [f64; 2]) -> [f32; 3] {
        let lit = self.light * (1.0 + self.from_the_side * (x / HALF) as f32);
        let Some(screen) = self.screen else { return rgb.map(|v| v * lit) };
        let wave = |v: f64| 0.5 + 0.5 * (std::f64::consts::TAU * screen.pitch * v).cos() as f32;
        let grid = 1.0 - screen.grid * wave(x).max(wave(y));
        let from_band = ((y / HALF + 1.0) / 2.0 - screen.band).abs();
        let band = if from_band < 0.08 { 1.0 - screen.band_depth } else { 1.0 };
        rgb.map(|v| 255.0 * (v / 255.0).powf(screen.gamma) * grid * band * lit)
    }
}

/// A wall behind: a plain colour that changes slowly.
pub(super) fn background(look: &Look) -> Vec<[f32; 3]> {
    let shade = |i: usize| {
        let (x, y) = ((i % FRAME) as f32 / FRAME as f32, (i / FRAME) as f32 / FRAME as f32);
        let stripe = if (7.0 * x + 3.0 * y) % 1.0 < 0.5 { 0.1 } else { 0.0 };
        look.behind.map(|v| v * (0.8 + 0.3 * x + 0.2 * y + stripe))
    };
    (0..FRAME * FRAME).map(shade).collect()
}

/// Blur, noise, eight bits.
pub(super) fn develop(
    canvas: &[[f32; 3]],
    look: &Look,
    dice: &mut Dice,
) -> Result<Picture, BadPicture> {
    let reach = look.blur as isize;
    let at = |x: isize, y: isize| {
        let last = FRAME as isize - 1;
        let index = y.clamp(0, last) * FRAME as isize + x.clamp(0, last);
        canvas.get(index as usize).copied().unwrap_or_default()
    };
    let mut rgb = Vec::with_capacity(3 * FRAME * FRAME);
    for y in 0..FRAME as isize {
        for x in 0..FRAME as isize {
            let mut sum = [0.0f32; 3];
            let spread = (-reach..=reach).flat_map(|dx| (-reach..=reach).map(move |dy| (dx, dy)));
            for (dx, dy) in spread {
                sum.iter_mut().zip(at(x + dx, y + dy)).for_each(|(s, v)| *s += v);
            }
            let count = ((2 * reach + 1) * (2 * reach + 1)) as f32;
            // One throw a pixel: much of a camera's noise is in its brightness.
            let noise = dice.noise(look.noise) as f32;
            rgb.extend(sum.map(|v| (v / count + noise).clamp(0.0, 255.0) as u8));
        }
    }
    Picture::from_rgb(FRAME as u32, FRAME as u32, rgb)
}
