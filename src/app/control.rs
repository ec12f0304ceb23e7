//! The control socket: what the command line asks of a running gate. JSON lines over a Unix socket in
//! the run folder that only the gate's user (and root) may open; one question, one answer.

use super::enrolled::{self, Answers, Roll};
use super::face::Supervisor;
use super::health::Shared;
use super::listen::{self, Heard, Tap};
use super::readers::{Buses, Meaning};
use super::sitting::{self, Sittings};
use super::{Event, gate};
use crate::access::Order;
use crate::config::Config;
use crate::domain::{Clock, OperatorId, ReaderId, RefusedCommand};
use crate::io::clock::SystemClock;
use crate::io::store::Store;
use crate::wire::enrolled::Consent;
use crate::wire::order::Wish;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Sixteen of the longest templates and their wrapping.
const MAX_QUESTION: u64 = 64 * 1024;
const MAX_ANSWER: u64 = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(5);
/// Templates of one subject.
pub const MAX_TEMPLATES: usize = 16;
const MAX_EVENTS: usize = 1_000;

/// A question to the gate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    Health {},
    /// Keep these templates for a subject who consented, in place of any before.
    Enrol {
        subject: String,
        sealed: Vec<String>,
        consent: Consent,
    },
    /// Everything that arrives at the readers, for so many seconds: a line each after the answer.
    Listen {
        seconds: u32,
        show_keys: bool,
    },
    /// Events after a number, as the journal has them.
    Events {
        after: u64,
    },
    /// Let a reader of an OSDP bus be given its key, for so many minutes.
    InstallReader {
        reader: String,
        minutes: u8,
    },
    /// Somebody has seen all alarms there are.
    Acknowledge {},
    /// What an operator's command might ask for as well.
    Order(Wish),
    /// The machine's clock is right now, whatever it said before.
    BelieveClock {},
    /// How a reader of an OSDP bus is.
    Reader {
        reader: String,
    },
    /// Enrol whoever stands before the camera, for so many seconds at most.
    Sit {
        subject: String,
        seconds: u32,
    },
    /// How far that has got, by the number it was given. Its templates, sealed, are the asker's to enrol. It ends
    /// when nobody asks any more.
    Sitting {
        number: u64,
    },
    /// Delete a subject's templates.
    Forget {
        subject: String,
    },
    /// Some of the templates kept here, sealed as they are: those that come after this subject's.
    Sealed {
        after: Option<String>,
    },
    /// This subject was taken for another.
    NotMe {
        subject: String,
        taken_for: String,
    },
}

/// The gate's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Ok(Value),
    Refused(String),
}

/// The face path, once there is one.
pub(super) type FacePath = Arc<Mutex<Option<Supervisor>>>;

pub(super) fn socket_path(config: &Config) -> PathBuf {
    config.run_dir.join("control.sock")
}

/// What questions are answered from.
pub(super) struct Desk {
    pub config: Arc<Config>,
    pub store: Store,
    pub shared: Arc<Shared>,
    pub face: FacePath,
    pub roll: Arc<Roll>,
    pub answers: Arc<Answers>,
    pub sittings: Arc<Sittings>,
    pub tap: Arc<Tap>,
    pub buses: Arc<Buses>,
    pub events: SyncSender<Event>,
}

/// Serves questions on a thread of its own, one after the other.
pub(super) fn serve(desk: Desk) -> std::io::Result<()> {
    let path = socket_path(&desk.config);
    // One left behind by a crash: the store's lock says that no other gate lives here.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    std::thread::Builder::new().name("control".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = match question(&stream) {
                Ok(Question::Listen { seconds, show_keys }) => {
                    let Desk { tap, events, .. } = &desk;
                    let how = (seconds, show_keys);
                    listen::serve(stream, tap.clone(), events, how, |stream, outcome| {
                        let outcome = outcome.map(|()| serde_json::json!({}));
                        say(stream, &outcome.map_or_else(Answer::Refused, Answer::Ok))
                    });
                    continue;
                }
                Ok(question) => answer(question, &stream, &desk),
                Err(why) => Answer::Refused(why),
            };
            let _ = say(&stream, &answer);
        }
    })?;
    Ok(())
}

