//! The second opinion on grants and refusals: by whose right, on how many factors, through which other
//! doors. It knows the rules in other words than the gate's.

use super::gates::TWO_FACTORS;
use super::plan::{inside, outside};
use super::site::whose;
use super::turn::S;
use super::watch::Rule;
use super::world::World;
use crate::access::{Command, Fact, FactKey, Hours, Input, PassbackRule, UntrustedClock};
use crate::domain::{
    Alarm, Directory, DoorId, DoorMode, Event, EventKind, Heading, LineState, Liveness, ReaderId,
    Reason, Signal, SubjectId, WallTime, Way, Wire,
};

/// How long something that was shown may wait for its decision.
const SHOWN_US: u64 = 60 * S;

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
        list: usize,
        /// The time when it was asked for, as far as it was known.
        asked: Option<WallTime>,
    },
    /// A card inside.
    Leaving,
    Other,
}

impl World<'_> {
    /// Whose right a grant may rest on.
    pub(super) fn cause(&mut self, input: &Input) -> Cause {
        let now_us = self.now_us;
        self.state.shown.retain(|(at, ..)| now_us - at < SHOWN_US);
        let list = self.lists.get(self.list);
        match input {
            Input::Card { reader, card } if *reader == outside(self.door_at(*reader)) => {
                let who = list.and_then(|l| l.card(card)).map(|r| r.subject);
                if who.is_none() {
                    self.state.unknown_us = now_us;
                }
                self.state.shown.extend(who.map(|who| (now_us, who, Way::Card)));
                Cause::Shown(who)
            }
            Input::Face(seen) => {
                let fresh = self.now().since(seen.captured_at).as_micros() <= S;
                let lives = seen.liveness != Liveness::NotShown;
                let who = seen.subject.filter(|_| fresh && lives);
                self.state.shown.extend(who.map(|who| (now_us, who, Way::Face)));
                Cause::Face { who, fresh, lives }
            }
            Input::Kept { ticket, durable } => match self.state.tickets.remove(ticket) {
                Some((who, uses, list, asked)) => {
                    Cause::Kept { who, uses, durable: *durable, list, asked }
                }
                None => Cause::Other,
            },
            Input::Card { .. } => Cause::Leaving,
            _ => Cause::Other,
        }
    }

    /// Whether somebody may pass at a moment of the wall: the rules, in other words than the gate's.
    fn may_pass(&self, who: &SubjectId, wall: Option<WallTime>, list: usize) -> bool {
        let Some(person) = self.plan.people.get(whose(who)) else { return false };
        if person.removed_in.is_some_and(|gone| list >= gone) {
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

    /// What the machine says the time is, unless it lies below what is kept.
    pub(super) fn known_wall(&self) -> Option<WallTime> {
        let floor = match self.disk.fact(FactKey::Floor) {
            Some(Fact::Floor { wall }) => wall.0,
            _ => 0,
        };
        self.wall().filter(|wall| wall.0 + 2_000 >= floor)
    }

    pub(super) fn check_wall(&mut self, event: &Event) {
        let Some(wall) = event.wall else { return };
        let floor = match self.disk.fact(FactKey::Floor) {
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

    pub(super) fn granted(
        &mut self,
        door: DoorId,
        way: Way,
        cause: &Cause,
        wall: Option<WallTime>,
    ) {
        let whom = match (way, cause) {
            (Way::Rex | Way::Operator, _) | (_, Cause::Leaving) => return,
            (Way::Card, Cause::Shown(Some(who))) | (_, Cause::Kept { who, .. }) => vec![*who],
            (Way::Face, Cause::Face { who, fresh, lives }) => {
                let sound = *fresh && *lives;
                self.watch.hold(Rule::FaceLives, sound, || "stale or no living face".into());
                who.iter().copied().collect()
            }
            // A card that waited for its PIN, for its face, or at a slowed reader; or one who leaves.
            (Way::Card, _) => self.state.shown.iter().map(|(_, who, _)| *who).collect(),
            (Way::Face, _) => Vec::new(),
        };
        self.check_factors(door, &whom, cause, wall);
        self.check_other_rules(door, &whom, cause);
        // A use is decided when it is asked for; meanwhile the clock may be lost, or the hours be over.
        let (list, asked) = match cause {
            Cause::Kept { list, asked, .. } => (*list, *asked),
            _ => (self.list, wall),
        };
        let may = |who| self.may_pass(who, wall, list) || self.may_pass(who, asked, list);
        let sound = whom.iter().any(may);
        self.watch.hold(Rule::GrantNeedsRight, sound, || format!("let in by {way:?}: {cause:?}"));
        if let Cause::Kept { who, uses, durable, .. } = cause {
            let kept = match self.disk.fact(FactKey::Spent(*who)) {
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

    pub(super) fn denied(&mut self, door: DoorId, reason: Reason, cause: &Cause) {
        let Cause::Shown(Some(who)) = cause else { return };
        let Some(person) = self.plan.people.get(whose(who)) else { return };
        if !person.is_unlimited() || person.removed_in.is_some_and(|gone| self.list >= gone) {
            return;
        }
        let passback = self.plan.options.passback.rule == PassbackRule::Hard;
        let crowd = self.state.at(door).open_grants.len() >= 8;
        if self.has_keypad(door) {
            // It may be the card before this one, which gets no PIN any more.
            return;
        }
        let holds = match reason {
            Reason::NotPermittedAtThisTime => true,
            Reason::Unauthorized => passback,
            // At a slowed reader it is the one displaced.
            Reason::Other => {
                let guessed = self.now_us - self.state.unknown_us < 120 * S;
                // What a full disk or a power cut left of it: slow from the start, for as long as that takes to calm.
                let slow_at_start = self.now().0 < 120 * S
                    && self.disk.fact(FactKey::Lockout(outside(door))).is_some();
                crowd || self.is_other_in_use(door) || guessed || slow_at_start
            }
            _ => false,
        };
        self.watch.hold(Rule::ResidentGetsIn, holds, || {
            format!("a resident's card is denied: {reason:?}")
        });
    }

    pub(super) fn has_keypad(&self, door: DoorId) -> bool {
        let reader = self.plan.options.readers.get(usize::from(outside(door).0));
        reader.is_some_and(|r| r.pin.is_some())
    }

    /// Doors that are interlocked with this one.
    fn others(&self, door: DoorId) -> Vec<DoorId> {
        let with = self.plan.options.interlocks.iter().filter(|doors| doors.contains(&door));
        with.flatten().copied().filter(|other| *other != door).collect()
    }

    /// Somebody may be in the other door of an interlock.
    fn is_other_in_use(&self, door: DoorId) -> bool {
        self.others(door).into_iter().any(|other| {
            let at = self.state.doors.get(usize::from(other.0));
            let leaf = self.leaf(other);
            leaf.open
                || leaf.contact_fault
                || Heading::BOTH.iter().any(|h| self.is_released(other, *h))
                || at.is_some_and(|at| !at.open_grants.is_empty())
        })
    }

    /// Where and when a card alone isn't enough.
    fn wants_two(&self, door: DoorId, wall: Option<WallTime>) -> bool {
        let reader = self.plan.options.readers.get(usize::from(outside(door).0));
        match reader.and_then(|r| r.pin).map(|pin| pin.hours) {
            Some(Hours::Always) => true,
            // What was shown before they began counts as it did then.
            Some(Hours::Profile(TWO_FACTORS)) => {
                wall.is_some_and(|w| (1_202..1_440).contains(&(w.0 / 60_000 % 1_440)))
            }
            _ => false,
        }
    }

    fn check_factors(
        &mut self,
        door: DoorId,
        whom: &[SubjectId],
        cause: &Cause,
        wall: Option<WallTime>,
    ) {
        let shifts = self.wall_off != Some(0) || self.wall_lost > 0;
        if !self.wants_two(door, wall) || shifts || matches!(cause, Cause::Kept { .. }) {
            return;
        }
        let now_us = self.now_us;
        let shown = |who: &SubjectId, way: Way| {
            self.state.shown.iter().any(|(_, w, by)| w == who && *by == way)
        };
        let typed = |who: &SubjectId| {
            self.state.pins.iter().any(|(at, w)| w == who && now_us - at < SHOWN_US)
        };
        let both =
            |who: &&SubjectId| shown(who, Way::Card) && (typed(who) || shown(who, Way::Face));
        let sound = whom.iter().find(both).is_some();
        self.watch.hold(Rule::TwoFactors, sound, || format!("one factor opened: {cause:?}"));
    }

    /// Interlock, anti-passback, lock-down.
    fn check_other_rules(&mut self, door: DoorId, whom: &[SubjectId], cause: &Cause) {
        for other in self.others(door) {
            let leaf = self.leaf(other);
            let free = self.state.fire_latched || self.fire != LineState::Normal;
            let held = !free && Heading::BOTH.iter().any(|h| self.is_released(other, *h));
            let sound = leaf.contact_fault || !leaf.open && !held;
            self.watch.hold(Rule::InterlockHolds, sound, || {
                format!("let in at door {} while door {} is in use", door.0, other.0)
            });
        }
        let passback = self.plan.options.passback;
        let at_once = matches!(cause, Cause::Shown(_) | Cause::Face { .. });
        if let (PassbackRule::Hard, None, true, [who]) =
            (passback.rule, passback.timeout, at_once, whom)
        {
            let inside = self.state.inside.get(who).copied().unwrap_or(false);
            self.watch.hold(Rule::PassbackKeepsOut, !inside, || {
                format!("{} is inside and was let in once more", whose(who))
            });
        }
    }

    /// What must be so after an input, whoever was let in or not.
    pub(super) fn check_ways(&mut self, input: &Input, out: &[Command]) {
        match input {
            Input::Card { reader, .. } => {
                let door = self.door_at(*reader);
                let leaves = *reader == inside(door);
                let opened = self.leaf(door).open || self.is_unlocked(door, Heading::Out);
                if leaves && self.plan.options.passback.rule != PassbackRule::Off {
                    self.watch.hold(Rule::PassbackLetsOut, opened, || {
                        "anti-passback against one who leaves".into()
                    });
                }
                if self.is_locked_down(door) && leaves {
                    self.watch.hold(Rule::LockDownLetsOut, opened, || "locked in".into());
                } else if self.is_locked_down(door) {
                    self.check_locked_down(door, out);
                }
            }
            Input::Face(_) if self.is_locked_down(super::plan::WATCHED) => {
                self.check_locked_down(super::plan::WATCHED, out);
            }
            Input::Line { door: Some(door), line: Wire::Rex, state: LineState::Active }
                if self.is_locked_down(*door) =>
            {
                let opened = self.leaf(*door).open || self.is_unlocked(*door, Heading::Out);
                self.watch.hold(Rule::LockDownLetsOut, opened, || "locked in".into());
            }
            _ => {}
        }
    }

    fn check_locked_down(&mut self, door: DoorId, out: &[Command]) {
        let lets_in = |c: &Command| {
            let Command::Record(Event { what, .. }) = c else { return false };
            let EventKind::AccessGranted { door: at, way } = what else { return false };
            *at == door && *way != Way::Rex
        };
        let sound = !out.iter().any(lets_in);
        self.watch.hold(Rule::LockDownKeepsOut, sound, || "let in at a locked-down door".into());
    }

    /// By an order that is still in force, and no fire.
    fn is_locked_down(&self, door: DoorId) -> bool {
        let free = self.state.fire_latched || self.fire != LineState::Normal;
        let unsure = self.state.doors.get(usize::from(door.0)).is_none_or(|at| at.mode_unsure);
        let mode = self.mode_now(door);
        !free && !unsure && matches!(mode, Some(DoorMode::Blocked | DoorMode::LockedDown))
    }

    /// Somebody types the PIN that calls for help. Nothing at the gate may tell it from the right one.
    pub(super) fn under_threat(&mut self, reader: ReaderId, who: usize) {
        let (now, wall) = (self.now(), self.wall());
        let Some(mut calm) = self.gate.clone() else { return };
        let Some(list) = self.lists.get(self.list) else { return };
        let mut without = Vec::new();
        for key in super::acts::keys_of(super::site::pin_of(who, false)) {
            calm.handle(now, wall, Input::Key { reader, key }, list, &mut without);
        }
        self.heard = Some(Vec::new());
        self.state.typed(self.now_us, who);
        self.keys(reader, super::site::pin_of(who, true));
        let with = self.heard.take().unwrap_or_default();
        let granted = |c: &&Command| matches!(c, Command::Show { signal: Signal::Granted, reader: r } if *r == reader);
        if without.iter().find(granted).is_none() {
            return;
        }
        let calls = |c: &Command| {
            let Command::Record(Event { what, .. }) = c else { return false };
            matches!(what, EventKind::Duress { .. })
        };
        let about = |c: &Command| match c {
            Command::Record(Event { what, .. }) => matches!(
                what,
                EventKind::Duress { .. }
                    | EventKind::AlarmRaised { alarm: Alarm::Duress, .. }
                    | EventKind::AlarmCleared { alarm: Alarm::Duress, .. }
            ),
            Command::Keep(Fact::Alarm { alarm, .. }) => *alarm == Alarm::Duress,
            _ => false,
        };
        let silent: Vec<_> = with.iter().filter(|c| !about(c)).cloned().collect();
        let sound = with.iter().any(calls) && silent == without;
        self.watch.hold(Rule::DuressOpensAndCalls, sound, || {
            format!("{with:?} under threat, {without:?} without")
        });
    }
}
