//! One door: its lock, its leaf, who may pass it now. Each thing that can happen to it is one function here
//! or beside; what the outputs ought to be follows from the state alone, in [`Door::wanted`].

mod kind;
mod mode;
mod sensors;

pub use kind::{Claims, DoorKind, Drive, Fail, PassageSensor};
pub(super) use mode::Modes;

use super::command::Output;
use super::desk::{Desk, Outcome, Timer, Wanted};
use super::options::DoorOptions;
use super::passage::{Beams, Grant, Lane, Pulse, Release, Turn};
use crate::domain::{DoorId, DoorMode, EventKind, Heading, Instant, SubjectId, Way, Wire};
use std::collections::{BTreeSet, VecDeque};

/// What the contact says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaf {
    /// Not heard yet, at fault, or there is none.
    Unknown,
    Closed,
    Open,
}

/// What became of a request to let somebody pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// A new grant.
    New,
    /// Part of one that is waiting.
    Joined,
    /// There are too many.
    Full,
}

#[derive(Clone, Debug)]
pub(super) struct Door {
    id: DoorId,
    options: DoorOptions,
    claims: Claims,
    lanes: [Lane; 2],
    leaf: Leaf,
    beams: Beams,
    /// Lines of this door that can't be relied on.
    faults: BTreeSet<Wire>,
    rex: bool,
    pub(super) modes: Modes,
    /// When somebody was last let through, and it has not been closed for long since.
    admitted: Option<Instant>,
    /// Who came in since then without a grant of their own.
    tail: u32,
    warning: bool,
    stop: bool,
    was_free: bool,
    /// What the outputs were last told.
    told: [Option<bool>; 4],
}

impl Door {
    pub(super) fn new(id: DoorId, options: DoorOptions) -> Self {
        Self {
            id,
            claims: options.kind.claims(options.contact, options.sensor),
            options,
            lanes: Default::default(),
            leaf: Leaf::Unknown,
            beams: Beams::default(),
            faults: BTreeSet::new(),
            rex: false,
            modes: Modes::default(),
            admitted: None,
            tail: 0,
            warning: false,
            stop: false,
            was_free: false,
            told: [None; 4],
        }
    }

    pub(super) fn options(&self) -> &DoorOptions {
        &self.options
    }

    /// As ONVIF names it.
    pub(super) fn mode(&self, fire: bool) -> DoorMode {
        match self.modes.current() {
            _ if fire => DoorMode::Unlocked,
            DoorMode::Locked if self.lanes.iter().any(|l| !l.is_idle()) => DoorMode::Accessed,
            mode => mode,
        }
    }

    /// Neither open, nor about to be: what an interlock asks of the other doors.
    pub(super) fn is_shut(&self) -> bool {
        self.leaf != Leaf::Open && self.lanes.iter().all(Lane::is_idle) && !self.modes.holds_open()
    }

    /// The lock is held open whatever is granted.
    fn is_free(&self, desk: &Desk) -> bool {
        desk.fire || self.modes.holds_open()
    }

    fn lane_of(&self, heading: Heading) -> Heading {
        if self.claims.direction { heading } else { Heading::In }
    }

    fn lane(&mut self, lane: Heading) -> &mut Lane {
        let [inward, outward] = &mut self.lanes;
        match lane {
            Heading::In => inward,
            Heading::Out => outward,
        }
    }

    pub(super) fn has_waiting(&self, who: &SubjectId, heading: Heading) -> bool {
        let mine = |g: &Grant| g.who.as_ref() == Some(who) && g.heading == heading;
        self.lanes.iter().flat_map(|lane| &lane.waiting).any(mine)
    }

    /// Lets somebody pass, after those who were let pass before.
    pub(super) fn grant(&mut self, grant: Grant, desk: &mut Desk) -> Given {
        let (door, at) = (self.id, self.lane_of(grant.heading));
        let lane = self.lane(at);
        let same = |g: &Grant| {
            g.heading == grant.heading
                && (g.who.is_some() && g.who == grant.who
                    || g.way == Way::Rex && grant.way == Way::Rex)
        };
        if lane.waiting.iter().any(same) {
            // A face is seen in passing; whoever wants more time asks for it.
            if grant.way != Way::Face && lane.waiting.front().is_some_and(same) {
                self.renew(at, desk);
            }
            self.exit_at_once(grant.heading, at, desk);
            return Given::Joined;
        }
        if lane.is_full() {
            return Given::Full;
        }
        desk.record(EventKind::AccessGranted { door, way: grant.way });
        let heading = grant.heading;
        lane.waiting.push_back(grant);
        if lane.turn.is_none() {
            self.begin_turn(at, desk);
        } else {
            self.exit_at_once(heading, at, desk);
        }
        Given::New
    }

