//! Whether a face is a living one. [`Blink`] is beside it; here it is depth, shown by turning: motion in the
//! picture that nothing flat, tilted or bent can make.
//!
//! Seen again from another side, a head's nose moves against its cheeks and eyes by its depth times the sine of the
//! turn. A flat picture, however it is held, moves by a projective map, and a bent one by little more; both are
//! low polynomials of where things are. What no such map makes of the depths that the landmarks model gives, the
//! relief of nose, eyes and lips, is looked for in how one frame differs from the first ([`parallax`]).
//!
//! A film of a head that turns, or a mask, has what this looks for.

mod alive;
mod blink;
mod parallax;

pub(super) use alive::Alive;
pub use blink::Blink;
pub(super) use parallax::{EYES, PATCH, PUPILS};
use parallax::{Parallax, Reference};
use std::fmt;

/// Frames whose mean counts.
const TOGETHER: usize = 3;

/// How much turn is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Sine of the least turn.
    pub least: f64,
    /// More of it for each part of the face that the overlay leaves unexplained.
    pub misfit: f64,
}

impl Default for Turn {
    /// From stills and heads rendered of 22 portraits (`eithergate-face liveness`).
    fn default() -> Self {
        Self { least: 0.04, misfit: 0.2 }
    }
}

/// What one frame shows of a face.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The landmarks, in picture coordinates, and their depths as the model guesses them.
    pub points: &'a [[f32; 2]],
    pub depths: &'a [f32],
    /// The eyes' centres, the one on the picture's left first.
    pub eyes: [[f32; 2]; 2],
    /// As [`super::Face::patch`].
    pub patch: &'a [f32],
}

/// Follows one track's face from a first frame on.
#[derive(Default)]
pub struct Motion {
    reference: Option<Reference>,
    /// The last few frames' parallax.
    recent: Vec<Parallax>,
    /// The strongest so far, relative to what is asked for.
    strongest: f64,
}

impl Motion {
    /// One more frame. Frames that can't be laid over the first one are left out.
    pub fn see(&mut self, view: &View<'_>, asked: Turn) {
        let Some(reference) = &self.reference else {
            self.reference = Reference::new(view);
            return;
        };
        let Some(parallax) = reference.parallax(view) else {
            // Frames that count together follow each other.
            self.recent.clear();
            return;
        };
        if self.recent.len() == TOGETHER {
            self.recent.remove(0);
        }
        self.recent.push(parallax);
        if self.recent.len() < TOGETHER {
            return;
        }
        let mean = |of: &dyn Fn(&Parallax) -> f64| {
            self.recent.iter().map(of).sum::<f64>() / self.recent.len() as f64
        };
        let turn = mean(&|p| p.turn[0]).hypot(mean(&|p| p.turn[1]));
        let worst = self.recent.iter().fold(0.0f64, |m, p| m.max(p.misfit));
        self.strongest = self.strongest.max(turn / (asked.least + asked.misfit * worst));
    }

    /// Depth was shown.
    pub fn is_shown(&self) -> bool {
        self.strongest >= 1.0
    }

    /// How much of what is asked for was shown, 1 being enough: for a hint to turn the head.
    pub fn share(&self) -> f64 {
        self.strongest
    }
}

impl fmt::Debug for Motion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Motion({:.2} of what is asked for)", self.strongest)
    }
}

#[cfg(test)]
mod tests;
