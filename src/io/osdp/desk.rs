//! The bus's own thread: it turns the library, opens the port, keeps time for install mode and hands out
//! news.

use super::ffi::{AMBER, BLUE, GREEN, Panel, RED, Seat as PanelSeat, Show};
use super::keys::Enrolled;
use super::line::{Line, Note};
use super::seat::{Access, Seat};
use super::wire::wait;
use super::{
    Command, InstallError, Key, KeyError, News, Opener, Options, Shared, Sink, Status, What,
};
use crate::domain::{SecurityBreach, Signal};
use crate::wire::osdp::Guard;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// The longest the thread waits for bytes: the library wants to be asked often.
const TURN: Duration = Duration::from_millis(2);
/// Steps of the library in a turn: one reader's reply and the next one's command.
const STEPS: usize = 3;
/// A port is tried again after this long.
const REOPEN: Duration = Duration::from_secs(1);
/// News of readers' state that wait for room. Cards never wait: an old one must not open a door.
const WAITING: usize = 256;

pub(super) struct Desk {
    options: Options,
    opener: Opener,
    sink: Sink,
    shared: Arc<Shared>,
    seats: Vec<Seat>,
    /// The library's number of a seat to ours.
    places: Vec<usize>,
    panel: Option<Panel>,
    /// The port while there is no panel to have it.
    line: Option<Line>,
    reopen_at: Instant,
    waiting: VecDeque<News>,
    port_told: bool,
}

