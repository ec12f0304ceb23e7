//! A presentation, from what was shown to the question whether its right may pass here: cards and their
//! PINs, faces, the slowness of a reader that is being guessed at, two factors.

use super::Gate;
use super::command::Command;
use super::desk::Timer;
use super::judge::{self, Moment};
use super::memory::Fact;
use super::options::{Hours, PassbackRule};
use super::people::{Presented, Turned, Typed};
use crate::domain::{
    Alarm, CardNumber, Directory, DoorId, Duration, Entitlement, EventKind, Heading, Key,
    Observation, ReaderId, Reason, Signal, SubjectId, Way,
};

/// Whether a card needs something more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    NotNeeded,
    Pin,
    /// Its owner's face has been seen.
    Face,
}

/// How long a face waits for its card where the reader has no time of its own for a PIN.
const FACE_WAITS: Duration = Duration::from_secs(10);

impl Gate {
    pub(super) fn card(&mut self, reader: ReaderId, card: CardNumber, directory: &impl Directory) {
        let Some(options) = self.options.readers.get(usize::from(reader.0)) else { return };
        if options.heading == Heading::Out {
            return self.leave(reader, &card, directory);
        }
        let (now, lockout) = (self.desk.now, self.options.lockout);
        let Some(guessing) = self.guessing.get_mut(usize::from(reader.0)) else { return };
        match guessing.take(card, &lockout) {
            Turned::Now(card) => self.answer(reader, card, directory),
            Turned::Waits => {
                let at = guessing.answer_at(now, &lockout);
                if self.desk.timers.get(Timer::Answer(reader)).is_none() {
                    self.desk.timers.arm(Timer::Answer(reader), at);
                }
            }
            Turned::Displaces => self.deny_card(reader, Reason::Other),
        }
    }

    /// A slowed reader answers the first card that waits.
    pub(super) fn answer_due(&mut self, reader: ReaderId, directory: &impl Directory) {
        let (now, lockout) = (self.desk.now, self.options.lockout);
        let Some(guessing) = self.guessing.get_mut(usize::from(reader.0)) else { return };
        let Some(card) = guessing.next() else { return };
        self.answer(reader, card, directory);
        if let Some(guessing) = self.guessing.get(usize::from(reader.0))
            && guessing.has_waiting()
        {
            self.desk.timers.arm(Timer::Answer(reader), guessing.answer_at(now, &lockout));
        }
    }

    /// Decides a card, or has it wait for its second factor.
    fn answer(&mut self, reader: ReaderId, card: CardNumber, directory: &impl Directory) {
        if !self.pin_in_force(reader) {
            let presented = Presented { reader, card, pin: None };
            return self.decide(presented, Second::NotNeeded, directory);
        }
        let Some(door) = self.door_of(reader) else { return };
        let who = directory.card(&card).map(|right| right.subject);
        if who.is_some() && self.halves.get(&door).copied() == who {
            self.halves.remove(&door);
            self.desk.timers.disarm(Timer::SecondFactor(door));
            let presented = Presented { reader, card, pin: None };
            return self.decide(presented, Second::Face, directory);
        }
        let Some((due, other)) = self.keypads.hold(self.desk.now, reader, card) else { return };
        self.desk.timers.arm(Timer::Pin(reader), due);
        if let Some(other) = other {
            self.decide(other, Second::Pin, directory);
        }
        self.show(reader, Signal::EnterPin);
    }

