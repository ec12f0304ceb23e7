//! Serial ports of readers that only speak: each on a thread of its own, so that a port stuck in its driver
//! is alone in that. One that goes away is told once, tried again, and told when it is back. What the bytes
//! mean never enters.

use super::port::{self, Port};
use crate::domain::{Clock, Duration, Instant, PortSettings};
use std::io;

/// The most bytes handed over at once.
const CHUNK: usize = 64;
/// After each chunk the next may gather: 32 KB a second, more than 230,400 baud, and no flood of wake-ups.
const PACE: Duration = Duration::from_millis(2);
/// The longest a quiet port is left alone.
const IDLE: Duration = Duration::from_secs(1);
/// Between attempts to open a port: doubled from the first to the last.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// What happened on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerialEvent<'a> {
    /// It is open; whatever was sent before is gone.
    Up,
    /// It isn't there or went away, and why. Told once.
    Down(String),
    Bytes(&'a [u8]),
    /// Nothing came; asked for, or once in a while.
    Quiet,
}

/// Takes what happens, stamped with when it was seen, and says when it wants [`SerialEvent::Quiet`] at the
/// latest. It must not wait for anything: the port's buffer in the kernel is small.
pub type Listener = Box<dyn FnMut(Instant, SerialEvent<'_>) -> Option<Instant> + Send>;

/// Listens on a port until the program ends.
pub fn listen(
    settings: PortSettings,
    clock: impl Clock + Send + 'static,
    mut listener: Listener,
) -> io::Result<()> {
    let listening = move || {
        let mut retry = RETRY.0;
        let mut told = false;
        loop {
            let why = match port::open(&settings) {
                Ok(port) => {
                    (retry, told) = (RETRY.0, false);
                    let due = listener(clock.now(), SerialEvent::Up);
                    let error = read(&port, &clock, &mut listener, due);
                    format!("{}: it went away: {error}", settings.path.display())
                }
                Err(error) => error.to_string(),
            };
            let event = if told { SerialEvent::Quiet } else { SerialEvent::Down(why) };
            told = true;
            listener(clock.now(), event);
            std::thread::sleep(retry.into());
            retry = Duration(retry.0 * 2).min(RETRY.1);
        }
    };
    std::thread::Builder::new().name("serial".into()).spawn(listening).map(drop)
}

/// Reads until the port is gone.
fn read(
    port: &Port,
    clock: &impl Clock,
    listener: &mut Listener,
    mut due: Option<Instant>,
) -> io::Error {
    let mut bytes = [0; CHUNK];
    loop {
        let now = clock.now();
        let patience = due.map_or(IDLE, |due| due.since(now).min(IDLE).max(Duration(1_000)));
        let arrived = port.wait(patience.into());
        let count =
            match arrived.and_then(|some| if some { port.try_read(&mut bytes) } else { Ok(0) }) {
                Ok(count) => count,
                Err(gone) => return gone,
            };
        due = match bytes.get(..count) {
            Some(got) if !got.is_empty() => listener(clock.now(), SerialEvent::Bytes(got)),
            _ => listener(clock.now(), SerialEvent::Quiet),
        };
        if count > 0 {
            std::thread::sleep(PACE.into());
        }
    }
}