    /// Whoever leaves doesn't wait for the turn of somebody else. A turnstile has a pulse of its own for them.
    fn exit_at_once(&mut self, heading: Heading, at: Heading, desk: &mut Desk) {
        let own_pulse = self.options.kind == DoorKind::Turnstile;
        if heading == Heading::Out && !own_pulse {
            self.pulse(at, desk);
        }
    }

    fn pulse(&mut self, at: Heading, desk: &mut Desk) {
        let Drive::Pulse { length } = self.options.drive else { return };
        let id = self.id;
        // But for a turnstile, both ways have one output, and one pulse opens for whoever is there.
        let one_each = self.options.kind == DoorKind::Turnstile;
        let at = if one_each { at } else { Heading::In };
        let lane = self.lane(at);
        lane.pulse = match lane.pulse {
            Pulse::Off => {
                desk.timers.arm(Timer::Pulse(id, at), desk.performed + length);
                Pulse::On
            }
            Pulse::On | Pulse::OnAndAgain if one_each => Pulse::OnAndAgain,
            going_on => going_on,
        };
    }

    /// Whoever asks again while it is their turn gets the whole time again; a turnstile keeps its own.
    fn renew(&mut self, at: Heading, desk: &mut Desk) {
        if matches!(self.options.drive, Drive::Pulse { .. }) {
            return;
        }
        let (id, now) = (self.id, desk.now);
        let lane = self.lane(at);
        if let (Some(turn), Some(first)) = (&mut lane.turn, lane.waiting.front()) {
            turn.ends = now + first.window;
            lane.release = Release::Until(turn.ends);
            desk.timers.arm(Timer::Turn(id, at), turn.ends);
        }
    }

    fn begin_turn(&mut self, at: Heading, desk: &mut Desk) {
        let (id, open_seen) = (self.id, self.leaf == Leaf::Open);
        let now = desk.now;
        let lane = self.lane(at);
        let Some(first) = lane.waiting.front() else { return };
        let ends = now + first.window;
        lane.turn = Some(Turn { ends, open_seen });
        lane.release = Release::Until(ends);
        desk.timers.arm(Timer::Turn(id, at), ends);
        self.pulse(at, desk);
    }

    /// A pulse ends, or the pause before the next.
    pub(super) fn pulse_over(&mut self, at: Heading, desk: &mut Desk) {
        let Drive::Pulse { length } = self.options.drive else { return };
        let id = self.id;
        let lane = self.lane(at);
        lane.pulse = match lane.pulse {
            Pulse::OnAndAgain => Pulse::Pause,
            Pulse::Pause => Pulse::On,
            Pulse::On | Pulse::Off => Pulse::Off,
        };
        if lane.pulse != Pulse::Off {
            desk.timers.arm(Timer::Pulse(id, at), desk.performed + length);
        }
    }

    pub(super) fn stop_over(&mut self) {
        self.stop = false;
    }

    /// The first grant's turn is over, or the release that outlasted it.
    pub(super) fn turn_over(&mut self, at: Heading, desk: &mut Desk) {
        let alone = self.lane(at).waiting.len() == 1;
        let rex_goes_on =
            self.rex && alone && self.lane(at).waiting.front().is_some_and(|g| g.way == Way::Rex);
        if rex_goes_on {
            // Whoever still leans on the button still wants out.
            return self.begin_turn(at, desk);
        }
        if let Some(turn) = self.lane(at).turn.take() {
            // With a contact alone, a door that was open in somebody's turn let them pass.
            let taken = turn.open_seen && !self.claims.direction;
            if let Some(grant) = self.lane(at).waiting.pop_front() {
                self.conclude(grant, taken, desk);
            }
        }
        if !self.lane(at).waiting.is_empty() {
            return self.begin_turn(at, desk);
        }
        self.lane(at).release =
            if self.holds_while_open() { Release::WhileOpen } else { Release::Shut };
        self.exit_goes_on(desk);
    }

    fn holds_while_open(&self) -> bool {
        self.options.drive == Drive::HoldWhileOpen && self.leaf == Leaf::Open
    }

