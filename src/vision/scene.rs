//! Whether the camera still sees its gate: covered, blinded, turned away. What the gate looks like is learned
//! slowly, as 32 by 24 block means, and kept in memory alone.

use super::luma::{BLOCKS, COLUMNS, Luma, ROWS};
use crate::domain::{Duration, Instant, View};
use zeroize::Zeroize;

/// Something is wrong once it has been for this long; within the 15 s in which tampering must be told.
const PERSISTENT: Duration = Duration::from_secs(10);
/// And mended once it has been fine for this long.
const MENDED: Duration = Duration::from_secs(2);
/// A view that has stood for this long, however unexpected, is what the camera sees from now on.
const ACCEPTED: Duration = Duration::from_secs(900);
/// Somebody close to the camera hides the gate; no longer than this, or it is a picture on a stick.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer gaps between frames count as this: time without frames is no evidence.
const GAP: Duration = Duration::from_secs(1);
/// How fast a view is learned, while it is as expected and while much of it has changed.
const LEARNING: Duration = Duration::from_secs(60);
const RELEARNING: Duration = Duration::from_secs(600);
/// Views remembered: by day, by lamp light. The one not seen for longest goes.
const VIEWS: usize = 3;

/// Less detail than this is a flat field; sensor noise alone has about 0.3.
const FLAT: f32 = 1.0;
/// A block at least this bright is overexposed (235 is white).
const GLARE: f32 = 225.0;
/// A light shines into the camera: so much of the view is overexposed.
const GLARING: f32 = 0.1;
/// As much of what can be compared must have changed for another view; so little for the same.
const CHANGED: f32 = 0.75;
const SAME: f32 = 0.4;
/// While more of the view than this moves, it is no view to judge.
const RESTLESS: f32 = 0.1;

/// Cells are compared by their patterns, which neither exposure nor brightness changes.
const CELL: usize = 4;
const CELLS: usize = (COLUMNS / CELL) * (ROWS / CELL);
/// A cell whose blocks scatter less than this has no pattern to compare.
const PATTERN: f32 = 2.0;
/// With fewer such cells nothing can be said.
const FEWEST: usize = CELLS / 6;
/// Patterns that correlate less than this are different.
const ALIKE: f32 = 0.5;

/// Watches over the view. Sans-IO: thumbnails in, the view's state out when it changes.
#[derive(Default)]
pub struct Scene {
    /// The one seen last comes first.
    views: Vec<Known>,
    last: Option<Instant>,
    told: Option<View>,
    /// For how long something has been wrong, fine, and as it was told.
    wrong: Duration,
    fine: Duration,
    standing: Duration,
    /// For how long somebody has hidden the view.
    hidden: Duration,
}

/// A view, learned.
struct Known {
    blocks: Box<[f32; BLOCKS]>,
    detail: f32,
    frames: u32,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.blocks.zeroize();
    }
}

impl Known {
    fn new(luma: &Luma) -> Self {
        Self { blocks: Box::new(luma.0), detail: luma.detail(), frames: 1 }
    }

    fn learn(&mut self, luma: &Luma, dt: Duration, over: Duration) {
        self.frames = self.frames.saturating_add(1);
        let share = dt.as_micros() as f32 / over.as_micros() as f32;
        // The first frames make the mean; it shall not rest on one of them.
        let weight = share.max(1.0 / self.frames as f32).min(1.0);
        for (known, new) in self.blocks.iter_mut().zip(&luma.0) {
            *known += weight * (new - *known);
        }
        self.detail += weight * (luma.detail() - self.detail);
    }

    /// The share of cells with another pattern; `None` if this view has too few to compare.
    fn changed(&self, luma: &Luma) -> Option<f32> {
        let (mut compared, mut changed) = (0, 0);
        for row in (0..ROWS).step_by(CELL) {
            for column in (0..COLUMNS).step_by(CELL) {
                let (known, new) = (cell(&self.blocks, row, column), cell(&luma.0, row, column));
                let scatter = norm(&known);
                if scatter < PATTERN * CELL as f32 {
                    continue;
                }
                compared += 1;
                let dot: f32 = known.iter().zip(&new).map(|(a, b)| a * b).sum();
                // A pattern that has all but vanished is no pattern that fits.
                let least = PATTERN / 2.0 * CELL as f32;
                if dot < ALIKE * scatter * norm(&new).max(least) {
                    changed += 1;
                }
            }
        }
        (compared >= FEWEST).then(|| changed as f32 / compared as f32)
    }
}

