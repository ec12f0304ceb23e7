//! Fire: doors open at once, whatever else is going on. The release itself is hard-wired; this follows it,
//! keeps the books, and decides when doors lock again.
//!
//! A fault after an alarm is taken for the fire itself: it burns through wires.

use super::Gate;
use super::memory::Fact;
use super::options::{FireCut, FireRelock};
use crate::domain::{Alarm, EventKind, LineState, Wire};

impl Gate {
    pub(super) fn fire_line(&mut self, state: LineState) {
        let options = self.options.fire;
        let known = self.fire_line.replace(state).is_some();
        if known || state != LineState::Normal {
            self.desk.record(EventKind::LineChanged { door: None, line: Wire::Fire, state });
        }
        self.desk.set_alarm(None, None, Alarm::FireLine, state.is_fault());
        match state {
            LineState::Active => self.desk.set_alarm(None, None, Alarm::Fire, true),
            LineState::Normal => self.desk.set_alarm(None, None, Alarm::Fire, false),
            LineState::Cut | LineState::Short => {}
        }
        let open = match state {
            LineState::Active => true,
            LineState::Cut | LineState::Short => self.desk.fire || options.cut == FireCut::Unlock,
            LineState::Normal => self.desk.fire && options.relock == FireRelock::ByOrder,
        };
        self.set_fire(open);
    }

    /// An operator says that it is over; it is not while the panel says otherwise.
    pub(super) fn end_fire(&mut self) {
        if self.fire_line.is_none_or(|state| state == LineState::Normal) {
            self.set_fire(false);
        }
    }

    fn set_fire(&mut self, active: bool) {
        if active == self.desk.fire {
            return;
        }
        self.desk.fire = active;
        self.desk.keep(Fact::Fire { active });
        for door in &mut self.doors {
            door.freedom_changed(&mut self.desk);
        }
    }
}