/// Asks a running gate. The error says how to get one running.
pub fn ask(config: &Config, question: &Question) -> Result<Answer, std::io::Error> {
    let stream = UnixStream::connect(socket_path(config))?;
    say(&stream, question)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    hear(&stream, MAX_ANSWER)
}

fn question(stream: &UnixStream) -> Result<Question, String> {
    // Whoever connects has its question ready; one that dawdles keeps everybody waiting, and a byte now and then
    // buys it no more time.
    let end = std::time::Instant::now() + Duration::from_secs(1);
    let (mut line, mut piece) = (Vec::new(), [0; 4096]);
    while line.last() != Some(&b'\n') && (line.len() as u64) < MAX_QUESTION {
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Err("a question is one line, within a second".into());
        }
        stream.set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
        let mut from = stream;
        match from.read(&mut piece).map_err(|e| e.to_string())? {
            0 => break,
            count => line.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    serde_json::from_slice(&line).map_err(|e| e.to_string())
}

fn hear<T: serde::de::DeserializeOwned>(stream: &UnixStream, max: u64) -> std::io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(max)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

fn say(mut stream: &UnixStream, what: &impl Serialize) -> std::io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Listens through a running gate. The outer error says that there is none; the inner one is its refusal.
pub fn listen(
    config: &Config,
    seconds: u32,
    show_keys: bool,
) -> std::io::Result<Result<impl Iterator<Item = Heard>, String>> {
    let stream = UnixStream::connect(socket_path(config))?;
    say(&stream, &Question::Listen { seconds, show_keys })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.by_ref().take(MAX_ANSWER).read_line(&mut line)?;
    if let Answer::Refused(why) = serde_json::from_str(&line)? {
        return Ok(Err(why));
    }
    lines.get_ref().set_read_timeout(None)?;
    let heard = lines.lines().map_while(Result::ok);
    Ok(Ok(heard.filter_map(|line| serde_json::from_str(&line).ok())))
}

fn answer(question: Question, stream: &UnixStream, desk: &Desk) -> Answer {
    let Desk { store, shared, .. } = desk;
    let outcome = match question {
        Question::Health {} => serde_json::to_value(&*shared.health()).map_err(|e| e.to_string()),
        Question::Enrol { subject, sealed, consent } => {
            note_asker(stream, "a face is enrolled");
            enrolled::enrol(&subject, &sealed, consent, desk)
        }
        Question::Sit { subject, seconds } => {
            note_asker(stream, "somebody is enrolled before the camera");
            sitting::begin(&subject, seconds, desk)
        }
        Question::Sitting { number } => sitting::progress(number, desk),
        Question::Forget { subject } => {
            note_asker(stream, "a face is deleted");
            enrolled::forget(&subject, desk)
        }
        Question::NotMe { subject, taken_for } => {
            note_asker(stream, "two are kept apart");
            enrolled::not_me(&subject, &taken_for, desk)
        }
        Question::Sealed { after } => {
            if after.is_none() {
                note_asker(stream, "the sealed templates are handed out");
            }
            enrolled::sealed(after.as_deref(), store)
        }
        Question::Events { after } => events(store, after),
        Question::Listen { .. } => Err("is answered line by line".into()),
        Question::InstallReader { reader, minutes } => install(&reader, minutes, stream, desk),
        Question::Acknowledge {} => order(Order::Acknowledge, stream, desk),
        Question::Order(wish) => match gate::order_of(&desk.config, &wish) {
            Some(wanted) if wish.is_sound() => order(wanted, stream, desk),
            Some(_) => Err("asks for what can't be done".into()),
            None => {
                let doors: Vec<_> = desk.config.doors.iter().map(|d| d.name.as_str()).collect();
                Err(format!("this gate has no such door; there are: {}", doors.join(", ")))
            }
        },
        Question::BelieveClock {} => match SystemClock.wall() {
            Some(floor) => order(Order::SetFloor { floor }, stream, desk),
            None => Err("the machine's clock is not set: set it first".into()),
        },
        Question::Reader { reader } => {
            named(&reader, desk).and_then(|id| match desk.buses.status(id) {
                Some(status) => serde_json::to_value(status).map_err(|e| e.to_string()),
                None => Err(format!("{reader} is on no OSDP bus")),
            })
        }
    };
    outcome.map_or_else(Answer::Refused, Answer::Ok)
}

/// For whoever asks later who it was; whom it was about is not said.
fn note_asker(stream: &UnixStream, what: &str) {
    let uid = rustix::net::sockopt::socket_peercred(stream).map(|c| c.uid.as_raw());
    tracing::info!(uid = uid.ok(), "asked at this machine: {what}");
}

fn named(reader: &str, desk: &Desk) -> Result<ReaderId, String> {
    let readers = &desk.config.readers;
    let found = readers.iter().position(|r| r.name == reader);
    found.map(|i| ReaderId(i as u8)).ok_or_else(|| {
        let known: Vec<_> = readers.iter().map(|r| r.name.as_str()).collect();
        format!("this gate has no reader {reader}; there are: {}", known.join(", "))
    })
}

/// The window in which a reader may be given its key. Who opened it is on record.
fn install(reader: &str, minutes: u8, stream: &UnixStream, desk: &Desk) -> Result<Value, String> {
    let id = named(reader, desk)?;
    if !(1..=30).contains(&minutes) {
        return Err("install mode lasts 1 to 30 minutes".into());
    }
    let uid = rustix::net::sockopt::socket_peercred(stream).map_err(|e| e.to_string())?.uid;
    let time = Duration::from_secs(60 * u64::from(minutes));
    desk.buses.install(id, time).map_err(|e| e.to_string())?;
    let opened = Meaning::InstallOpened { reader: id, uid: uid.as_raw(), minutes };
    // The loop takes it as soon as it has room; this thread may wait.
    desk.events.send(Event::Reader(opened)).map_err(|_| "the gate is stopping")?;
    Ok(serde_json::json!({ "minutes": minutes }))
}

/// By whoever may open the socket, under the name of this machine's user: `uid-1000`.
fn order(order: Order, stream: &UnixStream, desk: &Desk) -> Result<Value, String> {
    let uid = rustix::net::sockopt::socket_peercred(stream).map_err(|e| e.to_string())?.uid;
    let by = format!("uid-{}", uid.as_raw());
    let by: OperatorId = by.parse().map_err(|e| format!("{e}"))?;
    tracing::info!(%by, ?order, "an order on the control socket");
    let (answer, answered) = sync_channel(1);
    desk.events.send(Event::Order { by, order, answer }).map_err(|_| "the gate is stopping")?;
    match answered.recv_timeout(PATIENCE) {
        Ok(Ok(())) => Ok(serde_json::json!({})),
        Ok(Err(RefusedCommand::DoorMode)) => Err(
            "the door is locked down, locked open or blocked: end that first, with `eithergate door mode \
             DOOR end`"
                .into(),
        ),
        Ok(Err(why)) => Err(format!("{why:?}")),
        Err(_) => Err("the gate doesn't answer: whether it was done, `eithergate journal` tells".into()),
    }
}

/// Events as stored, oldest first; also for a gate that isn't running.
pub fn events(store: &Store, after: u64) -> Result<Value, String> {
    store
        .events_after(after)
        .take(MAX_EVENTS)
        .map(|entry| {
            let (seq, bytes) = entry.map_err(|e| e.to_string())?;
            let event: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            Ok(serde_json::json!({ "seq": seq, "event": event }))
        })
        .collect::<Result<Vec<_>, String>>()
        .map(Value::Array)
}

pub use enrolled::sealed;

/// Opens the store of a gate that isn't running.
pub fn open_store(data_dir: &Path) -> Result<Store, crate::io::store::StoreError> {
    Ok(Store::open(data_dir)?.0)
}
