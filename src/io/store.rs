//! What outlives a restart, in sled: events, sealed templates, and what the gate remembers. One thread writes, with a group commit;
//! whoever wants the outbox reads through a handle of its own.
//!
//! A store that can't be read is set aside under another name, never deleted, and a new one, with a new
//! epoch, takes its place: the gate opens doors with or without it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// sled's own default is 1 GB.
const CACHE_BYTES: u64 = 8 << 20;
/// What waits at most before it is flushed; the promise is 50 ms, the flush itself takes some of them.
const COMMIT_WITHIN: Duration = Duration::from_millis(20);
const COMMIT_AT: usize = 256;
/// More than a minute of the busiest gate.
const QUEUE: usize = 4_096;

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {cause}: make the folder, and give it to the user the gate runs as")]
    Open { path: PathBuf, cause: sled::Error },
    #[error("{path}: held by another process: is the gate running already?")]
    Held { path: PathBuf },
    #[error("store: {0}")]
    Write(#[from] sled::Error),
    #[error("{path}: can't be set aside: {cause}")]
    SetAside { path: PathBuf, cause: std::io::Error },
    #[error("no random numbers from the system: {0}")]
    Random(String),
}

/// An open store.
#[derive(Clone)]
pub struct Store {
    db: sled::Db,
    events: sled::Tree,
    templates: sled::Tree,
    /// Two subjects' ids each.
    apart: sled::Tree,
    facts: sled::Tree,
    epoch: [u8; 8],
}

/// Which events are kept: the oldest and newest number, and through which the broker has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: u64,
    pub last: Option<u64>,
    pub acked: u64,
}

/// What [`Writer`] is asked to do.
enum Job {
    Append { seq: u64, bytes: Vec<u8>, drop_through: Option<u64> },
    Acked { through: u64 },
    Keep { key: Vec<u8>, value: Option<Vec<u8>>, ticket: Option<u64> },
}

/// What [`Writer`]'s thread tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Events up to this number are on disk.
    Durable(u64),
    /// What was kept with this ticket is on disk, or could not be written.
    Kept { ticket: u64, durable: bool },
}

const META_EPOCH: &[u8] = b"epoch";
const META_ACKED: &[u8] = b"acked";

