//! What outlives a restart, in sled: events, sealed templates, and what the gate remembers. One thread writes, with a group commit
//! (`commit`); whoever wants the outbox reads through a handle of its own.
//!
//! A store that can't be read is set aside under another name, never deleted, and a new one, with a new
//! epoch, takes its place: the gate opens doors with or without it. A disk that is full or fails is waited for:
//! sled stays with its first error for as long as it is open, so it is opened anew.

pub mod commit;
mod writer;

#[cfg(test)]
mod tests;

pub use commit::Told;
pub use writer::Writer;

use commit::{Batch, Disk};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// sled's own default is 1 GB.
const CACHE_BYTES: u64 = 8 << 20;
/// What is left free on the disk: room for sled to tidy up, and for others to go on.
const KEEP_FREE: u64 = 1 << 20;

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {cause}: make the folder, and give it to the user the gate runs as")]
    Open { path: PathBuf, cause: sled::Error },
    #[error("{path}: held by another process: is the gate running already?")]
    Held { path: PathBuf },
    #[error("{path}: the disk is full: make room, the gate goes on by itself")]
    Full { path: PathBuf },
    #[error("store: {0}")]
    Write(#[from] sled::Error),
    #[error("the store is being opened anew after a disk error: try again")]
    Away,
    #[error("another store has taken this one's place")]
    Replaced,
    #[error("{path}: can't be set aside: {cause}")]
    SetAside { path: PathBuf, cause: std::io::Error },
    #[error("no random numbers from the system: {0}")]
    Random(String),
}

/// An open store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    epoch: [u8; 8],
    /// `None` while it is being opened anew.
    trees: RwLock<Option<Trees>>,
}

#[derive(Clone)]
struct Trees {
    db: sled::Db,
    events: sled::Tree,
    templates: sled::Tree,
    /// Two subjects' ids each.
    apart: sled::Tree,
    facts: sled::Tree,
}

/// Which events are kept: the oldest and newest number, and through which the broker has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: u64,
    pub last: Option<u64>,
    pub acked: u64,
}

/// A subject's id and one of their records.
pub type OfSubject = ([u8; 16], Vec<u8>);

const META_EPOCH: &[u8] = b"epoch";
const META_ACKED: &[u8] = b"acked";

impl Trees {
    fn open(path: &Path) -> Result<(Self, [u8; 8]), sled::Error> {
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
        Ok((Self { db, events, templates, apart, facts }, epoch))
    }

    fn commit(&self, batch: &Batch) -> Result<(), sled::Error> {
        let mut facts = sled::Batch::default();
        for (key, value) in &batch.facts {
            match value {
                Some(value) => facts.insert(key.as_slice(), value.as_slice()),
                None => facts.remove(key.as_slice()),
            }
        }
        let mut events = sled::Batch::default();
        for event in &batch.events {
            events.insert(&event.seq.to_be_bytes(), event.bytes.as_slice());
            if let Some(drop) = event.drop_through {
                events.remove(&drop.to_be_bytes());
            }
        }
        // Before the events that tell of it: an event may be missing after a crash, its fact not.
        self.facts.apply_batch(facts)?;
        self.events.apply_batch(events)?;
        if let Some(acked) = batch.acked {
            self.db.insert(META_ACKED, &acked.to_be_bytes())?;
        }
        self.db.flush()?;
        Ok(())
    }
}

