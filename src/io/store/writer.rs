//! The thread that writes. Whoever queues something takes a lock that is never held while the disk is
//! written, so that nobody who opens doors waits for it.

use super::commit::{Append, Committer, Disk, Told};
use crate::domain;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Default)]
struct Queue {
    committer: Committer,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    start: Instant,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> domain::Instant {
        domain::Instant(self.start.elapsed().as_micros() as u64)
    }
}

/// The writing thread's inbox. Dropping it ends the thread after what is queued is on disk.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start<D: Disk + Send + 'static>(
        disk: D,
        told: impl Fn(Told) + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            start: Instant::now(),
        });
        let thread = std::thread::Builder::new().name("store".into()).spawn({
            let shared = shared.clone();
            move || write_all(&shared, disk, told)
        });
        Self { shared, thread: thread.ok() }
    }

    /// Whether another event has room. Nobody else queues events, so the next one has it.
    pub fn has_room(&self) -> bool {
        self.shared.queue().committer.has_room()
    }

    /// Queues an event. `false` if so many wait for the disk already that there is no room.
    #[must_use]
    pub fn append(&self, seq: u64, bytes: Vec<u8>, drop_through: Option<u64>) -> bool {
        let event = Append { seq, bytes, drop_through };
        let now = self.shared.now();
        let taken = self.shared.queue().committer.append(now, event);
        self.shared.wake.notify_one();
        taken
    }

    /// Remembers what the broker has.
    pub fn acked(&self, through: u64) {
        let now = self.shared.now();
        self.shared.queue().committer.acked(now, through);
        self.shared.wake.notify_one();
    }

    /// Queues what is to be remembered in place of what was under this key, or `None` to forget it. With a
    /// ticket it is told when it is on disk, or could not be written.
    pub fn keep(&self, key: Vec<u8>, value: Option<Vec<u8>>, ticket: Option<u64>) {
        let now = self.shared.now();
        self.shared.queue().committer.keep(now, key, value, ticket);
        self.shared.wake.notify_one();
    }

    /// Waits until everything queued is on disk, as far as the disk takes it.
    pub fn close(mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn end(&self) {
        self.shared.queue().closed = true;
        self.shared.wake.notify_one();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

fn write_all<D: Disk>(shared: &Shared, mut disk: D, told: impl Fn(Told)) {
    loop {
        let mut queue = shared.queue();
        let last = loop {
            if queue.closed {
                break true;
            }
            let now = shared.now();
            match queue.committer.deadline() {
                Some(due) if due <= now => break false,
                Some(due) => {
                    let wait = due.since(now).into();
                    let woken = shared.wake.wait_timeout(queue, wait);
                    queue = woken.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        if last && queue.committer.is_empty() {
            return;
        }
        let batch = queue.committer.begin();
        drop(queue);
        let written = disk.commit(&batch);
        let events = batch.events.len();
        let (telling, changed) = shared.queue().committer.end(shared.now(), batch, written.is_ok());
        telling.into_iter().for_each(&told);
        match written {
            Err(error) if last => {
                tracing::error!(%error, events, "the gate ends, and these are not written");
                return;
            }
            Err(error) if changed => {
                tracing::error!(%error, "the disk takes nothing: events wait in memory");
            }
            Ok(()) if changed => tracing::warn!(events, "the disk takes events again"),
            _ => {}
        }
    }
}
