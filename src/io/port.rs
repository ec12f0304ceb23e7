//! Serial ports, opened for whoever reads or talks on one: exclusive, raw, never blocking, and with the
//! direction of an RS-485 adapter under control. What the bytes mean never enters.
//!
//! Opening and the line's settings are tokio-serial's; reading and writing need no executor, so a bus may
//! run on a plain thread.

use crate::domain::{Direction, Parity, PortSettings};
use rustix::event::{PollFd, PollFlags};
use rustix::termios::QueueSelector;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// Why a port can't be had, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct PortError {
    pub path: PathBuf,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error(
        "there is no such port: is the adapter plugged in? `ls /dev/serial/by-id` shows those that are"
    )]
    Missing,
    #[error(
        "not allowed: add the gate's user to the port's group (usermod -aG dialout eithergate)"
    )]
    Forbidden,
    #[error("another program has it: `fuser -v` tells which")]
    Busy,
    #[error("is no serial port: name the device of one")]
    NotSerial,
    #[error("can't do {baud} baud with these settings: {cause}")]
    Settings { baud: u32, cause: String },
    #[error(
        "its driver has no RS-485 mode: say rs485 = \"rts\", or use an adapter that turns by itself"
    )]
    NoRs485,
    #[error("RTS can't be set ({0}): use an adapter that turns by itself")]
    NoRts(String),
    #[error("{0}")]
    Other(String),
}

/// An open port. Reading and writing return at once; any thread may.
#[derive(Debug)]
pub struct Port {
    fd: OwnedFd,
    direction: Direction,
}

/// Opens a port for this program alone, turned to receiving, with nothing in it from before.
pub fn open(settings: &PortSettings) -> Result<Port, PortError> {
    let failed = |why| PortError { path: settings.path.clone(), why };
    let path = settings.path.to_string_lossy();
    let opened = tokio_serial::new(path, settings.baud)
        .data_bits(match settings.data_bits {
            7 => tokio_serial::DataBits::Seven,
            _ => tokio_serial::DataBits::Eight,
        })
        .parity(match settings.parity {
            Parity::None => tokio_serial::Parity::None,
            Parity::Even => tokio_serial::Parity::Even,
            Parity::Odd => tokio_serial::Parity::Odd,
        })
        .stop_bits(match settings.stop_bits {
            2 => tokio_serial::StopBits::Two,
            _ => tokio_serial::StopBits::One,
        })
        .open_native()
        .map_err(|e| failed(why(&e, settings)))?;
    // SAFETY: the descriptor was just given up by its only owner.
    let fd = unsafe { OwnedFd::from_raw_fd(opened.into_raw_fd()) };
    let port = Port { fd, direction: settings.direction };
    let other = |e: rustix::io::Errno| failed(Why::Other(e.to_string()));
    let flags = rustix::fs::fcntl_getfl(&port.fd).map_err(other)?;
    rustix::fs::fcntl_setfl(&port.fd, flags | rustix::fs::OFlags::NONBLOCK).map_err(other)?;
    match settings.direction {
        Direction::Automatic => {}
        Direction::Kernel { rts_on_send, before_ms, after_ms } => {
            set_rs485(&port.fd, rts_on_send, before_ms, after_ms)
                .map_err(|_| failed(Why::NoRs485))?;
        }
        Direction::Rts { rts_on_send } => {
            set_rts(&port.fd, !rts_on_send).map_err(|e| failed(Why::NoRts(e.to_string())))?;
        }
    }
    // A card held to the reader before anybody listened must not open now.
    rustix::termios::tcflush(&port.fd, QueueSelector::IFlush).map_err(other)?;
    Ok(port)
}

fn why(error: &tokio_serial::Error, settings: &PortSettings) -> Why {
    use io::ErrorKind as Kind;
    use tokio_serial::ErrorKind;
    // What is no terminal fails halfway, with words that don't say so.
    let is_terminal = || {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(&settings.path, flags, Mode::empty()).map_or(true, rustix::termios::isatty)
    };
    match error.kind() {
        ErrorKind::Io(Kind::NotFound) => Why::Missing,
        ErrorKind::Io(Kind::PermissionDenied) => Why::Forbidden,
        ErrorKind::NoDevice => Why::Busy,
        _ if !is_terminal() => Why::NotSerial,
        ErrorKind::InvalidInput => {
            Why::Settings { baud: settings.baud, cause: error.description.clone() }
        }
        _ => Why::Other(error.description.clone()),
    }
}

impl Port {
    /// What has arrived, at most `into`'s length; 0 if nothing has. A port that went away is an error.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(&self.fd, &mut *into) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            // A raw port with VMIN = 1 has no end but its own.
            Ok(0) if !into.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            outcome => Ok(outcome?),
        }
    }

    /// Hands over what the driver has room for, and says how much that was.
    ///
    /// With [`Direction::Rts`] it returns when the last bit is out, since only then may the adapter turn
    /// back: a thread that must not wait leaves the turning to the kernel or the adapter.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Direction::Rts { rts_on_send } = self.direction else { return self.hand_over(bytes) };
        set_rts(&self.fd, rts_on_send)?;
        let outcome = self.hand_over(bytes).and_then(|n| {
            rustix::termios::tcdrain(&self.fd)?;
            Ok(n)
        });
        set_rts(&self.fd, !rts_on_send)?;
        outcome
    }

    fn hand_over(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.fd, bytes) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            outcome => Ok(outcome?),
        }
    }

    /// Waits until something has arrived or the port has gone, at most so long; `false` if neither.
    pub fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let timeout = rustix::time::Timespec {
            tv_sec: at_most.as_secs() as i64,
            tv_nsec: at_most.subsec_nanos().into(),
        };
        let mut ready = [PollFd::new(&self.fd, PollFlags::IN)];
        match rustix::event::poll(&mut ready, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => Ok(false),
            outcome => Ok(outcome? > 0),
        }
    }

    /// Forgets what has arrived and was not read yet.
    pub fn discard_input(&self) -> io::Result<()> {
        Ok(rustix::termios::tcflush(&self.fd, QueueSelector::IFlush)?)
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // A pseudo-terminal stays exclusive as long as its other end is open.
        let _ = rustix::termios::ioctl_tiocnxcl(&self.fd);
    }
}

