//! Whether a face blinks: the eyes' openness over time, from the landmarks of the lids (the eye aspect ratio of
//! Soukupova and Cech, "Real-Time Eye Blink Detection using Facial Landmarks", 2016).
//!
//! A picture's eyes are open or shut. Tilting or bending one squeezes eyes and face alike, and slowly; so what
//! counts is how fast both eyes close and open again, against how open they were just before. A video has
//! what this looks for.

use crate::domain::{Duration, Instant};
use std::collections::VecDeque;

/// FaceMesh's points around each eye: outer corner, two of the upper lid, inner corner, two of the lower lid under
/// them.
const EYES: [[usize; 6]; 2] = [[33, 160, 158, 133, 153, 144], [263, 387, 385, 362, 380, 373]];
/// A closed eye is less than this share as open as it was. Blinks reach 0.2 to 0.5; looking down about 0.7.
const CLOSED: f32 = 0.6;
/// One that is open again is more than this.
const OPEN: f32 = 0.8;
/// From open over closed to open: people take 100 to 400 ms, frames come every 60 to 150 ms.
const LONGEST: Duration = Duration::from_millis(700);
/// Frames kept: enough for [`LONGEST`] at 30 a second.
const KEPT: usize = 24;

/// Follows one track's eyes.
#[derive(Debug, Default)]
pub struct Blink {
    /// When, and how open the more open eye was.
    seen: VecDeque<(Instant, f32)>,
    shown: bool,
}

impl Blink {
    /// One frame's landmarks, in picture coordinates.
    pub fn see(&mut self, now: Instant, points: &[[f32; 2]]) {
        let [Some(a), Some(b)] = EYES.map(|eye| openness(points, eye)) else { return };
        // Both have to close: a shadow over one of them is no blink.
        let open = a.max(b);
        self.shown |= self.is_reopened(now, open);
        self.seen.retain(|(at, _)| now.since(*at) <= LONGEST);
        if self.seen.len() == KEPT {
            self.seen.pop_front();
        }
        self.seen.push_back((now, open));
    }

    /// Both eyes were open, closed, and are open again.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    fn is_reopened(&self, now: Instant, open: f32) -> bool {
        let recent = || self.seen.iter().filter(|(at, _)| now.since(*at) <= LONGEST);
        let Some((closed_at, closed)) = recent().copied().min_by(|a, b| a.1.total_cmp(&b.1)) else {
            return false;
        };
        let before = recent().filter(|(at, _)| *at < closed_at).map(|(_, open)| *open);
        let before = before.fold(0.0, f32::max);
        before > 0.0 && closed < CLOSED * before && open > OPEN * before
    }
}

/// How high an eye is over how wide; `None` where its points make no eye.
fn openness(points: &[[f32; 2]], eye: [usize; 6]) -> Option<f32> {
    let [outer, upper1, upper2, inner, lower2, lower1] = eye.map(|i| points.get(i).copied());
    let apart = |a: Option<[f32; 2]>, b: Option<[f32; 2]>| {
        let (a, b) = (a?, b?);
        Some((a[0] - b[0]).hypot(a[1] - b[1]))
    };
    let height = (apart(upper1, lower1)? + apart(upper2, lower2)?) / 2.0;
    let openness = height / apart(outer, inner)?;
    openness.is_finite().then_some(openness)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mesh with nothing but lids: each eye 30 pixels wide and `open` times that high.
    fn lids(open: [f32; 2], squeezed: f32) -> Vec<[f32; 2]> {
        let mut points = vec![[0.0; 2]; 468];
        for ((eye, open), x) in EYES.iter().zip(open).zip([100.0, 160.0]) {
            let half = 15.0 * open * squeezed;
            for (i, (along, up)) in
                [(0.0, 0.0), (10.0, -half), (20.0, -half), (30.0, 0.0), (20.0, half), (10.0, half)]
                    .into_iter()
                    .enumerate()
            {
                points[eye[i]] = [x + along, 100.0 + up];
            }
        }
        points
    }

    fn blinks(frames: &[([f32; 2], f32)], frame_ms: u64) -> bool {
        let mut blink = Blink::default();
        for (i, (open, squeezed)) in frames.iter().enumerate() {
            blink.see(Instant(i as u64 * frame_ms * 1_000), &lids(*open, *squeezed));
        }
        blink.is_shown()
    }

    const WIDE: ([f32; 2], f32) = ([0.3, 0.3], 1.0);
    const SHUT: ([f32; 2], f32) = ([0.08, 0.1], 1.0);

    #[test]
    fn a_blink_is_open_shut_and_open_again() {
        for frame_ms in [33, 66, 100, 150] {
            assert!(blinks(&[WIDE, WIDE, SHUT, SHUT, WIDE], frame_ms), "{frame_ms}");
        }
        assert!(!blinks(&[WIDE, WIDE, SHUT, SHUT], 100), "still shut");
        assert!(!blinks(&[SHUT, SHUT, WIDE, WIDE], 100), "was never open before");
        assert!(
            !blinks(&[WIDE, SHUT, SHUT, SHUT, SHUT, SHUT, SHUT, SHUT, SHUT, WIDE], 100),
            "slow"
        );
    }

    #[test]
    fn one_eye_is_not_enough() {
        assert!(!blinks(&[WIDE, ([0.3, 0.05], 1.0), WIDE, WIDE], 100));
    }

    #[test]
    fn pictures_that_are_tilted_or_shaken_dont_blink() {
        let mut tilted: Vec<_> =
            (0..20).map(|i| (WIDE.0, 1.0 - f32::from(i as u8) / 40.0)).collect();
        tilted.extend((0..20).map(|i| (WIDE.0, 0.5 + f32::from(i as u8) / 40.0)));
        assert!(!blinks(&tilted, 66));
        let shaken: Vec<_> =
            (0..40).map(|i| ([0.28 + 0.02 * f32::from(i as u8 % 3); 2], 1.0)).collect();
        assert!(!blinks(&shaken, 66));
    }

    #[test]
    fn points_that_make_no_eye_say_nothing() {
        let mut blink = Blink::default();
        blink.see(Instant(0), &[]);
        blink.see(Instant(1), &vec![[0.0; 2]; 468]);
        assert!(!blink.is_shown() && blink.seen.is_empty());
    }
}
