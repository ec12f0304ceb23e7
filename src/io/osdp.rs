//! OSDP readers on an RS-485 bus, through libosdp: one [`Bus`] a port, each with a thread of its own. What
//! the readers say comes out through a sink that may refuse, what they are told goes in through a bounded
//! channel: neither side ever waits for the other. What never enters: card formats, policy, the broker.

mod desk;
mod ffi;
mod keys;
mod line;
mod seat;
mod wire;

pub use keys::{Enrolled, Key, KeyError, Keys};
pub use wire::{FdWire, Wire};

use crate::domain::{SecurityBreach, Signal};
use crate::wire::wiegand::Bits;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Commands that may wait for the bus: each reader's newest signal, and an installer.
const COMMANDS: usize = 64;
/// The longest window in which a reader may be enrolled.
pub const MAX_INSTALL: Duration = Duration::from_secs(30 * 60);

/// A reader on a bus.
#[derive(Clone, Debug)]
pub struct ReaderOptions {
    /// Names its key file.
    pub name: String,
    /// 0 to 126, each once on a bus.
    pub address: u8,
    /// It may talk in the clear.
    pub low: bool,
}

/// A bus.
#[derive(Clone, Debug)]
pub struct Options {
    pub readers: Vec<ReaderOptions>,
    pub baud: u32,
    pub keys: Keys,
}

/// A reader, by its place in [`Options::readers`], and what it says. A card may be in there: no `Debug`.
pub struct News {
    pub reader: usize,
    pub what: What,
}

pub enum What {
    Card(Bits),
    /// A card report that is none: no bits, too many, or fewer than announced.
    NoCard,
    /// Bytes that began like a frame and were none.
    Noise,
    /// One key as OSDP has it: ASCII digits, 0x7f for `*`, 0x0d for `#`.
    Key(u8),
    Up,
    Down,
    Tamper(bool),
    PowerFailing(bool),
    Breach(SecurityBreach),
    /// It has its own key now, and nothing else opens a session with it.
    Enrolled,
    /// The time in which it could be enrolled is over, or it was.
    InstallEnded {
        enrolled: bool,
    },
}

/// Where news goes. `false` says that there was no room.
pub type Sink = Box<dyn Fn(News) -> bool + Send>;
/// Opens the port; called again, at most once a second, when it was lost.
pub type Opener = Box<dyn FnMut() -> io::Result<Box<dyn Wire>> + Send>;

/// How a reader is, for whoever asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// It has its own key.
    pub enrolled: bool,
    /// It answers.
    pub up: bool,
    /// In a secure channel with its own key.
    pub secure: bool,
    /// An installer may give it a key now.
    pub installing: bool,
    /// Why it was last not believed; gone once it is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breach: Option<SecurityBreach>,
}

/// Why there is no install mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    #[error("the bus has no such reader")]
    NoSuchReader,
    #[error("this reader is pinned to assurance = \"low\": it has no key")]
    Low,
    #[error(
        "a reader of this bus is being installed, one at a time: `eithergate reader status` tells which and for how long"
    )]
    Busy,
    #[error("the key can't be kept: see the gate's log")]
    NoKey,
    #[error("the bus does not answer")]
    Gone,
}

enum Command {
    Signal { reader: usize, signal: Signal },
    Install { reader: usize, time: Duration, answer: SyncSender<Result<(), InstallError>> },
}

/// A running bus. Dropping it ends its thread.
pub struct Bus {
    commands: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the bus tells without being asked to wait.
struct Shared {
    status: Mutex<Vec<Status>>,
    /// Cards and keys that the sink had no room for.
    lost: AtomicU64,
}

impl Bus {
    /// Starts a bus. A port that can't be opened is tried again; until then its readers are down.
    pub fn start(options: Options, opener: Opener, sink: Sink) -> io::Result<Self> {
        let (commands, taken) = sync_channel(COMMANDS);
        let shared = Arc::new(Shared {
            status: Mutex::new(vec![Status::default(); options.readers.len()]),
            lost: AtomicU64::new(0),
        });
        let told = shared.clone();
        // The library's state stays in the thread that made it.
        let thread = std::thread::Builder::new()
            .name("osdp".into())
            .spawn(move || desk::Desk::new(options, opener, sink, told).run(&taken))?;
        Ok(Self { commands: Some(commands), thread: Some(thread), shared })
    }

    /// Shows something at a reader; `false` if the bus is too busy. Never waits.
    pub fn signal(&self, reader: usize, signal: Signal) -> bool {
        let command = Command::Signal { reader, signal };
        self.commands.as_ref().is_some_and(|commands| commands.try_send(command).is_ok())
    }

    /// Lets a reader be enrolled for this long, at most [`MAX_INSTALL`]. Waits for the bus, so never to be
    /// called by the loop.
    pub fn install(&self, reader: usize, time: Duration) -> Result<(), InstallError> {
        let (answer, answered) = sync_channel(1);
        let command = Command::Install { reader, time: time.min(MAX_INSTALL), answer };
        let sent = self.commands.as_ref().is_some_and(|c| c.try_send(command).is_ok());
        if !sent {
            return Err(InstallError::Gone);
        }
        match answered.recv_timeout(Duration::from_secs(3)) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(InstallError::Gone)
            }
        }
    }

    pub fn status(&self, reader: usize) -> Option<Status> {
        self.shared.status().get(reader).copied()
    }

    /// Cards and keys that nobody had room for since the start.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // The thread ends when nobody can command it any more.
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn status(&self) -> std::sync::MutexGuard<'_, Vec<Status>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
