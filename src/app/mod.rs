//! Wiring: configuration in, threads and processes up, one event type, one loop, commands performed.
//! Never byte formats, never policy.
//!
//! What starts in which order is in [`run`]; a gate's cards work before camera, worker and broker are
//! even tried, and go on without them.

mod commands;
mod control;
mod enrolled;
pub mod face;
mod feed;
mod gate;
mod health;
mod keeper;
pub(crate) mod ledger;
pub mod listen;
pub mod pins;
mod readers;
pub mod sitting;
pub mod wiring;

pub use control::{Answer, MAX_TEMPLATES, Question, ask, events, listen, open_store, sealed};

use crate::access::{Order, Ticket};
use crate::allowlist::Allowlist;
use crate::config::Config;
use crate::domain::{Clock, EventKind, OperatorId, RefusedCommand, RefusedUpdate};
use crate::io::clock::SystemClock;
use crate::io::mqtt::{Link, LinkError, LinkEvent};
use crate::io::store::{Store, StoreError, Told};
use crate::io::{PinError, PinEvent};
use crate::journal::{Journal, Kept};
use crate::trust::{Command, GateKeys, KeyFileError, NotACommand};
use face::{FaceEvent, Supervisor};
use gate::Gate;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError};

/// Edges of sixteen readers' longest frames at once, and then some. Senders of anything else wait, so a
/// broker can't crowd out an edge for longer than the loop needs for one turn.
const QUEUE: usize = 8_192;

/// Whatever reaches the loop.
enum Event {
    Pins(PinEvent),
    /// From a reader that has a thread of its own.
    Reader(readers::Meaning),
    /// Something happened outside the loop that the journal has to have.
    Record(EventKind),
    LinkUp,
    LinkDown,
    Face(FaceEvent),
    Acked(u64),
    Durable(u64),
    /// What the core wanted remembered first is on disk, or could not be written.
    Kept {
        ticket: Ticket,
        durable: bool,
    },
    /// By somebody at the gate's own machine who may open its control socket.
    Order {
        by: OperatorId,
        order: Order,
        answer: SyncSender<Result<(), RefusedCommand>>,
    },
    /// A command was verified, or refused.
    Command(Result<Command, NotACommand>),
    /// An allowlist was opened and stored, or refused; with what version it claimed to be.
    Allowlist(Result<Arc<Allowlist>, (Option<u64>, RefusedUpdate)>),
    Stop,
}

/// Why the gate doesn't run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("{0}")]
    Key(#[from] KeyFileError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Pins(#[from] pins::PinsError),
    #[error("{0}")]
    Output(#[from] PinError),
    #[error("the configuration makes no gate: {0}")]
    Unsound(#[from] crate::access::Unsound),
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("{path}: {cause}: make the folder, and give it to the user the gate runs as")]
    Folder { path: PathBuf, cause: std::io::Error },
    #[error(
        "[trust] root_key is the example's, whose secret half is published: put in your site's, as `eithergate \
         site gate add` printed it"
    )]
    ExampleKey,
    #[error("a thread can't start: {0}")]
    Thread(#[from] std::io::Error),
}

/// Runs the gate until it is told to stop.
pub fn run(config: Config) -> Result<(), AppError> {
    if config.trusts_everybody() {
        return Err(AppError::ExampleKey);
    }
    let clock = SystemClock;
    // Whatever the gate writes is its own, also in a folder somebody else made.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    for path in [&config.data_dir, &config.run_dir] {
        // What is in there is the gate's own: sealed templates, the socket that enrols.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|cause| AppError::Folder { path: path.clone(), cause })?;
    }
    let config = Arc::new(config);
    let keys = Arc::new(GateKeys::read(&config.trust.key_file)?);
    let (sender, events) = sync_channel(QUEUE);

    let (store, damaged) = open_or_go_without(&config)?;
    let extent = store.extent()?;
    let kept = Kept { first: extent.first, last: extent.last, acked: extent.acked };
    let journal = Journal::resume(kept, config.journal_events);
    let durable = Arc::new(AtomicU64::new(extent.last.unwrap_or(0)));
    let writer = {
        let (sender, durable) = (sender.clone(), durable.clone());
        store.writer(move |told| {
            let _ = sender.send(match told {
                Told::Durable(through) => {
                    durable.store(through, Ordering::Release);
                    Event::Durable(through)
                }
                Told::Kept { ticket, durable } => Event::Kept { ticket: Ticket(ticket), durable },
            });
        })
    };

    let keeper = keeper::Keeper::load(&config, keys.clone());
    let allowlist = keeper.current();

    let edges_lost = Arc::new(AtomicBool::new(false));
    let outputs = pins::open(&config, {
        let (sender, lost) = (sender.clone(), edges_lost.clone());
        Box::new(move |event| {
            let taken = sender.try_send(Event::Pins(event)).is_ok();
            if !taken {
                lost.store(true, Ordering::Relaxed);
            }
            taken
        })
    })?;
    let buses = Arc::new(readers::Buses::start(&config, &sender)?);
    let shared = Arc::new(health::Shared::new(&config, allowlist.clone(), extent.acked));
    let face = control::FacePath::default();
    let roll = Arc::new(enrolled::Roll::new(store.clone(), face.clone()));
    let tap = Arc::new(listen::Tap::default());
    let mut gate = Gate::new(gate::Parts {
        config: config.clone(),
        clock,
        outputs,
        ledger: ledger::Ledger::new(journal),
        epoch: store.epoch(),
        writer,
        facts: gate::facts(&store, &config),
        orders: gate::Orders::restore(&store),
        allowlist,
        shared: shared.clone(),
        edges_lost,
        face: face.clone(),
        roll: roll.clone(),
        tap: tap.clone(),
        buses: buses.clone(),
    })?;
    gate.record(EventKind::Started { version: env!("CARGO_PKG_VERSION").into() });
    if damaged {
        tracing::error!("the store was damaged and is set aside; the journal begins a new epoch");
    }
    readers::serial::start(&config, clock, &sender)?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(gate = %config.gate, "cards work");

    // From here on nothing may keep cards from working: what fails is reported and left out.
    stop_on_signal(sender.clone())?;
    let answers = Arc::new(enrolled::Answers::default());
    let sittings = Arc::new(sitting::Sittings::default());
    control::serve(control::Desk {
        config: config.clone(),
        store: store.clone(),
        shared: shared.clone(),
        face: face.clone(),
        roll,
        answers: answers.clone(),
        sittings: sittings.clone(),
        tap,
        buses,
        events: sender.clone(),
    })?;
    match start_face(&config, &store, (answers, sittings), &sender) {
        Ok(supervisor) => *face.lock().unwrap_or_else(PoisonError::into_inner) = supervisor,
        Err(error) => tracing::error!(%error, "the gate runs without its face path"),
    }
    let feed = feed::Feed::new(&config, keys.clone(), store, shared, durable);
    match start_link(&config, keys, feed.clone(), keeper, &sender) {
        Ok(link) => gate.set_link(link.map(|link| (link, feed))),
        Err(error) => tracing::error!(%error, "the gate runs without its broker"),
    }
    gate.run(&events)?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    Ok(())
}