impl Store {
    /// Opens the store in `dir`, making it if need be. The flag tells that a damaged one was set aside.
    pub fn open(dir: &Path) -> Result<(Self, bool), StoreError> {
        let path = dir.join("store");
        match Self::open_at(&path) {
            Ok(store) => Ok((store, false)),
            Err(sled::Error::Io(e)) if is_lock(&e) => Err(StoreError::Held { path }),
            Err(sled::Error::Io(e)) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(StoreError::Open { path, cause: sled::Error::Io(e) })
            }
            Err(cause) if !path.exists() => Err(StoreError::Open { path, cause }),
            Err(_) => {
                let aside = free_name(&path);
                std::fs::rename(&path, &aside)
                    .map_err(|cause| StoreError::SetAside { path: path.clone(), cause })?;
                let store =
                    Self::open_at(&path).map_err(|cause| StoreError::Open { path, cause })?;
                Ok((store, true))
            }
        }
    }

    fn open_at(path: &Path) -> Result<Self, sled::Error> {
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            // Flushing is the writer's, so that "durable" is something it can tell.
            .flush_every_ms(None)
            .open()?;
        let epoch = match db.get(META_EPOCH)?.and_then(|v| <[u8; 8]>::try_from(&*v).ok()) {
            Some(epoch) => epoch,
            None => {
                let mut epoch = [0; 8];
                getrandom::fill(&mut epoch)
                    .map_err(|e| sled::Error::Io(std::io::Error::other(e.to_string())))?;
                db.insert(META_EPOCH, &epoch)?;
                db.flush()?;
                epoch
            }
        };
        let events = db.open_tree(b"events")?;
        let templates = db.open_tree(b"templates")?;
        let apart = db.open_tree(b"apart")?;
        let facts = db.open_tree(b"facts")?;
        Ok(Self { db, events, templates, apart, facts, epoch })
    }

    /// This journal's life. Numbers never restart within it.
    pub fn epoch(&self) -> [u8; 8] {
        self.epoch
    }

    /// What a journal resumes from.
    pub fn extent(&self) -> Result<Extent, StoreError> {
        let seq = |entry: Option<(sled::IVec, sled::IVec)>| entry.and_then(|(k, _)| number(&k));
        let acked = self.db.get(META_ACKED)?.and_then(|v| number(&v)).unwrap_or(0);
        Ok(Extent {
            first: seq(self.events.first()?).unwrap_or(0),
            last: seq(self.events.last()?),
            acked,
        })
    }

    /// Events after `seq`, oldest first.
    pub fn events_after(
        &self,
        seq: u64,
    ) -> impl Iterator<Item = Result<(u64, Vec<u8>), StoreError>> {
        let from = seq.saturating_add(1).to_be_bytes();
        self.events.range(from..).filter_map(|entry| match entry {
            Ok((key, value)) => number(&key).map(|seq| Ok((seq, value.to_vec()))),
            Err(e) => Some(Err(e.into())),
        })
    }

    /// All sealed templates, as they were put.
    pub fn templates(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.templates.iter().map(|entry| Ok(entry?.1.to_vec())).collect()
    }

    /// Keeps sealed templates for a subject in place of any it had; durable when this returns.
    pub fn put_templates(&self, subject: &[u8; 16], sealed: &[Vec<u8>]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for key in self.templates.scan_prefix(subject).keys() {
            batch.remove(key?);
        }
        for (i, bytes) in sealed.iter().enumerate() {
            let mut key = subject.to_vec();
            key.extend((i as u32).to_be_bytes());
            batch.insert(key, bytes.as_slice());
        }
        self.templates.apply_batch(batch)?;
        self.templates.flush()?;
        Ok(())
    }

    /// Removes a subject's templates and the pairs it is in; says how many templates there were. Durable when
    /// this returns.
    pub fn remove_enrolled(&self, subject: &[u8; 16]) -> Result<usize, StoreError> {
        let keys = self.templates.scan_prefix(subject).keys().collect::<Result<Vec<_>, _>>()?;
        for pair in self.apart.iter().keys() {
            let pair = pair?;
            if pair.chunks(subject.len()).any(|id| id == subject) {
                self.apart.remove(pair)?;
            }
        }
        self.put_templates(subject, &[])?;
        self.apart.flush()?;
        Ok(keys.len())
    }

    /// Remembers that two subjects were taken for each other; durable when this returns.
    pub fn put_apart(&self, a: &[u8; 16], b: &[u8; 16]) -> Result<(), StoreError> {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        self.apart.insert([*a, *b].concat(), &[])?;
        self.apart.flush()?;
        Ok(())
    }

    /// The pairs that were.
    pub fn apart(&self) -> Result<Vec<([u8; 16], [u8; 16])>, StoreError> {
        let pairs = self.apart.iter().keys().map(|key| {
            let key = key?;
            let (a, b) = key.split_first_chunk::<16>().unzip();
            Ok(a.copied().zip(b.and_then(|b| b.try_into().ok())))
        });
        pairs.filter_map(Result::transpose).collect()
    }

    /// Everything kept by [`Writer::keep`] and not removed since.
    pub fn facts(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.facts.iter().map(|entry| Ok(entry?.1.to_vec())).collect()
    }

    /// Starts the thread that writes, and calls `told` from it.
    pub fn writer(&self, told: impl Fn(Told) + Send + 'static) -> Writer {
        let (jobs, queue) = sync_channel(QUEUE);
        let store = self.clone();
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || store.write_all(&queue, told));
        Writer { jobs, thread: thread.ok() }
    }

    fn write_all(&self, queue: &Receiver<Job>, told: impl Fn(Told)) {
        while let Ok(first) = queue.recv() {
            let end = Instant::now() + COMMIT_WITHIN;
            let mut jobs = vec![first];
            while jobs.len() < COMMIT_AT {
                match queue.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(job) => jobs.push(job),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            let tickets: Vec<u64> = jobs.iter().filter_map(Job::ticket).collect();
            let written = self.commit(jobs);
            let durable = written.is_ok();
            tickets.into_iter().for_each(|ticket| told(Told::Kept { ticket, durable }));
            match written {
                Ok(Some(through)) => told(Told::Durable(through)),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "events could not be written"),
            }
        }
    }

    fn commit(&self, jobs: Vec<Job>) -> Result<Option<u64>, StoreError> {
        let mut batch = sled::Batch::default();
        let mut facts = sled::Batch::default();
        let mut through = None;
        let mut acked = None;
        for job in jobs {
            match job {
                Job::Append { seq, bytes, drop_through } => {
                    batch.insert(&seq.to_be_bytes(), bytes);
                    if let Some(drop) = drop_through {
                        batch.remove(&drop.to_be_bytes());
                    }
                    through = Some(seq);
                }
                Job::Acked { through } => acked = Some(through),
                Job::Keep { key, value: Some(value), .. } => facts.insert(key, value),
                Job::Keep { key, value: None, .. } => facts.remove(key),
            }
        }
        // Before the events that tell of it: an event may be missing after a crash, its fact not.
        self.facts.apply_batch(facts)?;
        self.events.apply_batch(batch)?;
        if let Some(acked) = acked {
            self.db.insert(META_ACKED, &acked.to_be_bytes())?;
        }
        self.db.flush()?;
        Ok(through)
    }
}

