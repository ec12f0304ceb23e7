//! Door modes after ONVIF: what an operator set, what the schedule says, and which of them counts.

use super::Door;
use crate::access::desk::{Desk, Timer};
use crate::access::memory::{Fact, Set};
use crate::domain::{DoorMode, Duration, EventKind, OperatorId, SetBy, WallTime};

/// An operator's wish comes before the schedule's.
#[derive(Clone, Debug, Default)]
pub(in crate::access) struct Modes {
    ordered: Option<(DoorMode, OperatorId)>,
    scheduled: Option<DoorMode>,
    /// The free time is on, whether or not its first card has come.
    free_time: bool,
    first_card: bool,
}

impl Modes {
    pub(in crate::access) fn current(&self) -> DoorMode {
        match (&self.ordered, self.scheduled) {
            (Some((mode, _)), _) => *mode,
            (None, Some(mode)) => mode,
            (None, None) => DoorMode::Locked,
        }
    }

    pub(super) fn holds_open(&self) -> bool {
        matches!(self.current(), DoorMode::Unlocked | DoorMode::LockedOpen)
    }

    /// Nobody gets in. Whoever wants out still does.
    pub(in crate::access) fn refuses(&self) -> bool {
        matches!(self.current(), DoorMode::Blocked | DoorMode::LockedDown)
    }

    /// ONVIF: obeys nothing but the end of itself.
    pub(in crate::access) fn is_sealed(&self) -> bool {
        matches!(self.ordered, Some((DoorMode::LockedDown | DoorMode::LockedOpen, _)))
    }

    fn by(&self) -> SetBy {
        match &self.ordered {
            Some((_, operator)) => SetBy::Operator(operator.clone()),
            None => SetBy::Schedule,
        }
    }
}

impl Door {
    /// An operator sets a mode, unless the one in force must be ended first, or it is none to be set.
    pub(in crate::access) fn set_mode(
        &mut self,
        mode: DoorMode,
        by: OperatorId,
        lasting: Option<Duration>,
        desk: &mut Desk,
    ) {
        if self.modes.is_sealed() || mode == DoorMode::Accessed {
            return;
        }
        let until = lasting.and_then(|left| Some(WallTime(desk.wall?.0 + left.as_millis())));
        desk.keep(Fact::Mode {
            door: self.id,
            set: Some(Set { mode, by: by.clone(), left: lasting, until }),
        });
        self.change(desk, until, |modes| modes.ordered = Some((mode, by)));
        match lasting {
            Some(lasting) => desk.arm(Timer::Mode(self.id), lasting),
            None => desk.timers.disarm(Timer::Mode(self.id)),
        }
    }

    /// The schedule counts again.
    pub(in crate::access) fn end_mode(&mut self, desk: &mut Desk) {
        if self.modes.ordered.is_none() {
            return;
        }
        desk.timers.disarm(Timer::Mode(self.id));
        desk.keep(Fact::Mode { door: self.id, set: None });
        self.change(desk, None, |modes| modes.ordered = None);
    }

    /// After a restart. What was to end meanwhile has ended.
    pub(in crate::access) fn restore_mode(&mut self, set: Set, desk: &mut Desk) {
        let left = match (set.until, desk.wall) {
            (Some(until), Some(wall)) => {
                Some(Duration::from_millis(until.0.saturating_sub(wall.0)))
            }
            _ => set.left,
        };
        self.modes.ordered = Some((set.mode, set.by));
        if let Some(left) = left {
            desk.arm(Timer::Mode(self.id), left);
        }
    }

    pub(in crate::access) fn restore_first_card(&mut self, seen: bool) {
        self.modes.first_card = seen;
    }

    /// What the schedule says now. Without a trusted time it says nothing.
    pub(in crate::access) fn schedule(&mut self, free: bool, locked_down: bool, desk: &mut Desk) {
        if !free && self.modes.first_card && desk.wall.is_some() {
            self.modes.first_card = false;
            desk.keep(Fact::FirstCard { door: self.id, seen: false });
        }
        self.modes.free_time = free;
        let open = free && (!self.options.first_card || self.modes.first_card);
        let scheduled = match (locked_down, open) {
            (true, _) => Some(DoorMode::LockedDown),
            (false, true) => Some(DoorMode::Unlocked),
            (false, false) => None,
        };
        if scheduled != self.modes.scheduled {
            self.change(desk, None, |modes| modes.scheduled = scheduled);
        }
    }

    /// A resident has come in: where that begins the free time, it begins.
    pub(in crate::access) fn first_card(&mut self, desk: &mut Desk) {
        if self.options.first_card && self.modes.free_time && !self.modes.first_card {
            self.modes.first_card = true;
            desk.keep(Fact::FirstCard { door: self.id, seen: true });
            if self.modes.scheduled.is_none() {
                self.change(desk, None, |modes| modes.scheduled = Some(DoorMode::Unlocked));
            }
        }
    }

    fn change(&mut self, desk: &mut Desk, until: Option<WallTime>, edit: impl FnOnce(&mut Modes)) {
        let (before, by_before) = (self.modes.current(), self.modes.by());
        edit(&mut self.modes);
        let (mode, by) = (self.modes.current(), self.modes.by());
        if mode == before && by == by_before && until.is_none() {
            return;
        }
        let door = self.id;
        desk.record(EventKind::DoorModeChanged { door, mode, by: Some(by), until });
        if self.modes.refuses() {
            self.withdraw(desk);
        }
        self.freedom_changed(desk);
    }
}
