//! A ring of files: lines go to the newest, and the oldest goes when all together are too large. Its thread
//! writes; whoever hands it a line never waits. What a line says is not its business.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A busy gate's lines of a minute.
const QUEUE: usize = 1_024;
const ENDING: &str = "log";

enum Job {
    /// Begins a new file.
    Begin(String),
    Line(String),
}

/// The writing thread's inbox.
pub struct Ring {
    jobs: SyncSender<Job>,
    broken: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Ring {
    /// Writes into `dir`, which is made if need be, and keeps at most `most_bytes` of all files there.
    pub fn start(dir: &Path, most_bytes: u64) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let (jobs, queue) = sync_channel(QUEUE);
        let broken = Arc::new(AtomicBool::new(false));
        let files = Files { dir: dir.to_owned(), most_bytes, newest: None };
        let thread = std::thread::Builder::new().name("inputs".into()).spawn({
            let broken = broken.clone();
            move || write_all(files, &queue, &broken)
        })?;
        Ok(Self { jobs, broken, thread: Some(thread) })
    }

    /// Begins a file with these lines.
    pub fn begin(&self, text: String) {
        self.broken.store(false, Ordering::Release);
        self.send(Job::Begin(text));
    }

    pub fn line(&self, text: String) {
        self.send(Job::Line(text));
    }

    /// Something did not get into the file, which is at its end therefore: a new one is to begin.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    fn send(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            self.broken.store(true, Ordering::Release);
        }
    }
}

impl Drop for Ring {
    /// Waits until what is queued is written.
    fn drop(&mut self) {
        self.jobs = sync_channel(0).0;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(mut files: Files, queue: &Receiver<Job>, broken: &AtomicBool) {
    let mut failing = false;
    while let Ok(job) = queue.recv() {
        let written = match job {
            Job::Begin(text) => files.begin(&text),
            // Not after one that is missing.
            Job::Line(_) if failing => continue,
            Job::Line(text) => files.line(&text),
        };
        if let Err(error) = &written {
            broken.store(true, Ordering::Release);
            if !failing {
                tracing::error!(%error, "inputs can't be recorded");
            }
        }
        failing = written.is_err();
    }
}

struct Files {
    dir: PathBuf,
    most_bytes: u64,
    newest: Option<File>,
}

impl Files {
    /// Those there are, by number.
    fn all(&self) -> std::io::Result<Vec<(u64, PathBuf, u64)>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if let (true, Some(number)) = (is_ours, number) {
                let bytes = std::fs::metadata(&path)?.len();
                all.push((number, path, bytes));
            }
        }
        all.sort();
        Ok(all)
    }

    fn begin(&mut self, text: &str) -> std::io::Result<()> {
        self.newest = None;
        let all = self.all()?;
        let next = all.last().map_or(1, |(number, ..)| number + 1);
        let mut bytes: u64 = all.iter().map(|(.., bytes)| bytes).sum();
        // Room for one more of the size at which whoever writes begins anew.
        let room = self.most_bytes / PARTS + text.len() as u64;
        let most = self.most_bytes.saturating_sub(room);
        for (_, path, of_this) in &all {
            if bytes <= most {
                break;
            }
            std::fs::remove_file(path)?;
            bytes -= of_this;
        }
        let path = self.dir.join(format!("{next:020}.{ENDING}"));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        self.newest = Some(file);
        Ok(())
    }

    fn line(&mut self, text: &str) -> std::io::Result<()> {
        let file = self.newest.as_mut().ok_or(std::io::ErrorKind::NotFound)?;
        file.write_all(text.as_bytes())
    }
}

/// Into so many files what is kept is divided.
pub const PARTS: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_all_together_stay_within_their_bound() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let most = 80_000;
        for restart in 0..3 {
            let ring = Ring::start(&dir.path().join("inputs"), most)?;
            for file in 0..10 {
                ring.begin(format!("{restart} {file} {}\n", "x".repeat(4_000)));
                ring.line("y".repeat(5_000));
            }
        }
        let files = Files { dir: dir.path().join("inputs"), most_bytes: most, newest: None };
        let all = files.all()?;
        assert!(all.iter().map(|(.., bytes)| bytes).sum::<u64>() <= most, "{all:?}");
        assert!(all.len() >= 7, "{all:?}");
        assert_eq!(all.last().map(|(number, ..)| *number), Some(30));
        let newest = std::fs::read_to_string(&all[all.len() - 1].1)?;
        assert!(newest.starts_with("2 9 ") && newest.ends_with('y'));
        Ok(())
    }

    #[test]
    fn what_can_t_be_written_is_told_and_a_new_file_begins_when_it_can() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let folder = dir.path().join("inputs");
        let ring = Ring::start(&folder, 1_000_000)?;
        std::fs::remove_dir(&folder)?;
        ring.begin("lost".into());
        ring.line("lost too".into());
        while !ring.is_broken() {
            std::thread::yield_now();
        }
        std::fs::create_dir(&folder)?;
        ring.begin("kept".into());
        drop(ring);
        let written = std::fs::read_to_string(folder.join("00000000000000000001.log"))?;
        assert_eq!(written, "kept");
        Ok(())
    }
}
