//! One input at the gate: what comes of it is performed, and judged by a second opinion that knows people,
//! outputs and promises, and nothing of how the gate decides.

use super::judge::{Before, Cause};
use super::plan::outside;
use super::site::whose;
use super::watch::Rule;
use super::world::World;
use crate::access::{Command, DoorKind, DoorOptions, Fact, Fail, Gate, Input, Output, Ticket};
use crate::domain::{
    Alarm, CardNumber, Directory, DoorId, DoorMode, Event, EventKind, Heading, Instant, ReaderId,
    Reason, Signal, SubjectId, WallTime, Way,
};
use crate::record::Witness;
use std::collections::BTreeMap;

pub(super) const S: u64 = 1_000_000;
/// The longest turn, and how many can wait.
pub(super) const TURN_US: u64 = 15 * S;
pub(super) const CROWD: u64 = 9;

/// What the second opinion remembers of a door.
#[derive(Clone, Default)]
pub(super) struct AtDoor {
    /// A turnstile lets one through, until then.
    turning: BTreeMap<Heading, u64>,
    /// When something last allowed the lock to be open for a while.
    pub allowed_us: u64,
    /// When grants were given that have not ended yet.
    pub open_grants: Vec<u64>,
    /// When the door was last free.
    pub free_us: u64,
    was_free: bool,
    /// The contact's wire is cut: whoever was let in meanwhile has their time still when it is mended.
    pub contact_fault: bool,
    pub mode: Option<(DoorMode, Option<u64>)>,
    /// A mode outlived a restart, and nobody can say until when.
    pub mode_unsure: bool,
}

/// What the second opinion remembers.
#[derive(Default)]
pub(super) struct State {
    pub doors: Vec<AtDoor>,
    pub coils: BTreeMap<Output, bool>,
    pub on_since: BTreeMap<Output, u64>,
    /// Cards and faces shown lately, and PINs typed, for decisions that come later.
    pub shown: Vec<(u64, SubjectId, Way)>,
    pub pins: Vec<(u64, SubjectId)>,
    /// Limited uses on their way, and how often each was let in, less what was given back.
    pub tickets: BTreeMap<Ticket, (SubjectId, u16, usize, Option<WallTime>)>,
    pub let_in: BTreeMap<SubjectId, i32>,
    pub spent: BTreeMap<SubjectId, u16>,
    /// Who came in and has not left, as the gate had it kept.
    pub inside: BTreeMap<SubjectId, bool>,
    refused_face_us: Option<u64>,
    /// When an unknown card was last shown, or one or a wrong PIN denied.
    pub unknown_us: u64,
    /// The gate has heard of the fire line since it started.
    pub fire_told: bool,
    pub fire_latched: bool,
    pub last_wall: Option<WallTime>,
    /// When each alarm that nobody has acknowledged was last said.
    pub unheard: BTreeMap<(Option<DoorId>, Option<ReaderId>, Alarm), u64>,
}

impl State {
    pub(super) fn new(doors: usize) -> Self {
        Self { doors: vec![AtDoor::default(); doors], ..Self::default() }
    }

    pub(super) fn boot(&mut self) {
        self.coils.clear();
        self.on_since.clear();
        self.doors.iter_mut().for_each(|door| door.open_grants.clear());
        self.shown.clear();
        self.pins.clear();
        self.tickets.clear();
        self.last_wall = None;
        self.fire_told = false;
    }

    pub(super) fn power_cut(&mut self) {
        self.boot();
        self.unheard.clear();
        self.doors.iter_mut().for_each(|door| door.turning.clear());
    }

    /// What a power cut took back was never so.
    pub(super) fn know(&mut self, facts: &[Fact]) {
        let inside = facts.iter().filter_map(|fact| match fact {
            Fact::Inside { subject, since } => Some((*subject, since.is_some())),
            _ => None,
        });
        self.inside = inside.collect();
    }

    pub(super) fn at(&mut self, door: DoorId) -> &mut AtDoor {
        &mut self.doors[usize::from(door.0)]
    }

    pub(super) fn passes(&mut self, door: DoorId, heading: Heading) {
        self.at(door).turning.remove(&heading);
    }

    pub(super) fn is_turning(&mut self, door: DoorId, heading: Heading) -> bool {
        self.at(door).turning.contains_key(&heading)
    }

    /// Somebody types a PIN that is theirs.
    pub(super) fn typed(&mut self, now_us: u64, who: usize) {
        self.pins.retain(|(at, _)| now_us - at < 60 * S);
        self.pins.push((now_us, super::site::subject(who)));
    }
}

