//! The supervisor's thread: hears notes, asks the plan, performs.

use super::child::{self, Child};
use super::link::{self, Link};
use super::plan::{Action, FaceState, Input, Plan};
use super::{Enrolled, FaceEvent, FaceStatus, Note, Options, lock};
use crate::domain::{Clock, Duration, SubjectId};
use crate::io::clock::SystemClock;
use crate::io::template_key;
use crate::wire::template::MAX_SEALED;
use crate::wire::worker::{FromWorker, Hello, Refusal, ToWorker, VERSION};
use rustix::pipe::{PipeFlags, pipe_with};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex};
use tracing::{error, info, warn};

/// A worker asked to quit, and a program killed, has this long.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

struct Worker {
    child: Child,
    link: Link,
    ready: bool,
    loading: Loading,
}

/// How far the gallery has got into the worker. Its answers come in the order it was sent.
#[derive(Default)]
struct Loading {
    answered: usize,
    /// Known once all of it was.
    sent: Option<usize>,
    taken: usize,
    refused: usize,
}

impl Loading {
    /// Counts an answer if it is one to the gallery; `None` if it is not.
    fn answer(&mut self, taken: bool) -> Option<&Self> {
        if self.is_over() {
            return None;
        }
        self.answered += 1;
        *(if taken { &mut self.taken } else { &mut self.refused }) += 1;
        Some(self)
    }

    fn is_over(&self) -> bool {
        self.sent == Some(self.answered)
    }
}

pub struct Desk<G, E> {
    options: Options,
    gallery: G,
    emit: E,
    notes: SyncSender<Note>,
    status: Arc<Mutex<FaceStatus>>,
    worker: Option<Worker>,
    capture: Option<Child>,
    /// Killed, not yet reaped: a program stuck in a driver may take its time.
    dying: Vec<Child>,
    next_id: u64,
    /// The presence detector's or the button's line.
    line: bool,
    /// The worker looks for faces.
    watching: bool,
}

impl<G: Fn() -> Enrolled, E: Fn(FaceEvent)> Desk<G, E> {
    pub fn new(
        options: Options,
        gallery: G,
        emit: E,
        notes: SyncSender<Note>,
        status: Arc<Mutex<FaceStatus>>,
    ) -> Self {
        Self {
            options,
            gallery,
            emit,
            notes,
            status,
            worker: None,
            capture: None,
            dying: Vec::new(),
            next_id: 0,
            line: false,
            watching: false,
        }
    }

