//! When to start, distrust and replace the face worker and its capture program. Decides only; the
//! supervisor's thread performs.
//!
//! The capture program runs only while a worker is ready for its frames. When the worker goes, the
//! capture program goes with it, because the next worker could not tell where in the pipe a frame
//! begins.

use crate::domain::{Duration, FaceFault, Instant};

/// From the start of the worker to its `Ready`: loading models from a slow SD card takes seconds.
pub const START_LIMIT: Duration = Duration::from_secs(20);
/// A ready worker says that it lives every half second; four missed and it is taken for hung.
pub const ALIVE_LIMIT: Duration = Duration::from_secs(2);
/// From the start of the capture program to its first frame: a camera takes a second or two.
pub const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(5);
/// From one frame to the next.
pub const FRAME_LIMIT: Duration = Duration::from_secs(2);
/// Who lived this long starts with the shortest wait again.
pub const HEALTHY_AFTER: Duration = Duration::from_secs(60);
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time passed.
    Tick,
    /// The worker could not be started: no program, no key.
    WorkerNotStarted,
    Ready {
        /// Whether it shut itself in completely.
        sandboxed: bool,
    },
    Unfit,
    Alive {
        /// Frames processed since the worker started.
        processed: u64,
        last_frame_at: Option<Instant>,
    },
    /// The worker said something that no worker says.
    WorkerGarbled,
    /// The worker doesn't take what it is sent.
    WorkerClogged,
    WorkerExited {
        /// `None` if a signal ended it.
        code: Option<i32>,
    },
    CaptureNotStarted,
    CaptureExited,
}

/// What to do about it, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    StartWorker,
    KillWorker,
    /// Start the capture program and hand its pipe to the worker.
    StartCapture,
    KillCapture,
    Report(FaceState),
}

/// How the face path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaceState {
    /// Nothing was heard yet.
    Starting,
    Up,
    Degraded(FaceFault),
}

#[derive(Clone, Copy, Debug)]
enum Worker {
    Waiting {
        until: Instant,
    },
    Starting {
        limit: Instant,
    },
    Running {
        since: Instant,
        limit: Instant,
        sandboxed: bool,
        /// Frames processed, as of the last `Alive`.
        processed: u64,
    },
}

