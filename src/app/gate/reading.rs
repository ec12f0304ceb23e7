//! The readers' part of the loop: what they read goes to the core, what they could not read and how they
//! are goes into their books, the log, health and events. Never a card's number.

use super::Gate;
use crate::access::Input;
use crate::app::health::ReaderHealth;
use crate::app::readers::{LinkNews, Meaning};
use crate::domain::{
    Alarm, Clock, Duration, EventKind, Instant, ReadFault, ReaderId, SecurityBreach, Signal,
};
use crate::io::PinError;
use std::sync::atomic::Ordering;

/// Read faults are gathered this long into one event, so that noise can't fill the journal.
const FAULTS_EVERY: Duration = Duration::from_secs(60);

impl Gate {
    pub(super) fn understand(&mut self, meaning: Meaning) -> Result<(), PinError> {
        let now = self.parts.clock.now();
        if self.parts.tap.is_on() {
            self.parts.tap.tell_meaning(&self.parts.config, now, &meaning);
        }
        match meaning {
            Meaning::Input(mut input) => {
                if let Input::Card { reader, card } = &mut input {
                    self.parts.shared.health().card.reads += 1;
                    let reader = *reader;
                    let book = self.books.get_mut(usize::from(reader.0));
                    // The first one also ends what was told before a restart.
                    if book.is_some_and(|book| book.read(now) || book.reads() == 1) {
                        self.reader_alarm(reader, Alarm::ReaderSilent, false)?;
                    }
                    if let Some(reader) = self.parts.config.readers.get(usize::from(reader.0)) {
                        *card = reader.looked_up(card.clone());
                    }
                }
                return self.decide(input);
            }
            Meaning::Key { reader, key } => return self.decide(Input::Key { reader, key }),
            Meaning::Fault { reader, fault } => {
                self.parts.shared.health().card.faults += 1;
                let book = self.books.get_mut(usize::from(reader.0));
                if let Some(count) = book.and_then(|book| book.fault(now, fault)) {
                    self.log_fault(reader, fault, count);
                }
                self.faults_due.get_or_insert(now + FAULTS_EVERY);
                // Somebody held a card there, and waits.
                if matches!(fault, ReadFault::Length | ReadFault::Parity | ReadFault::Checksum) {
                    self.readers.show(now, reader, Signal::Fault);
                }
            }
            Meaning::Camera { active } => self.camera_line(active),
            Meaning::Link { reader, news } => self.reader_news(reader, news)?,
            Meaning::Breach { reader, why } => self.breach(reader, why, now),
            Meaning::InstallOpened { reader, uid, minutes } => {
                self.record(EventKind::InstallOpened { reader, uid, minutes });
            }
            Meaning::InstallEnded { reader, enrolled } => {
                self.record(EventKind::InstallEnded { reader, enrolled });
                if enrolled {
                    self.record(EventKind::ReaderEnrolled { reader });
                }
                self.health_due = now;
            }
        }
        Ok(())
    }

    fn reader_news(&mut self, reader: ReaderId, news: LinkNews) -> Result<(), PinError> {
        let Some(book) = self.books.get_mut(usize::from(reader.0)) else { return Ok(()) };
        if book.news(news) {
            let name = self.parts.config.reader_name(reader);
            tracing::warn!(reader = name, %news, "a reader says how it is");
        }
        if let LinkNews::Up | LinkNews::Down = news {
            self.decide(Input::Reader { reader, up: news == LinkNews::Up })?;
        }
        let (alarm, raised) = match news {
            LinkNews::Up => (Alarm::ReaderOffline, false),
            LinkNews::Down => (Alarm::ReaderOffline, true),
            LinkNews::Tamper(active) => (Alarm::Tamper, active),
            LinkNews::Power(failing) => (Alarm::ReaderPower, failing),
        };
        self.reader_alarm(reader, alarm, raised)
    }

    /// An alarm, at most once a minute for each reason, with how often.
    fn breach(&mut self, reader: ReaderId, why: SecurityBreach, now: Instant) {
        let Some(book) = self.books.get_mut(usize::from(reader.0)) else { return };
        let Some(count) = book.breach(now, why) else { return };
        let name = self.parts.config.reader_name(reader);
        tracing::error!(reader = name, ?why, count, "a reader or its cable is not to be believed");
        self.record(EventKind::ReaderSecurity { reader, why, count });
        self.health_due = now;
    }

    /// The core knows what is raised already, also from before a restart.
    fn reader_alarm(
        &mut self,
        reader: ReaderId,
        alarm: Alarm,
        active: bool,
    ) -> Result<(), PinError> {
        self.decide(Input::Alarm { door: None, reader: Some(reader), alarm, active })
    }

    fn log_fault(&self, reader: ReaderId, fault: ReadFault, count: u32) {
        let reader = self.parts.config.reader_name(reader);
        tracing::warn!(reader, %fault, count, remedy = fault.remedy(), "reads that are no card");
    }

    /// When [`serve_readers`](Self::serve_readers) has something to do.
    pub(super) fn reading_deadline(&self) -> Option<Instant> {
        let books = self.books.iter().filter_map(|book| book.deadline()).min();
        [self.readers.lamp_deadline(), self.faults_due, books].into_iter().flatten().min()
    }

    pub(super) fn serve_readers(&mut self, now: Instant) -> Result<(), PinError> {
        if self.parts.edges_lost.swap(false, Ordering::Relaxed) {
            self.parts.shared.health().card.overruns += 1;
            let sight = self.horizon.sight(now);
            let spoilt: Vec<_> = self.readers.poison(sight).collect();
            for meaning in spoilt {
                self.understand(meaning)?;
            }
        }
        let ended: Vec<_> = self.readers.poll(self.horizon.sight(now)).collect();
        for meaning in ended {
            self.understand(meaning)?;
        }
        self.ask_pins(now)?;
        for (line, high) in self.readers.lamps(now) {
            // A dark reader is no reason to stop opening doors.
            if let Err(error) = self.parts.outputs.set(line, high) {
                tracing::warn!(%error, "a reader's light or buzzer can't be switched");
            }
        }
        for i in 0..self.books.len() {
            if self.books[i].falls_silent(now) {
                self.reader_alarm(ReaderId(i as u8), Alarm::ReaderSilent, true)?;
            }
            for (fault, count) in self.books[i].take_due_for_log(now) {
                self.log_fault(ReaderId(i as u8), fault, count);
            }
        }
        if self.faults_due.is_some_and(|due| due <= now) {
            self.faults_due = None;
            for i in 0..self.books.len() {
                let faults = self.books[i].take_unreported();
                if !faults.is_empty() {
                    let count = faults.values().fold(0u32, |sum, n| sum.saturating_add(*n));
                    let reader = ReaderId(i as u8);
                    self.record(EventKind::ReaderFaults { reader, count, faults });
                }
            }
        }
        Ok(())
    }

    pub(super) fn reader_health(&self, now: Instant) -> impl Iterator<Item = ReaderHealth> {
        self.parts.config.readers.iter().zip(&self.books).map(move |(reader, book)| ReaderHealth {
            name: reader.name.clone(),
            kind: reader.link.kind(),
            assurance: reader.assurance,
            state: book.state(),
            breach: book.last_breach(now),
            reads: book.reads(),
            faults: book.faults(),
            last_read_age_s: book.last_read().map(|at| now.since(at).as_millis() / 1_000),
        })
    }
}