    /// Until told to stop.
    pub fn run(mut self, inbox: &Receiver<Note>) {
        let mut plan = Plan::new(SystemClock.now());
        loop {
            let left = plan.deadline().since(SystemClock.now());
            match inbox.recv_timeout(left.into()) {
                Ok(Note::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(note) => self.heed(&mut plan, note),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // What was said before the deadline is heeded before the deadline is judged, so a daemon
            // that was itself held up doesn't kill a worker that was not.
            if plan.deadline() <= SystemClock.now() {
                self.step(&mut plan, Input::Tick);
            }
        }
        self.wind_up(inbox);
    }

    fn heed(&mut self, plan: &mut Plan, note: Note) {
        match note {
            Note::Said(id, message) if self.is_worker(id) => self.listen(plan, message),
            Note::Garbled(id, why) if self.is_worker(id) => {
                error!(%why, "the face worker does not make sense");
                self.step(plan, Input::WorkerGarbled);
            }
            Note::Exited(id, code) => {
                if self.is_worker(id) {
                    warn!(code, "the face worker ended");
                    self.step(plan, Input::WorkerExited { code });
                } else if self.capture.as_ref().is_some_and(|c| c.id() == id) {
                    warn!(code, "the capture program ended");
                    self.step(plan, Input::CaptureExited);
                }
                self.reap(id);
            }
            Note::Tell(ToWorker::Enrol(sealed)) if sealed.bytes.len() > MAX_SEALED => {
                let (subject, outcome) = (sealed.subject, Err(Refusal::Malformed));
                (self.emit)(FaceEvent::Enrolled { subject, outcome });
            }
            Note::Tell(ToWorker::Forget(subject))
                if self.worker.as_ref().is_none_or(|w| !w.ready) =>
            {
                (self.emit)(FaceEvent::Forgotten { subject });
            }
            Note::Tell(ToWorker::LookAlikes(subject))
                if self.worker.as_ref().is_none_or(|w| !w.ready) =>
            {
                (self.emit)(FaceEvent::Unanswered { subject });
            }
            Note::Tell(message) => {
                if let ToWorker::Line { active } = message {
                    self.line = active;
                }
                self.send(plan, message);
            }
            Note::Sent(id, sent, unfit) if self.is_worker(id) => {
                if let Some(worker) = &mut self.worker {
                    worker.loading.sent = Some(sent);
                    worker.loading.refused += unfit;
                }
                self.tell_loaded();
            }
            Note::Said(..) | Note::Garbled(..) | Note::Sent(..) | Note::Stop => {}
        }
    }

    fn is_worker(&self, id: u64) -> bool {
        self.worker.as_ref().is_some_and(|w| w.child.id() == id)
    }

    fn listen(&mut self, plan: &mut Plan, message: FromWorker) {
        match message {
            FromWorker::Ready { model, embedding, sandbox } => {
                info!(
                    embedding,
                    landlock_abi = sandbox.landlock_abi,
                    seccomp = sandbox.seccomp,
                    "the face worker is ready"
                );
                {
                    let mut status = lock(&self.status);
                    status.model = Some(model);
                    status.embedding = Some(embedding);
                    status.sandbox = Some(sandbox);
                }
                self.load_gallery();
                if self.line {
                    self.send(plan, ToWorker::Line { active: true });
                }
                self.step(plan, Input::Ready { sandboxed: sandbox.is_complete() });
            }
            FromWorker::Unfit { why } => {
                error!(why = child::printable(&why), "the face worker can't work");
                self.step(plan, Input::Unfit);
            }
            FromWorker::Observed(observation) => (self.emit)(FaceEvent::Observed(observation)),
            FromWorker::Alive { seen, processed, last_frame_at } => {
                {
                    let mut status = lock(&self.status);
                    status.frames_seen = seen;
                    status.frames_processed = processed;
                }
                self.step(plan, Input::Alive { processed, last_frame_at });
            }
            FromWorker::Enrolled { subject, outcome } => self.enrolled(subject, outcome),
            FromWorker::Watching { awake } => self.watching(awake),
            FromWorker::View(view) => (self.emit)(FaceEvent::View(view)),
            FromWorker::Forgotten { subject } => (self.emit)(FaceEvent::Forgotten { subject }),
            FromWorker::Hint(hint) => (self.emit)(FaceEvent::Hint(hint)),
            FromWorker::Terms(terms) => {
                lock(&self.status).terms = Some(terms);
                (self.emit)(FaceEvent::Terms(terms));
            }
            FromWorker::Sat { subject, sat } => (self.emit)(FaceEvent::Sat { subject, sat }),
            FromWorker::Crossing { sealed, last } => {
                (self.emit)(FaceEvent::Crossing { sealed, last });
            }
            FromWorker::LookAlikes { subject, others } => {
                (self.emit)(FaceEvent::LookAlikes { subject, others });
            }
        }
    }

    fn load_gallery(&mut self) {
        let enrolled = (self.gallery)();
        let Some(worker) = &mut self.worker else { return };
        worker.ready = true;
        worker.loading = Loading::default();
        // A failure means that the worker is gone, which its exit tells better.
        let _ = worker.link.gallery(enrolled);
    }

    /// Once it is through.
    fn tell_loaded(&self) {
        let Some(loading) = self.worker.as_ref().map(|w| &w.loading) else { return };
        if loading.is_over() {
            let (taken, refused) = (loading.taken, loading.refused);
            info!(taken, refused, "the gallery is loaded");
            (self.emit)(FaceEvent::GalleryLoaded { taken, refused });
        }
    }

    fn enrolled(&mut self, subject: SubjectId, outcome: Result<(), Refusal>) {
        let Some(worker) = &mut self.worker else { return };
        let Some(loading) = worker.loading.answer(outcome.is_ok()) else {
            if let Err(why) = &outcome {
                warn!(%why, "a face template was not taken");
            }
            return (self.emit)(FaceEvent::Enrolled { subject, outcome });
        };
        match outcome {
            Err(why) if loading.refused == 1 => {
                warn!(%why, "a template of the gallery was not taken; more would only be counted");
            }
            _ => {}
        }
        self.tell_loaded();
    }

    /// To a worker that is ready; one that is not yet will ask for the whole gallery.
    fn send(&mut self, plan: &mut Plan, message: ToWorker) {
        let Some(worker) = self.worker.as_ref().filter(|w| w.ready) else { return };
        if let Err(TrySendError::Full(())) = worker.link.message(message) {
            warn!("the face worker takes no messages");
            self.step(plan, Input::WorkerClogged);
        }
    }

    fn step(&mut self, plan: &mut Plan, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            for action in plan.handle(SystemClock.now(), input) {
                let failed = match action {
                    Action::StartWorker => self.start_worker().err().map(|why| {
                        error!(why, "the face worker can't be started");
                        Input::WorkerNotStarted
                    }),
                    Action::StartCapture => self.start_capture().err().map(|why| {
                        error!(why, "the capture program can't be started");
                        Input::CaptureNotStarted
                    }),
                    Action::KillWorker => {
                        self.bury_worker();
                        None
                    }
                    Action::KillCapture => {
                        let capture = self.capture.take();
                        self.bury(capture);
                        None
                    }
                    Action::Report(state) => {
                        self.report(state);
                        None
                    }
                    Action::Alarm(active) => {
                        if active {
                            error!("the face path stays down; cards are not affected");
                        }
                        (self.emit)(FaceEvent::StaysDown(active));
                        None
                    }
                };
                next = next.or(failed);
            }
        }
        let mut status = lock(&self.status);
        status.state = plan.state();
        status.worker_pid = self.worker.as_ref().map(|w| w.child.pid());
        status.capture_pid = self.capture.as_ref().map(Child::pid);
    }

    fn report(&self, state: FaceState) {
        match state {
            FaceState::Up => {
                info!("the face path is up");
                (self.emit)(FaceEvent::Up);
            }
            FaceState::Degraded(fault) => {
                warn!(?fault, "the face path is degraded; cards are not affected");
                (self.emit)(FaceEvent::Degraded(fault));
            }
            FaceState::Starting => {}
        }
    }

    fn start_worker(&mut self) -> Result<(), String> {
        let options = &self.options;
        let template_key = template_key::read(&options.template_key).map_err(|e| e.to_string())?;
        let hello = Hello {
            version: VERSION,
            width: options.width,
            height: options.height,
            tracking: options.tracking,
            watch: options.watch,
            template_key,
        };
        let (ours, theirs) = link::pair().map_err(|e| format!("no socket pair: {e}"))?;
        let mut command = Command::new(&options.program);
        command
            .arg("run")
            .arg("--detector")
            .arg(&options.detector)
            .arg("--landmarks")
            .arg(&options.landmarks)
            .arg("--embedding")
            .arg(&options.embedding)
            .args(options.former.iter().flat_map(|path| ["--former".as_ref(), path.as_os_str()]))
            .args(
                options.liveness.iter().flat_map(|path| ["--liveness".as_ref(), path.as_os_str()]),
            )
            .args(options.pins.iter().flat_map(|pin| ["--pin".to_owned(), pin.to_hex()]))
            .arg("--threads")
            .arg(options.threads.to_string())
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null());
        let id = self.new_id();
        let child = Child::spawn(id, "face worker", command, &self.notes)
            .map_err(|e| format!("{}: {e}", self.options.program.display()))?;
        match Link::open(id, ours, hello, &self.notes) {
            Ok(link) => {
                self.worker =
                    Some(Worker { child, link, ready: false, loading: Loading::default() })
            }
            Err(e) => {
                self.bury(Some(child));
                return Err(format!("no threads for the face worker: {e}"));
            }
        }
        lock(&self.status).worker_starts += 1;
        Ok(())
    }

