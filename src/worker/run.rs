//! The worker itself: load, shut in, look, tell.
//!
//! It ends when the daemon closes its socket, so it never outlives it.

use super::intake::{self, Inbox, Mailbox, Turn, Turning};
use super::look::Looker;
use super::sandbox;
use super::watch::Watcher;
use crate::domain::{Clock, Instant};
use crate::failure::Failure;
use crate::io::clock::SystemClock;
use crate::io::tflite;
use crate::vision::{Chain, Picture};
use crate::wire::template::ModelHash;
use crate::wire::worker::{ALIVE_EVERY, FromWorker, ToWorker, VERSION, encode};
use clap::Args as ClapArgs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// How long the loop waits for something to do. Well below [`ALIVE_EVERY`], because a frame may come at
/// its end and take its time.
const IDLE: std::time::Duration = std::time::Duration::from_micros(ALIVE_EVERY.as_micros() / 4);

#[derive(ClapArgs)]
pub struct Args {
    /// Manifest of the detection model
    #[arg(long)]
    detector: PathBuf,
    /// Manifest of the landmarks model
    #[arg(long)]
    landmarks: PathBuf,
    /// Manifest of the embedding model
    #[arg(long)]
    embedding: PathBuf,
    /// Manifest of the embedding model that it replaces
    #[arg(long)]
    former: Option<PathBuf>,
    /// Manifest of an anti-spoofing model
    #[arg(long)]
    liveness: Option<PathBuf>,
    /// sha256 of a manifest that may be loaded; with any of these, no other may
    #[arg(long = "pin", value_name = "HEX")]
    pins: Vec<ModelHash>,
    /// Threads for inference
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    threads: u8,
}

/// Why the worker ends early.
enum End {
    /// It can't work, and the daemon has to know.
    Unfit(String),
    /// The daemon is gone or makes no sense; there is nobody to tell.
    Alone(String),
}

pub fn run(args: &Args) -> Result<(), Failure> {
    // Readers and relays outrank recognition; threads started later inherit it.
    let _ = rustix::process::nice(10);
    // Before anything is opened: it closes what was inherited.
    let prepared = sandbox::prepare();
    let socket = intake::socket().map_err(|_| {
        Failure::Usage("`run` is started by the daemon, with a socket as standard input".to_owned())
    })?;
    let outcome = prepared
        .map_err(|e| End::Unfit(format!("can't begin to shut the process in: {e}")))
        .and_then(|()| work(args, &socket));
    match outcome {
        Ok(()) => Ok(()),
        Err(End::Unfit(why)) => {
            // If even that fails, the exit code tells.
            let _ = say(&socket, &FromWorker::unfit(&why));
            Err(Failure::Unavailable(why))
        }
        Err(End::Alone(why)) => Err(Failure::Data(why)),
    }
}

fn work(args: &Args, socket: &UnixStream) -> Result<(), End> {
    let (chain, embedding) = load(args).map_err(End::Unfit)?;
    let mut inbox = Inbox::new(socket.try_clone().map_err(|e| End::Alone(e.to_string()))?);
    // From here on nothing is opened. The key, the templates and the frames come after.
    let sandbox = sandbox::enter();
    let hello = match inbox.wait().map_err(End::Alone)? {
        Some(ToWorker::Hello(hello)) => hello,
        Some(_) => return Err(End::Alone("the daemon did not begin with Hello".to_owned())),
        None => return Ok(()),
    };
    if hello.version != VERSION {
        return Err(End::Unfit(format!(
            "the daemon speaks version {} of the worker protocol, this program {VERSION}; install \
             both from one build",
            hello.version
        )));
    }
    let Some(frame_len) = hello.frame_len() else {
        return Err(End::Unfit(format!(
            "frames of {}x{} are not possible; both sides must be even and at most 4096",
            hello.width, hello.height
        )));
    };
    let (imaging, mut watcher) = (hello.watch.imaging, Watcher::new(&hello));
    let turning = Turning::new((hello.width, hello.height));
    let mut looker = Looker::new(chain, hello).map_err(End::Unfit)?;
    say(socket, &FromWorker::Ready { model: looker.model(), embedding, sandbox })?;

    let mailbox = Arc::new(Mailbox::default());
    let taking = Arc::clone(&mailbox);
    thread::Builder::new()
        .name("intake".to_owned())
        .spawn(move || intake::run(inbox, frame_len, imaging, &taking))
        .map_err(|e| End::Unfit(format!("can't start a thread: {e}")))?;
    turns(socket, &mailbox, turning, &mut looker, &mut watcher)
}