    pub(super) fn key(&mut self, reader: ReaderId, key: Key, directory: &impl Directory) {
        match self.keypads.key(self.desk.now, reader, key) {
            None => self.claim(reader, key),
            Some(Ok(due)) => self.desk.timers.arm(Timer::Pin(reader), due),
            Some(Err(ended)) => {
                self.desk.timers.disarm(Timer::Pin(reader));
                match ended {
                    Some(Typed::ForCard(presented)) => {
                        self.decide(presented, Second::Pin, directory);
                    }
                    Some(Typed::Afterwards(who, pin)) if directory.is_duress(&who, &pin) => {
                        if let Some(door) = self.door_of(reader) {
                            self.duress(door, Way::Card);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Keys that no card waits for, beside the camera.
    fn claim(&mut self, reader: ReaderId, key: Key) {
        let Some(face) = &self.options.face else { return };
        let beside = self.readers_of(face.door).contains(&reader);
        if let Some(pin) = self.claims.key(self.desk.now, reader, key).filter(|_| beside) {
            self.desk.said.push(Command::Claim { pin });
        }
    }

    /// The time for a PIN is over.
    pub(super) fn pin_over(&mut self, reader: ReaderId, directory: &impl Directory) {
        if let Some(card) = self.keypads.end(reader) {
            self.decide(Presented { reader, card, pin: None }, Second::Pin, directory);
        }
    }

    fn decide(&mut self, presented: Presented, second: Second, directory: &impl Directory) {
        let Presented { reader, card, pin } = presented;
        let Some(door) = self.door_of(reader) else { return };
        let mut duress = false;
        let mut verdict = self.judge_card(directory.card(&card), door);
        if let (Second::Pin, Ok(right)) = (second, &verdict) {
            let fits = |pin| directory.pin_fits(&right.subject, pin);
            duress = pin.as_ref().is_some_and(|pin| directory.is_duress(&right.subject, pin));
            if !duress && !pin.as_ref().is_some_and(fits) {
                verdict = Err(Reason::InvalidPin);
            }
        }
        match verdict {
            Ok(right) => self.admit(door, Way::Card, right, duress, Some(reader)),
            Err(reason) => {
                self.deny_card(reader, reason);
                if matches!(reason, Reason::CredentialNotFound | Reason::InvalidPin) {
                    self.failed(reader);
                }
            }
        }
    }

    pub(super) fn face(&mut self, seen: &Observation, directory: &impl Directory) {
        let Some(options) = &self.options.face else { return };
        let (door, max_age) = (options.door, options.max_age);
        let judged = |subject: Option<&SubjectId>| {
            let found = subject.and_then(|subject| directory.subject(subject));
            let spent = found.map_or(0, |right| self.spent(&right, door));
            judge::face(self.desk.now, seen, max_age, found, spent, self.moment())
        };
        let verdict = judged(seen.subject.as_ref());
        let verdict = match &seen.look_alike {
            Some(other) => self.either(door, verdict, judged(Some(other))),
            None => verdict,
        };
        match verdict {
            Ok(right) if self.two_factors(door) => self.face_beside_card(door, right, directory),
            Ok(right) => self.admit(door, Way::Face, right, false, None),
            Err(reason) => {
                self.desk.record(EventKind::Denied { door, way: Way::Face, reason });
                self.show_all(door, Signal::UseYourCard);
            }
        }
    }

    /// It is one of two, and nobody can say which: good where both may pass now and nothing is counted or
    /// remembered by name. Otherwise too near is no match.
    fn either(
        &self,
        door: DoorId,
        first: Result<Entitlement, Reason>,
        second: Result<Entitlement, Reason>,
    ) -> Result<Entitlement, Reason> {
        let named = self.inside.rule() != PassbackRule::Off || self.two_factors(door);
        match (first, second) {
            (Ok(a), Ok(b)) if !named && a.uses.is_none() && b.uses.is_none() => {
                Ok(Entitlement { extended: a.extended && b.extended, ..a })
            }
            // What is wrong with the observation itself.
            (Err(reason @ (Reason::Other | Reason::Unauthorized)), _) => Err(reason),
            _ => Err(Reason::CredentialNotFound),
        }
    }

    /// Where a card alone isn't enough, neither is a face alone; together they are.
    fn face_beside_card(&mut self, door: DoorId, right: Entitlement, directory: &impl Directory) {
        let who = right.subject;
        let of_same = |card: &CardNumber| directory.card(card).is_some_and(|r| r.subject == who);
        let readers = self.readers_of(door);
        let waits = |r: &ReaderId| self.keypads.waiting_card(*r).is_some_and(of_same);
        if let Some(reader) = readers.iter().copied().find(waits) {
            self.desk.timers.disarm(Timer::Pin(reader));
            if let Some(card) = self.keypads.end(reader) {
                let presented = Presented { reader, card, pin: None };
                self.decide(presented, Second::Face, directory);
            }
            return;
        }
        if self.halves.get(&door).is_some_and(|half| *half != who) {
            self.half_over(door);
        }
        self.halves.insert(door, who);
        let pins = readers.iter().filter_map(|r| self.options.readers.get(usize::from(r.0))?.pin);
        let waits = pins.map(|pin| pin.total).max().unwrap_or(FACE_WAITS);
        self.desk.arm(Timer::SecondFactor(door), waits);
        self.show_all(door, Signal::UseYourCard);
    }

    /// No card came for this face.
    pub(super) fn half_over(&mut self, door: DoorId) {
        if self.halves.remove(&door).is_some() {
            let reason = Reason::Unauthorized;
            self.desk.record(EventKind::Denied { door, way: Way::Face, reason });
        }
    }

    /// Another unknown card or wrong PIN at this reader.
    fn failed(&mut self, reader: ReaderId) {
        let lockout = self.options.lockout;
        let Some(guessing) = self.guessing.get_mut(usize::from(reader.0)) else { return };
        if lockout.after == 0 {
            return;
        }
        guessing.failed();
        let (count, slow) = (guessing.count(), guessing.is_slow(&lockout));
        self.desk.keep(Fact::Lockout { reader, count });
        self.desk.arm(Timer::Calm(reader), lockout.calm);
        if slow {
            self.desk.set_alarm(None, Some(reader), Alarm::Guessing, true);
        }
    }

    pub(super) fn calm(&mut self, reader: ReaderId) {
        if let Some(guessing) = self.guessing.get_mut(usize::from(reader.0)) {
            guessing.calm();
            self.desk.keep(Fact::Lockout { reader, count: 0 });
            self.desk.set_alarm(None, Some(reader), Alarm::Guessing, false);
        }
    }

    /// Whether a card here needs its PIN now.
    fn pin_in_force(&self, reader: ReaderId) -> bool {
        let pin = self.options.readers.get(usize::from(reader.0)).and_then(|options| options.pin);
        match (pin.map(|pin| pin.hours), self.desk.wall) {
            (Some(Hours::Always), _) => true,
            (Some(Hours::Profile(profile)), Some(wall)) => {
                self.options.calendar.holds(profile, wall)
            }
            (Some(Hours::Profile(_)), None) | (None, _) => false,
        }
    }

    /// Whether no reader outside this door takes a card alone now.
    fn two_factors(&self, door: DoorId) -> bool {
        self.readers_of(door).iter().all(|reader| self.pin_in_force(*reader))
    }

    pub(super) fn judge_card(
        &self,
        found: Option<Entitlement>,
        door: DoorId,
    ) -> Result<Entitlement, Reason> {
        let spent = found.map_or(0, |right| self.spent(&right, door));
        judge::card(found, spent, self.moment())
    }

    fn moment(&self) -> Moment<'_> {
        Moment {
            wall: self.desk.wall,
            calendar: &self.options.calendar,
            untrusted: self.options.untrusted_clock,
        }
    }

    /// How often a right has been used; a use that this door still waits for is the one that is asked for.
    fn spent(&self, right: &Entitlement, door: DoorId) -> u16 {
        let open = self.is_open_use(door, &right.subject);
        self.uses(&right.subject).saturating_sub(u16::from(open))
    }

    fn deny_card(&mut self, reader: ReaderId, reason: Reason) {
        let Some(door) = self.door_of(reader) else { return };
        self.desk.record(EventKind::Denied { door, way: Way::Card, reason });
        self.show(reader, Signal::Denied);
    }

    pub(super) fn show(&mut self, reader: ReaderId, signal: Signal) {
        self.desk.said.push(Command::Show { reader, signal });
    }

    pub(super) fn show_all(&mut self, door: DoorId, signal: Signal) {
        for reader in self.readers_of(door) {
            self.show(reader, signal);
        }
    }

    pub(super) fn door_of(&self, reader: ReaderId) -> Option<DoorId> {
        Some(self.options.readers.get(usize::from(reader.0))?.door)
    }

    /// The readers outside a door.
    pub(super) fn readers_of(&self, door: DoorId) -> Vec<ReaderId> {
        let readers = self.options.readers.iter().enumerate();
        let outside = readers.filter(|(_, r)| r.door == door && r.heading == Heading::In);
        outside.map(|(i, _)| ReaderId(i as u8)).collect()
    }
}
