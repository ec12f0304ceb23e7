//! The loop: one thread that takes an event, asks the core, performs what it says, and never waits for
//! disk, model or network.

mod horizon;
mod pins;
mod reading;

use super::Event;
use super::control::FacePath;
use super::face::{FaceEvent, Supervisor};
use super::feed::Feed;
use super::health::{AllowlistHealth, DoorHealth, JournalHealth, Shared};
use super::listen::Tap;
use super::pins::safe_levels;
use super::readers::{Book, Buses, Readers};
use crate::access::{self, Command, Input};
use crate::allowlist::Allowlist;
use crate::config::Config;
use crate::domain::{Clock, DoorId, Duration, EventKind, Instant, RefusedUpdate};
use crate::io::clock::SystemClock;
use crate::io::mqtt::Link;
use crate::io::pump::{self, Urgent};
use crate::io::store::Writer;
use crate::io::{PinError, Pins};
use crate::journal::Journal;
use crate::wire::payload::{self, Ack};
use horizon::Horizon;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};

/// The longest the loop sleeps: it feeds the watchdog after each turn.
const TURN: Duration = Duration::from_secs(1);
/// Health is reported at least this often.
const HEALTH_EVERY: Duration = Duration::from_secs(30);
/// Events taken before deadlines are looked at again.
const BURST: usize = 256;

/// What a gate is put together from.
pub(super) struct Parts {
    pub config: Arc<Config>,
    pub clock: SystemClock,
    pub outputs: Box<dyn Pins>,
    pub journal: Journal,
    pub epoch: [u8; 8],
    pub writer: Writer,
    pub allowlist: Arc<Allowlist>,
    pub shared: Arc<Shared>,
    pub edges_lost: Arc<AtomicBool>,
    pub face: FacePath,
    pub tap: Arc<Tap>,
    pub buses: Arc<Buses>,
}

pub(super) struct Gate {
    parts: Parts,
    core: access::Gate,
    readers: Readers,
    commands: Vec<Command>,
    link: Option<(Link, Arc<Feed>)>,
    started: Instant,
    /// One for each reader.
    books: Vec<Book>,
    faults_due: Option<Instant>,
    horizon: Horizon,
    health_due: Instant,
    /// Events the disk's queue had no room for.
    unwritten: u64,
    lost: u64,
}

impl Gate {
    pub(super) fn new(parts: Parts) -> Self {
        let now = parts.clock.now();
        Self {
            core: access::Gate::new(parts.config.access_options()),
            readers: Readers::new(&parts.config, parts.tap.clone(), parts.buses.clone()),
            commands: Vec::new(),
            link: None,
            started: now,
            books: parts.config.readers.iter().map(|_| Book::new(now)).collect(),
            faults_due: None,
            horizon: Horizon::new(now),
            health_due: now,
            unwritten: 0,
            lost: 0,
            parts,
        }
    }

    pub(super) fn set_link(&mut self, link: Option<(Link, Arc<Feed>)>) {
        self.link = link;
    }

