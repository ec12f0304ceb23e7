//! When it is worth looking for faces: something moves, a line says so, somebody is there. While there is no
//! reason, nothing but a 32 by 24 thumbnail of a frame is looked at.

use super::luma::{BLOCKS, COLUMNS, Luma};
use crate::domain::{Duration, Instant, Trigger};
use zeroize::Zeroize;

/// A block has changed if it differs by more than this from what was there of late. Block means of a noisy
/// sensor at night (12 levels a pixel, 400 pixels) scatter by 0.6.
const CHANGE: f32 = 5.0;
/// What was there of late: means over about this time.
const LATELY: Duration = Duration::from_millis(600);
/// Fewer changed blocks than this share are no motion: a bird, a leaf.
const MOTION: f32 = 0.005;

/// Sees whether anything moves. Sans-IO: thumbnails and their times in.
#[derive(Default)]
pub struct Stir {
    lately: Option<(Instant, Box<[f32; BLOCKS]>)>,
}

impl Drop for Stir {
    fn drop(&mut self) {
        if let Some((_, blocks)) = &mut self.lately {
            blocks.zeroize();
        }
    }
}

impl Stir {
    /// The share of the view that moves, 0 to 1; of the first frame, all of it. What changes alike over a whole
    /// row of blocks doesn't count: lamps on alternating current make such bands, exposure control changes
    /// every row.
    pub fn share(&mut self, now: Instant, luma: &Luma) -> f32 {
        let Some((last, lately)) = &mut self.lately else {
            self.lately = Some((now, Box::new(luma.0)));
            return 1.0;
        };
        let dt = now.since(*last).as_micros() as f32;
        let weight = 1.0 - (-dt / LATELY.as_micros() as f32).exp();
        *last = now;
        let mut changed = 0;
        for (row, old) in luma.0.chunks_exact(COLUMNS).zip(lately.chunks_exact_mut(COLUMNS)) {
            let mut differences = [0.0; COLUMNS];
            for ((difference, new), old) in differences.iter_mut().zip(row).zip(old) {
                *difference = new - *old;
                *old += weight * *difference;
            }
            let mut sorted = differences;
            sorted.sort_by(f32::total_cmp);
            let common = sorted.get(COLUMNS / 2).copied().unwrap_or_default();
            changed += differences.iter().filter(|d| (**d - common).abs() > CHANGE).count();
        }
        changed as f32 / BLOCKS as f32
    }

    pub fn is_motion(share: f32) -> bool {
        share >= MOTION
    }
}

/// Whether to look. Sans-IO.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    trigger: Trigger,
    hold: Duration,
    /// The line of a presence detector is active.
    line: bool,
    until: Instant,
}

impl Attention {
    /// `hold`: how long to look after the last reason to.
    pub fn new(trigger: Trigger, hold: Duration) -> Self {
        Self { trigger, hold, line: false, until: Instant(0) }
    }

    /// The line changed, or was told for the first time.
    pub fn line(&mut self, now: Instant, active: bool) {
        let began = active && !self.line;
        let ended = self.line && !active;
        self.line = active;
        match self.trigger {
            // A button that is held down, or stuck, is pressed once.
            Trigger::Button if began => self.reason(now),
            Trigger::Presence if began || ended => self.reason(now),
            _ => {}
        }
    }

    /// A frame came in which something moves, or nothing does.
    pub fn motion(&mut self, now: Instant, moving: bool) {
        if moving && self.trigger == Trigger::Motion {
            self.reason(now);
        }
    }

    /// A face is in view. After a button was pressed that changes nothing: it was asked to look for so long,
    /// not at whoever comes by.
    pub fn somebody(&mut self, now: Instant) {
        if self.trigger != Trigger::Button {
            self.reason(now);
        }
    }

    pub fn is_awake(&self, now: Instant) -> bool {
        match self.trigger {
            Trigger::Always => true,
            Trigger::Presence if self.line => true,
            _ => now < self.until,
        }
    }

