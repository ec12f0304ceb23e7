//! The loop: one thread that takes an event, asks the core, performs what it says, and never waits for
//! disk, model or network.

mod camera;
mod crossing;
mod face;
mod horizon;
mod memory;
mod orders;
mod pins;
mod reading;
mod recorder;

use super::Event;
use super::control::FacePath;
use super::enrolled::Roll;
use super::face::{FaceEvent, Supervisor};
use super::feed::Feed;
use super::health::{AlarmHealth, AllowlistHealth, DoorHealth, JournalHealth, Shared};
use super::ledger::Ledger;
use super::listen::Tap;
use super::pins::safe_levels;
use super::readers::{Book, Buses, Readers};
use crate::access::{self, Command, DoorStatus, Fact, Input, Output};
use crate::allowlist::Allowlist;
use crate::config::Config;
use crate::domain::{Alarm, Clock, DoorId, Duration, EventKind, Instant, RefusedUpdate};
use crate::io::PinEvent;
use crate::io::clock::SystemClock;
use crate::io::mqtt::Link;
use crate::io::pump::{self, Urgent};
use crate::io::store::Writer;
use crate::io::{PinError, Pins};
use crate::record::Witness;
use crate::wire::payload::{self, Ack};
use crossing::Crossings;
use horizon::Horizon;
pub(super) use memory::facts;
pub(super) use orders::{Orders, order_of};
use recorder::Inputs;
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
    pub ledger: Ledger,
    pub epoch: [u8; 8],
    pub writer: Writer,
    /// What the gate before this one remembered.
    pub facts: Vec<Fact>,
    pub orders: Orders,
    pub allowlist: Arc<Allowlist>,
    pub shared: Arc<Shared>,
    pub edges_lost: Arc<AtomicBool>,
    pub face: FacePath,
    pub roll: Arc<Roll>,
    pub tap: Arc<Tap>,
    pub buses: Arc<Buses>,
}

pub(super) struct Gate {
    parts: Parts,
    core: access::Gate,
    readers: Readers,
    commands: Vec<Command>,
    inputs: Option<Inputs>,
    link: Option<(Link, Arc<Feed>)>,
    started: Instant,
    /// One for each reader.
    books: Vec<Book>,
    faults_due: Option<Instant>,
    horizon: Horizon,
    health_due: Instant,
    /// When a reader last answered somebody.
    answered: Option<Instant>,
    /// A claim is being looked up.
    claiming: Arc<AtomicBool>,
    crossings: Crossings,
}

impl Gate {
    pub(super) fn new(mut parts: Parts) -> Result<Self, access::Unsound> {
        let (now, wall) = (parts.clock.now(), parts.clock.wall());
        let facts = std::mem::take(&mut parts.facts);
        Ok(Self {
            inputs: Inputs::start(&parts.config, &facts, now, wall),
            core: access::Gate::restore(parts.config.access_options(), facts, now, wall)?,
            readers: Readers::new(&parts.config, parts.tap.clone(), parts.buses.clone()),
            commands: Vec::new(),
            link: None,
            started: now,
            books: parts.config.readers.iter().map(|_| Book::new(now)).collect(),
            faults_due: None,
            horizon: Horizon::new(now),
            health_due: now,
            answered: None,
            claiming: Arc::default(),
            crossings: Crossings::default(),
            parts,
        })
    }

    pub(super) fn set_link(&mut self, link: Option<(Link, Arc<Feed>)>) {
        self.link = link;
    }