    fn start_capture(&mut self) -> Result<(), String> {
        let id = self.new_id();
        let Some((program, arguments)) = self.options.capture.split_first() else {
            return Err("no capture program is configured".to_owned());
        };
        if self.dying.iter().any(|c| c.what() == "capture") {
            return Err(format!("the last {program} does not end; is its camera stuck?"));
        }
        let (frames, theirs) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|e| format!("no pipe: {e}"))?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(Stdio::null()).stdout(theirs);
        // What a camera program needs of the environment; the rest is none of its business.
        for (name, value) in std::env::vars_os() {
            let keep = name == "PATH" || name == "HOME" || name == "LANG";
            if keep || name.as_encoded_bytes().starts_with(b"LIBCAMERA_") {
                command.env(name, value);
            }
        }
        let child = Child::spawn(id, "capture", command, &self.notes)
            .map_err(|e| format!("{program}: {e}"))?;
        self.capture = Some(child);
        lock(&self.status).capture_starts += 1;
        let handed = self.worker.as_ref().map(|w| w.link.frames(frames));
        match handed {
            Some(Ok(())) => Ok(()),
            _ => Err("the face worker takes no frames".to_owned()),
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn watching(&mut self, awake: bool) {
        if std::mem::replace(&mut self.watching, awake) != awake {
            (self.emit)(FaceEvent::Watching(awake));
        }
    }

    fn bury_worker(&mut self) {
        let worker = self.worker.take();
        self.watching(false);
        self.bury(worker.map(|w| w.child));
        let mut status = lock(&self.status);
        (status.frames_seen, status.frames_processed) = (0, 0);
    }

    fn bury(&mut self, child: Option<Child>) {
        if let Some(child) = child {
            child.kill();
            self.dying.push(child);
        }
    }

    fn reap(&mut self, id: u64) {
        if let Some(at) = self.dying.iter().position(|c| c.id() == id) {
            self.dying.swap_remove(at).reap();
        }
    }

    /// Asks, then insists, then leaves it to whoever adopts orphans.
    fn wind_up(mut self, inbox: &Receiver<Note>) {
        let capture = self.capture.take();
        self.bury(capture);
        if let Some(worker) = self.worker.take() {
            let _ = worker.link.message(ToWorker::Quit);
            self.dying.push(worker.child);
        }
        self.await_ends(inbox);
        self.dying.iter().for_each(Child::kill);
        self.await_ends(inbox);
        for child in &self.dying {
            warn!(program = child.what(), pid = child.pid(), "does not end");
        }
        let mut status = lock(&self.status);
        (status.worker_pid, status.capture_pid) = (None, None);
    }

    fn await_ends(&mut self, inbox: &Receiver<Note>) {
        let deadline = SystemClock.now() + QUIT_LIMIT;
        while !self.dying.is_empty() {
            let left = deadline.since(SystemClock.now());
            match inbox.recv_timeout(left.into()) {
                Ok(Note::Exited(id, _)) => self.reap(id),
                // It goes on talking until it ends, which must not go on for ever.
                Ok(_) if left > Duration::ZERO => {}
                _ => return,
            }
        }
    }
}
