//! One input at the gate: what comes of it is performed, and judged by a second opinion that knows people,
//! outputs and promises, and nothing of how the gate decides.

use super::site::whose;
use super::watch::Rule;
use super::world::World;
use crate::access::{
    Command, DoorKind, DoorOptions, Fact, Fail, Gate, Input, Output, PassbackRule, Ticket,
    UntrustedClock,
};
use crate::domain::{
    Alarm, CardNumber, Directory, DoorId, DoorMode, Event, EventKind, Heading, Instant, Liveness,
    ReaderId, Reason, Signal, SubjectId, WallTime, Way,
};
use std::collections::BTreeMap;

pub(super) const DOOR: DoorId = DoorId(0);
pub(super) const S: u64 = 1_000_000;
/// The longest turn, and how many can wait.
pub(super) const TURN_US: u64 = 15 * S;
pub(super) const CROWD: u64 = 9;

/// What the second opinion remembers.
#[derive(Default)]
pub(super) struct State {
    pub is_turnstile: bool,
    pub(super) coils: BTreeMap<Output, bool>,
    pub(super) on_since: BTreeMap<Output, u64>,
    /// A turnstile lets one through, until then.
    turning: BTreeMap<Heading, u64>,
    /// When something last allowed the lock to be open for a while.
    pub(super) allowed_us: u64,
    /// When grants were given that have not ended yet.
    pub(super) open_grants: Vec<u64>,
    /// Cards and faces shown lately, for decisions that come later.
    shown: Vec<(u64, SubjectId)>,
    /// Limited uses on their way, and how often each was let in, less what was given back.
    tickets: BTreeMap<Ticket, (SubjectId, u16)>,
    let_in: BTreeMap<SubjectId, i32>,
    spent: BTreeMap<SubjectId, u16>,
    /// When the door was last free.
    pub(super) free_us: u64,
    was_free: bool,
    refused_face_us: Option<u64>,
    /// When an unknown card was last denied.
    unknown_us: u64,
    pub(super) mode: Option<(DoorMode, Option<u64>)>,
    /// A mode outlived a restart, and nobody can say until when.
    pub(super) mode_unsure: bool,
    /// The gate has heard of the fire line since it started.
    pub(super) fire_told: bool,
    pub(super) fire_latched: bool,
    last_wall: Option<WallTime>,
    /// When each alarm that nobody has acknowledged was last said.
    pub(super) unheard: BTreeMap<(Option<DoorId>, Option<ReaderId>, Alarm), u64>,
}

impl State {
    pub(super) fn boot(&mut self) {
        self.coils.clear();
        self.on_since.clear();
        self.open_grants.clear();
        self.shown.clear();
        self.tickets.clear();
        self.last_wall = None;
        self.fire_told = false;
    }

    pub(super) fn power_cut(&mut self) {
        self.boot();
        self.unheard.clear();
        self.turning.clear();
    }

    pub(super) fn passes(&mut self, heading: Heading) {
        self.turning.remove(&heading);
    }

    pub(super) fn is_turning(&self, heading: Heading) -> bool {
        self.turning.contains_key(&heading)
    }
}