    fn reason(&mut self, now: Instant) {
        self.until = self.until.max(now + self.hold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(3);

    const fn ms(t: u64) -> Instant {
        Instant(t * 1000)
    }

    /// A yard with a wall and a path; `person` stands at a column of blocks, `gain` is the exposure.
    fn yard(person: Option<usize>, gain: f32, noise: u32) -> Luma {
        let mut blocks = [0.0; BLOCKS];
        for (i, block) in blocks.iter_mut().enumerate() {
            let (row, column) = (i / COLUMNS, i % COLUMNS);
            let scene = if row > 14 { 90.0 } else { 140.0 } + (column * 7 % 30) as f32;
            let is_person = person.is_some_and(|at| row > 8 && column.abs_diff(at) < 2);
            let grain = (i as u32 ^ noise.wrapping_mul(40_503)).wrapping_mul(2_654_435_761) >> 24;
            *block = gain * if is_person { 60.0 } else { scene } + grain as f32 / 128.0 - 1.0;
        }
        Luma(blocks)
    }

    #[test]
    fn a_person_who_walks_in_is_motion_and_noise_is_not() {
        let mut stir = Stir::default();
        assert_eq!(stir.share(ms(0), &yard(None, 1.0, 0)), 1.0, "at first, look");
        for i in 1..50 {
            let share = stir.share(ms(i * 100), &yard(None, 1.0, i as u32));
            assert!(!Stir::is_motion(share), "frame {i}: {share}");
        }
        let share = stir.share(ms(5_000), &yard(Some(3), 1.0, 99));
        assert!(Stir::is_motion(share), "{share}");
    }

    #[test]
    fn exposure_and_lamp_bands_are_no_motion() {
        let mut stir = Stir::default();
        stir.share(ms(0), &yard(None, 1.0, 0));
        for i in 1..40 {
            let mut luma = yard(None, 1.0, 0);
            for (row, blocks) in luma.0.chunks_mut(COLUMNS).enumerate() {
                let band = 12.0 * ((row + 5 * i) as f32 / 4.0).sin();
                blocks.iter_mut().for_each(|b| *b += band + i as f32);
            }
            let share = stir.share(ms(100 * i as u64), &luma);
            assert!(!Stir::is_motion(share), "frame {i}: {share}");
        }
    }

    #[test]
    fn who_stands_still_stops_being_motion_but_keeps_attention_by_being_seen() {
        let (mut stir, mut attention) = (Stir::default(), Attention::new(Trigger::Motion, HOLD));
        let mut woken = 0;
        for i in 0..200 {
            let now = ms(i * 100);
            let person = (i >= 100).then_some(10);
            let moving = Stir::is_motion(stir.share(now, &yard(person, 1.0, i as u32)));
            attention.motion(now, moving);
            // The face is found while it is looked for, as long as the person is there.
            if attention.is_awake(now) && person.is_some() && i < 150 {
                attention.somebody(now);
            }
            woken += u32::from(attention.is_awake(now));
            match i {
                40..100 => assert!(!attention.is_awake(now), "nobody there at {i}"),
                100..=178 => assert!(attention.is_awake(now), "somebody there at {i}"),
                180..=199 => assert!(!attention.is_awake(now), "not seen any more at {i}"),
                _ => {}
            }
        }
        assert!(woken < 120);
    }

    #[test]
    fn a_presence_line_keeps_attention_while_it_is_active_and_a_while_longer() {
        let mut attention = Attention::new(Trigger::Presence, HOLD);
        assert!(!attention.is_awake(ms(0)));
        attention.motion(ms(0), true);
        assert!(!attention.is_awake(ms(0)), "the detector is asked, not the picture");
        attention.line(ms(100), true);
        assert!(attention.is_awake(ms(100_000)));
        attention.line(ms(100_000), false);
        assert!(attention.is_awake(ms(102_999)) && !attention.is_awake(ms(103_000)));
        attention.somebody(ms(102_000));
        assert!(attention.is_awake(ms(104_999)));
    }

    #[test]
    fn a_button_opens_for_its_time_whoever_comes_by_and_however_long_it_is_held() {
        let mut attention = Attention::new(Trigger::Button, HOLD);
        attention.line(ms(0), true);
        assert!(attention.is_awake(ms(2_999)));
        attention.somebody(ms(2_000));
        assert!(!attention.is_awake(ms(3_000)), "stuck");
        attention.line(ms(5_000), false);
        assert!(!attention.is_awake(ms(5_000)));
        attention.line(ms(6_000), true);
        assert!(attention.is_awake(ms(6_000)));
    }

    #[test]
    fn always_is_always() {
        assert!(Attention::new(Trigger::Always, HOLD).is_awake(ms(1 << 40)));
    }
}
