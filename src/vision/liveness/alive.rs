//! Which test has to be passed before a face counts as a living one, and how far one track has come with it.

use super::{Blink, Motion, Turn, View};
use crate::domain::{Hint, Instant, Liveness, LivenessPolicy as Policy};
use crate::vision::track::Sighting;

/// Frames whose mean score counts, so that no single frame decides.
const SCORES: u32 = 3;

/// One track's way to being shown alive.
#[derive(Debug, Default)]
pub struct Alive {
    motion: Motion,
    blink: Blink,
    scores: u32,
    sum: f32,
}

impl Alive {
    /// One frame of which it is known whose face it is. `living` is what an anti-spoofing model gave, less
    /// what it asks for: above 0 is a living face.
    pub fn see(&mut self, now: Instant, policy: Policy, seen: &Sighting<'_>, living: Option<f32>) {
        match policy {
            Policy::Off => {}
            Policy::Motion => {
                let Sighting { points, depths, eyes, patch, .. } = *seen;
                self.motion.see(&View { points, depths, eyes, patch }, Turn::default());
            }
            Policy::Blink => self.blink.see(now, seen.points),
            Policy::Model => {
                let Some(living) = living.filter(|l| l.is_finite()) else { return };
                self.scores += 1;
                self.sum += living;
            }
        }
    }

    /// [`Liveness::NotShown`] means: not yet.
    pub fn liveness(&self, policy: Policy) -> Liveness {
        let shown = match policy {
            Policy::Off => return Liveness::NotChecked,
            Policy::Motion => self.motion.is_shown(),
            Policy::Blink => self.blink.is_shown(),
            Policy::Model => self.scores >= SCORES && self.sum > 0.0,
        };
        if shown { Liveness::Live } else { Liveness::NotShown }
    }

    /// What would show it.
    pub fn hint(&self, policy: Policy) -> Option<Hint> {
        let missing = self.liveness(policy) == Liveness::NotShown;
        match policy {
            Policy::Motion => missing.then_some(Hint::TurnHead),
            Policy::Blink => missing.then_some(Hint::Blink),
            Policy::Off | Policy::Model => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::geometry::Bounds;

    fn sighting() -> Sighting<'static> {
        let bounds = Bounds { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };
        let eyes = [[0.0, 0.0], [40.0, 0.0]];
        let (points, depths, patch) = (&[][..], &[][..], &[][..]);
        Sighting { bounds, eyes, quality: 1.0, flaw: None, points, depths, patch }
    }

    #[test]
    fn without_a_test_nothing_is_claimed() {
        let mut alive = Alive::default();
        alive.see(Instant(0), Policy::Off, &sighting(), None);
        assert_eq!(alive.liveness(Policy::Off), Liveness::NotChecked);
        assert_eq!(alive.hint(Policy::Off), None);
    }

    #[test]
    fn nothing_seen_is_not_alive_and_is_told_what_to_do() {
        for (policy, hint) in [
            (Policy::Motion, Some(Hint::TurnHead)),
            (Policy::Blink, Some(Hint::Blink)),
            (Policy::Model, None),
        ] {
            let mut alive = Alive::default();
            for i in 0..20 {
                alive.see(Instant(i * 100_000), policy, &sighting(), None);
            }
            assert_eq!(alive.liveness(policy), Liveness::NotShown, "{policy:?}");
            assert_eq!(alive.hint(policy), hint);
        }
    }

    #[test]
    fn a_model_decides_by_the_mean_of_several_frames() {
        let judged = |scores: &[f32]| {
            let mut alive = Alive::default();
            for score in scores {
                alive.see(Instant(0), Policy::Model, &sighting(), Some(*score));
            }
            alive.liveness(Policy::Model)
        };
        assert_eq!(judged(&[0.4, 0.4]), Liveness::NotShown, "too few");
        assert_eq!(judged(&[0.4, -0.1, 0.4]), Liveness::Live);
        assert_eq!(judged(&[0.4, -0.6, -0.1]), Liveness::NotShown);
        assert_eq!(judged(&[f32::NAN, 0.4, 0.4]), Liveness::NotShown, "no number is no frame");
    }
}