impl Store {
    /// Opens the store in `dir`, making it if need be. The flag tells that a damaged one was set aside.
    pub fn open(dir: &Path) -> Result<(Self, bool), StoreError> {
        let path = dir.join("store");
        match Trees::open(&path) {
            Ok(opened) => Ok((Self::of(path, opened), false)),
            Err(sled::Error::Io(e)) if is_lock(&e) => Err(StoreError::Held { path }),
            // Nothing is wrong with the store.
            Err(sled::Error::Io(e)) if is_full(&e) => Err(StoreError::Full { path }),
            Err(sled::Error::Io(e)) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(StoreError::Open { path, cause: sled::Error::Io(e) })
            }
            Err(cause) if !path.exists() => Err(StoreError::Open { path, cause }),
            Err(_) => {
                let aside = free_name(&path);
                std::fs::rename(&path, &aside)
                    .map_err(|cause| StoreError::SetAside { path: path.clone(), cause })?;
                let opened = Trees::open(&path)
                    .map_err(|cause| StoreError::Open { path: path.clone(), cause })?;
                Ok((Self::of(path, opened), true))
            }
        }
    }

    fn of(path: PathBuf, (trees, epoch): (Trees, [u8; 8])) -> Self {
        Self { shared: Arc::new(Shared { path, epoch, trees: RwLock::new(Some(trees)) }) }
    }

    fn trees(&self) -> Result<Trees, StoreError> {
        let trees = self.shared.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.clone().ok_or(StoreError::Away)
    }

    /// Lets go of what sled has open. Only when the last reader has let go too can it be opened anew.
    fn let_go(&self) {
        *self.shared.trees.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn open_anew(&self) -> Result<Trees, StoreError> {
        let mut place = self.shared.trees.write().unwrap_or_else(PoisonError::into_inner);
        let (trees, epoch) = Trees::open(&self.shared.path)?;
        if epoch != self.shared.epoch {
            return Err(StoreError::Replaced);
        }
        Ok(place.insert(trees).clone())
    }

    /// Fails before sled would: what it does with its last page is better not tried.
    fn has_space(&self) -> Result<(), StoreError> {
        match rustix::fs::statvfs(&self.shared.path) {
            Ok(fs) if fs.f_bavail.saturating_mul(fs.f_frsize) < KEEP_FREE => {
                Err(StoreError::Full { path: self.shared.path.clone() })
            }
            // A file system that can't tell may have room.
            _ => Ok(()),
        }
    }

    /// This journal's life. Numbers never restart within it.
    pub fn epoch(&self) -> [u8; 8] {
        self.shared.epoch
    }

    /// What a journal resumes from.
    pub fn extent(&self) -> Result<Extent, StoreError> {
        let Trees { db, events, .. } = self.trees()?;
        let seq = |entry: Option<(sled::IVec, sled::IVec)>| entry.and_then(|(k, _)| number(&k));
        let acked = db.get(META_ACKED)?.and_then(|v| number(&v)).unwrap_or(0);
        Ok(Extent { first: seq(events.first()?).unwrap_or(0), last: seq(events.last()?), acked })
    }

    /// Events after `seq`, oldest first.
    pub fn events_after(
        &self,
        seq: u64,
    ) -> impl Iterator<Item = Result<(u64, Vec<u8>), StoreError>> {
        let from = seq.saturating_add(1).to_be_bytes();
        let (range, away) = match self.trees() {
            Ok(trees) => (Some(trees.events.range(from..)), None),
            Err(error) => (None, Some(Err(error))),
        };
        let found = range.into_iter().flatten().filter_map(|entry| match entry {
            Ok((key, value)) => number(&key).map(|seq| Ok((seq, value.to_vec()))),
            Err(e) => Some(Err(e.into())),
        });
        away.into_iter().chain(found)
    }

    /// All sealed templates, as they were put, read one after the other, with whose they are.
    pub fn templates(&self) -> impl Iterator<Item = Result<OfSubject, StoreError>> + Send + use<> {
        let (all, away) = match self.trees() {
            Ok(trees) => (Some(trees.templates.iter()), None),
            Err(error) => (None, Some(Err(error))),
        };
        let found = all.into_iter().flatten().filter_map(|entry| match entry {
            Ok((key, record)) => key.first_chunk().map(|id| Ok((*id, record.to_vec()))),
            Err(e) => Some(Err(e.into())),
        });
        away.into_iter().chain(found)
    }

    pub fn template_count(&self) -> Result<usize, StoreError> {
        Ok(self.trees()?.templates.len())
    }

    /// The templates of at most `people` subjects, those after this one in the store's order, with whose they
    /// are.
    pub fn templates_after(
        &self,
        subject: Option<&[u8; 16]>,
        people: usize,
    ) -> Result<Vec<OfSubject>, StoreError> {
        let templates = self.trees()?.templates;
        // A subject's templates are numbered from 0; none has the last number.
        let from = subject.map(|id| [id.as_slice(), &[0xff; 4]].concat()).unwrap_or_default();
        let (mut found, mut seen, mut last) = (Vec::new(), 0, None);
        for entry in templates.range(from..) {
            let (key, record) = entry?;
            let Some(id) = key.first_chunk::<16>().copied() else { continue };
            if last.replace(id) != Some(id) {
                seen += 1;
            }
            if seen > people {
                break;
            }
            found.push((id, record.to_vec()));
        }
        Ok(found)
    }

    /// Those of one subject.
    pub fn templates_of(&self, subject: &[u8; 16]) -> Result<Vec<Vec<u8>>, StoreError> {
        let entries = self.trees()?.templates.scan_prefix(subject);
        entries.map(|entry| Ok(entry?.1.to_vec())).collect()
    }

    /// Keeps sealed templates for a subject in place of any it had; durable when this returns.
    pub fn put_templates(&self, subject: &[u8; 16], sealed: &[Vec<u8>]) -> Result<(), StoreError> {
        self.has_space()?;
        self.replace_templates(subject, sealed).map(|_| ())
    }

    /// How many there were.
    fn replace_templates(
        &self,
        subject: &[u8; 16],
        sealed: &[Vec<u8>],
    ) -> Result<usize, StoreError> {
        let templates = self.trees()?.templates;
        let mut batch = sled::Batch::default();
        let mut count = 0;
        for key in templates.scan_prefix(subject).keys() {
            batch.remove(key?);
            count += 1;
        }
        for (i, bytes) in sealed.iter().enumerate() {
            let mut key = subject.to_vec();
            key.extend((i as u32).to_be_bytes());
            batch.insert(key, bytes.as_slice());
        }
        templates.apply_batch(batch)?;
        templates.flush()?;
        Ok(count)
    }

    /// Removes a subject's templates and the pairs it is in; says how many templates there were. Durable when
    /// this returns. It takes of the room that is kept free for such things.
    pub fn remove_enrolled(&self, subject: &[u8; 16]) -> Result<usize, StoreError> {
        let apart = self.trees()?.apart;
        let count = self.replace_templates(subject, &[])?;
        for pair in apart.iter().keys() {
            let pair = pair?;
            if pair.chunks(subject.len()).any(|id| id == subject) {
                apart.remove(pair)?;
            }
        }
        apart.flush()?;
        Ok(count)
    }

    /// Remembers that two subjects were taken for each other; durable when this returns.
    pub fn put_apart(&self, a: &[u8; 16], b: &[u8; 16]) -> Result<(), StoreError> {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        self.has_space()?;
        let apart = self.trees()?.apart;
        apart.insert([*a, *b].concat(), &[])?;
        apart.flush()?;
        Ok(())
    }

    /// The pairs that were.
    pub fn apart(&self) -> Result<Vec<[[u8; 16]; 2]>, StoreError> {
        let pairs = self.trees()?.apart.iter().keys().map(|key| {
            let key = key?;
            let (a, b) = key.split_first_chunk::<16>().unzip();
            let b = b.and_then(|b| b.try_into().ok());
            Ok(a.copied().zip(b).map(|(a, b)| [a, b]))
        });
        pairs.filter_map(Result::transpose).collect()
    }

    /// Everything kept by [`Writer::keep`] and not removed since.
    pub fn facts(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.trees()?.facts.iter().map(|entry| Ok(entry?.1.to_vec())).collect()
    }

    /// Starts the thread that writes, and calls `told` from it.
    pub fn writer(&self, told: impl Fn(Told) + Send + 'static) -> Writer {
        Writer::start(self.clone(), told)
    }
}

impl Disk for Store {
    type Error = StoreError;

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.has_space()?;
        let trees = match self.trees() {
            Ok(trees) => trees,
            Err(_) => self.open_anew()?,
        };
        let written = trees.commit(batch);
        drop(trees);
        if written.is_err() {
            self.let_go();
        }
        Ok(written?)
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// sled reports a held lock as an I/O error whose text is all there is to go by.
fn is_lock(e: &std::io::Error) -> bool {
    e.kind() == std::io::ErrorKind::WouldBlock || e.to_string().contains("could not acquire lock")
}

fn is_full(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(e.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn free_name(path: &Path) -> PathBuf {
    (1u32..)
        .map(|n| path.with_file_name(format!("store.damaged-{n}")))
        .find(|p| !p.exists())
        .unwrap_or_else(|| path.with_file_name("store.damaged"))
}