fn turns(
    socket: &UnixStream,
    mailbox: &Mailbox,
    mut turning: Turning,
    looker: &mut Looker,
    watcher: &mut Watcher,
) -> Result<(), End> {
    let (mut told, mut processed) = (Instant(0), 0);
    loop {
        let Turn { commands, frame, seen, last_frame_at, ended } = mailbox.turn(IDLE);
        for command in commands {
            match command {
                ToWorker::Enrol(sealed) => {
                    let outcome = looker.enrol(&sealed);
                    say(socket, &FromWorker::Enrolled { subject: sealed.subject, outcome })?;
                }
                ToWorker::Forget(subject) => {
                    looker.forget(&subject);
                    say(socket, &FromWorker::Forgotten { subject })?;
                }
                ToWorker::Separate(pair) => looker.separate(pair),
                ToWorker::Claim(among) => looker.claim(SystemClock.now(), among),
                ToWorker::LookAlikes(subject) => {
                    settle(socket, looker)?;
                    let others = looker.look_alikes(&subject);
                    say(socket, &FromWorker::LookAlikes { subject, others })?;
                }
                ToWorker::Sit { subject, within } => {
                    looker.sit(subject, SystemClock.now(), within);
                }
                ToWorker::Stay => looker.stay(SystemClock.now()),
                ToWorker::Line { active } => watcher.line(SystemClock.now(), active),
                ToWorker::Quit => return Ok(()),
                ToWorker::Hello(_) | ToWorker::Frames => {
                    return Err(End::Alone("the daemon said Hello twice".to_owned()));
                }
            }
        }
        settle(socket, looker)?;
        if let Some(mut frame) = frame {
            watcher.sit(looker.has_sitter());
            if watcher.frame(frame.captured_at, &frame.data) {
                // Told before anything is looked for: who stands there sees the light first.
                tell(socket, watcher)?;
                frame.settle_colours();
                let at = frame.captured_at;
                let said = turning.upright(&frame, |upright| looker.look(upright, at));
                let said = said.map_err(|e| End::Unfit(e.to_string()))?.map_err(End::Unfit)?;
                for said in said {
                    say(socket, &said)?;
                }
                watcher.looked(frame.captured_at, looker.sees_somebody());
            }
            mailbox.give_back(frame.data);
            processed += 1;
        }
        if watcher.falls_asleep(SystemClock.now()) {
            looker.rest().map_err(End::Unfit)?;
        }
        tell(socket, watcher)?;
        // Only here, after a whole turn: a loop that hangs doesn't say that it lives.
        let now = SystemClock.now();
        if std::time::Duration::from(now.since(told)) >= IDLE {
            told = now;
            say(socket, &FromWorker::Alive { seen, processed, last_frame_at })?;
        }
        match ended {
            None => {}
            Some(Ok(())) => return Ok(()),
            Some(Err(why)) => return Err(End::Alone(why)),
        }
    }
}

/// Tells by which terms people are found, if people came or went.
fn settle(socket: &UnixStream, looker: &mut Looker) -> Result<(), End> {
    looker.terms().map_or(Ok(()), |terms| say(socket, &FromWorker::Terms(terms)))
}

fn tell(socket: &UnixStream, watcher: &mut Watcher) -> Result<(), End> {
    while let Some(news) = watcher.news() {
        say(socket, &news)?;
    }
    Ok(())
}

/// The chain of models, and the embedding's name.
fn load(args: &Args) -> Result<(Chain, String), String> {
    let pin = tflite::Pin { manifest: args.pins.iter().map(|p| p.0).collect(), model: None };
    let model =
        |path: &Path| tflite::load_pinned(path, args.threads, &pin).map_err(|e| e.to_string());
    let embedding = model(&args.embedding)?;
    let name = embedding.manifest().name.clone();
    let (detector, landmarks) = (model(&args.detector)?, model(&args.landmarks)?);
    let mut chain = Chain::new(detector, landmarks, embedding).map_err(|e| e.to_string())?;
    if let Some(former) = &args.former {
        chain.set_former(model(former)?).map_err(|e| e.to_string())?;
    }
    if let Some(liveness) = &args.liveness {
        chain.set_liveness_model(model(liveness)?).map_err(|e| e.to_string())?;
    }
    // Once before the door is shut, so that what the library does only on its first run, it has done.
    let blank = Picture::from_rgb(128, 128, vec![0; 128 * 128 * 3]).map_err(|e| e.to_string())?;
    chain.faces(&blank).map_err(|e| e.to_string())?;
    Ok((chain, name))
}

fn say(socket: &UnixStream, message: &FromWorker) -> Result<(), End> {
    let Some(bytes) = encode(message) else {
        return Err(End::Alone("a message came out too long".to_owned()));
    };
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        match rustix::io::write(socket, rest) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(End::Alone(format!("can't write to the daemon: {e}"))),
        }
    }
    Ok(())
}