#[derive(Clone, Copy, Debug)]
enum Capture {
    /// No worker to capture for.
    Off,
    Waiting {
        until: Instant,
    },
    Running {
        since: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct BackOff {
    next: Duration,
}

impl BackOff {
    const FRESH: Self = Self { next: SHORTEST_WAIT };

    /// When to try again after what started at `since`, if it did start, failed at `now`.
    fn retry_at(&mut self, now: Instant, since: Option<Instant>) -> Instant {
        if since.is_some_and(|since| now.since(since) >= HEALTHY_AFTER) {
            *self = Self::FRESH;
        }
        let until = now + self.next;
        self.next = Duration((self.next.0 * 2).min(LONGEST_WAIT.0));
        until
    }
}

#[derive(Debug)]
pub struct Plan {
    worker: Worker,
    capture: Capture,
    worker_back_off: BackOff,
    capture_back_off: BackOff,
    state: FaceState,
}

impl Plan {
    /// The first `Tick` starts the worker.
    pub fn new(now: Instant) -> Self {
        Self {
            worker: Worker::Waiting { until: now },
            capture: Capture::Off,
            worker_back_off: BackOff::FRESH,
            capture_back_off: BackOff::FRESH,
            state: FaceState::Starting,
        }
    }

    pub fn state(&self) -> FaceState {
        self.state
    }

    /// When the next `Tick` is due.
    pub fn deadline(&self) -> Instant {
        let worker = match self.worker {
            Worker::Waiting { until } => until,
            Worker::Starting { limit } | Worker::Running { limit, .. } => limit,
        };
        match self.capture {
            Capture::Waiting { until } => worker.min(until),
            // A stall is judged when the worker speaks.
            Capture::Off | Capture::Running { .. } => worker,
        }
    }

    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match (input, self.worker) {
            (Input::Tick, Worker::Waiting { until }) if now >= until => {
                self.worker = Worker::Starting { limit: now + START_LIMIT };
                actions.push(Action::StartWorker);
            }
            (Input::Tick, Worker::Starting { limit } | Worker::Running { limit, .. })
                if now >= limit =>
            {
                self.lose_worker(now, FaceFault::WorkerHung, &mut actions);
            }
            (Input::WorkerClogged, Worker::Starting { .. } | Worker::Running { .. }) => {
                self.lose_worker(now, FaceFault::WorkerHung, &mut actions);
            }
            (Input::WorkerNotStarted | Input::Unfit, Worker::Starting { .. })
            | (Input::WorkerExited { code: Some(_) }, Worker::Starting { .. })
            | (Input::Unfit, Worker::Running { .. }) => {
                // It ended by itself before it was ready: no library (127), no model, not startable.
                self.lose_worker(now, FaceFault::WorkerUnfit, &mut actions);
            }
            (
                Input::WorkerExited { .. } | Input::WorkerGarbled,
                Worker::Starting { .. } | Worker::Running { .. },
            ) => self.lose_worker(now, FaceFault::WorkerGone, &mut actions),
            (Input::Ready { sandboxed }, Worker::Starting { .. }) => {
                let limit = now + ALIVE_LIMIT;
                self.worker = Worker::Running { since: now, limit, sandboxed, processed: 0 };
                self.capture = Capture::Running { since: now };
                actions.push(Action::StartCapture);
            }
            (Input::Alive { processed, last_frame_at }, Worker::Running { .. }) => {
                self.alive(now, processed, last_frame_at, &mut actions);
            }
            (Input::CaptureExited | Input::CaptureNotStarted, _) => {
                self.lose_capture(now, FaceFault::CaptureGone, &mut actions);
            }
            _ => {}
        }
        match (input, self.capture) {
            (Input::Tick, Capture::Waiting { until }) if now >= until => {
                self.capture = Capture::Running { since: now };
                actions.push(Action::StartCapture);
            }
            _ => {}
        }
        actions
    }

    fn alive(
        &mut self,
        now: Instant,
        processed_now: u64,
        last_frame_at: Option<Instant>,
        actions: &mut Vec<Action>,
    ) {
        let Worker::Running { limit, sandboxed, processed, .. } = &mut self.worker else { return };
        *limit = now + ALIVE_LIMIT;
        let progress = processed_now > *processed;
        *processed = processed_now;
        let state = if *sandboxed {
            FaceState::Up
        } else {
            // It works, but somebody has to know.
            FaceState::Degraded(FaceFault::SandboxMissing)
        };
        let Capture::Running { since } = self.capture else { return };
        let last = last_frame_at.filter(|&at| at >= since);
        let (quiet_since, limit) =
            last.map_or((since, FIRST_FRAME_LIMIT), |last| (last, FRAME_LIMIT));
        if now.since(quiet_since) >= limit {
            self.lose_capture(now, FaceFault::CaptureStalled, actions);
        } else if progress && last.is_some() {
            self.report(state, actions);
        }
    }

    fn lose_worker(&mut self, now: Instant, fault: FaceFault, actions: &mut Vec<Action>) {
        let since = match self.worker {
            Worker::Running { since, .. } => Some(since),
            _ => None,
        };
        self.worker = Worker::Waiting { until: self.worker_back_off.retry_at(now, since) };
        actions.push(Action::KillWorker);
        if let Capture::Running { .. } = self.capture {
            actions.push(Action::KillCapture);
        }
        self.capture = Capture::Off;
        self.report(FaceState::Degraded(fault), actions);
    }

    fn lose_capture(&mut self, now: Instant, fault: FaceFault, actions: &mut Vec<Action>) {
        let Capture::Running { since } = self.capture else { return };
        self.capture = Capture::Waiting { until: self.capture_back_off.retry_at(now, Some(since)) };
        actions.push(Action::KillCapture);
        self.report(FaceState::Degraded(fault), actions);
    }

    fn report(&mut self, state: FaceState, actions: &mut Vec<Action>) {
        if self.state != state {
            self.state = state;
            actions.push(Action::Report(state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::FaceState::*;
    use super::*;
    use proptest::prelude::*;

    const fn ms(t: u64) -> Instant {
        Instant(t * 1000)
    }

    fn alive(processed: u64, last_frame_ms: u64) -> Input {
        Input::Alive { processed, last_frame_at: Some(ms(last_frame_ms)) }
    }

    /// A plan at 1 s, with worker and capture started at 0 and frames flowing.
    fn up() -> Plan {
        let mut plan = Plan::new(ms(0));
        assert_eq!(plan.handle(ms(0), Input::Tick), [StartWorker]);
        assert_eq!(plan.handle(ms(500), Input::Ready { sandboxed: true }), [StartCapture]);
        assert_eq!(plan.handle(ms(1000), alive(3, 990)), [Report(Up)]);
        plan
    }

    #[test]
    fn a_killed_worker_is_noticed_and_replaced() {
        let mut plan = up();
        let gone = Report(Degraded(FaceFault::WorkerGone));
        let exited = Input::WorkerExited { code: None };
        assert_eq!(plan.handle(ms(2000), exited), [KillWorker, KillCapture, gone]);
        assert_eq!(plan.deadline(), ms(2250));
        assert_eq!(plan.handle(ms(2249), Input::Tick), []);
        assert_eq!(plan.handle(ms(2250), Input::Tick), [StartWorker]);
        assert_eq!(plan.handle(ms(3000), Input::Ready { sandboxed: true }), [StartCapture]);
        assert_eq!(plan.handle(ms(3400), Input::Alive { processed: 0, last_frame_at: None }), []);
        assert_eq!(plan.handle(ms(3800), alive(1, 3700)), [Report(Up)]);
    }

    #[test]
    fn a_silent_worker_is_killed() {
        let mut plan = up();
        assert_eq!(plan.deadline(), ms(3000));
        assert_eq!(plan.handle(ms(2999), Input::Tick), []);
        let hung = Report(Degraded(FaceFault::WorkerHung));
        assert_eq!(plan.handle(ms(3000), Input::Tick), [KillWorker, KillCapture, hung]);
        assert_eq!(plan.handle(ms(3001), Input::WorkerExited { code: None }), []);
    }

    #[test]
    fn a_worker_that_never_gets_ready_is_killed() {
        let mut plan = Plan::new(ms(0));
        plan.handle(ms(0), Input::Tick);
        assert_eq!(plan.deadline(), ms(20_000));
        let hung = Report(Degraded(FaceFault::WorkerHung));
        assert_eq!(plan.handle(ms(20_000), Input::Tick), [KillWorker, hung]);
    }

    #[test]
    fn an_unfit_worker_is_retried_ever_more_slowly() {
        let mut plan = Plan::new(ms(0));
        let mut waits = Vec::new();
        let mut now = ms(0);
        for input in [
            Input::Unfit,
            Input::WorkerNotStarted,
            Input::WorkerExited { code: Some(127) },
            Input::Unfit,
            Input::Unfit,
            Input::Unfit,
            Input::Unfit,
            Input::Unfit,
            Input::Unfit,
        ] {
            assert_eq!(plan.handle(now, Input::Tick), [StartWorker]);
            plan.handle(now, input);
            assert_eq!(plan.state(), Degraded(FaceFault::WorkerUnfit));
            waits.push(plan.deadline().since(now).as_millis());
            now = plan.deadline();
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn a_minute_of_health_makes_the_wait_short_again() {
        let mut plan = up();
        plan.handle(ms(1100), Input::WorkerExited { code: None });
        plan.handle(ms(1350), Input::Tick);
        plan.handle(ms(1400), Input::Ready { sandboxed: true });
        plan.handle(ms(61_400), Input::WorkerExited { code: Some(1) });
        assert_eq!(plan.deadline(), ms(61_650));
        plan.handle(ms(61_650), Input::Tick);
        plan.handle(ms(61_700), Input::Ready { sandboxed: true });
        plan.handle(ms(121_699), Input::WorkerExited { code: Some(1) });
        assert_eq!(plan.deadline(), ms(122_199));
    }

    #[test]
    fn a_capture_that_ends_is_replaced_and_the_worker_stays() {
        let mut plan = up();
        let gone = Report(Degraded(FaceFault::CaptureGone));
        assert_eq!(plan.handle(ms(1100), Input::CaptureExited), [KillCapture, gone]);
        assert_eq!(plan.deadline(), ms(1350));
        assert_eq!(plan.handle(ms(1200), alive(9, 1090)), [], "frames of the old one");
        assert_eq!(plan.handle(ms(1350), Input::Tick), [StartCapture]);
        assert_eq!(plan.handle(ms(1600), alive(9, 1500)), [], "seen, not yet processed");
        assert_eq!(plan.handle(ms(1800), alive(10, 1500)), [Report(Up)]);
    }

    #[test]
    fn a_camera_that_stands_still_is_replaced() {
        let mut plan = up();
        assert_eq!(plan.handle(ms(2989), alive(3, 990)), []);
        let stalled = Report(Degraded(FaceFault::CaptureStalled));
        assert_eq!(plan.handle(ms(2990), alive(3, 990)), [KillCapture, stalled]);
        assert_eq!(plan.handle(ms(3240), Input::Tick), [StartCapture]);
        // The first frame may take longer.
        assert_eq!(plan.handle(ms(5300), alive(3, 990)), []);
        assert_eq!(plan.handle(ms(6800), alive(3, 990)), []);
        assert_eq!(plan.handle(ms(8240), alive(3, 990)), [KillCapture]);
    }

    #[test]
    fn without_a_sandbox_it_works_but_stays_degraded() {
        let mut plan = Plan::new(ms(0));
        plan.handle(ms(0), Input::Tick);
        plan.handle(ms(1), Input::Ready { sandboxed: false });
        let missing = Report(Degraded(FaceFault::SandboxMissing));
        assert_eq!(plan.handle(ms(100), alive(1, 50)), [missing]);
        assert_eq!(plan.handle(ms(200), alive(2, 150)), []);
    }

    fn inputs() -> impl Strategy<Value = Input> {
        prop_oneof![
            4 => Just(Input::Tick),
            1 => Just(Input::WorkerNotStarted),
            2 => Just(Input::Ready { sandboxed: true }),
            1 => Just(Input::Unfit),
            4 => (0u64..20, 0u64..10_000).prop_map(|(n, at)| alive(n, at)),
            1 => Just(Input::WorkerGarbled),
            1 => Just(Input::WorkerClogged),
            1 => Just(Input::WorkerExited { code: None }),
            1 => Just(Input::WorkerExited { code: Some(0) }),
            1 => Just(Input::CaptureNotStarted),
            1 => Just(Input::CaptureExited),
        ]
    }

    proptest! {
        /// Whatever happens: one worker and one capture program at most, captures only beside a worker,
        /// and none that is killed stays uncounted.
        #[test]
        fn starts_and_kills_are_paired(
            script in proptest::collection::vec((0u64..3000, inputs()), 1..200),
        ) {
            let mut plan = Plan::new(ms(0));
            let (mut now, mut worker, mut capture) = (0, false, false);
            for (wait, input) in script {
                now += wait;
                for action in plan.handle(ms(now), input) {
                    match action {
                        StartWorker => { prop_assert!(!worker); worker = true; }
                        KillWorker => { prop_assert!(worker); worker = false; }
                        StartCapture => { prop_assert!(worker && !capture); capture = true; }
                        KillCapture => { prop_assert!(capture); capture = false; }
                        Report(state) => prop_assert_eq!(state, plan.state()),
                    }
                }
                prop_assert!(worker || !capture);
            }
        }
    }
}
