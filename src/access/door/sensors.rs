//! What a door's wires say, and what follows: opened, closed, passed, asked to leave, left open, at fault.

use super::{Door, DoorKind, Drive, Leaf};
use crate::access::desk::{Desk, Timer};
use crate::access::passage::{Grant, Release};
use crate::domain::{Alarm, Duration, EventKind, Heading, Instant, LineState, Way, Wire};

/// Whoever comes in so soon after somebody who was let in came in behind them.
const CLOSE_BEHIND: Duration = Duration::from_secs(3);

impl Door {
    /// Takes a change of one of this door's wires.
    pub(in crate::access) fn wire(&mut self, wire: Wire, state: LineState, desk: &mut Desk) {
        self.note_fault(wire, state, desk);
        let active = match state {
            LineState::Normal => false,
            LineState::Active => true,
            LineState::Cut | LineState::Short => return,
        };
        match wire {
            Wire::Contact if active => self.opened(desk),
            Wire::Contact => self.closed(desk),
            Wire::Rex => self.rex(active, desk),
            Wire::OuterBeam | Wire::InnerBeam => {
                if let Some(heading) = self.beams.set(wire == Wire::OuterBeam, active) {
                    self.passed(heading, desk);
                }
            }
            Wire::PassedIn if active => self.passed(Heading::In, desk),
            Wire::PassedOut if active => self.passed(Heading::Out, desk),
            _ => {}
        }
    }

    /// A line at fault says nothing: what it said before is not relied on, and nothing is claimed by it.
    fn note_fault(&mut self, wire: Wire, state: LineState, desk: &mut Desk) {
        let door = self.id;
        let changed =
            if state.is_fault() { self.faults.insert(wire) } else { self.faults.remove(&wire) };
        if !changed && !state.is_fault() {
            // At the start this ends an alarm from before it.
            return desk.set_alarm(Some(door), None, Alarm::LineFault, !self.faults.is_empty());
        }
        desk.record(EventKind::LineChanged { door: Some(door), line: wire, state });
        let faulty = !self.faults.is_empty();
        desk.set_alarm(Some(door), None, Alarm::LineFault, faulty);
        if !state.is_fault() {
            return;
        }
        match wire {
            Wire::Contact => {
                self.leaf = Leaf::Unknown;
                self.stop_watching(desk);
                // Nobody can tell any more when it closes, so the hold ends with time.
                for at in Heading::BOTH {
                    let ends = desk.now + self.options.open;
                    let lane = self.lane(at);
                    if lane.release == Release::WhileOpen {
                        lane.release = Release::Until(ends);
                        desk.timers.arm(Timer::Turn(door, at), ends);
                    }
                }
            }
            Wire::OuterBeam | Wire::InnerBeam => self.beams.forget(),
            Wire::Rex => self.rex_ends(desk),
            _ => {}
        }
    }

    fn opened(&mut self, desk: &mut Desk) {
        if self.leaf == Leaf::Open {
            return;
        }
        let was_closed = self.leaf == Leaf::Closed;
        self.leaf = Leaf::Open;
        let expected =
            self.rex || self.lanes.iter().any(|lane| !lane.is_idle() || lane.is_pulsing());
        let held_after = self.options.held_after;
        if expected || self.is_free(desk) {
            (self.admitted, self.tail) = (Some(desk.now), 0);
        } else if was_closed {
            desk.raise(self.id, Alarm::DoorForced);
        }
        if !self.is_free(desk) {
            self.watch_open(held_after, desk);
        }
        let only_one = self.lanes.iter().map(|lane| lane.waiting.len()).sum::<usize>() == 1;
        for at in Heading::BOTH {
            let relock = self.options.relock_on_open && only_one;
            let lane = self.lane(at);
            let Some(turn) = &mut lane.turn else { continue };
            turn.open_seen = true;
            // Where passages are sensed, the lock lets go of the leaf and the grant waits for its passage.
            if relock {
                lane.release = Release::Shut;
            }
        }
        if self.claims.passage && !self.claims.direction {
            self.take(Heading::In, desk);
        }
    }

    fn closed(&mut self, desk: &mut Desk) {
        if self.leaf == Leaf::Closed {
            return;
        }
        self.leaf = Leaf::Closed;
        // Whoever followed may still be on the way through the beams.
        self.admitted = self.admitted.map(|_| desk.now);
        self.stop_watching(desk);
        desk.clear(self.id, Alarm::DoorForced);
        desk.clear(self.id, Alarm::DoorHeld);
        for at in Heading::BOTH {
            let lane = self.lane(at);
            // It opened, it shut, and whoever may pass has not: the door is theirs until their turn ends.
            if let (Some(turn), Release::Shut) = (lane.turn, lane.release) {
                lane.release = Release::Until(turn.ends);
            }
            // Held open and used: now it may be locked.
            let used = lane.waiting.is_empty();
            if used && self.options.drive == Drive::HoldWhileOpen {
                self.lane(at).release = Release::Shut;
                desk.timers.disarm(Timer::Turn(self.id, at));
            }
        }
        self.exit_goes_on(desk);
    }