impl Job {
    fn ticket(&self) -> Option<u64> {
        match self {
            Self::Keep { ticket, .. } => *ticket,
            Self::Append { .. } | Self::Acked { .. } => None,
        }
    }
}

/// The writing thread's inbox. Dropping it ends the thread after what is queued is on disk.
pub struct Writer {
    jobs: SyncSender<Job>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    /// Queues an event. `false` if the disk is so slow that the queue is full: the event is lost.
    #[must_use]
    pub fn append(&self, seq: u64, bytes: Vec<u8>, drop_through: Option<u64>) -> bool {
        self.jobs.try_send(Job::Append { seq, bytes, drop_through }).is_ok()
    }

    /// Remembers what the broker has. Forgetting it costs a repetition, so a full queue may drop it.
    pub fn acked(&self, through: u64) {
        let _ = self.jobs.try_send(Job::Acked { through });
    }

    /// Queues what is to be remembered in place of what was under this key, or `None` to forget it. With a
    /// ticket it is told when it is on disk. `false` if the queue is full: nothing is kept.
    #[must_use]
    pub fn keep(&self, key: Vec<u8>, value: Option<Vec<u8>>, ticket: Option<u64>) -> bool {
        self.jobs.try_send(Job::Keep { key, value, ticket }).is_ok()
    }