impl World<'_> {
    fn door(&self) -> Option<&DoorOptions> {
        self.plan.options.doors.first()
    }

    /// Whether somebody can go through without breaking anything.
    pub(super) fn is_unlocked(&self, heading: Heading) -> bool {
        let Some(door) = self.door() else { return false };
        if door.kind == DoorKind::Turnstile {
            let until = self.state.turning.get(&heading).copied();
            return until.is_some_and(|until| self.now_us <= until) || self.is_released(heading);
        }
        self.is_released(heading)
    }

    pub(super) fn is_released(&self, heading: Heading) -> bool {
        let Some(door) = self.door() else { return false };
        let output = match (door.kind, heading) {
            (DoorKind::Turnstile, Heading::Out) => Output::LockOut(DOOR),
            _ => Output::Lock(DOOR),
        };
        let on = self.state.coils.get(&output).copied().unwrap_or(false);
        on == (door.fail == Fail::Secure)
    }

    pub(super) fn input(&mut self, input: Input) {
        let Some(mut gate) = self.gate.take() else { return };
        self.state.is_turnstile = self.door().is_some_and(|d| d.kind == DoorKind::Turnstile);
        let (now, wall) = (self.now(), self.wall());
        let before = self.before(&gate, &input, now, wall);
        let mut out = Vec::new();
        let Some(list) = self.lists.get(self.list) else { return };
        gate.handle(now, wall, input.clone(), list, &mut out);
        self.check_twin(&input, &out, now, wall);
        let caused = self.cause(&input);
        for command in &out {
            self.perform(command, &caused);
        }
        let free = matches!(gate.mode(DOOR), Some(DoorMode::Unlocked | DoorMode::LockedOpen));
        if free || std::mem::replace(&mut self.state.was_free, free) {
            self.state.free_us = self.now_us;
        }
        self.state.was_free = free;
        self.after_input(&gate, &input, &before, &out);
        self.gate = Some(gate);
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
                other.handle(now, wall, Input::Card { reader: ReaderId(0), card }, list, &mut out);
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

    /// Whose right a grant may rest on.
    fn cause(&mut self, input: &Input) -> Cause {
        let now_us = self.now_us;
        self.state.shown.retain(|(at, _)| now_us - at < 60 * S);
        let list = self.lists.get(self.list);
        match input {
            Input::Card { reader: ReaderId(0), card } => {
                let who = list.and_then(|l| l.card(card)).map(|r| r.subject);
                self.state.shown.extend(who.map(|who| (now_us, who)));
                Cause::Shown(who)
            }
            Input::Face(seen) => {
                let fresh = self.now().since(seen.captured_at).as_micros() <= S;
                let lives = seen.liveness != Liveness::NotShown;
                let who = seen.subject.filter(|_| fresh && lives);
                self.state.shown.extend(who.map(|who| (now_us, who)));
                Cause::Face { who, fresh, lives }
            }
            Input::Kept { ticket, durable } => match self.state.tickets.remove(ticket) {
                Some((who, uses)) => Cause::Kept { who, uses, durable: *durable },
                None => Cause::Other,
            },
            Input::Card { .. } => Cause::Leaving,
            _ => Cause::Other,
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
                self.disk.record(self.now_us, &mut self.watch);
                self.recorded(event, cause);
            }
            Command::Keep(fact) => {
                self.kept_fact(fact);
                self.disk.keep(self.now_us, fact.clone());
            }
            Command::KeepFirst { ticket, fact } => {
                if let Fact::Spent { subject, uses } = fact {
                    self.say(|| format!("    use {uses} to be kept first"));
                    self.state.tickets.insert(*ticket, (*subject, *uses));
                    self.state.spent.insert(*subject, *uses);
                    let most = self.plan.people.get(whose(subject)).and_then(|p| p.uses);
                    self.watch.hold(
                        Rule::UsesWithinLimit,
                        most.is_some_and(|m| *uses <= m),
                        || format!("use {uses} of {most:?}"),
                    );
                }
                self.disk.keep_first(self.now_us, *ticket, fact.clone());
            }
            // Whoever asks again in time has the whole time again.
            Command::Show { signal: Signal::Granted, .. } => self.state.allowed_us = self.now_us,
            // It opens nothing.
            Command::Show { .. } | Command::Claim { .. } => {}
        }
    }

    fn switch(&mut self, output: Output, on: bool) {
        let before = self.state.coils.insert(output, on);
        let Some(door) = self.door() else { return };
        let active = on == (door.fail == Fail::Secure);
        let heading = match output {
            Output::Lock(_) => Heading::In,
            Output::LockOut(_) => Heading::Out,
            _ => return,
        };
        let (kind, open) = (door.kind, door.open.as_micros());
        if active && before != Some(on) {
            self.state.on_since.insert(output, self.now_us);
            if kind == DoorKind::Turnstile {
                self.state.turning.insert(heading, self.now_us + open);
            }
        }
    }

    fn kept_fact(&mut self, fact: &Fact) {
        if let Fact::Spent { subject, uses } = fact {
            let before = self.state.spent.insert(*subject, *uses);
            if before.is_some_and(|before| before > *uses) {
                *self.state.let_in.entry(*subject).or_default() -= 1;
            }
        }
    }

    /// Whether somebody may pass at a moment of the wall: the rules, in other words than the gate's.
    fn may_pass(&self, who: &SubjectId, wall: Option<WallTime>) -> bool {
        let Some(person) = self.plan.people.get(whose(who)) else { return false };
        if person.removed_in.is_some_and(|gone| self.list >= gone) {
            return false;
        }
        if person.from.is_none() && person.until.is_none() && !person.profile {
            return true;
        }
        let Some(wall) = wall else {
            return self.plan.options.untrusted_clock == UntrustedClock::Allow;
        };
        let minute = (wall.0 - super::plan::MIDNIGHT.0.min(wall.0)) / 60_000;
        let of_day = wall.0 / 60_000 % 1_440;
        person.from.is_none_or(|from| minute >= from)
            && person.until.is_none_or(|until| minute < until)
            && (!person.profile || (540..660).contains(&of_day))
    }

    fn recorded(&mut self, event: &Event, cause: &Cause) {
        let now_us = self.now_us;
        self.check_wall(event);
        match &event.what {
            EventKind::AccessGranted { way, .. } => {
                self.state.allowed_us = now_us;
                self.state.open_grants.push(now_us);
                self.granted(*way, cause, event.wall);
            }
            EventKind::AccessTaken { .. } | EventKind::AccessNotTaken { .. } => {
                self.state.allowed_us = now_us;
                if !self.state.open_grants.is_empty() {
                    self.state.open_grants.remove(0);
                }
            }
            EventKind::Denied { way: Way::Card, reason, .. } => {
                if *reason == Reason::CredentialNotFound {
                    self.state.unknown_us = now_us;
                }
                self.denied(*reason, cause);
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

    fn check_wall(&mut self, event: &Event) {
        let Some(wall) = event.wall else { return };
        let floor = self.disk.facts.get(&crate::access::FactKey::Floor);
        let floor = match floor {
            Some(Fact::Floor { wall }) => wall.0,
            _ => 0,
        };
        let last = self.state.last_wall.map_or(0, |w| w.0);
        let sound = wall.0 >= floor && wall.0 >= last;
        self.watch.hold(Rule::ClockAboveFloor, sound, || {
            format!("an event at {} after {last}, floor {floor}", wall.0)
        });
        self.state.last_wall = Some(wall);
    }

    fn granted(&mut self, way: Way, cause: &Cause, wall: Option<WallTime>) {
        let whom = match (way, cause) {
            (Way::Rex | Way::Operator, _) | (_, Cause::Leaving) => return,
            (Way::Card, Cause::Shown(Some(who))) | (_, Cause::Kept { who, .. }) => vec![*who],
            (Way::Face, Cause::Face { who, fresh, lives }) => {
                let sound = *fresh && *lives;
                self.watch.hold(Rule::FaceLives, sound, || "stale or no living face".into());
                who.iter().copied().collect()
            }
            // A card that waited for its PIN, for its face, or at a slowed reader; or one who leaves.
            (Way::Card, _) => self.state.shown.iter().map(|(_, who)| *who).collect(),
            (Way::Face, _) => Vec::new(),
        };
        let sound = whom.iter().any(|who| self.may_pass(who, wall));
        self.watch.hold(Rule::GrantNeedsRight, sound, || format!("let in by {way:?}: {cause:?}"));
        if let Cause::Kept { who, uses, durable } = cause {
            let key = crate::access::FactKey::Spent(*who);
            let kept = match self.disk.facts.get(&key) {
                Some(Fact::Spent { uses, .. }) => *uses,
                _ => 0,
            };
            self.watch.hold(Rule::UseDurableFirst, *durable && kept >= *uses, || {
                format!("let in on use {uses} while {kept} are kept")
            });
            let let_in = self.state.let_in.entry(*who).or_default();
            *let_in += 1;
            let (count, most) = (*let_in, self.plan.people.get(whose(who)).and_then(|p| p.uses));
            self.watch.hold(
                Rule::UsesWithinLimit,
                most.is_some_and(|m| count <= i32::from(m)),
                || format!("let in {count} times of {most:?}"),
            );
        }
    }

    fn denied(&mut self, reason: Reason, cause: &Cause) {
        let Cause::Shown(Some(who)) = cause else { return };
        let Some(person) = self.plan.people.get(whose(who)) else { return };
        if !person.is_unlimited() || person.removed_in.is_some_and(|gone| self.list >= gone) {
            return;
        }
        let passback = self.plan.options.passback.rule == PassbackRule::Hard;
        let crowd = self.state.open_grants.len() >= 8;
        if self.plan.options.readers.iter().any(|r| r.pin.is_some()) {
            // It may be the card before this one, which gets no PIN any more.
            return;
        }
        let holds = match reason {
            Reason::NotPermittedAtThisTime => true,
            Reason::Unauthorized => passback,
            // At a slowed reader it is the one displaced.
            Reason::Other => crowd || self.now_us - self.state.unknown_us < 120 * S,
            _ => false,
        };
        self.watch.hold(Rule::ResidentGetsIn, holds, || {
            format!("a resident's card is denied: {reason:?}")
        });
    }
}

/// What was found out before an input.
#[derive(Default)]
pub(super) struct Before {
    /// The same person's card would be refused now.
    pub card_denied: bool,
}

/// What a decision comes from.
#[derive(Debug)]
pub(super) enum Cause {
    Shown(Option<SubjectId>),
    Face {
        who: Option<SubjectId>,
        fresh: bool,
        lives: bool,
    },
    Kept {
        who: SubjectId,
        uses: u16,
        durable: bool,
    },
    /// A card inside.
    Leaving,
    Other,
}