    /// Somebody went through, as a passage sensor tells.
    fn passed(&mut self, heading: Heading, desk: &mut Desk) {
        let door = self.id;
        if self.lane(heading).turn.is_some() {
            if self.leaf != Leaf::Open {
                self.tail = 0;
            }
            self.admitted = Some(desk.now);
            return self.take(heading, desk);
        }
        if self.is_free(desk) {
            return;
        }
        if self.lane(heading.opposite()).turn.is_some() {
            return desk.record(EventKind::WrongWay { door });
        }
        if heading == Heading::Out {
            // Leaving needs no grant.
            return;
        }
        let close_behind =
            |at: Instant| self.leaf == Leaf::Open || desk.now.since(at) <= CLOSE_BEHIND;
        if self.admitted.is_some_and(close_behind) {
            self.admitted = Some(desk.now);
            self.tail = self.tail.saturating_add(1);
            desk.record(EventKind::Tailgating { door, count: self.tail });
        } else if !self.options.contact {
            // Over the turnstile; there is no leaf whose closing would clear it.
            desk.raise(door, Alarm::DoorForced);
            desk.clear(door, Alarm::DoorForced);
        }
    }

    fn rex(&mut self, asked: bool, desk: &mut Desk) {
        if !asked {
            return self.rex_ends(desk);
        }
        if !self.rex {
            self.rex = true;
            let held = desk.alarms_exit_held();
            desk.arm(Timer::ExitHeld(self.id), held);
            self.let_out(Way::Rex, desk);
        }
    }

    fn rex_ends(&mut self, desk: &mut Desk) {
        self.rex = false;
        desk.timers.disarm(Timer::ExitHeld(self.id));
        desk.clear(self.id, Alarm::ExitHeld);
    }

    pub(in crate::access) fn exit_held(&mut self, desk: &mut Desk) {
        desk.raise(self.id, Alarm::ExitHeld);
    }

    /// Exit is never denied, whatever else goes on.
    pub(in crate::access) fn let_out(&mut self, way: Way, desk: &mut Desk) {
        let Times { window, held_after } = self.times(false);
        let heading = Heading::Out;
        let grant = Grant { way, who: None, heading, window, held_after, limited: false };
        if self.grant(grant, desk) == super::Given::Full {
            // So many are on their way out already that the lock stays released for this one too.
            self.renew(self.lane_of(heading), desk);
        }
    }

    /// While request to exit is active and the door is shut, somebody can leave.
    pub(super) fn exit_goes_on(&mut self, desk: &mut Desk) {
        let at = self.lane_of(Heading::Out);
        if self.rex && self.leaf != Leaf::Open && self.lane(at).waiting.is_empty() {
            self.let_out(Way::Rex, desk);
        }
    }

    /// The door stands open and ought not to for long.
    pub(super) fn watch_open(&mut self, held_after: Duration, desk: &mut Desk) {
        desk.arm(Timer::Held(self.id), held_after);
        if let Some(before) = self.options.warn_before {
            let warn =
                Duration::from_micros(held_after.as_micros().saturating_sub(before.as_micros()));
            desk.arm(Timer::HeldWarning(self.id), warn);
        }
    }

    pub(super) fn stop_watching(&mut self, desk: &mut Desk) {
        desk.timers.disarm(Timer::Held(self.id));
        desk.timers.disarm(Timer::HeldWarning(self.id));
        self.warning = false;
    }

    /// Whether it may stand open has changed: a fire, a mode.
    pub(in crate::access) fn freedom_changed(&mut self, desk: &mut Desk) {
        let (was_free, is_free) = (self.was_free, self.is_free(desk));
        self.was_free = is_free;
        for at in Heading::BOTH {
            // Its pulse went by unnoticed while the door was free.
            if was_free && !is_free && self.lane(at).turn.is_some() {
                self.pulse(at, desk);
            }
        }
        if is_free {
            self.stop_watching(desk);
            desk.clear(self.id, Alarm::DoorHeld);
        } else if self.leaf == Leaf::Open && desk.timers.get(Timer::Held(self.id)).is_none() {
            self.watch_open(self.options.held_after, desk);
        }
    }

    pub(in crate::access) fn held_warning(&mut self, desk: &mut Desk) {
        self.warning = true;
        desk.record(EventKind::DoorHeldWarning { door: self.id });
    }

    pub(in crate::access) fn held(&mut self, desk: &mut Desk) {
        desk.raise(self.id, Alarm::DoorHeld);
    }

    pub(in crate::access) fn times(&self, extended: bool) -> Times {
        let o = &self.options;
        // A turnstile times the passage itself.
        if extended && o.kind != DoorKind::Turnstile {
            Times { window: o.extended_open, held_after: o.extended_held_after }
        } else {
            Times { window: o.open, held_after: o.held_after }
        }
    }
}

/// How long a grant's turn lasts, and how long the door may then stand open.
pub(in crate::access) struct Times {
    pub window: Duration,
    pub held_after: Duration,
}
