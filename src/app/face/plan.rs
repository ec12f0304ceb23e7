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
/// From one frame to the next. The worker speaks four times a second, so a stall is seen within 2 s.
pub const FRAME_LIMIT: Duration = Duration::from_millis(1_500);
/// A face path that has been down for this long is an alarm: with the time it takes to see that, within
/// 15 s.
pub const ALARM_AFTER: Duration = Duration::from_secs(10);
/// One that is up for less than this has not recovered: a camera that gives a few frames after each restart
/// is down.
pub const STEADY_AFTER: Duration = Duration::from_secs(5);
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
    /// It has been down for [`ALARM_AFTER`] (`true`), or is up for good.
    Alarm(bool),
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
    /// Counted from the first fault since it was steady.
    alarm_at: Option<Instant>,
    steady_at: Option<Instant>,
    /// What was said of the alarm last.
    alarm: Option<bool>,
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
            alarm_at: None,
            steady_at: None,
            alarm: None,
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
        let next = match self.capture {
            Capture::Waiting { until } => worker.min(until),
            // A stall is judged when the worker speaks.
            Capture::Off | Capture::Running { .. } => worker,
        };
        let alarm_at = self.alarm_at.filter(|_| self.is_down());
        [alarm_at, self.steady_at].into_iter().flatten().fold(next, Instant::min)
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
        let is_due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if is_due(self.steady_at) {
            (self.alarm_at, self.steady_at) = (None, None);
            // Also at first: an alarm may stand from before a restart.
            if self.alarm.replace(false) != Some(false) {
                actions.push(Action::Alarm(false));
            }
        }
        if self.is_down() && is_due(self.alarm_at) {
            (self.alarm_at, self.alarm) = (None, Some(true));
            actions.push(Action::Alarm(true));
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
            self.report(now, state, actions);
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
        self.report(now, FaceState::Degraded(fault), actions);
    }

    fn lose_capture(&mut self, now: Instant, fault: FaceFault, actions: &mut Vec<Action>) {
        let Capture::Running { since } = self.capture else { return };
        self.capture = Capture::Waiting { until: self.capture_back_off.retry_at(now, Some(since)) };
        actions.push(Action::KillCapture);
        self.report(now, FaceState::Degraded(fault), actions);
    }

    fn report(&mut self, now: Instant, state: FaceState, actions: &mut Vec<Action>) {
        if self.state != state {
            self.state = state;
            actions.push(Action::Report(state));
            self.steady_at = (!self.is_down()).then_some(now + STEADY_AFTER);
        }
        if self.is_down() && self.alarm != Some(true) {
            self.alarm_at = self.alarm_at.or(Some(now + ALARM_AFTER));
        }
    }

    /// Without a sandbox it works, if not as it should.
    fn is_down(&self) -> bool {
        matches!(self.state, FaceState::Degraded(fault) if fault != FaceFault::SandboxMissing)
    }
}

#[cfg(test)]
mod tests;