impl Desk {
    pub(super) fn new(options: Options, opener: Opener, sink: Sink, shared: Arc<Shared>) -> Self {
        Self {
            options,
            opener,
            sink,
            shared,
            seats: Vec::new(),
            places: Vec::new(),
            panel: None,
            line: Some(Line::new()),
            reopen_at: Instant::now(),
            waiting: VecDeque::new(),
            port_told: false,
        }
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        let now = Instant::now();
        for reader in self.options.readers.clone() {
            let index = self.seats.len();
            let (access, why) = self.access(&reader);
            let mut seat = Seat::new(reader, access, now);
            let mut out = Vec::new();
            if let Some(why) = why {
                seat.breach(why, now, &mut out);
            }
            self.seats.push(seat);
            self.tell(index, out);
        }
        self.rebuild();
        loop {
            loop {
                match commands.try_recv() {
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            self.turn();
        }
    }

    /// A reader's key as it is kept, and what is wrong with it.
    fn access(&self, reader: &super::ReaderOptions) -> (Access, Option<SecurityBreach>) {
        if reader.low {
            return (Access::Low, None);
        }
        match self.options.keys.load(&reader.name) {
            Ok(Some(enrolled)) if enrolled.profile.is_some() => (Access::Enrolled(enrolled), None),
            Ok(_) => {
                let name = &reader.name;
                tracing::warn!(reader = %name, "not enrolled: run `eithergate reader install {name}`");
                (Access::None, None)
            }
            Err(error) => {
                tracing::error!(reader = %reader.name, %error, "the reader is not used");
                let weak = matches!(error, KeyError::Weak { .. });
                (Access::None, weak.then_some(SecurityBreach::WeakKey))
            }
        }
    }

    /// Tells the library anew which readers there are and how to talk with them.
    fn rebuild(&mut self) {
        let mut line = self.take_line();
        line.guard = Guard::default();
        let mut told = Vec::new();
        self.places.clear();
        for (i, seat) in self.seats.iter_mut().enumerate() {
            seat.begin();
            let Some(trust) = seat.trust() else { continue };
            line.guard.set(seat.options.address, trust);
            let (key, enforce) = match &seat.access {
                Access::Enrolled(enrolled) => (Some(enrolled.key.clone()), true),
                Access::Installing { key, .. } => (Some(key.clone()), false),
                Access::Low | Access::None => (None, false),
            };
            told.push(PanelSeat { address: seat.options.address, key, enforce });
            self.places.push(i);
        }
        line.notes.clear();
        match Panel::new(&told, self.options.baud, line) {
            Ok(panel) => self.panel = Some(panel),
            Err(line) => self.line = Some(*line),
        }
        self.report();
    }

    fn take_line(&mut self) -> Line {
        match (self.panel.take(), self.line.take()) {
            (Some(panel), _) => panel.close(),
            (None, Some(line)) => line,
            (None, None) => Line::new(),
        }
    }

    fn turn(&mut self) {
        let now = Instant::now();
        let mut closing = Vec::new();
        if let Some(panel) = &mut self.panel {
            let line = panel.line();
            if let Some(error) = line.broken.take() {
                tracing::error!(%error, "the bus's port is lost");
                line.wire = None;
                self.reopen_at = now;
            }
            if line.wire.is_none() && self.reopen_at <= now {
                self.reopen_at = now + REOPEN;
                match (self.opener)() {
                    Ok(wire) => {
                        line.wire = Some(wire);
                        self.port_told = false;
                    }
                    Err(error) if !self.port_told => {
                        tracing::error!(%error, "the bus's port can't be opened");
                        self.port_told = true;
                    }
                    Err(_) => {}
                }
            }
            // Also what nobody asked for: noise must not keep the thread awake.
            panel.line().read();
            for _ in 0..STEPS {
                panel.refresh();
            }
            let notes = std::mem::take(&mut panel.line().notes);
            for note in notes {
                self.note(note, now);
            }
            self.restarts(now);
        }
        for i in 0..self.seats.len() {
            let mut out = Vec::new();
            self.seats[i].poll(now, &mut out);
            self.tell(i, out);
            if matches!(self.seats[i].access, Access::Installing { until, .. } if until <= now) {
                closing.push(i);
            }
        }
        self.enrol();
        for i in closing {
            self.end_install(i);
        }
        // Whoever is told may ask at once.
        self.report();
        while let Some(news) = self.waiting.pop_front() {
            let News { reader, what } = news;
            let again = state(&what);
            if !(self.sink)(News { reader, what }) {
                self.waiting.extend(again.map(|what| News { reader, what }));
                self.waiting.rotate_right(1);
                break;
            }
        }
        match self.panel.as_mut().and_then(|panel| panel.line().wire.as_deref()) {
            Some(wire) => wait(wire, TURN),
            None => std::thread::sleep(TURN * 5),
        }
    }

    fn note(&mut self, note: Note, now: Instant) {
        let index = match &note {
            Note::Event { seat, .. } => self.places.get(*seat).copied(),
            Note::Sent { address, .. }
            | Note::Passed { address, .. }
            | Note::Challenge { address, .. }
            | Note::Identity { address, .. }
            | Note::Capabilities { address, .. }
            | Note::Breach { address, .. } => {
                self.seats.iter().position(|seat| seat.options.address == *address)
            }
            // Whose it was can't be told.
            Note::Noise => {
                return self.tell(0, vec![What::Noise]);
            }
        };
        let Some(index) = index else { return };
        let mut out = Vec::new();
        self.seats[index].note(note, now, &mut out);
        self.tell(index, out);
    }

    /// Readers that the library has given up, and questions that a new session brings.
    fn restarts(&mut self, now: Instant) {
        let Some(panel) = &mut self.panel else { return };
        for (place, i) in self.places.iter().enumerate() {
            let seat = &mut self.seats[*i];
            if seat.restart_at.is_some_and(|at| at <= now) && panel.restart(place) {
                seat.restart_at = None;
            }
            if seat.ask_status {
                seat.ask_status = false;
                panel.ask_status(place);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Signal { reader, signal } => {
                let place = self.places.iter().position(|i| *i == reader);
                let (Some(panel), Some(place)) = (&mut self.panel, place) else { return };
                let Some(seat) = self.seats.get(reader).filter(|s| s.up == Some(true)) else {
                    return;
                };
                let show = show(signal);
                // A queue that is full has older signals in it; the next one comes with the next card.
                let _ = seat.has_lights() && panel.light(place, show);
                let _ = show.tones > 0 && seat.has_buzzer() && panel.sound(place, show);
            }
            Command::Install { reader, time, answer } => {
                let _ = answer.try_send(self.install(reader, time));
            }
        }
    }

    fn install(&mut self, reader: usize, time: Duration) -> Result<(), InstallError> {
        let seat = self.seats.get(reader).ok_or(InstallError::NoSuchReader)?;
        if matches!(seat.access, Access::Low) {
            return Err(InstallError::Low);
        }
        if self.seats.iter().any(|seat| matches!(seat.access, Access::Installing { .. })) {
            return Err(InstallError::Busy);
        }
        let name = seat.options.name.clone();
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(reader = %name, %error, "no install mode");
            InstallError::NoKey
        };
        // A key that was made but not confirmed may be in the reader already: it is tried first.
        let key = match self.options.keys.load(&name) {
            Ok(Some(Enrolled { key, profile: None })) => key,
            _ => Key::random().map_err(|e| failed(&e))?,
        };
        // What was enrolled before stays valid until the reader has taken the new key.
        if !matches!(seat.access, Access::Enrolled(_)) {
            let pending = Enrolled { key: key.clone(), profile: None };
            self.options.keys.save(&name, &pending).map_err(|e| failed(&e))?;
        }
        let until = Instant::now() + time;
        self.seats[reader].access = Access::Installing { key, until };
        self.rebuild();
        Ok(())
    }

    /// A reader that has proven its new key keeps it for good.
    fn enrol(&mut self) {
        let taken = self.seats.iter().enumerate().find_map(|(i, s)| Some((i, s.has_taken_key()?)));
        let Some((i, profile)) = taken else { return };
        let seat = &mut self.seats[i];
        let Access::Installing { key, .. } = &seat.access else { return };
        let enrolled = Enrolled { key: key.clone(), profile: Some(profile) };
        if let Err(error) = self.options.keys.save(&seat.options.name, &enrolled) {
            tracing::error!(reader = %seat.options.name, %error, "the reader's key can't be kept");
            return self.end_install(i);
        }
        seat.access = Access::Enrolled(enrolled);
        let place = self.places.iter().position(|at| *at == i);
        if let (Some(panel), Some(place), Some(trust)) = (&mut self.panel, place, seat.trust()) {
            panel.enforce(place);
            panel.line().guard.set(seat.options.address, trust);
        }
        seat.breach = None;
        seat.up = Some(true);
        seat.ask_status = true;
        self.tell(i, vec![What::Enrolled, What::InstallEnded { enrolled: true }, What::Up]);
    }

    /// The window is over without the reader having taken a key: as it was before.
    fn end_install(&mut self, i: usize) {
        if !matches!(self.seats[i].access, Access::Installing { .. }) {
            return;
        }
        let (access, why) = self.access(&self.seats[i].options);
        self.seats[i].access = access;
        let mut out = vec![What::InstallEnded { enrolled: false }];
        if let Some(why) = why {
            self.seats[i].breach(why, Instant::now(), &mut out);
        }
        self.tell(i, out);
        self.rebuild();
    }

    fn tell(&mut self, reader: usize, news: Vec<What>) {
        for what in news {
            match state(&what) {
                // One order for all that tells of a state, so none overtakes another.
                Some(_) if self.waiting.len() < WAITING => {
                    self.waiting.push_back(News { reader, what });
                }
                Some(_) => {
                    self.shared.lost.fetch_add(1, Ordering::Relaxed);
                }
                None => {
                    if !(self.sink)(News { reader, what }) {
                        self.shared.lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    fn report(&self) {
        let now = self.seats.iter().map(|seat| Status {
            enrolled: matches!(seat.access, Access::Enrolled(_)),
            up: seat.up == Some(true),
            secure: seat.secure,
            installing: matches!(seat.access, Access::Installing { .. }),
            breach: seat.breach,
        });
        for (to, from) in self.shared.status().iter_mut().zip(now) {
            *to = from;
        }
    }
}

/// News of a state, which may come late; `None` for a card or key, which may not.
fn state(what: &What) -> Option<What> {
    Some(match what {
        What::Card(_) | What::NoCard | What::Noise | What::Key(_) => return None,
        What::Up => What::Up,
        What::Down => What::Down,
        What::Tamper(on) => What::Tamper(*on),
        What::PowerFailing(on) => What::PowerFailing(*on),
        What::Breach(why) => What::Breach(*why),
        What::Enrolled => What::Enrolled,
        What::InstallEnded { enrolled } => What::InstallEnded { enrolled: *enrolled },
    })
}

/// What a signal looks and sounds like; steady, or so many tenths of a second on and off.
fn show(signal: Signal) -> Show {
    let (colour, on, off, light_for, tones, tone_on) = match signal {
        Signal::Granted => (GREEN, 10, 0, 30, 1, 2),
        Signal::Denied => (RED, 10, 0, 20, 3, 1),
        Signal::Fault => (RED, 2, 2, 30, 2, 5),
        Signal::LookAtCamera => (BLUE, 3, 3, 50, 0, 0),
        Signal::EnterPin => (BLUE, 10, 0, 50, 1, 1),
        Signal::UseYourCard => (AMBER, 3, 3, 50, 1, 1),
    };
    Show { colour, on, off, light_for, tone_on, tone_off: 1, tones }
}
