//! What arrives at the readers, live, for an installer: tapped from the running gate through its control
//! socket, or from the configured readers themselves while the gate is stopped.
//!
//! Here card numbers leave the loop, to the one who asked and to nobody else: never a log, never an event.
//! It is over after a while, and that it was done is an event.

use super::readers::{Buses, Meaning, Readers};
use super::{AppError, Event, pins};
use crate::access::Input;
use crate::config::{Config, Link};
use crate::domain::{Clock, EventKind, Instant, Key, ReadFault, ReaderId};
use crate::io::clock::SystemClock;
use crate::io::{PinError, PinEvent};
use crate::wire::wiegand::Bits;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest somebody may listen without asking again.
pub const MAX_LISTEN_S: u32 = 3_600;
/// What may wait for a slow terminal; the rest is left out.
const QUEUE: usize = 256;
const TURN: Duration = Duration::from_millis(500);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// One thing heard. A card number may be in it: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    pub t_us: Instant,
    pub reader: String,
    #[serde(flatten)]
    pub sound: Sound,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Sound {
    /// A Wiegand frame, whatever the reader is configured for. `raw` is hex; left out of what may be a key.
    Frame { bits: u8, raw: Option<String> },
    /// A card from a reader that sends whole numbers.
    Card { format: String, hex: String },
    /// `why` is in words, without a number of any card.
    Fault { fault: ReadFault, why: String },
    /// A key, or `*` where keys are not to be shown.
    Key { key: char },
    /// `up`, `down`, `tamper`, `power` and the like.
    Link { news: String },
}

/// Where readers tell what they hear, if somebody listens.
#[derive(Default)]
pub(super) struct Tap {
    on: AtomicBool,
    show_keys: AtomicBool,
    to: Mutex<Option<SyncSender<Heard>>>,
}

/// Stands for a key that is not shown; no keypad has it.
const HIDDEN: char = '\u{2022}';

impl Tap {
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    fn open(&self, show_keys: bool) -> Option<Receiver<Heard>> {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        if to.is_some() {
            return None;
        }
        let (sender, heard) = sync_channel(QUEUE);
        *to = Some(sender);
        self.show_keys.store(show_keys, Ordering::Relaxed);
        self.on.store(true, Ordering::Relaxed);
        Some(heard)
    }