    /// Waits until everything queued is on disk.
    pub fn close(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// sled reports a held lock as an I/O error whose text is all there is to go by.
fn is_lock(e: &std::io::Error) -> bool {
    e.kind() == std::io::ErrorKind::WouldBlock || e.to_string().contains("could not acquire lock")
}

fn free_name(path: &Path) -> PathBuf {
    (1u32..)
        .map(|n| path.with_file_name(format!("store.damaged-{n}")))
        .find(|p| !p.exists())
        .unwrap_or_else(|| path.with_file_name("store.damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn events_come_back_in_order_after_a_restart() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(dir.path())?;
        let epoch = store.epoch();
        let (tx, rx) = sync_channel(10);
        let writer = store.writer(move |told| {
            if let Told::Durable(seq) = told {
                let _ = tx.try_send(seq);
            }
        });
        for seq in 1..=5u64 {
            assert!(writer.append(seq, vec![seq as u8], (seq == 5).then_some(1)));
        }
        writer.acked(2);
        writer.close();
        assert_eq!(rx.iter().last(), Some(5));
        drop(store);

        let (store, set_aside) = Store::open(dir.path())?;
        assert!(!set_aside);
        assert_eq!(store.epoch(), epoch);
        assert_eq!(store.extent()?, Extent { first: 2, last: Some(5), acked: 2 });
        let after: Vec<u64> =
            store.events_after(2).map(|e| e.map(|(seq, _)| seq)).collect::<Result<_, _>>()?;
        assert_eq!(after, [3, 4, 5]);
        Ok(())
    }

    #[test]
    fn what_is_kept_is_told_when_it_is_durable_and_replaced_by_its_key() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(dir.path())?;
        let (tx, rx) = sync_channel(10);
        // As somebody would find it who opened the store when it was told.
        let beside = store.clone();
        let writer = store.writer(move |told| {
            let _ = tx.try_send((told, beside.facts().map_or(0, |facts| facts.len())));
        });
        assert!(writer.keep(b"a".to_vec(), Some(b"1".to_vec()), Some(7)));
        assert_eq!(rx.recv()?, (Told::Kept { ticket: 7, durable: true }, 1));
        assert!(writer.keep(b"a".to_vec(), Some(b"2".to_vec()), None));
        assert!(writer.keep(b"b".to_vec(), Some(b"3".to_vec()), None));
        assert!(writer.keep(b"b".to_vec(), None, None));
        writer.close();
        assert_eq!(rx.iter().count(), 0, "nobody asked");
        drop(store);
        assert_eq!(Store::open(dir.path())?.0.facts()?, [b"2".to_vec()]);
        Ok(())
    }

    #[test]
    fn a_second_process_is_told_who_holds_it() -> Outcome {
        let dir = tempfile::tempdir()?;
        let _held = Store::open(dir.path())?;
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Held { .. })));
        Ok(())
    }

    #[test]
    fn a_damaged_store_is_set_aside_and_a_new_epoch_begins() -> Outcome {
        let dir = tempfile::tempdir()?;
        let epoch = Store::open(dir.path())?.0.epoch();
        std::fs::write(dir.path().join("store/conf"), b"segment_size: 1\nversion: 9.9")?;
        let (store, set_aside) = Store::open(dir.path())?;
        assert!(set_aside);
        assert_ne!(store.epoch(), epoch);
        assert!(dir.path().join("store.damaged-1").exists());
        Ok(())
    }

    #[test]
    fn garbage_in_place_of_events_is_set_aside_too() -> Outcome {
        for (at, file) in ["db", "conf"].into_iter().enumerate() {
            let dir = tempfile::tempdir()?;
            let (store, _) = Store::open(dir.path())?;
            store.put_templates(&[1; 16], &[vec![7; 100_000]])?;
            drop(store);
            let path = dir.path().join("store").join(file);
            let len = std::fs::metadata(&path)?.len() as usize;
            let garbage: Vec<u8> = (0..len).map(|i| (i * 31 + at) as u8).collect();
            std::fs::write(&path, garbage)?;
            let (store, _) = Store::open(dir.path())?;
            store.put_templates(&[2; 16], &[vec![8]])?;
            assert!(store.templates()?.contains(&vec![8]), "{file}");
        }
        Ok(())
    }

    #[test]
    fn a_subject_goes_with_the_pairs_it_is_in() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(dir.path())?;
        let [a, b, c] = [[1; 16], [2; 16], [3; 16]];
        store.put_templates(&a, &[vec![1], vec![2]])?;
        store.put_templates(&b, &[vec![3]])?;
        for (x, y) in [(b, a), (a, b), (c, b), (a, c)] {
            store.put_apart(&x, &y)?;
        }
        drop(store);
        let (store, _) = Store::open(dir.path())?;
        assert_eq!(store.apart()?, [(a, b), (a, c), (b, c)]);
        assert_eq!(store.remove_enrolled(&a)?, 2);
        assert_eq!((store.apart()?, store.templates()?), (vec![(b, c)], vec![vec![3]]));
        assert_eq!(store.remove_enrolled(&a)?, 0);
        Ok(())
    }

    #[test]
    fn a_subjects_templates_replace_the_ones_before() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(dir.path())?;
        store.put_templates(&[1; 16], &[vec![1], vec![2]])?;
        store.put_templates(&[2; 16], &[vec![3]])?;
        store.put_templates(&[1; 16], &[vec![4]])?;
        assert_eq!(store.templates()?, [vec![4], vec![3]]);
        Ok(())
    }
}
