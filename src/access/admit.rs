//! A right that holds, at a door: mode, interlock, anti-passback, limited uses; then the grant. And the way
//! out, which asks for none of them.

use super::Gate;
use super::command::{Command, Ticket};
use super::desk::{Outcome, Timer};
use super::door::Given;
use super::memory::Fact;
use super::options::PassbackRule;
use super::passage::Grant;
use crate::domain::{
    Alarm, CardNumber, Directory, DoorId, Duration, Entitlement, EventKind, Heading, Instant,
    ReaderId, Reason, Signal, SubjectId, Way,
};

/// A use that is not durable by then opens nothing.
const SPEND_WITHIN: Duration = Duration::from_secs(2);

/// A grant of limited use that waits to be durable.
#[derive(Clone, Debug)]
pub(super) struct Spending {
    door: DoorId,
    way: Way,
    right: Entitlement,
    duress: bool,
    reader: Option<ReaderId>,
}

impl Gate {
    /// Somebody with a right that holds wants in.
    pub(super) fn admit(
        &mut self,
        door: DoorId,
        way: Way,
        right: Entitlement,
        duress: bool,
        reader: Option<ReaderId>,
    ) {
        let who = right.subject;
        let asked = Spending { door, way, right, duress, reader };
        if let Err(reason) = self.door_lets_in(door) {
            return self.refuse(&asked, reason);
        }
        if self.is_joined(door, way, &who) {
            self.give(asked);
            return;
        }
        let twice = self.inside.is_in(&who, self.desk.now);
        if twice && self.inside.rule() == PassbackRule::Hard {
            return self.refuse(&asked, Reason::Unauthorized);
        }
        match right.uses {
            Some(_) => self.spend(asked),
            None => self.give(asked),
        }
    }

    /// What keeps everybody out.
    fn door_lets_in(&self, door: DoorId) -> Result<(), Reason> {
        let Some(state) = self.doors.get(usize::from(door.0)) else { return Err(Reason::Other) };
        if state.modes.refuses() {
            return Err(Reason::NotPermittedAtThisTime);
        }
        let locked_by_another = |doors: &Vec<DoorId>| {
            let others = doors.iter().filter(|other| **other != door);
            doors.contains(&door)
                && others.filter_map(|d| self.doors.get(usize::from(d.0))).any(|d| !d.is_shut())
        };
        if self.options.interlocks.iter().any(locked_by_another) {
            return Err(Reason::Other);
        }
        Ok(())
    }

    /// One person's card and face within the window are one grant. Also after it was used, for a face, which
    /// may be seen in passing; a card is shown on purpose and is always answered.
    fn is_joined(&self, door: DoorId, way: Way, who: &SubjectId) -> bool {
        let seen_again = |(d, w, until): &(DoorId, SubjectId, Instant)| {
            *d == door && w == who && self.is_to_come(*until)
        };
        self.is_open_use(door, who) || way == Way::Face && self.let_in.iter().any(seen_again)
    }

    fn is_to_come(&self, moment: Instant) -> bool {
        self.desk.now < moment
    }

    /// Somebody has been let in and not gone yet, or will be once that is kept.
    pub(super) fn is_open_use(&self, door: DoorId, who: &SubjectId) -> bool {
        let state = self.doors.get(usize::from(door.0));
        state.is_some_and(|state| state.has_waiting(who, Heading::In))
            || self.spending.values().any(|s| s.door == door && s.right.subject == *who)
    }

    /// Makes a use durable before anything opens.
    fn spend(&mut self, asked: Spending) {
        let subject = asked.right.subject;
        let used = self.spent.entry(subject).or_insert(0);
        *used = used.saturating_add(1);
        let fact = Fact::Spent { subject, uses: *used };
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.spending.insert(ticket, asked);
        self.desk.said.push(Command::KeepFirst { ticket, fact });
        self.desk.arm(Timer::Spend(ticket), SPEND_WITHIN);
    }

    /// The answer of whoever keeps it.
    pub(super) fn kept(&mut self, ticket: Ticket, durable: bool) {
        let Some(asked) = self.spending.remove(&ticket) else { return };
        self.desk.timers.disarm(Timer::Spend(ticket));
        let verdict = if durable { self.door_lets_in(asked.door) } else { Err(Reason::Other) };
        match verdict {
            Ok(()) => self.give(asked),
            Err(reason) => {
                self.give_back(asked.right.subject);
                self.refuse(&asked, reason);
            }
        }
    }

    /// No answer in time.
    pub(super) fn spend_over(&mut self, ticket: Ticket) {
        self.kept(ticket, false);
    }

    /// A use that let nobody pass.
    fn give_back(&mut self, subject: SubjectId) {
        if let Some(used) = self.spent.get_mut(&subject) {
            *used = used.saturating_sub(1);
            let uses = *used;
            self.desk.keep(Fact::Spent { subject, uses });
        }
    }

    fn refuse(&mut self, asked: &Spending, reason: Reason) {
        let (door, way) = (asked.door, asked.way);
        self.desk.record(EventKind::Denied { door, way, reason });
        match asked.reader {
            Some(reader) => self.show(reader, Signal::Denied),
            None => self.show_all(door, Signal::UseYourCard),
        }
    }

