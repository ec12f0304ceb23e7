//! The simulated lines' levels, in a file beside the socket: what a kernel knows of its pins, daemon or none.

use super::{Released, Wiring};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// One character a line, `1` for high. Whoever drives lines holds a lock on it.
pub(super) struct Levels(pub(super) File);

impl Levels {
    pub(super) fn path(wiring: &Wiring) -> PathBuf {
        wiring.socket.with_extension("levels")
    }

    /// Lines that nobody has set yet stand as the world is when nothing happens.
    pub(super) fn open(wiring: &Wiring) -> std::io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(Self::path(wiring))?;
        let quiet = quiet(wiring);
        let had = file.metadata()?.len();
        if let Some(new) = usize::try_from(had).ok().and_then(|had| quiet.get(had..)) {
            file.write_all_at(new, had)?;
        }
        Ok(Self(file))
    }

    /// Drives the outputs, as only one process can. Where a released line falls back, it has: what stands in the
    /// file is of a process that is gone.
    pub(super) fn take(&self, wiring: &Wiring) -> std::io::Result<()> {
        let mut tries = 0..10;
        while let Err(why) = flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
            // Whoever looks holds it for an instant.
            if why != Errno::WOULDBLOCK || tries.next().is_none() {
                let what = "another process drives these lines: stop it first";
                return Err(std::io::Error::other(what));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if wiring.released == Released::Reset {
            for output in &wiring.outputs {
                self.set(output.line, wiring.default_high(output.line))?;
            }
        }
        Ok(())
    }

    pub(super) fn set(&self, line: u32, high: bool) -> std::io::Result<()> {
        self.0.write_all_at(if high { b"1" } else { b"0" }, line.into())
    }

    /// As it was set last.
    pub(super) fn get(&self, line: u32) -> bool {
        let mut level = [0];
        self.0.read_exact_at(&mut level, line.into()).is_ok() && level == *b"1"
    }

    pub(super) fn share(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// As a voltmeter would show an output.
    pub(super) fn present(&self, wiring: &Wiring, line: u32) -> bool {
        let driven = flock(&self.0, FlockOperation::NonBlockingLockShared).is_err();
        if !driven {
            let _ = flock(&self.0, FlockOperation::Unlock);
        }
        if driven || wiring.released == Released::Keep {
            return self.get(line);
        }
        wiring.default_high(line)
    }
}

/// Data lines high, switches inactive, outputs as the board pulls them.
fn quiet(wiring: &Wiring) -> Vec<u8> {
    let inputs = wiring.inputs.iter().map(|i| (i.line, !i.active_high));
    let data = wiring.readers.iter().flat_map(|r| [(r.d0, true), (r.d1, true)]);
    let outputs = wiring.outputs.iter().map(|o| (o.line, wiring.default_high(o.line)));
    let lines: Vec<_> = inputs.chain(data).chain(outputs).collect();
    let count = lines.iter().map(|(line, _)| *line as usize + 1).max().unwrap_or(0);
    let mut quiet = vec![b'0'; count];
    for (line, high) in lines {
        if let Some(level) = quiet.get_mut(line as usize) {
            *level = if high { b'1' } else { b'0' };
        }
    }
    quiet
}
