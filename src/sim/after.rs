//! After each input: outputs, modes, promises and deadlines; and after a restart, what must still be known.

use super::judge::Before;
use super::plan::outside;
use super::site::{List, whose};
use super::turn::{CROWD, S, TURN_US};
use super::watch::Rule;
use super::world::World;
use crate::access::{
    Command, Drive, Fact, FireCut, FireRelock, Gate, Input, Order, Output, PassbackRule, Standing,
};
use crate::domain::{
    Alarm, CardNumber, DoorId, DoorMode, Duration, Event, EventKind, Heading, LineState, ReaderId,
    Signal, SubjectId, Way, Wire,
};

fn decisions(out: &[Command]) -> usize {
    let is_decision = |c: &&Command| {
        let Command::Record(Event { what, .. }) = c else { return false };
        matches!(what, EventKind::AccessGranted { .. } | EventKind::Denied { .. })
    };
    out.iter().filter(is_decision).count()
}

impl World<'_> {
    pub(super) fn after_input(
        &mut self,
        gate: &Gate,
        input: &Input,
        before: &Before,
        out: &[Command],
    ) {
        let now = self.now();
        let deadline = gate.deadline();
        // Schedules turn at whole minutes, so that there is always one to wait for.
        let kept_by_the_clock = gate.time(self.wall()).is_some()
            && self.plan.options.doors.iter().any(|d| d.unlock.or(d.lock_down).is_some());
        let latest = now + Duration::from_secs(60);
        let sound = match deadline {
            Some(deadline) => deadline > now && (!kept_by_the_clock || deadline <= latest),
            None => !kept_by_the_clock,
        };
        self.watch
            .hold(Rule::NoDeadlineLost, sound, || format!("due at {deadline:?}, now {now:?}"));
        self.note(input, out);
        self.check_presentation(gate, input, before, out);
        self.check_ways(input, out);
        self.check_fire();
        for door in self.doors() {
            self.check_outputs(door, gate.mode(door).unwrap_or(DoorMode::Locked));
            self.check_promises(door);
        }
        self.check_alarms();
        if let Input::Line { door: Some(door), state, .. } = input
            && state.is_fault()
        {
            let raised = |((at, _, alarm), standing): ((Option<DoorId>, _, Alarm), Standing)| {
                at == Some(*door) && alarm == Alarm::LineFault && standing.active
            };
            self.watch.hold(Rule::LineFaultTold, gate.alarms().any(raised), || {
                "a cut wire, and nobody is told".into()
            });
        }
    }

    /// What the second opinion learns from the input itself.
    fn note(&mut self, input: &Input, out: &[Command]) {
        self.state.fire_told |= matches!(input, Input::Line { line: Wire::Fire, .. });
        match input {
            Input::Order { order: Order::SetMode { door, mode, lasting }, .. } => {
                let sealed = |m: DoorMode| matches!(m, DoorMode::LockedDown | DoorMode::LockedOpen);
                if !self.mode_now(*door).is_some_and(sealed) && *mode != DoorMode::Accessed {
                    let until = lasting.map(|l| self.now_us + l.as_micros());
                    self.state.at(*door).mode = Some((*mode, until));
                }
            }
            Input::Order { order: Order::EndMode { door }, .. } => self.state.at(*door).mode = None,
            Input::Order { order: Order::EndFire, .. } if self.fire == LineState::Normal => {
                self.state.fire_latched = false;
            }
            Input::Line { line: Wire::Fire, state, .. } if *state != LineState::Normal => {
                self.state.fire_latched = true;
            }
            Input::Line { door: Some(door), line: Wire::Rex, .. } => {
                self.state.at(*door).allowed_us = self.now_us;
            }
            Input::Line { door: Some(door), line: Wire::Contact, state } => {
                let (now_us, at) = (self.now_us, self.state.at(*door));
                let before = std::mem::replace(&mut at.contact_fault, state.is_fault());
                if before || state.is_fault() {
                    at.allowed_us = now_us;
                }
            }
            Input::Card { reader, .. } if decisions(out) == 0 => {
                let door = self.door_at(*reader);
                self.state.at(door).allowed_us = self.now_us;
            }
            _ => {}
        }
    }

    pub(super) fn mode_now(&self, door: DoorId) -> Option<DoorMode> {
        let (mode, until) = self.state.doors.get(usize::from(door.0))?.mode?;
        until.is_none_or(|until| self.now_us < until).then_some(mode)
    }

    fn check_presentation(&mut self, gate: &Gate, input: &Input, before: &Before, out: &[Command]) {
        let granted = |way: Way| {
            move |c: &Command| {
                let Command::Record(Event { what, .. }) = c else { return false };
                matches!(what, EventKind::AccessGranted { way: w, .. } if *w == way)
            }
        };
        match input {
            Input::Face(_) => {
                if out.iter().any(granted(Way::Face)) {
                    self.watch.hold(Rule::FaceNeverAlone, !before.card_denied, || {
                        "a face opened where the same person's card would not".into()
                    });
                }
                self.watch.hold(Rule::OneRecord, decisions(out) <= 2, || format!("{out:?}"));
            }
            Input::Card { reader, card } if *reader == outside(self.door_at(*reader)) => {
                let door = self.door_at(*reader);
                let pin = self.has_keypad(door);
                let many = decisions(out);
                let waits = |c: &Command| matches!(c, Command::KeepFirst { .. });
                let later = self.now_us - self.state.at(door).allowed_us <= CROWD * TURN_US;
                let sound = many == 1 || pin && many <= 2 || out.iter().any(waits) || later;
                self.watch.hold(Rule::OneRecord, sound && (pin || many <= 1), || {
                    format!("{many} decisions for a card")
                });
                if many == 0 && !pin {
                    self.check_slow(gate, *reader, card, out);
                }
            }
            Input::Line { door: Some(door), line: Wire::Rex, state: LineState::Active } => {
                self.check_exit(*door);
            }
            Input::Card { reader, .. } => self.check_exit(self.door_at(*reader)),
            _ => {}
        }
    }

    fn check_exit(&mut self, door: DoorId) {
        let sound = self.leaf(door).open || self.is_unlocked(door, Heading::Out);
        self.watch.hold(Rule::ExitNeverDenied, sound, || "asked to leave, and locked".into());
    }

    /// A card that waits at a slowed reader: what will become of it?
    fn check_slow(&mut self, gate: &Gate, at: ReaderId, card: &CardNumber, out: &[Command]) {
        let door = self.door_at(at);
        let shown = |c: &Command| matches!(c, Command::Show { reader, .. } if *reader == at);
        let Some(list) = self.lists.get(self.list) else { return };
        let who = crate::domain::Directory::card(list, card).map(|r| r.subject);
        let Some(who) = who.filter(|who| self.is_plain_resident(who)) else { return };
        if out.iter().any(shown) || gate.mode(door) != Some(DoorMode::Locked) {
            return;
        }
        let wall = self.wall();
        let mut later = gate.clone();
        let end = self.now() + Duration::from_micros(45 * S);
        let mut opened = false;
        while let Some(due) = later.deadline().filter(|due| *due <= end) {
            let mut out = Vec::new();
            later.handle(due, wall, Input::Tick, list, &mut out);
            let granted = |c: &Command| matches!(c, Command::Show { reader, signal: Signal::Granted } if *reader == at);
            opened |= out.iter().any(granted);
        }
        let passback = self.plan.options.passback.rule == PassbackRule::Hard;
        let scheduled = self.door(door).is_some_and(|d| d.lock_down.is_some());
        // Whether the other door of an interlock is shut by then is another question.
        let interlocked = !self.plan.options.interlocks.is_empty();
        let sound = opened || passback || scheduled || interlocked;
        self.watch.hold(Rule::SlowAnswersAll, sound, || {
            format!("a resident ({}) waits at a slow reader for nothing", whose(&who))
        });
    }

    fn is_plain_resident(&self, who: &SubjectId) -> bool {
        let person = self.plan.people.get(whose(who));
        person.is_some_and(|p| p.is_unlimited() && p.removed_in.is_none_or(|gone| self.list < gone))
    }

    fn fire_must_open(&self) -> bool {
        let fire = self.plan.options.fire;
        self.fire == LineState::Active || self.fire == LineState::Cut && fire.cut == FireCut::Unlock
    }

    fn check_fire(&mut self) {
        if self.fire_must_open() && self.state.fire_told {
            for door in self.doors() {
                let sound = Heading::BOTH.iter().all(|h| self.is_released(door, *h));
                self.watch.hold(Rule::FireUnlocks, sound, || "locked in a fire".into());
            }
        }
        let by_order = self.plan.options.fire.relock == FireRelock::ByOrder;
        if self.fire == LineState::Normal && !by_order {
            self.state.fire_latched = false;
        }
    }

    fn check_outputs(&mut self, id: DoorId, mode: DoorMode) {
        let Some(door) = self.door(id) else { return };
        if !Heading::BOTH.iter().any(|h| self.is_released(id, *h)) {
            return;
        }
        let leaf = self.leaf(id);
        let since_boot = self.now().0 - 1_000_000;
        let at = &self.state.doors[usize::from(id.0)];
        if matches!(mode, DoorMode::Unlocked | DoorMode::LockedOpen) {
            let wall = self.wall().map(|w| w.0 / 60_000 % 1_440);
            let ordered =
                matches!(self.mode_now(id), Some(DoorMode::Unlocked | DoorMode::LockedOpen));
            let scheduled = door.unlock.is_some() && wall.is_some_and(|m| (539..661).contains(&m));
            let fire = self.fire != LineState::Normal || self.state.fire_latched;
            let sound = ordered || scheduled || fire || since_boot < S || at.mode_unsure;
            self.watch.hold(Rule::FreeOnlyWithCause, sound, || format!("{mode:?} without a cause"));
            return;
        }
        if let Drive::Pulse { length } = door.drive {
            let free_us = at.free_us;
            for (output, on_since) in &self.state.on_since {
                let heading = match output {
                    Output::Lock(door) if *door == id => Heading::In,
                    Output::LockOut(door) if *door == id => Heading::Out,
                    _ => continue,
                };
                if self.is_released(id, heading) {
                    let long = self.now_us - (*on_since).max(free_us);
                    let sound = long <= length.as_micros() + 1_000;
                    self.watch.hold(Rule::PulseBounded, sound, || format!("a pulse of {long} us"));
                }
            }
            return;
        }
        let held = door.drive == Drive::HoldWhileOpen && leaf.open && !leaf.contact_fault;
        let tells = door.kind.claims(door.contact, door.sensor).passage && !leaf.contact_fault;
        if held || leaf.rex || since_boot < S {
            self.state.at(id).allowed_us = self.now_us;
            return;
        }
        let most = if tells { TURN_US } else { CROWD * TURN_US };
        let long = self.now_us - at.allowed_us;
        self.watch.hold(Rule::OutputsBounded, long <= most + 1_000, || {
            format!("open {} ms after anything allowed it", long / 1_000)
        });
    }

    fn check_promises(&mut self, id: DoorId) {
        let Some(door) = self.door(id) else { return };
        let leaf = self.leaf(id);
        let tells = door.kind.claims(door.contact, door.sensor).passage;
        if !tells || leaf.contact_fault || leaf.rex_fault || leaf.rex {
            self.state.at(id).open_grants.clear();
        }
        let oldest = self.state.at(id).open_grants.first().copied();
        if let Some(at) = oldest {
            let long = self.now_us - at;
            self.watch.hold(Rule::GrantsEnd, long <= CROWD * TURN_US, || {
                format!("a grant of {} s ago has no end", long / S)
            });
        }
    }

    fn check_alarms(&mut self) {
        let repeat = self.plan.options.alarms.repeat.as_micros() + 1_000;
        let silent = self.state.unheard.iter().find(|(_, at)| self.now_us - **at > repeat);
        let silent = silent.map(|((.., alarm), _)| *alarm);
        if !self.state.unheard.is_empty() {
            self.watch
                .hold(Rule::AlarmsRepeat, silent.is_none(), || format!("{silent:?} is silent"));
        }
    }

    /// Straight after a restart: what was durable before is known again.
    pub(super) fn check_restart(&mut self) {
        let Some(gate) = self.gate.clone() else { return };
        let Some(list) = self.lists.get(self.list) else { return };
        let now = self.now();
        let facts: Vec<Fact> = self.disk.facts().cloned().collect();
        let floor = facts.iter().find_map(|f| match f {
            Fact::Floor { wall } => Some(wall.0),
            _ => None,
        });
        // A clock below the floor tells nothing about how long the power was gone.
        let wall = self.wall().filter(|w| w.0 >= floor.unwrap_or(0));
        let fire = facts.iter().any(|f| matches!(f, Fact::Fire { active: true }));
        for door in self.doors() {
            let at = self.state.at(door);
            (at.mode, at.mode_unsure) = (None, false);
        }
        self.state.fire_latched |= fire;
        for fact in &facts {
            match fact {
                Fact::Mode { door, set: Some(set) } => {
                    let mode = gate.mode(*door).unwrap_or(DoorMode::Locked);
                    let left =
                        set.until.zip(wall).map(|(until, wall)| until.0.saturating_sub(wall.0));
                    // It ended meanwhile, or nobody can say when it will.
                    let unsure = set.left.is_some() && left.is_none();
                    self.state.at(*door).mode_unsure = unsure;
                    if left == Some(0) || unsure {
                        continue;
                    }
                    let until = left.map(|ms| self.now_us + ms * 1_000);
                    self.state.at(*door).mode = Some((set.mode, until));
                    self.watch.hold(Rule::RestartKeepsMode, fire || mode == set.mode, || {
                        format!("{mode:?} after a restart in {:?}", set.mode)
                    });
                }
                Fact::Lockout { reader, count } => {
                    let slow = *count >= self.plan.options.lockout.after;
                    if slow && !self.has_keypad(self.door_at(*reader)) {
                        let Ok(format) = "h10301".parse() else { continue };
                        let card = CardNumber::new(format, 1);
                        let out = probe(&gate, now, wall, list, *reader, card);
                        self.watch.hold(Rule::RestartKeepsLockout, decisions(&out) == 0, || {
                            format!("quick after {count} unknown cards")
                        });
                    }
                }
                Fact::Spent { subject, uses } => {
                    let known = gate.uses(subject);
                    self.watch.hold(Rule::RestartKeepsUses, known == *uses, || {
                        format!("{known} uses are known of {uses}")
                    });
                }
                Fact::Inside { subject, since: Some(_) } => {
                    let hard = self.plan.options.passback.rule == PassbackRule::Hard;
                    let pin = self.has_keypad(DoorId(0));
                    let timeout = self.plan.options.passback.timeout.is_some();
                    let slow = facts.iter().any(|f| matches!(f, Fact::Lockout { count: 5.., .. }));
                    if hard && !pin && !timeout && !slow && self.is_plain_resident(subject) {
                        let Some(card) = self.card_of(subject) else { continue };
                        let out = probe(&gate, now, wall, list, outside(DoorId(0)), card);
                        let granted = out.iter().any(|c| matches!(c, Command::Switch { .. }));
                        self.watch.hold(Rule::RestartKeepsPassback, !granted, || {
                            "who is inside gets in again after a restart".into()
                        });
                    }
                }
                _ => {}
            }
        }
    }
}

/// What a card would get now.
fn probe(
    gate: &Gate,
    now: crate::domain::Instant,
    wall: Option<crate::domain::WallTime>,
    list: &List,
    reader: ReaderId,
    card: CardNumber,
) -> Vec<Command> {
    let mut other = gate.clone();
    let mut out = Vec::new();
    other.handle(now, wall, Input::Card { reader, card }, list, &mut out);
    out
}