    fn give(&mut self, asked: Spending) {
        let Spending { door, way, right, duress, reader } = asked.clone();
        let who = right.subject;
        // Its use is being written down already; the answer comes when it is.
        if self.spending.values().any(|s| s.door == door && s.right.subject == who) {
            return;
        }
        let twice = self.inside.is_in(&who, self.desk.now);
        let joined = self.is_joined(door, way, &who);
        let Some(state) = self.doors.get_mut(usize::from(door.0)) else { return };
        let waiting = state.has_waiting(&who, Heading::In);
        let times = state.times(right.extended);
        let grant = Grant {
            way,
            who: Some(who),
            heading: Heading::In,
            window: times.window,
            held_after: times.held_after,
            limited: right.uses.is_some(),
        };
        let window = grant.window;
        // A face that has passed already gets no second grant.
        let given =
            if joined && !waiting { Given::Joined } else { state.grant(grant, &mut self.desk) };
        match given {
            Given::Full => {
                if right.uses.is_some() {
                    self.give_back(who);
                }
                return self.refuse(&asked, Reason::Other);
            }
            Given::New => {
                state.first_card(&mut self.desk);
                let until = self.desk.now + window;
                let mut let_in = std::mem::take(&mut self.let_in);
                let_in.retain(|(.., until)| self.is_to_come(*until));
                let_in.push((door, who, until));
                self.let_in = let_in;
                if twice {
                    self.desk.record(EventKind::ApbViolation { door, way });
                }
            }
            Given::Joined => {}
        }
        if duress {
            self.duress(door, way);
        }
        match reader {
            Some(reader) => {
                self.show(reader, Signal::Granted);
                if let (Way::Card, Some(due)) =
                    (way, self.keypads.let_in(self.desk.now, reader, who))
                {
                    self.desk.timers.arm(Timer::Pin(reader), due);
                }
            }
            None if given == Given::New => self.show_all(door, Signal::Granted),
            None => {}
        }
    }

    /// Nothing at the gate may show it.
    pub(super) fn duress(&mut self, door: DoorId, way: Way) {
        self.desk.record(EventKind::Duress { door, way });
        self.desk.raise(door, Alarm::Duress);
        self.desk.clear(door, Alarm::Duress);
    }

    /// A card at a reader inside. Leaving is never denied; a card that is known says who left.
    pub(super) fn leave(
        &mut self,
        reader: ReaderId,
        card: &CardNumber,
        directory: &impl Directory,
    ) {
        let Some(door) = self.door_of(reader) else { return };
        let verdict = self.judge_leaving(door, card, directory);
        let Some(state) = self.doors.get_mut(usize::from(door.0)) else { return };
        match verdict {
            Some(right) => {
                let times = state.times(right.extended);
                let grant = Grant {
                    way: Way::Card,
                    who: Some(right.subject),
                    heading: Heading::Out,
                    window: times.window,
                    held_after: times.held_after,
                    limited: false,
                };
                if state.grant(grant, &mut self.desk) == Given::Full {
                    state.let_out(Way::Rex, &mut self.desk);
                }
            }
            None => state.let_out(Way::Rex, &mut self.desk),
        }
        self.show(reader, Signal::Granted);
    }

    /// Who leaves, if the card still says so. A spent pass does.
    fn judge_leaving(
        &self,
        door: DoorId,
        card: &CardNumber,
        directory: &impl Directory,
    ) -> Option<Entitlement> {
        let right = directory.card(card)?;
        self.judge_card(Some(Entitlement { uses: None, ..right }), door).ok()
    }

    /// One person, let through by an operator.
    pub(super) fn open_once(&mut self, door: DoorId, heading: Heading) {
        let Some(state) = self.doors.get_mut(usize::from(door.0)) else { return };
        let way = Way::Operator;
        if heading == Heading::Out {
            return state.let_out(way, &mut self.desk);
        }
        if state.modes.refuses() {
            let reason = Reason::NotPermittedAtThisTime;
            return self.desk.record(EventKind::Denied { door, way, reason });
        }
        let times = state.times(false);
        let (window, held_after) = (times.window, times.held_after);
        let grant = Grant { way, who: None, heading, window, held_after, limited: false };
        if state.grant(grant, &mut self.desk) == Given::Full {
            self.desk.record(EventKind::Denied { door, way, reason: Reason::Other });
        }
    }

    /// What follows from how grants ended.
    pub(super) fn conclude(&mut self) {
        for Outcome { grant, taken } in std::mem::take(&mut self.desk.outcomes) {
            let Some(who) = grant.who else { continue };
            if taken == Some(false) {
                if grant.limited {
                    self.give_back(who);
                }
                continue;
            }
            if grant.heading == Heading::In {
                self.desk.said.push(Command::Passed { subject: who });
            }
            let (now, wall) = (self.desk.now, self.desk.wall);
            if let Some(fact) = self.inside.passed(who, grant.heading, now, wall) {
                self.desk.keep(fact);
            }
        }
    }
}
