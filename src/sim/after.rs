//! After each input: outputs, modes, promises and deadlines; and after a restart, what must still be known.

use super::site::{List, whose};
use super::turn::{Before, CROWD, DOOR, S, TURN_US};
use super::watch::Rule;
use super::world::World;
use crate::access::{
    Command, Drive, Fact, FireCut, FireRelock, Gate, Input, Order, Output, PassbackRule,
};
use crate::domain::{
    CardNumber, DoorMode, Event, EventKind, Heading, LineState, ReaderId, Signal, SubjectId, Way,
    Wire,
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
        self.watch.hold(Rule::NoDeadlineLost, deadline.is_none_or(|d| d > now), || {
            format!("due at {deadline:?}, now {now:?}")
        });
        self.note(input, out);
        self.check_presentation(gate, input, before, out);
        let mode = gate.mode(DOOR).unwrap_or(DoorMode::Locked);
        self.check_fire();
        self.check_outputs(mode);
        self.check_promises();
    }

    /// What the second opinion learns from the input itself.
    fn note(&mut self, input: &Input, out: &[Command]) {
        self.state.fire_told |= matches!(input, Input::Line { line: Wire::Fire, .. });
        match input {
            Input::Order { order: Order::SetMode { mode, lasting, .. }, .. } => {
                let sealed = |m: DoorMode| matches!(m, DoorMode::LockedDown | DoorMode::LockedOpen);
                if !self.mode_now().is_some_and(sealed) && *mode != DoorMode::Accessed {
                    let until = lasting.map(|l| self.now_us + l.as_micros());
                    self.state.mode = Some((*mode, until));
                }
            }
            Input::Order { order: Order::EndMode { .. }, .. } => self.state.mode = None,
            Input::Order { order: Order::EndFire, .. } if self.fire == LineState::Normal => {
                self.state.fire_latched = false;
            }
            Input::Line { line: Wire::Fire, state, .. } if *state != LineState::Normal => {
                self.state.fire_latched = true;
            }
            Input::Line { line: Wire::Rex, .. } => self.state.allowed_us = self.now_us,
            Input::Line { line: Wire::Contact, state, .. } if state.is_fault() => {
                self.state.allowed_us = self.now_us;
            }
            Input::Card { .. } if decisions(out) == 0 => self.state.allowed_us = self.now_us,
            _ => {}
        }
    }

    fn mode_now(&self) -> Option<DoorMode> {
        let (mode, until) = self.state.mode?;
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
            Input::Card { reader: ReaderId(0), card } => {
                let pin = self.plan.options.readers.first().is_some_and(|r| r.pin.is_some());
                let many = decisions(out);
                let waits = |c: &Command| matches!(c, Command::KeepFirst { .. });
                let later = self.now_us - self.state.allowed_us <= CROWD * TURN_US;
                let sound = many == 1 || pin && many <= 2 || out.iter().any(waits) || later;
                self.watch.hold(Rule::OneRecord, sound && (pin || many <= 1), || {
                    format!("{many} decisions for a card")
                });
                if many == 0 && !pin {
                    self.check_slow(gate, card, out);
                }
            }
            Input::Line { line: Wire::Rex, state: LineState::Active, .. }
            | Input::Card { reader: ReaderId(1), .. } => {
                let sound = self.open || self.is_unlocked(Heading::Out);
                self.watch
                    .hold(Rule::ExitNeverDenied, sound, || "asked to leave, and locked".into());
            }
            _ => {}
        }
    }

    /// A card that waits at a slowed reader: what will become of it?
    fn check_slow(&mut self, gate: &Gate, card: &CardNumber, out: &[Command]) {
        let shown = |c: &Command| matches!(c, Command::Show { reader: ReaderId(0), .. });
        let Some(list) = self.lists.get(self.list) else { return };
        let who = crate::domain::Directory::card(list, card).map(|r| r.subject);
        let Some(who) = who.filter(|who| self.is_plain_resident(who)) else { return };
        if out.iter().any(shown) || gate.mode(DOOR) != Some(DoorMode::Locked) {
            return;
        }
        let wall = self.wall();
        let mut later = gate.clone();
        let end = self.now() + crate::domain::Duration::from_micros(45 * S);
        let mut opened = false;
        while let Some(due) = later.deadline().filter(|due| *due <= end) {
            let mut out = Vec::new();
            later.handle(due, wall, Input::Tick, list, &mut out);
            let granted = |c: &Command| {
                matches!(c, Command::Show { reader: ReaderId(0), signal: Signal::Granted })
            };
            opened |= out.iter().any(granted);
        }
        let passback = self.plan.options.passback.rule == PassbackRule::Hard;
        let scheduled = self.plan.options.doors.first().is_some_and(|d| d.lock_down.is_some());
        self.watch.hold(Rule::SlowAnswersAll, opened || passback || scheduled, || {
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
            let sound = self.is_released(Heading::In) && self.is_released(Heading::Out);
            self.watch.hold(Rule::FireUnlocks, sound, || "locked in a fire".into());
        }
        let by_order = self.plan.options.fire.relock == FireRelock::ByOrder;
        if self.fire == LineState::Normal && !by_order {
            self.state.fire_latched = false;
        }
    }

    fn check_outputs(&mut self, mode: DoorMode) {
        let Some(door) = self.plan.options.doors.first() else { return };
        let released = Heading::BOTH.map(|h| self.is_released(h));
        if !released.contains(&true) {
            return;
        }
        let since_boot = self.now().0 - 1_000_000;
        if matches!(mode, DoorMode::Unlocked | DoorMode::LockedOpen) {
            let wall = self.wall().map(|w| w.0 / 60_000 % 1_440);
            let ordered =
                matches!(self.mode_now(), Some(DoorMode::Unlocked | DoorMode::LockedOpen));
            let scheduled = door.unlock.is_some() && wall.is_some_and(|m| (539..661).contains(&m));
            let fire = self.fire != LineState::Normal || self.state.fire_latched;
            let sound = ordered || scheduled || fire || since_boot < S || self.state.mode_unsure;
            self.watch.hold(Rule::FreeOnlyWithCause, sound, || format!("{mode:?} without a cause"));
            return;
        }
        if let Drive::Pulse { length } = door.drive {
            for (output, on_since) in &self.state.on_since.clone() {
                let heading =
                    if matches!(output, Output::LockOut(_)) { Heading::Out } else { Heading::In };
                if self.is_released(heading) {
                    let long = self.now_us - (*on_since).max(self.state.free_us);
                    let sound = long <= length.as_micros() + 1_000;
                    self.watch.hold(Rule::PulseBounded, sound, || format!("a pulse of {long} us"));
                }
            }
            return;
        }
        let held = door.drive == Drive::HoldWhileOpen && self.open && !self.contact_fault;
        if held || self.rex || since_boot < S {
            self.state.allowed_us = self.now_us;
            return;
        }
        let tells = door.kind.claims(door.contact, door.sensor).passage && !self.contact_fault;
        let most = if tells { TURN_US } else { CROWD * TURN_US };
        let long = self.now_us - self.state.allowed_us;
        self.watch.hold(Rule::OutputsBounded, long <= most + 1_000, || {
            format!("open {} ms after anything allowed it", long / 1_000)
        });
    }

    fn check_promises(&mut self) {
        let Some(door) = self.plan.options.doors.first() else { return };
        let tells = door.kind.claims(door.contact, door.sensor).passage;
        if !tells || self.contact_fault || self.rex_fault || self.rex {
            self.state.open_grants.clear();
        }
        let oldest = self.state.open_grants.first().copied();
        if let Some(at) = oldest {
            let long = self.now_us - at;
            self.watch.hold(Rule::GrantsEnd, long <= CROWD * TURN_US, || {
                format!("a grant of {} s ago has no end", long / S)
            });
        }
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
        let facts: Vec<Fact> = self.disk.facts.values().cloned().collect();
        let floor = facts.iter().find_map(|f| match f {
            Fact::Floor { wall } => Some(wall.0),
            _ => None,
        });
        // A clock below the floor tells nothing about how long the power was gone.
        let wall = self.wall().filter(|w| w.0 >= floor.unwrap_or(0));
        let mode = gate.mode(DOOR).unwrap_or(DoorMode::Locked);
        let fire = facts.iter().any(|f| matches!(f, Fact::Fire { active: true }));
        (self.state.mode, self.state.mode_unsure) = (None, false);
        self.state.fire_latched |= fire;
        for fact in &facts {
            match fact {
                Fact::Mode { set: Some(set), .. } => {
                    let left =
                        set.until.zip(wall).map(|(until, wall)| until.0.saturating_sub(wall.0));
                    // It ended meanwhile, or nobody can say when it will.
                    self.state.mode_unsure = set.left.is_some() && left.is_none();
                    if left == Some(0) || self.state.mode_unsure {
                        continue;
                    }
                    self.state.mode = Some((set.mode, left.map(|ms| self.now_us + ms * 1_000)));
                    self.watch.hold(Rule::RestartKeepsMode, fire || mode == set.mode, || {
                        format!("{mode:?} after a restart in {:?}", set.mode)
                    });
                }
                Fact::Lockout { reader: ReaderId(0), count } => {
                    let slow = *count >= self.plan.options.lockout.after;
                    let pin = self.plan.options.readers.first().is_some_and(|r| r.pin.is_some());
                    if slow && !pin {
                        let Ok(format) = "h10301".parse() else { continue };
                        let card = CardNumber::new(format, 1);
                        let out = probe(&gate, now, wall, list, card);
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
                    let pin = self.plan.options.readers.first().is_some_and(|r| r.pin.is_some());
                    let timeout = self.plan.options.passback.timeout.is_some();
                    let slow = facts.iter().any(|f| matches!(f, Fact::Lockout { count: 5.., .. }));
                    if hard && !pin && !timeout && !slow && self.is_plain_resident(subject) {
                        let Some(card) = self.card_of(subject) else { continue };
                        let out = probe(&gate, now, wall, list, card);
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
    card: CardNumber,
) -> Vec<Command> {
    let mut other = gate.clone();
    let mut out = Vec::new();
    other.handle(now, wall, Input::Card { reader: ReaderId(0), card }, list, &mut out);
    out
}