    fn close(&self) {
        self.on.store(false, Ordering::Relaxed);
        self.to.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn tell(&self, t_us: Instant, reader: &str, sound: Sound) {
        if let Some(to) = &*self.to.lock().unwrap_or_else(PoisonError::into_inner) {
            // The gate doesn't wait for a terminal.
            let _ = to.try_send(Heard { t_us, reader: reader.to_owned(), sound });
        }
    }

    /// A frame; a burst as short as a key's is shown as one unless keys may be shown.
    pub(super) fn tell_frame(&self, at: Instant, reader: &str, bits: Bits) {
        let may_be_key = bits.count() <= 8 && !self.show_keys.load(Ordering::Relaxed);
        let raw = (!may_be_key).then(|| bits.to_hex());
        self.tell(at, reader, Sound::Frame { bits: bits.count(), raw });
    }

    pub(super) fn tell_key(&self, at: Instant, reader: &str, key: Key) {
        let key = match key {
            _ if !self.show_keys.load(Ordering::Relaxed) => HIDDEN,
            Key::Digit(digit) => char::from_digit(digit.into(), 10).unwrap_or('?'),
            Key::Clear => '*',
            Key::Enter => '#',
        };
        self.tell(at, reader, Sound::Key { key });
    }

    /// What a reader that tells no bits meant. Wiegand readers tell their frames themselves.
    pub(super) fn tell_meaning(&self, config: &Config, now: Instant, meaning: &Meaning) {
        let of = |id: ReaderId| config.readers.get(usize::from(id.0));
        let of_others = |id| of(id).filter(|reader| !matches!(reader.link, Link::Wiegand(_)));
        match meaning {
            Meaning::Input(Input::Card { reader, card }) => {
                if let Some(reader) = of_others(*reader) {
                    let (format, hex) = (card.format().to_string(), format!("{:x}", card.number()));
                    self.tell(now, &reader.name, Sound::Card { format, hex });
                }
            }
            Meaning::Key { reader, key } => {
                if let Some(reader) = of_others(*reader) {
                    self.tell_key(now, &reader.name, *key);
                }
            }
            Meaning::Fault { reader, fault } => {
                if let Some(reader) = of_others(*reader) {
                    let (fault, why) = (*fault, fault.to_string());
                    self.tell(now, &reader.name, Sound::Fault { fault, why });
                }
            }
            Meaning::Link { reader, news } => {
                if let Some(reader) = of(*reader) {
                    self.tell(now, &reader.name, Sound::Link { news: news.to_string() });
                }
            }
            _ => {}
        }
    }
}

/// Lets whoever is at the other end of `stream` listen, on a thread of its own, until the time is over or
/// it hangs up. The answer it gets first is `answered`'s to write.
pub(super) fn serve(
    stream: UnixStream,
    tap: std::sync::Arc<Tap>,
    loop_: &SyncSender<Event>,
    (seconds, show_keys): (u32, bool),
    answered: impl FnOnce(&UnixStream, Result<(), String>) -> std::io::Result<()>,
) {
    let seconds = seconds.clamp(1, MAX_LISTEN_S);
    let Some(heard) = tap.open(show_keys) else {
        let _ = answered(&stream, Err("somebody listens already: one at a time".into()));
        return;
    };
    let _ = loop_.send(Event::Record(EventKind::ReadersListened { seconds }));
    if answered(&stream, Ok(())).is_err() {
        return tap.close();
    }
    let thread = std::thread::Builder::new().name("listen".into());
    let taps = tap.clone();
    let spawned = thread.spawn(move || {
        let _ = pass_on(&stream, &heard, Duration::from_secs(seconds.into()));
        taps.close();
    });
    if spawned.is_err() {
        tap.close();
    }
}

fn pass_on(stream: &UnixStream, heard: &Receiver<Heard>, time: Duration) -> std::io::Result<()> {
    let mut stream = stream;
    stream.set_read_timeout(Some(Duration::from_millis(1)))?;
    let end = std::time::Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        match heard.recv_timeout(left.min(TURN)) {
            Ok(heard) => {
                let mut line = serde_json::to_vec(&heard)?;
                line.push(b'\n');
                stream.write_all(&line)?;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            // Has it hung up?
            Err(RecvTimeoutError::Timeout) => match stream.read(&mut [0; 16]) {
                Ok(0) => return Ok(()),
                _ => continue,
            },
        }
    }
}

/// Listens without a gate: opens the configured readers and leaves the outputs safe. Goes on until
/// `take` says `false`; it is asked with `None` when nothing was heard for a while.
pub fn alone(
    config: &Config,
    show_keys: bool,
    mut take: impl FnMut(Option<Heard>) -> bool,
) -> Result<(), AppError> {
    let clock = SystemClock;
    let tap = std::sync::Arc::new(Tap::default());
    let Some(heard) = tap.open(show_keys) else { return Ok(()) };
    let (sender, events) = sync_channel(super::QUEUE);
    let mut pins = pins::open(config, {
        let sender = sender.clone();
        Box::new(move |event| sender.try_send(Event::Pins(event)).is_ok())
    })?;
    super::readers::serial::start(config, clock, &sender)?;
    let buses = std::sync::Arc::new(Buses::start(config, &sender)?);
    let mut readers = Readers::new(config, tap.clone(), buses);
    loop {
        // Frames end once the pins promise that no edge is still to come.
        pins.ask();
        match events.recv_timeout(ASK_EVERY) {
            Ok(Event::Pins(PinEvent::Edge(edge))) => {
                if let Some(meaning @ Meaning::Link { .. }) = readers.edge(edge) {
                    tap.tell_meaning(config, edge.at, &meaning);
                }
            }
            // What it decided is the gate's business; here it only has to be let out.
            Ok(Event::Pins(PinEvent::Until(until))) => readers.poll(until).for_each(drop),
            Ok(Event::Pins(PinEvent::Lost { lines, after })) => {
                readers.lost(&lines, after).for_each(drop);
            }
            Ok(Event::Pins(PinEvent::Failed(why))) => return Err(PinError::Gone(why).into()),
            Ok(Event::Reader(meaning)) => tap.tell_meaning(config, clock.now(), &meaning),
            _ => {}
        }
        let mut any = false;
        while let Ok(heard) = heard.try_recv() {
            any = true;
            if !take(Some(heard)) {
                return Ok(());
            }
        }
        if !any && !take(None) {
            return Ok(());
        }
    }
}
