//! A supervised child process: dies with the daemon, is waited for by a thread of its own, and has its
//! stderr in the daemon's log.

use super::Note;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, set_parent_process_death_signal, waitid,
};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// The longest line taken from a child, in bytes; the rest of it is dropped.
const LINE_LIMIT: usize = 500;
/// At most this many lines in a [`LOG_WINDOW`]; the rest is counted.
const LOG_LINES: u32 = 20;
const LOG_WINDOW: Duration = Duration::from_secs(10);
/// Between two reads of a child that writes more than is logged: at most 100 KB a second.
const PAUSE: Duration = Duration::from_millis(10);

pub struct Child {
    id: u64,
    what: &'static str,
    process: std::process::Child,
}

impl Child {
    /// Starts the program in a process group of its own. [`Note::Exited`] with `id` follows when it ends.
    pub fn spawn(
        id: u64,
        what: &'static str,
        mut command: Command,
        notes: &SyncSender<Note>,
    ) -> io::Result<Self> {
        command.stderr(Stdio::piped()).process_group(0);
        // SAFETY: one system call that allocates nothing, as is required between fork and exec.
        unsafe {
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut process = command.spawn()?;
        // The command keeps the parent's copies of what became the child's descriptors.
        drop(command);
        let stderr = process.stderr.take();
        let child = Self { id, what, process };
        let pid = child.group();
        let notes = notes.clone();
        let waiter = thread::Builder::new().name("face-wait".to_owned()).spawn(move || {
            let _ = notes.send(Note::Exited(id, wait(pid)));
        });
        let logger = stderr.map(|stderr| {
            let name = "face-stderr".to_owned();
            thread::Builder::new().name(name).spawn(move || log(what, stderr))
        });
        if let Err(e) = waiter.and(logger.transpose()) {
            child.kill();
            child.reap();
            return Err(e);
        }
        Ok(child)
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn what(&self) -> &'static str {
        self.what
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    fn group(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Kills the whole group. Harmless until it is reaped: a zombie keeps its numbers.
    pub fn kill(&self) {
        let _ = kill_process_group(self.group(), Signal::KILL);
    }

    /// After it ended: kills what it left of its group and lets go of its number.
    pub fn reap(mut self) {
        self.kill();
        let _ = self.process.wait();
    }
}

/// Waits until the process ends, without reaping it. Its exit code; `None` if a signal ended it.
fn wait(pid: Pid) -> Option<i32> {
    loop {
        match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(Some(status)) => return status.exit_status(),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Resident memory of a process.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Foreign text as it may go into a log: no control characters.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn log(what: &'static str, mut stderr: ChildStderr) {
    let mut lines = Lines::default();
    let mut window = (Instant::now(), 0, 0u64);
    let mut bytes = [0; 1024];
    loop {
        let count = match stderr.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        lines.feed(bytes.get(..count).unwrap_or_default(), |line| {
            let (start, written, dropped) = &mut window;
            if start.elapsed() >= LOG_WINDOW {
                if *dropped > 0 {
                    warn!(program = what, dropped, "wrote more than is logged");
                }
                (*start, *written, *dropped) = (Instant::now(), 0, 0);
            }
            if *written < LOG_LINES {
                *written += 1;
                info!(program = what, "{line}");
            } else {
                *dropped += 1;
            }
        });
        if window.2 > 0 {
            // Who writes more than is logged is read slowly, lest reading it costs the gate's processor.
            thread::sleep(PAUSE);
        }
    }
    if window.2 > 0 {
        warn!(program = what, dropped = window.2, "wrote more than is logged");
    }
}

/// Cuts a stream into printable lines of at most [`LINE_LIMIT`] bytes.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for &byte in bytes {
            if byte == b'\n' {
                let text = printable(&String::from_utf8_lossy(&self.line));
                if !text.trim().is_empty() {
                    each(text.trim_end());
                }
                self.line.clear();
            } else if self.line.len() < LINE_LIMIT {
                self.line.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_printable() {
        let mut got = Vec::new();
        let mut lines = Lines::default();
        lines.feed(b"one\n\ntw", |l| got.push(l.to_owned()));
        lines.feed(b"o\x1b[31m\n", |l| got.push(l.to_owned()));
        lines.feed(&[b'x'; 3000], |l| got.push(l.to_owned()));
        lines.feed(b"\nend\n", |l| got.push(l.to_owned()));
        assert_eq!(got, ["one", "two\u{fffd}[31m", &"x".repeat(LINE_LIMIT), "end"]);
    }
}
