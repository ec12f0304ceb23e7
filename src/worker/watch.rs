//! Whether a frame is worth looking for faces in, and whether the camera still sees its gate. It sees a
//! thumbnail of the frame, never a face.

use crate::domain::{Duration, Instant, View};
use crate::vision::{Attention, Luma, Scene, Stir};
use crate::wire::worker::{FromWorker, Hello};

pub struct Watcher {
    width: u32,
    height: u32,
    attention: Attention,
    stir: Stir,
    scene: Scene,
    /// A face was in the last frame that was looked at.
    somebody: bool,
    /// Somebody is being enrolled: every frame is looked at.
    sitting: bool,
    awake: bool,
    was_awake: bool,
    told_awake: bool,
    last_frame: Instant,
    view: Option<View>,
}

/// Without a frame for this long nobody is looked at, whatever the trigger says.
const BLIND: Duration = Duration::from_secs(1);

impl Watcher {
    pub fn new(hello: &Hello) -> Self {
        Self {
            width: hello.width,
            height: hello.height,
            attention: Attention::new(hello.watch.trigger, hello.watch.hold),
            stir: Stir::default(),
            scene: Scene::default(),
            somebody: false,
            sitting: false,
            awake: false,
            was_awake: false,
            told_awake: false,
            last_frame: Instant(0),
            view: None,
        }
    }

    pub fn line(&mut self, now: Instant, active: bool) {
        self.attention.line(now, active);
    }

    /// Whether somebody is being enrolled, whatever the trigger says.
    pub fn sit(&mut self, sitting: bool) {
        self.sitting = sitting;
    }

    /// One frame, captured at `now`: whether to look for faces in it.
    pub fn frame(&mut self, now: Instant, i420: &[u8]) -> bool {
        self.last_frame = now;
        // One too small to be judged is looked at.
        let moving = match Luma::of_frame(self.width, self.height, i420) {
            Ok(luma) => {
                let share = self.stir.share(now, &luma);
                let view = self.scene.handle(now, &luma, share, self.somebody);
                self.view = view.or(self.view);
                Stir::is_motion(share)
            }
            Err(_) => true,
        };
        self.attention.motion(now, moving);
        self.awake = self.attention.is_awake(now) || self.sitting;
        self.somebody &= self.awake;
        self.awake
    }

    /// A frame was looked at.
    pub fn looked(&mut self, captured_at: Instant, somebody: bool) {
        self.somebody = somebody;
        if somebody {
            self.attention.somebody(captured_at);
        }
    }

    /// Time passed, perhaps without a frame: whether what was awake is not any more.
    pub fn falls_asleep(&mut self, now: Instant) -> bool {
        let blind = now.since(self.last_frame) >= BLIND;
        self.awake &= (self.attention.is_awake(now) || self.sitting) && !blind;
        std::mem::replace(&mut self.was_awake, self.awake) && !self.awake
    }

    /// What the daemon has not been told yet.
    pub fn news(&mut self) -> Option<FromWorker> {
        if self.awake != self.told_awake {
            self.told_awake = self.awake;
            return Some(FromWorker::Watching { awake: self.awake });
        }
        self.view.take().map(FromWorker::View)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Imaging, Trigger, Watch};
    use crate::wire::template::TemplateKey;
    use crate::wire::worker::{Tracking, VERSION};

    const WIDTH: u32 = 64;
    const HEIGHT: u32 = 48;

    fn watcher(trigger: Trigger) -> Watcher {
        Watcher::new(&Hello {
            version: VERSION,
            width: WIDTH,
            height: HEIGHT,
            tracking: Tracking::default(),
            watch: Watch { trigger, hold: Duration::from_secs(3), imaging: Imaging::default() },
            template_key: TemplateKey::new([0; 32]),
        })
    }

    fn yard(person: bool) -> Vec<u8> {
        let pixel = |i: usize| match (i % 64, i / 64) {
            (20..30, 10..40) if person => 30,
            (x, y) => 60 + ((x / 6 * 37 + y / 5 * 61) % 90) as u8,
        };
        (0..64 * 48).map(pixel).chain([128; 64 * 48 / 2]).collect()
    }

    fn news(watcher: &mut Watcher) -> Vec<FromWorker> {
        std::iter::from_fn(|| watcher.news()).collect()
    }

    #[test]
    fn an_empty_gate_is_not_looked_at_and_whoever_comes_is() {
        let mut watcher = watcher(Trigger::Motion);
        let mut looked = 0;
        for i in 0..100u64 {
            let now = Instant(i * 100_000);
            looked += u32::from(watcher.frame(now, &yard(false)));
            watcher.falls_asleep(now);
        }
        assert_eq!(looked, 30, "at the start, and then no more");
        let awake = |awake| FromWorker::Watching { awake };
        let clear = FromWorker::View(View::Clear);
        // Only how it stands now is told to who asks late.
        assert_eq!(news(&mut watcher), [clear]);
        assert!(watcher.frame(Instant(10_000_000), &yard(true)));
        assert_eq!(news(&mut watcher), [awake(true)]);
        // No more frames: the light goes out all the same.
        assert!(!watcher.falls_asleep(Instant(10_999_999)));
        assert_eq!(news(&mut watcher), []);
        assert!(watcher.falls_asleep(Instant(11_000_000)));
        assert!(!watcher.falls_asleep(Instant(11_000_001)), "once");
        assert_eq!(news(&mut watcher), [awake(false)]);
    }

    #[test]
    fn who_is_seen_is_looked_at_on_and_nobody_is_once_the_trigger_closes() {
        let mut watcher = watcher(Trigger::Button);
        assert!(!watcher.frame(Instant(0), &yard(true)));
        watcher.line(Instant(100_000), true);
        for i in 1..=40u64 {
            let now = Instant(i * 100_000);
            let looked = watcher.frame(now, &yard(true));
            assert_eq!(looked, i < 31, "{i}");
            if looked {
                watcher.looked(now, true);
            }
        }
    }
}