    /// Turns until told to stop; then leaves the outputs safe and what was recorded on disk.
    pub(super) fn run(mut self, events: &Receiver<Event>) -> Result<(), PinError> {
        tracing::info!(priority = pump::outrank(Urgent::Loop), "the loop runs");
        // Safe until now; from here on somebody decides.
        for door in &self.parts.config.doors {
            if door.relay.safe_energised {
                self.parts.outputs.set(door.relay.line, door.relay.level(false))?;
            }
        }
        'turns: loop {
            let mut next = match events.recv_timeout(self.sleep().into()) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut taken = 0;
            while let Some(event) = next {
                if matches!(event, Event::Stop) {
                    break 'turns;
                }
                self.take(event)?;
                taken += 1;
                // Deadlines come after the edges that were stamped before them.
                next = if taken < BURST { events.try_recv().ok() } else { None };
            }
            self.serve_deadlines()?;
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
        for (line, high) in safe_levels(&self.parts.config) {
            self.parts.outputs.set(line, high)?;
        }
        drop(self.parts.face.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.parts.writer.close();
        Ok(())
    }

    fn sleep(&self) -> Duration {
        let now = self.parts.clock.now();
        [
            self.core.deadline(),
            self.reading_deadline(),
            Some(self.pins_deadline()),
            Some(self.health_due),
        ]
        .into_iter()
        .flatten()
        .map(|deadline| deadline.since(now))
        .fold(TURN, Duration::min)
    }

    fn take(&mut self, event: Event) -> Result<(), PinError> {
        match event {
            Event::Pins(event) => self.pin(event)?,
            Event::Record(what) => self.record(what),
            Event::Reader(meaning) => self.understand(meaning)?,
            Event::Face(event) => self.face(event)?,
            Event::LinkUp => {
                self.parts.shared.health().broker = true;
                tracing::info!("the broker is there");
            }
            Event::LinkDown => self.parts.shared.health().broker = false,
            Event::Acked(through) => {
                self.parts.journal.ack(through);
                self.parts.writer.acked(self.parts.journal.acked());
                if let Some(loss) = self.parts.journal.take_loss(true) {
                    self.lost += loss.count;
                    let (count, through_seq) = (loss.count, loss.through_seq);
                    self.record(EventKind::EventsLost { count, through_seq });
                }
                self.report_journal();
            }
            Event::Durable(through) => {
                self.parts.journal.durable(through);
                self.report_journal();
                if let Some((link, _)) = &self.link {
                    link.events_waiting();
                }
            }
            Event::Allowlist(outcome) => self.allowlist(outcome),
            Event::Stop => {}
        }
        Ok(())
    }

    /// Asks the core and performs what it says, in its order.
    fn decide(&mut self, input: Input) -> Result<(), PinError> {
        let (now, wall) = (self.parts.clock.now(), self.parts.clock.wall());
        let mut commands = std::mem::take(&mut self.commands);
        self.core.handle(now, wall, input, &*self.parts.allowlist, &mut commands);
        for command in commands.drain(..) {
            match command {
                Command::Energise { door } => self.relay(door, true)?,
                Command::Release { door } => self.relay(door, false)?,
                Command::Record(what) => self.record(what),
                Command::Show { reader, signal } => self.readers.show(now, reader, signal),
            }
        }
        self.commands = commands;
        Ok(())
    }

    fn relay(&mut self, door: DoorId, energised: bool) -> Result<(), PinError> {
        let Some(door) = self.parts.config.doors.get(usize::from(door.0)) else { return Ok(()) };
        self.parts.outputs.set(door.relay.line, door.relay.level(energised))
    }

    /// Numbers an event and queues it for the disk.
    pub(super) fn record(&mut self, what: EventKind) {
        if self.unwritten > 0 {
            let (count, through_seq) = (self.unwritten, 0);
            self.unwritten = 0;
            self.write(EventKind::EventsLost { count, through_seq });
        }
        if let Some(loss) = self.parts.journal.take_loss(false) {
            self.lost += loss.count;
            let (count, through_seq) = (loss.count, loss.through_seq);
            self.write(EventKind::EventsLost { count, through_seq });
        }
        self.write(what);
    }

    fn write(&mut self, what: EventKind) {
        tracing::info!(?what, "event");
        let clock = &self.parts.clock;
        let event = crate::domain::Event { at: clock.now(), wall: clock.wall(), what };
        let bytes = match serde_json::to_vec(&event) {
            Ok(bytes) => bytes,
            Err(error) => return tracing::error!(%error, "an event can't be written down"),
        };
        let appended = self.parts.journal.append();
        if !self.parts.writer.append(appended.seq, bytes, appended.drop_through) {
            self.unwritten += 1;
            self.lost += 1;
            tracing::error!("the disk is too slow: an event is lost");
        }
    }

    fn face(&mut self, event: FaceEvent) -> Result<(), PinError> {
        match event {
            FaceEvent::Observed(seen) => return self.decide(Input::Face(seen)),
            FaceEvent::Up => {
                let fault = {
                    let mut health = self.parts.shared.health();
                    health.face.status = "up";
                    health.face.fault.take()
                };
                if fault.is_some() {
                    self.record(EventKind::FaceRestored {});
                }
            }
            FaceEvent::Degraded(fault) => {
                let before = {
                    let mut health = self.parts.shared.health();
                    health.face.status = "degraded";
                    health.face.fault.replace(fault)
                };
                // Once for each fault, however often the restart fails.
                if before != Some(fault) {
                    self.record(EventKind::FaceDegraded { fault });
                }
            }
            FaceEvent::Enrolled { outcome: Err(why), .. } => {
                tracing::warn!(?why, "a template is not used: enrol this resident again");
            }
            FaceEvent::GalleryLoaded { taken, refused } => {
                if refused > 0 {
                    tracing::warn!(refused, "templates of another model or key are not used");
                }
                self.parts.shared.health().face.templates = taken;
            }
            FaceEvent::Enrolled { .. } | FaceEvent::Forgotten { .. } => {}
        }
        self.health_due = self.parts.clock.now();
        Ok(())
    }

    fn allowlist(&mut self, outcome: Result<Arc<Allowlist>, (Option<u64>, RefusedUpdate)>) {
        let ack = match outcome {
            Ok(list) => {
                let version = list.version();
                if version != self.parts.allowlist.version() {
                    let (subjects, cards) = (list.subjects(), list.cards());
                    self.parts.shared.set_allowlist(list.clone());
                    self.parts.allowlist = list;
                    self.record(EventKind::AllowlistApplied { version, subjects, cards });
                }
                Ack::Applied { version }
            }
            Err((version, why)) => {
                self.record(EventKind::AllowlistRefused { why });
                Ack::Refused { version, why }
            }
        };
        if let Some((link, feed)) = &self.link {
            link.retain(feed.ack(&ack));
        }
        self.health_due = self.parts.clock.now();
    }

    fn serve_deadlines(&mut self) -> Result<(), PinError> {
        let now = self.parts.clock.now();
        self.serve_readers(now)?;
        if self.core.deadline().is_some_and(|deadline| deadline <= now) {
            self.decide(Input::Tick)?;
        }
        if self.health_due <= now {
            self.health_due = now + HEALTH_EVERY;
            self.report_health(now);
        }
        Ok(())
    }

    fn report_journal(&self) {
        let mut health = self.parts.shared.health();
        health.journal.outbox = self.parts.journal.outbox_len();
        health.journal.acked = self.parts.journal.acked();
        health.journal.lost = self.lost;
    }

    fn report_health(&self, now: Instant) {
        let list = &self.parts.allowlist;
        let doors = self.parts.config.doors.iter().enumerate().filter_map(|(i, door)| {
            let mode = self.core.mode(DoorId(i as u8))?;
            Some(DoorHealth { name: door.name.clone(), mode })
        });
        let face = self.parts.face.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = face.as_ref().map(Supervisor::status);
        drop(face);
        {
            let mut health = self.parts.shared.health();
            health.face.worker = worker;
            health.doors = doors.collect();
            health.readers = self.reader_health(now).collect();
            health.card.lost = self.readers.dropped();
            health.uptime_s = now.since(self.started).as_millis() / 1_000;
            health.clock_trusted = self.parts.clock.wall().is_some();
            health.allowlist = AllowlistHealth {
                version: list.version(),
                subjects: list.subjects(),
                cards: list.cards(),
            };
            health.journal = JournalHealth {
                epoch: payload::epoch_text(self.parts.epoch),
                outbox: self.parts.journal.outbox_len(),
                acked: self.parts.journal.acked(),
                lost: self.lost,
            };
        }
        if let Some((link, _)) = &self.link {
            link.health_changed();
        }
    }
}
