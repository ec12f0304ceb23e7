//! The loop's recorder: what reaches the core goes into a ring of files, if the configuration wants it, for
//! `eithergate replay`. It never waits for them. Who came is not in there: see `record`.

use crate::access::{Command, Fact, Input};
use crate::config::Config;
use crate::domain::{Duration, Event, Instant, WallTime};
use crate::io::ring::{PARTS, Ring};
use crate::record::{Recorder, Witness};

const FOLDER: &str = "inputs";
/// A disk that takes nothing is not asked more often: a beginning is long.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

pub(super) struct Inputs {
    recorder: Recorder,
    ring: Ring,
    part_bytes: u64,
    /// Since the file began.
    bytes: u64,
    begun: Instant,
}

impl Inputs {
    /// `None` where nothing is to be recorded, or can be.
    pub(super) fn start(
        config: &Config,
        facts: &[Fact],
        now: Instant,
        wall: Option<WallTime>,
    ) -> Option<Self> {
        let most = config.record_inputs_mb << 20;
        if most == 0 {
            return None;
        }
        let ring = match Ring::start(&config.data_dir.join(FOLDER), most) {
            Ok(ring) => ring,
            Err(error) => {
                tracing::error!(%error, "inputs are not recorded");
                return None;
            }
        };
        let doors = config.doors.iter().map(|door| door.name.clone()).collect();
        let readers = config.readers.iter().map(|reader| reader.name.clone()).collect();
        let recorder = Recorder::new(doors, readers, config.access_options());
        let mut inputs = Self { recorder, ring, part_bytes: most / PARTS, bytes: 0, begun: now };
        let text = inputs.recorder.start(facts, now, wall);
        inputs.ring.begin(text);
        Some(inputs)
    }

    pub(super) fn step<D>(
        &mut self,
        now: Instant,
        wall: Option<WallTime>,
        input: &Input,
        witness: Witness<'_, D>,
        commands: &[Command],
    ) {
        let text = self.recorder.step(now, wall, input, witness, commands);
        self.put(text);
        let broken = self.ring.is_broken() && now.since(self.begun) >= AGAIN_AFTER;
        if self.bytes >= self.part_bytes || broken {
            (self.bytes, self.begun) = (0, now);
            self.ring.begin(self.recorder.go_on(now, wall));
        }
    }

    pub(super) fn note(&mut self, event: &Event) {
        let text = self.recorder.note(event);
        self.put(text);
    }

    fn put(&mut self, text: String) {
        self.bytes += text.len() as u64;
        self.ring.line(text);
    }
}