impl World<'_> {
    pub(super) fn door(&self, door: DoorId) -> Option<&DoorOptions> {
        self.plan.options.doors.get(usize::from(door.0))
    }

    pub(super) fn is_turnstile(&self, door: DoorId) -> bool {
        self.door(door).is_some_and(|d| d.kind == DoorKind::Turnstile)
    }

    /// The door a reader is at.
    pub(super) fn door_at(&self, reader: ReaderId) -> DoorId {
        DoorId(reader.0 / 2)
    }

    /// Whether somebody can go through without breaking anything.
    pub(super) fn is_unlocked(&self, door: DoorId, heading: Heading) -> bool {
        let turning =
            self.state.doors.get(usize::from(door.0)).and_then(|d| d.turning.get(&heading));
        self.is_released(door, heading)
            || self.is_turnstile(door) && turning.is_some_and(|until| self.now_us <= *until)
    }

    pub(super) fn is_released(&self, id: DoorId, heading: Heading) -> bool {
        let Some(door) = self.door(id) else { return false };
        let output = match (door.kind, heading) {
            (DoorKind::Turnstile, Heading::Out) => Output::LockOut(id),
            _ => Output::Lock(id),
        };
        let on = self.state.coils.get(&output).copied().unwrap_or(false);
        on == (door.fail == Fail::Secure)
    }

    pub(super) fn input(&mut self, input: Input) {
        let Some(mut gate) = self.gate.take() else { return };
        let (now, wall) = (self.now(), self.wall());
        let before = self.before(&gate, &input, now, wall);
        let mut out = Vec::new();
        let Some(list) = self.lists.get(self.list) else { return };
        match &mut self.record {
            Some((recorder, text)) => {
                let witness = Witness::new(list);
                gate.handle(now, wall, input.clone(), &witness, &mut out);
                text.push_str(&recorder.step(now, wall, &input, witness, &out));
            }
            None => gate.handle(now, wall, input.clone(), list, &mut out),
        }
        self.check_twin(&input, &out, now, wall);
        let caused = self.cause(&input);
        for command in &out {
            self.perform(command, &caused);
        }
        for door in self.doors() {
            let free = matches!(gate.mode(door), Some(DoorMode::Unlocked | DoorMode::LockedOpen));
            let now_us = self.now_us;
            let at = self.state.at(door);
            if free || at.was_free {
                at.free_us = now_us;
            }
            at.was_free = free;
        }
        self.after_input(&gate, &input, &before, &out);
        self.gate = Some(gate);
        if let Some(heard) = &mut self.heard {
            heard.extend(out);
        }
    }

    /// What must be asked before the gate has moved.
    fn before(&self, gate: &Gate, input: &Input, now: Instant, wall: Option<WallTime>) -> Before {
        let mut before = Before::default();
        let Some(list) = self.lists.get(self.list) else { return before };
        if let Input::Face(seen) = input
            && let Some(right) = seen.subject.as_ref().and_then(|s| list.subject(s))
        {
            // The same person, the same moment, by card.
            let mut other = gate.clone();
            let mut out = Vec::new();
            let card = self.card_of(&right.subject);
            if let Some(card) = card {
                let reader = outside(super::plan::WATCHED);
                other.handle(now, wall, Input::Card { reader, card }, list, &mut out);
                before.card_denied = out.iter().any(|c| {
                    matches!(c, Command::Record(Event { what: EventKind::Denied { way: Way::Card, reason, .. }, .. })
                        if *reason != Reason::Other)
                });
            }
        }
        before
    }

    pub(super) fn card_of(&self, subject: &SubjectId) -> Option<CardNumber> {
        let number = super::site::number(whose(subject)).into();
        Some(CardNumber::new("h10301".parse().ok()?, number))
    }

    /// The twin is told everything but faces that opened nothing, and must do the same.
    fn check_twin(&mut self, input: &Input, out: &[Command], now: Instant, wall: Option<WallTime>) {
        let Some(list) = self.lists.get(self.list) else { return };
        let Some(twin) = &mut self.twin else { return };
        let opened = |c: &Command| match c {
            Command::Switch { .. } | Command::KeepFirst { .. } => true,
            Command::Record(event) => matches!(event.what, EventKind::AccessGranted { .. }),
            _ => false,
        };
        let beside_a_pin = self.plan.options.readers.iter().any(|r| r.pin.is_some());
        let is_face = matches!(input, Input::Face(_));
        let mut theirs = Vec::new();
        if is_face && !beside_a_pin && !out.iter().any(opened) {
            self.state.refused_face_us = Some(self.now_us);
            twin.handle(now, wall, Input::Tick, list, &mut theirs);
            return;
        }
        twin.handle(now, wall, input.clone(), list, &mut theirs);
        let recent = self.state.refused_face_us.is_some_and(|at| self.now_us - at < 600 * S);
        let same = theirs == out;
        if recent && matches!(input, Input::Card { .. }) || !same {
            self.watch.hold(Rule::RefusedFacesChangeNothing, same, || {
                format!("{input:?}: {out:?} with, {theirs:?} without")
            });
        }
    }

    /// Does what a command says, and judges it.
    fn perform(&mut self, command: &Command, cause: &Cause) {
        match command {
            Command::Switch { output, on } => {
                self.say(|| format!("    {output:?} {}", if *on { "on" } else { "off" }));
                self.switch(*output, *on);
            }
            Command::Record(event) => {
                self.say(|| format!("    {:?}", event.what));
                self.disk.record(self.now_us, event, &mut self.watch);
                self.recorded(event, cause);
            }
            Command::Keep(fact) => {
                self.kept_fact(fact);
                self.disk.keep(self.now_us, fact, None);
            }
            Command::KeepFirst { ticket, fact } => {
                if let Fact::Spent { subject, uses } = fact {
                    self.say(|| format!("    use {uses} to be kept first"));
                    // Decided by the list in force now, whichever is when it is written down.
                    let ask = (*subject, *uses, self.list, self.known_wall());
                    self.state.tickets.insert(*ticket, ask);
                    self.state.spent.insert(*subject, *uses);
                    let most = self.plan.people.get(whose(subject)).and_then(|p| p.uses);
                    self.watch.hold(
                        Rule::UsesWithinLimit,
                        most.is_some_and(|m| *uses <= m),
                        || format!("use {uses} of {most:?}"),
                    );
                }
                self.disk.keep(self.now_us, fact, Some(*ticket));
            }
            // Whoever asks again in time has the whole time again.
            Command::Show { reader, signal: Signal::Granted } => {
                let door = self.door_at(*reader);
                self.state.at(door).allowed_us = self.now_us;
            }
            // It opens nothing.
            Command::Show { .. } | Command::Claim { .. } | Command::Passed { .. } => {}
        }
    }

    fn switch(&mut self, output: Output, on: bool) {
        let before = self.state.coils.insert(output, on);
        let (id, heading) = match output {
            Output::Lock(id) => (id, Heading::In),
            Output::LockOut(id) => (id, Heading::Out),
            _ => return,
        };
        let Some(door) = self.door(id) else { return };
        let active = on == (door.fail == Fail::Secure);
        let (kind, open) = (door.kind, door.open.as_micros());
        let now_us = self.now_us;
        if active && before != Some(on) {
            self.state.on_since.insert(output, now_us);
            if kind == DoorKind::Turnstile {
                self.state.at(id).turning.insert(heading, now_us + open);
            }
        }
        // A pulse that began while the way was free begins for the turnstile when that ends.
        let free_us = self.state.at(id).free_us;
        let since = self.state.on_since.get(&output).copied().unwrap_or(now_us);
        let ends = kind == DoorKind::Turnstile && !active && before == Some(!on);
        if ends && since <= free_us && now_us - free_us >= 100_000 {
            self.state.at(id).turning.insert(heading, now_us + open);
        }
    }

    fn kept_fact(&mut self, fact: &Fact) {
        if let Fact::Spent { subject, uses } = fact {
            let before = self.state.spent.insert(*subject, *uses);
            if before.is_some_and(|before| before > *uses) {
                *self.state.let_in.entry(*subject).or_default() -= 1;
            }
        }
        if let Fact::Inside { subject, since } = fact {
            self.state.inside.insert(*subject, since.is_some());
        }
    }

    fn recorded(&mut self, event: &Event, cause: &Cause) {
        let now_us = self.now_us;
        self.check_wall(event);
        match &event.what {
            EventKind::AccessGranted { door, way } => {
                self.granted(*door, *way, cause, event.wall);
                let at = self.state.at(*door);
                at.allowed_us = now_us;
                at.open_grants.push(now_us);
            }
            EventKind::AccessTaken { door, .. } | EventKind::AccessNotTaken { door, .. } => {
                let at = self.state.at(*door);
                at.allowed_us = now_us;
                if !at.open_grants.is_empty() {
                    at.open_grants.remove(0);
                }
            }
            EventKind::Denied { door, way: Way::Card, reason } => {
                if matches!(reason, Reason::CredentialNotFound | Reason::InvalidPin) {
                    self.state.unknown_us = now_us;
                }
                self.denied(*door, *reason, cause);
            }
            EventKind::AlarmRaised { door, reader, alarm }
            | EventKind::AlarmRepeated { door, reader, alarm, .. } => {
                self.state.unheard.insert((*door, *reader, *alarm), now_us);
            }
            EventKind::AlarmAcknowledged { door, reader, alarm } => {
                self.state.unheard.remove(&(*door, *reader, *alarm));
            }
            _ => {}
        }
    }
}
