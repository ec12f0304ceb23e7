//! The port under a bus: bytes in and out without waiting. Any descriptor will do; what it is and who set
//! its speed is the opener's business.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// One end of a bus. Neither call waits: nothing there is `WouldBlock`.
pub trait Wire: Send {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// What becomes readable when bytes arrive.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

/// A descriptor that doesn't block.
pub struct FdWire(OwnedFd);

impl FdWire {
    /// Makes the descriptor non-blocking.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self(fd))
    }
}

impl Wire for FdWire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(&self.0, &mut *buf)? {
            0 if !buf.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until there is something to read, at most this long.
pub(super) fn wait(wire: &dyn Wire, at_most: Duration) {
    let fd = wire.as_fd();
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let timeout = Timespec { tv_sec: at_most.as_secs() as _, tv_nsec: at_most.subsec_nanos() as _ };
    // An error here shows itself at the next read.
    let _ = poll(&mut fds, Some(&timeout));
}