/// `struct serial_rs485` of Linux' `serial.h`.
#[repr(C)]
struct Rs485 {
    flags: u32,
    delay_rts_before_send_ms: u32,
    delay_rts_after_send_ms: u32,
    padding: [u32; 5],
}

const RS485_ENABLED: u32 = 1 << 0;
const RS485_RTS_ON_SEND: u32 = 1 << 1;
const RS485_RTS_AFTER_SEND: u32 = 1 << 2;

fn set_rs485(fd: &OwnedFd, on_send: bool, before_ms: u8, after_ms: u8) -> io::Result<()> {
    let level = if on_send { RS485_RTS_ON_SEND } else { RS485_RTS_AFTER_SEND };
    let mut mode = Rs485 {
        flags: RS485_ENABLED | level,
        delay_rts_before_send_ms: before_ms.into(),
        delay_rts_after_send_ms: after_ms.into(),
        padding: [0; 5],
    };
    // SAFETY: the descriptor is open, and the kernel reads and writes one `serial_rs485`, which this is.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSRS485, &raw mut mode) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set_rts(fd: &OwnedFd, active: bool) -> io::Result<()> {
    let request = if active { libc::TIOCMBIS } else { libc::TIOCMBIC };
    let line: libc::c_int = libc::TIOCM_RTS;
    // SAFETY: the descriptor is open, and the kernel reads one `int`, which this is.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw const line) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pseudo-terminal: our end, and the other's path.
    fn pair() -> (OwnedFd, PathBuf) {
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let ours = rustix::fs::open("/dev/ptmx", flags, rustix::fs::Mode::empty()).expect("a pty");
        let (mut number, unlocked): (libc::c_uint, libc::c_int) = (0, 0);
        // SAFETY: the descriptor is open, and each request takes one `int`.
        let done = unsafe {
            libc::ioctl(ours.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked)
                | libc::ioctl(ours.as_raw_fd(), libc::TIOCGPTN, &raw mut number)
        };
        assert_eq!(done, 0);
        (ours, format!("/dev/pts/{number}").into())
    }

    fn read_all(port: &Port, count: usize) -> Vec<u8> {
        let mut got = Vec::new();
        while got.len() < count && port.wait(Duration::from_secs(5)).expect("a port") {
            let mut bytes = [0; 16];
            let n = port.try_read(&mut bytes).expect("bytes");
            got.extend_from_slice(&bytes[..n]);
        }
        got
    }

    #[test]
    fn bytes_go_both_ways_unchanged_and_nothing_waits() {
        let (ours, path) = pair();
        let port = open(&PortSettings::new(&path, 9600)).expect("a port");
        assert_eq!(port.try_read(&mut [0; 8]).expect("nothing yet"), 0);
        assert!(!port.wait(Duration::ZERO).expect("nothing yet"));
        let all: Vec<u8> = (0..=255).collect();
        rustix::io::write(&ours, &all).expect("written");
        assert_eq!(read_all(&port, 256), all);
        assert_eq!(port.try_write(b"\x00\r\n\x03").expect("room"), 4);
        let mut back = [0; 8];
        let n = rustix::io::read(&ours, &mut back).expect("read");
        assert_eq!(&back[..n], b"\x00\r\n\x03");
    }

    #[test]
    fn what_came_before_opening_is_forgotten_and_a_port_that_goes_is_noticed() {
        let (ours, path) = pair();
        let first = open(&PortSettings::new(&path, 9600)).expect("a port");
        drop(first);
        rustix::io::write(&ours, b"stale").expect("written");
        let port = open(&PortSettings::new(&path, 19_200)).expect("a port");
        assert_eq!(port.try_read(&mut [0; 8]).expect("nothing"), 0);
        drop(ours);
        assert!(port.wait(Duration::from_secs(5)).expect("a port"), "it went");
        assert!(port.try_read(&mut [0; 8]).is_err());
    }

    #[test]
    fn each_way_not_to_get_a_port_has_its_own_words() {
        let dir = tempfile::tempdir().expect("a folder");
        let why = |path: PathBuf| open(&PortSettings::new(path, 9600)).expect_err("no port").why;
        assert_eq!(why(dir.path().join("ttyUSB9")), Why::Missing);
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("a file");
        assert_eq!(why(file), Why::NotSerial);
        assert_eq!(why("/dev/null".into()), Why::NotSerial);
        let (_ours, path) = pair();
        let _held = open(&PortSettings::new(&path, 9600)).expect("a port");
        assert_eq!(why(path.clone()), Why::Busy);
        // A pseudo-terminal has neither an RS-485 driver nor RTS: told, not ignored.
        let (_ours, path) = pair();
        let kernel = Direction::Kernel { rts_on_send: true, before_ms: 0, after_ms: 0 };
        let settings = PortSettings { direction: kernel, ..PortSettings::new(&path, 9600) };
        assert_eq!(open(&settings).expect_err("no port").why, Why::NoRs485);
        let rts = Direction::Rts { rts_on_send: true };
        let settings = PortSettings { direction: rts, ..PortSettings::new(&path, 9600) };
        assert!(matches!(open(&settings).expect_err("no port").why, Why::NoRts(_)));
    }
}
