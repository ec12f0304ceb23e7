//! Supervises the face worker and its capture program: starts them, listens, replaces what fails.
//!
//! [`plan`] decides, the one thread here performs; threads beside it only wait: for the worker's words,
//! for room in its socket, for a child's end, for lines on a child's stderr. The daemon makes the pipe
//! between capture program and worker and gives both ends away, so it never sees a picture. What goes
//! wrong here costs the face path and nothing else.

pub mod capture;
mod child;
mod desk;
mod link;
pub mod plan;

use crate::domain::{Duration, FaceFault, Hint, Observation, SubjectId, View, Watch};
use crate::wire::template::{ModelHash, Sealed};
use crate::wire::worker::{
    Corrupt, FromWorker, Refusal, SandboxStatus, Sat, Terms, ToWorker, Tracking,
};
use desk::Desk;
pub use plan::FaceState;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tracing::error;

/// Notes on their way to the supervisor's thread; senders wait when it is full.
const NOTES: usize = 256;

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `eithergate-face` binary.
    pub program: PathBuf,
    /// The models' manifests.
    pub detector: PathBuf,
    pub landmarks: PathBuf,
    pub embedding: PathBuf,
    /// The manifest of the embedding model that it replaces.
    pub former: Option<PathBuf>,
    /// The manifest of an anti-spoofing model, where there is one.
    pub liveness: Option<PathBuf>,
    /// Of the manifests that may be loaded; empty for any.
    pub pins: Vec<ModelHash>,
    /// Threads for inference.
    pub threads: u8,
    /// The file with the key that templates are sealed with; read anew at each start of the worker.
    pub template_key: PathBuf,
    /// The capture program and its arguments. It writes raw I420 frames, one after the other, to its
    /// standard output until that is closed.
    pub capture: Vec<String>,
    /// Frame size in pixels, both even.
    pub width: u32,
    pub height: u32,
    pub tracking: Tracking,
    /// When it is looked, and by what light.
    pub watch: Watch,
}

/// What the face path says.
#[derive(Clone, Debug, PartialEq)]
pub enum FaceEvent {
    /// Frames are being processed, after they were not.
    Up,
    Degraded(FaceFault),
    Observed(Observation),
    /// A worker that started has been through the whole gallery. A template is refused if it was made
    /// with another model, sealed with another key, or altered: those subjects must enrol again.
    GalleryLoaded {
        taken: usize,
        refused: usize,
    },
    /// The answer to [`Supervisor::enrol`].
    Enrolled {
        subject: SubjectId,
        outcome: Result<(), Refusal>,
    },
    /// It has been down for [`plan::ALARM_AFTER`] (`true`), or is up for good.
    StaysDown(bool),
    /// Whether faces are looked for right now.
    Watching(bool),
    /// How the camera's view is.
    View(View),
    /// The subject's templates are out of the worker's memory.
    Forgotten {
        subject: SubjectId,
    },
    /// Advice to who stands before the camera.
    Hint(Hint),
    /// By which terms people are found from now on.
    Terms(Terms),
    /// What comes of [`Supervisor::sit`]; nothing, where no worker is ready or no frame comes.
    Sat {
        subject: SubjectId,
        sat: Sat,
    },
    /// Somebody is known by the former model: what to enrol of them once they have passed.
    Crossing {
        sealed: Sealed,
        /// With it the former model's templates of this subject may go.
        last: bool,
    },
    /// The answer to [`Supervisor::look_alikes`]: who may be taken for this subject.
    LookAlikes {
        subject: SubjectId,
        others: Vec<SubjectId>,
    },
    /// The other answer to it: no worker is ready to say.
    Unanswered {
        subject: SubjectId,
    },
}

/// What a worker that starts has to know of the enrolled.
pub struct Enrolled {
    /// One after the other, as the worker takes them: all at once they take more memory than the gate has to
    /// spare. `None` stands for one that can't be read.
    pub templates: Box<dyn Iterator<Item = Option<Sealed>> + Send>,
    /// Pairs that were taken for each other.
    pub apart: Vec<(SubjectId, SubjectId)>,
}

impl Default for Enrolled {
    fn default() -> Self {
        Self { templates: Box::new(std::iter::empty()), apart: Vec::new() }
    }
}

/// A look at the face path from outside.
#[derive(Clone, Debug, Serialize)]
pub struct FaceStatus {
    pub state: FaceState,
    pub worker_pid: Option<u32>,
    pub capture_pid: Option<u32>,
    /// Resident memory of the worker.
    pub worker_rss_bytes: Option<u64>,
    /// How often a worker and a capture program were started.
    pub worker_starts: u64,
    pub capture_starts: u64,
    /// Of the worker that runs.
    pub frames_seen: u64,
    pub frames_processed: u64,
    /// What the last ready worker told.
    pub model: Option<ModelHash>,
    pub embedding: Option<String>,
    pub sandbox: Option<SandboxStatus>,
    /// By which terms people are found.
    pub terms: Option<Terms>,
}