/// A cell's blocks, less their mean.
fn cell(blocks: &[f32; BLOCKS], row: usize, column: usize) -> [f32; CELL * CELL] {
    let mut out = [0.0; CELL * CELL];
    let rows = blocks.chunks_exact(COLUMNS).skip(row).take(CELL);
    for (out, row) in out.chunks_exact_mut(CELL).zip(rows) {
        out.iter_mut().zip(row.iter().skip(column)).for_each(|(out, block)| *out = *block);
    }
    let mean = out.iter().sum::<f32>() / out.len() as f32;
    out.iter_mut().for_each(|value| *value -= mean);
    out
}

fn norm(pattern: &[f32]) -> f32 {
    pattern.iter().map(|v| v * v).sum::<f32>().sqrt()
}

impl Scene {
    /// One frame. `moving` is the share of it that moves, `somebody` whether a face is in view. Says how the
    /// view is once that is known, and when it changes.
    pub fn handle(
        &mut self,
        now: Instant,
        luma: &Luma,
        moving: f32,
        somebody: bool,
    ) -> Option<View> {
        let dt = self.last.map_or(Duration::ZERO, |last| now.since(last).min(GAP));
        self.last = Some(now);
        let view = self.judge(luma, dt, moving);
        if view == View::Clear {
            self.hidden = Duration::ZERO;
            self.fine = self.fine + dt;
            if self.fine >= MENDED {
                self.wrong = Duration::ZERO;
                return self.tell(View::Clear);
            }
            return None;
        }
        self.fine = Duration::ZERO;
        if view == View::Moved {
            self.hidden = if somebody { self.hidden + dt } else { self.hidden };
            let is_hidden = somebody && self.hidden < PATIENCE;
            if moving > RESTLESS || is_hidden {
                return None;
            }
        }
        self.wrong = self.wrong + dt;
        if self.wrong < PERSISTENT {
            return None;
        }
        self.standing = if self.told == Some(view) { self.standing + dt } else { Duration::ZERO };
        if view == View::Moved && self.standing >= ACCEPTED {
            self.views.insert(0, Known::new(luma));
            self.views.truncate(VIEWS);
            self.wrong = Duration::ZERO;
            return self.tell(View::Clear);
        }
        self.tell(view)
    }

    fn tell(&mut self, view: View) -> Option<View> {
        (self.told.replace(view) != Some(view)).then_some(view)
    }

    /// What this frame says, and learns from it if it is as expected.
    fn judge(&mut self, luma: &Luma, dt: Duration, moving: f32) -> View {
        let (detail, glare) = (luma.detail(), luma.brighter(GLARE));
        let blind = if glare >= GLARING { View::Blinded } else { View::Covered };
        let Some(known) = self.views.first_mut() else {
            // A gate that begins in the dark, or behind a cap, has nothing to go by.
            if detail < FLAT {
                return blind;
            }
            self.views.push(Known::new(luma));
            return View::Clear;
        };
        if detail < FLAT {
            if known.detail >= 2.0 * FLAT {
                return blind;
            }
            // Night fell slowly: that is no hand on the lens.
            known.learn(luma, dt, LEARNING);
            return View::Clear;
        }
        let best = self
            .views
            .iter()
            .enumerate()
            .filter_map(|(i, known)| Some((i, known.changed(luma)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        // A view with too few patterns to compare is one to learn.
        let (at, changed) = best.unwrap_or((0, 0.0));
        if changed >= CHANGED {
            return if glare >= GLARING { View::Blinded } else { View::Moved };
        }
        if let Some(newest) = self.views.get_mut(..=at) {
            newest.rotate_right(1);
        }
        if let Some(known) = self.views.first_mut()
            && moving <= RESTLESS
        {
            known.learn(luma, dt, if changed < SAME { LEARNING } else { RELEARNING });
        }
        View::Clear
    }
}

#[cfg(test)]
mod tests;