    /// The first grant of a lane is used.
    fn take(&mut self, at: Heading, desk: &mut Desk) {
        let lane = self.lane(at);
        let Some(grant) = lane.waiting.pop_front() else { return };
        let ends = lane.turn.take().map(|turn| turn.ends);
        let (more, held_after) = (!lane.waiting.is_empty(), grant.held_after);
        self.conclude(grant, true, desk);
        if more {
            self.begin_turn(at, desk);
        } else {
            let by_passage = !self.options.contact && self.options.kind.is_moved_by_people();
            let pulsed = matches!(self.options.drive, Drive::Pulse { .. });
            let release = match ends {
                _ if self.options.relock_on_open || by_passage || pulsed => Release::Shut,
                Some(ends) => Release::Until(ends),
                None => Release::Shut,
            };
            self.lane(at).release = release;
            if !matches!(release, Release::Until(_)) {
                desk.timers.disarm(Timer::Turn(self.id, at));
            }
        }
        if self.leaf == Leaf::Open && !self.is_free(desk) {
            self.watch_open(held_after, desk);
        }
        if !self.options.contact {
            // There is no leaf whose closing would let the next one out.
            self.exit_goes_on(desk);
        }
    }

    fn conclude(&mut self, grant: Grant, taken: bool, desk: &mut Desk) {
        let (door, way) = (self.id, grant.way);
        let sensed = self.faults.iter().all(|wire| *wire == Wire::Rex);
        let can_tell = self.claims.passage && sensed;
        if can_tell {
            desk.record(if taken {
                EventKind::AccessTaken { door, way }
            } else {
                EventKind::AccessNotTaken { door, way }
            });
        }
        desk.outcomes.push(Outcome { grant, taken: can_tell.then_some(taken) });
    }

    /// Grants for coming in end here and now: nobody gets in any more.
    fn withdraw(&mut self, desk: &mut Desk) {
        for at in Heading::BOTH {
            let lane = self.lane(at);
            let first_stays = lane.waiting.front().is_some_and(|g| g.heading == Heading::Out);
            let all = std::mem::take(&mut lane.waiting).into_iter();
            let (stay, go): (VecDeque<_>, _) = all.partition(|g| g.heading == Heading::Out);
            lane.waiting = stay;
            for grant in go {
                self.conclude(grant, false, desk);
            }
            let lane = self.lane(at);
            if !first_stays {
                lane.turn = None;
                if lane.waiting.is_empty() {
                    lane.release = Release::Shut;
                    lane.pulse = Pulse::Off;
                    desk.timers.disarm(Timer::Turn(self.id, at));
                    desk.timers.disarm(Timer::Pulse(self.id, at));
                    if self.holds_while_open() {
                        self.lane(at).release = Release::WhileOpen;
                    }
                } else {
                    self.begin_turn(at, desk);
                }
            }
        }
        if let (DoorKind::Turnstile, Drive::Pulse { length }) =
            (self.options.kind, self.options.drive)
        {
            self.stop = true;
            desk.timers.arm(Timer::Stop(self.id), desk.performed + length);
        }
    }

    /// How every output of this door ought to be.
    fn wanted(&self, desk: &Desk) -> [Option<Wanted>; 4] {
        let free = self.is_free(desk);
        let [inward, outward] = &self.lanes;
        let turnstile = self.options.kind == DoorKind::Turnstile;
        let released = |lane: &Lane| match self.options.drive {
            Drive::Pulse { .. } => lane.is_pulsing(),
            _ => lane.release != Release::Shut,
        };
        let unlocked = free || released(inward) || !turnstile && released(outward);
        // A lock that opens when its power fails is energised to be shut.
        let coil = |unlocked: bool| unlocked == (self.options.fail == Fail::Secure);
        [
            Some((Output::Lock(self.id), coil(unlocked))),
            turnstile.then(|| (Output::LockOut(self.id), coil(free || released(outward)))),
            turnstile.then_some((Output::Stop(self.id), self.stop && !free)),
            self.options.warn_before.map(|_| (Output::Warning(self.id), self.warning)),
        ]
    }

    /// What differs from what the outputs were last told.
    pub(super) fn changes(&mut self, desk: &Desk) -> impl Iterator<Item = Wanted> {
        let wanted = self.wanted(desk);
        wanted.into_iter().zip(&mut self.told).filter_map(|(wanted, told)| {
            let (output, on) = wanted?;
            (told.replace(on) != Some(on)).then_some((output, on))
        })
    }
}