    /// Turns until told to stop; then leaves the outputs safe and what was recorded on disk.
    pub(super) fn run(mut self, events: &Receiver<Event>) -> Result<(), PinError> {
        tracing::info!(priority = pump::outrank(Urgent::Loop), "the loop runs");
        let mut stopped = self.begin(events)?;
        'turns: while !stopped {
            let mut next = match events.recv_timeout(self.sleep().into()) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut taken = 0;
            while let Some(event) = next {
                stopped = matches!(event, Event::Stop);
                if stopped {
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

    /// Outputs are safe until now; from here on somebody decides. How the lines stand is known already, and the
    /// fire's comes first: doors that a fire holds open don't shut for a moment because the gate has started.
    /// `true` if it was told to stop already.
    fn begin(&mut self, events: &Receiver<Event>) -> Result<bool, PinError> {
        let mut waiting: Vec<Event> = events.try_iter().take(BURST).collect();
        let fire = self.parts.config.lines.fire.into_iter().flat_map(|input| input.lines());
        let fire: Vec<u32> = fire.map(|(_, line)| line.line).collect();
        waiting.sort_by_key(|event| match event {
            Event::Pins(PinEvent::Level(edge)) => !fire.contains(&edge.line),
            _ => true,
        });
        let stopped = waiting.iter().any(|event| matches!(event, Event::Stop));
        waiting.into_iter().try_for_each(|event| self.take(event))?;
        self.decide(Input::Tick)?;
        Ok(stopped)
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
                self.parts.ledger.journal.ack(through);
                self.parts.writer.acked(self.parts.ledger.journal.acked());
                self.tell_losses(true);
                self.report_journal();
            }
            Event::Durable(through) => {
                self.parts.ledger.journal.durable(through);
                self.tell_losses(false);
                self.report_journal();
                if let Some((link, _)) = &self.link {
                    link.events_waiting();
                }
            }
            Event::Allowlist(outcome) => self.allowlist(outcome),
            Event::Kept { ticket, durable } => {
                if !self.command_kept(ticket, durable)? {
                    self.decide(Input::Kept { ticket, durable })?;
                }
            }
            Event::Command(read) => self.command(read)?,
            Event::Order { by, order, answer } => {
                let outcome = self.order(by, order)?;
                // Whoever asked may have gone.
                let _ = answer.try_send(outcome);
            }
            Event::Stop => {}
        }
        Ok(())
    }

    /// Asks the core and performs what it says, in its order.
    fn decide(&mut self, input: Input) -> Result<(), PinError> {
        let (now, wall) = (self.parts.clock.now(), self.parts.clock.wall());
        let mut commands = std::mem::take(&mut self.commands);
        let list = &*self.parts.allowlist;
        match &mut self.inputs {
            Some(inputs) => {
                let (witness, told) = (Witness::new(list), input.clone());
                self.core.handle(now, wall, input, &witness, &mut commands);
                inputs.step(now, wall, &told, witness, &commands);
            }
            None => self.core.handle(now, wall, input, list, &mut commands),
        }
        for command in commands.drain(..) {
            match command {
                Command::Switch { output, on } => self.switch(output, on)?,
                Command::Record(event) => self.record_as(event),
                Command::Keep(fact) => self.keep(&fact, None),
                Command::KeepFirst { ticket, fact } => self.keep(&fact, Some(ticket)),
                Command::Show { reader, signal } => {
                    if self.attend(now, reader, signal) {
                        self.readers.show(now, reader, signal);
                    }
                }
                Command::Claim { pin } => self.claim(pin),
                Command::Passed { subject } => self.passed(&subject),
            }
        }
        self.commands = commands;
        Ok(())
    }

    fn switch(&mut self, output: Output, on: bool) -> Result<(), PinError> {
        let door = |id: DoorId| self.parts.config.doors.get(usize::from(id.0));
        let line = match output {
            Output::Lock(id) => door(id).map(|door| door.relay),
            Output::LockOut(id) => door(id).and_then(|door| door.relay_out),
            Output::Stop(id) => door(id).and_then(|door| door.stop),
            Output::Warning(id) => door(id).and_then(|door| door.warning).map(|w| w.output),
            Output::Siren => self.parts.config.lines.siren,
        };
        line.map_or(Ok(()), |line| self.parts.outputs.set(line.line, line.level(on)))
    }

    /// Records what happens now.
    pub(super) fn record(&mut self, what: EventKind) {
        let event = self.stamped(what);
        if let Some(inputs) = &mut self.inputs {
            inputs.note(&event);
        }
        self.record_as(event);
    }

    fn stamped(&self, what: EventKind) -> crate::domain::Event {
        let clock = &self.parts.clock;
        crate::domain::Event { at: clock.now(), wall: self.core.time(clock.wall()), what }
    }

    fn record_as(&mut self, event: crate::domain::Event) {
        let alarm = matches!(
            event.what,
            EventKind::AlarmRaised { .. }
                | EventKind::AlarmCleared { .. }
                | EventKind::AlarmAcknowledged { .. }
        );
        if alarm {
            // Whoever looks after many gates sees it now, not in half a minute.
            self.health_due = self.parts.clock.now();
        }
        tracing::info!(what = ?event.what, "event");
        self.parts.ledger.record(&mut self.parts.writer, &event);
    }

    fn tell_losses(&mut self, draining: bool) {
        let Parts { clock, ledger, writer, .. } = &mut self.parts;
        let (at, wall) = (clock.now(), self.core.time(clock.wall()));
        ledger.tell_losses(writer, draining, |what| crate::domain::Event { at, wall, what });
    }

    fn face(&mut self, event: FaceEvent) -> Result<(), PinError> {
        match event {
            FaceEvent::Observed(seen) => {
                let mut health = self.parts.shared.health();
                let count = match seen.subject {
                    Some(_) => &mut health.face.recognised,
                    None => &mut health.face.unknown,
                };
                *count += 1;
                drop(health);
                return self.decide(Input::Face(seen));
            }
            FaceEvent::Up => {
                let fault = {
                    let mut health = self.parts.shared.health();
                    health.face.status = "up";
                    health.face.fault.take()
                };
                if fault.is_some() {
                    self.record(EventKind::FaceRestored {});
                }
                self.decide(Input::FacePath { up: true })?;
            }
            FaceEvent::StaysDown(active) => self.face_alarm(Alarm::FacePathDown, active)?,
            FaceEvent::View(view) => self.camera_sees(view)?,
            FaceEvent::Watching(watching) => return self.camera_looks(watching),
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
                self.decide(Input::FacePath { up: false })?;
            }
            FaceEvent::Enrolled { outcome: Err(why), .. } => {
                tracing::warn!(?why, "a template is not used: enrol this resident again");
            }
            FaceEvent::Hint(hint) => {
                self.advise(hint);
                return Ok(());
            }
            FaceEvent::Terms(terms) => self.terms(&terms),
            FaceEvent::Crossing { sealed, last } => {
                self.crosses(sealed, last);
                return Ok(());
            }
            FaceEvent::LookAlikes { others, .. } => {
                if !others.is_empty() {
                    tracing::warn!(
                        others = others.len(),
                        "who was enrolled may be taken for somebody else here"
                    );
                }
            }
            FaceEvent::GalleryLoaded { taken, refused } => {
                if refused > 0 {
                    tracing::warn!(
                        refused,
                        "templates that are of no use here: `eithergate check`"
                    );
                }
                let face = &mut self.parts.shared.health().face;
                (face.templates, face.refused) = (taken, refused);
            }
            FaceEvent::Forgotten { subject } => self.crossings.forget(&subject),
            FaceEvent::Enrolled { .. } | FaceEvent::Sat { .. } | FaceEvent::Unanswered { .. } => {}
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
            link.say(feed.ack(&ack));
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
        health.journal.outbox = self.parts.ledger.journal.outbox_len();
        health.journal.acked = self.parts.ledger.journal.acked();
        health.journal.lost = self.parts.ledger.lost();
    }

    fn report_health(&self, now: Instant) {
        let list = &self.parts.allowlist;
        let doors = self.parts.config.doors.iter().enumerate().filter_map(|(i, door)| {
            let DoorStatus { mode, card_path, face_path } = self.core.status(DoorId(i as u8))?;
            let path = |up: bool| if up { "up" } else { "down" };
            let (card, face) = (card_path.map(path), face_path.map(path));
            Some(DoorHealth { name: door.name.clone(), mode, card, face })
        });
        let config = &self.parts.config;
        let alarms = self.core.alarms().map(|((door, reader, alarm), standing)| AlarmHealth {
            door: door.map(|door| config.door_name(door).to_owned()),
            reader: reader.map(|reader| config.reader_name(reader).to_owned()),
            alarm,
            active: standing.active,
            acknowledged: standing.acknowledged,
        });
        let face = self.parts.face.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = face.as_ref().map(Supervisor::status);
        drop(face);
        {
            let mut health = self.parts.shared.health();
            health.face.worker = worker;
            health.doors = doors.collect();
            health.alarms = alarms.collect();
            health.readers = self.reader_health(now).collect();
            health.card.lost = self.readers.dropped();
            health.uptime_s = now.since(self.started).as_millis() / 1_000;
            health.clock_trusted = self.core.time(self.parts.clock.wall()).is_some();
            health.allowlist = AllowlistHealth {
                version: list.version(),
                subjects: list.subjects(),
                cards: list.cards(),
            };
            health.journal = JournalHealth {
                epoch: payload::epoch_text(self.parts.epoch),
                outbox: self.parts.ledger.journal.outbox_len(),
                acked: self.parts.ledger.journal.acked(),
                lost: self.parts.ledger.lost(),
            };
        }
        if let Some((link, _)) = &self.link {
            link.health_changed();
        }
    }
}