/// The supervisor has too much to do; try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the face path is busy")]
pub struct Busy;

enum Note {
    Said(u64, FromWorker),
    Garbled(u64, Corrupt),
    /// A child ended; `None` if by a signal. It is a zombie until it is reaped, so its process and group
    /// numbers are still its own.
    Exited(u64, Option<i32>),
    /// To this worker the whole gallery was sent: so many templates, and so many that are none.
    Sent(u64, usize, usize),
    Tell(ToWorker),
    Stop,
}

/// A handle on the supervisor's thread. Dropping it stops worker and capture program.
pub struct Supervisor {
    notes: SyncSender<Note>,
    status: Arc<Mutex<FaceStatus>>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts supervising at once; this never fails, what can't start is reported as degraded.
    ///
    /// `gallery` is asked for all that is enrolled each time a worker is ready; it may take its time.
    /// `emit` is called on the supervisor's thread and must not block.
    pub fn spawn(
        options: Options,
        gallery: impl Fn() -> Enrolled + Send + 'static,
        emit: impl Fn(FaceEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (notes, inbox) = sync_channel(NOTES);
        let status = Arc::new(Mutex::new(FaceStatus {
            state: FaceState::Starting,
            worker_pid: None,
            capture_pid: None,
            worker_rss_bytes: None,
            worker_starts: 0,
            capture_starts: 0,
            frames_seen: 0,
            frames_processed: 0,
            model: None,
            embedding: None,
            sandbox: None,
            terms: None,
        }));
        let desk = Desk::new(options, gallery, emit, notes.clone(), Arc::clone(&status));
        let thread = std::thread::Builder::new()
            .name("face-supervisor".to_owned())
            .spawn(move || desk.run(&inbox))?;
        Ok(Self { notes, status, thread: Some(thread) })
    }

    /// Adds a template to the running worker's gallery. Store it first: a worker that starts later asks
    /// the gallery. Answered by [`FaceEvent::Enrolled`] if a worker is ready, else by the next
    /// [`FaceEvent::GalleryLoaded`].
    pub fn enrol(&self, sealed: Sealed) -> Result<(), Busy> {
        self.tell(ToWorker::Enrol(sealed))
    }

    /// Takes a subject out of the running worker's gallery. Delete it from the store first. Answered by
    /// [`FaceEvent::Forgotten`], at once if no worker runs.
    pub fn forget(&self, subject: SubjectId) -> Result<(), Busy> {
        self.tell(ToWorker::Forget(subject))
    }

    /// Keeps two subjects apart who were taken for each other. Store it first.
    pub fn separate(&self, a: SubjectId, b: SubjectId) -> Result<(), Busy> {
        self.tell(ToWorker::Separate((a, b)))
    }

    /// Who stands before the camera says to be one of these.
    pub fn claim(&self, among: Vec<SubjectId>) -> Result<(), Busy> {
        self.tell(ToWorker::Claim(among))
    }

    /// Enrols whoever stands before the camera.
    pub fn sit(&self, subject: SubjectId, within: Duration) -> Result<(), Busy> {
        self.tell(ToWorker::Sit { subject, within })
    }

    /// Whoever enrols still asks.
    pub fn stay(&self) -> Result<(), Busy> {
        self.tell(ToWorker::Stay)
    }

    /// Asks who may be taken for a subject. Answered by [`FaceEvent::LookAlikes`], or at once by
    /// [`FaceEvent::Unanswered`] if no worker is ready.
    pub fn look_alikes(&self, subject: SubjectId) -> Result<(), Busy> {
        self.tell(ToWorker::LookAlikes(subject))
    }

    fn tell(&self, message: ToWorker) -> Result<(), Busy> {
        self.notes.try_send(Note::Tell(message)).map_err(|_| Busy)
    }

    /// How the line of the presence detector or the button stands.
    pub fn line(&self, active: bool) -> Result<(), Busy> {
        self.tell(ToWorker::Line { active })
    }

    pub fn worker_pid(&self) -> Option<u32> {
        lock(&self.status).worker_pid
    }

    pub fn status(&self) -> FaceStatus {
        let mut status = lock(&self.status).clone();
        status.worker_rss_bytes = status.worker_pid.and_then(child::resident_bytes);
        status
    }

    /// Ends worker and capture program and waits until they have.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let _ = self.notes.send(Note::Stop);
        if thread.join().is_err() {
            error!("the face supervisor ended in a panic");
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.halt();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done under this lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