/// The store; should the disk fail, one in the run folder, so that doors still open and events are kept
/// for as long as the machine runs.
fn open_or_go_without(config: &Config) -> Result<(Store, bool), StoreError> {
    match Store::open(&config.data_dir) {
        Err(
            error @ (StoreError::Open { .. }
            | StoreError::SetAside { .. }
            | StoreError::Full { .. }),
        ) => {
            tracing::error!(%error, "events are kept in memory until the next restart");
            Store::open(&config.run_dir)
        }
        opened => opened,
    }
}

fn start_link(
    config: &Config,
    keys: Arc<GateKeys>,
    feed: Arc<feed::Feed>,
    keeper: keeper::Keeper,
    sender: &SyncSender<Event>,
) -> Result<Option<Link>, LinkError> {
    let Some(broker) = &config.broker else { return Ok(None) };
    let options = wiring::link_options(config, broker, &feed);
    let allowlists = keeper.start(sender.clone(), SystemClock)?;
    let commands = commands::start(config, keys, sender.clone())?;
    let (allowlist, command) =
        (wiring::topic(config, "allowlist"), wiring::topic(config, "command"));
    let sender = sender.clone();
    let link = Link::start(options, feed, move |event| {
        let _ = match event {
            LinkEvent::Up => sender.send(Event::LinkUp),
            LinkEvent::Down { why } => {
                tracing::warn!(%why, "the broker is away");
                sender.send(Event::LinkDown)
            }
            LinkEvent::Acked { through } => sender.send(Event::Acked(through)),
            // Verifying takes its time; that is other threads', not the loop's.
            LinkEvent::Message { topic, bytes, .. } if topic == allowlist => {
                let _ = allowlists.send(bytes);
                Ok(())
            }
            LinkEvent::Message { topic, bytes, retained } if topic == command => {
                let _ = commands.send(commands::Arrived { bytes, retained });
                Ok(())
            }
            // Nothing we asked for.
            LinkEvent::Message { .. } => Ok(()),
        };
    })?;
    Ok(Some(link))
}

fn start_face(
    config: &Config,
    store: &Store,
    (answers, sittings): (Arc<enrolled::Answers>, Arc<sitting::Sittings>),
    sender: &SyncSender<Event>,
) -> std::io::Result<Option<Supervisor>> {
    let Some(face) = &config.face else { return Ok(None) };
    let options = wiring::face_options(face);
    let (store, sender) = (store.clone(), sender.clone());
    Supervisor::spawn(
        options,
        move || enrolled::roll(&store),
        move |event| {
            answers.note(&event);
            sittings.note(&event);
            let once = !matches!(event, FaceEvent::Observed(_));
            if !offer(&sender, Event::Face(event), once) {
                tracing::warn!("the loop is too busy for the face path");
            }
        },
    )
    .map(Some)
}

/// A full loop has better things to do than an observation, which the next frame brings again. What is said
/// once (the light is on, the view is covered) waits for its turn; not for ever, since a loop that has stopped
/// waits for this thread in turn.
fn offer(sender: &SyncSender<Event>, mut event: Event, once: bool) -> bool {
    const TRIES: u32 = 200;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
    for _ in 0..if once { TRIES } else { 1 } {
        match sender.try_send(event) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => event = back,
        }
        if once {
            std::thread::sleep(PAUSE);
        }
    }
    false
}

/// SIGTERM and SIGINT end the loop in an orderly way.
fn stop_on_signal(sender: SyncSender<Event>) -> Result<(), std::io::Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut term, mut int) = {
        let _in = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        });
        let _ = sender.send(Event::Stop);
    })?;
    Ok(())
}

/// Milliseconds since 1970 for a payload; absent while the clock can't be trusted.
fn wall_ms(clock: &impl Clock) -> Option<u64> {
    clock.wall().map(|wall| wall.0)
}
