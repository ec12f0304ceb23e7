//! The gate's judgement: presentations and sensors in, commands out.
//!
//! [`Gate::handle`] takes the time and one input and appends commands to a list. There is no clock, pin,
//! disk or socket inside, so a test compares lists and the simulator runs the very code of the gate.
//! Nothing here logs, so nothing that names a person can reach a log from here.
//!
//! | Piece | Knows |
//! |---|---|
//! | `present` | what was shown (card, PIN, face) and whose right that is |
//! | `judge` | whether a right holds now |
//! | `admit` | whether this door lets it in now; the grant; the way out |
//! | `door` | lock, leaf, modes, and what the sensors of each kind of door can tell |
//! | `passage` | who was let through and has not gone yet: one grant, one passage, in order |
//! | `people` | anti-passback, guessing, two factors |
//! | `when` | local time, profiles, holidays, whether the clock may be believed |
//! | `fire`, `alarms` | what wins over everything; what is said until somebody hears it |
//! | `memory` | what outlives a restart |
//! | `timer` | every deadline |
//!
//! The order of the commands is the order they are to be performed in: outputs first, then records and
//! what is to be kept. What outputs ought to be follows from the state after each step, so no transition
//! can forget one. Deadlines are served one by one, each at its own moment: a late call decides as a
//! punctual one would have.

mod admit;
mod alarms;
mod command;
mod desk;
mod door;
mod fire;
mod judge;
mod memory;
mod options;
mod passage;
mod people;
mod present;
mod timer;
mod when;

#[cfg(test)]
mod tests;

pub use command::{Command, Input, Order, Output, Ticket, Unheeded};
pub use door::{Claims, DoorKind, Drive, Fail, PassageSensor};
pub use memory::{Fact, FactKey, Set, Standing};
pub use options::{
    AlarmOptions, DoorOptions, FaceOptions, FireCut, FireOptions, FireRelock, Hours, Lockout,
    Options, Passback, PassbackRule, PinOptions, ReaderOptions, Unsound, UntrustedClock,
};
pub use timer::Timers;
pub use when::{BadCalendar, BadZone, Calendar, Change, Date, Dst, Profile, Span, Zone};

use crate::domain::{
    Alarm, Directory, DoorId, DoorMode, Duration, EventKind, Heading, Instant, LineState,
    OperatorId, ReaderId, SubjectId, WallTime, Wire,
};
use admit::Spending;
use alarms::Alarms;
use desk::{Desk, Timer};
use door::Door;
use people::{ClaimKeys, Guessing, Inside, Keypads};
use std::collections::BTreeMap;
use when::Guard;

/// One gate: its doors, its deadlines, and the rules.
#[derive(Clone, Debug)]
pub struct Gate {
    options: Options,
    doors: Vec<Door>,
    desk: Desk,
    clock: Guard,
    /// What each line last said.
    lines: BTreeMap<(Option<DoorId>, Wire), LineState>,
    fire_line: Option<LineState>,
    readers_up: Vec<bool>,
    face_up: bool,
    guessing: Vec<Guessing>,
    keypads: Keypads,
    claims: ClaimKeys,
    /// Faces that wait for their card, where a face alone isn't enough.
    halves: BTreeMap<DoorId, SubjectId>,
    inside: Inside,
    spent: BTreeMap<SubjectId, u16>,
    spending: BTreeMap<Ticket, Spending>,
    next_ticket: u64,
    /// Whom a door let in, and until when their face is only seen in passing.
    let_in: Vec<(DoorId, SubjectId, Instant)>,
    siren_told: Option<bool>,
}

/// A door for health reports. Each way in has its own health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorStatus {
    pub mode: DoorMode,
    /// Whether a card reader outside works; `None` where there is none.
    pub card_path: Option<bool>,
    /// Whether camera and recognition work; `None` where there is none.
    pub face_path: Option<bool>,
}

impl Gate {
    /// A gate that remembers nothing: every door locked, as far as it knows.
    pub fn new(options: Options) -> Result<Self, Unsound> {
        Self::restore(options, [], Instant::default(), None)
    }

    /// A gate that goes on where the one before ended, as far as that was kept. Lines are to be said anew.
    /// Facts about doors and readers that are not there any more are passed over.
    pub fn restore(
        options: Options,
        facts: impl IntoIterator<Item = Fact>,
        now: Instant,
        wall: Option<WallTime>,
    ) -> Result<Self, Unsound> {
        options.check()?;
        let doors = options.doors.iter().enumerate();
        let readers = options.readers.len();
        let mut gate = Self {
            doors: doors.map(|(i, o)| Door::new(DoorId(i as u8), o.clone())).collect(),
            desk: Desk {
                now,
                performed: now,
                wall,
                fire: false,
                timers: Timers::default(),
                alarms: Alarms::new(options.alarms),
                siren: false,
                said: Vec::new(),
                outcomes: Vec::new(),
            },
            clock: Guard::default(),
            lines: BTreeMap::new(),
            fire_line: None,
            readers_up: vec![true; readers],
            face_up: options.face.is_some(),
            guessing: vec![Guessing::default(); readers],
            keypads: Keypads::new(&options.readers),
            claims: ClaimKeys::new(readers),
            halves: BTreeMap::new(),
            inside: Inside::new(options.passback),
            spent: BTreeMap::new(),
            spending: BTreeMap::new(),
            next_ticket: 0,
            let_in: Vec::new(),
            siren_told: None,
            options,
        };
        let facts: Vec<Fact> = facts.into_iter().collect();
        // The floor first: what the other facts' times are worth depends on it.
        for fact in &facts {
            if let Fact::Floor { wall } = fact {
                gate.clock.restore(*wall, now);
            }
        }
        gate.desk.wall = gate.clock.judge(now, wall).wall;
        facts.into_iter().for_each(|fact| gate.remember(fact));
        Ok(gate)
    }

    fn remember(&mut self, fact: Fact) {
        let (now, wall) = (self.desk.now, self.desk.wall);
        match fact {
            Fact::Mode { door, set: Some(set) } => {
                if let Some(door) = self.doors.get_mut(usize::from(door.0)) {
                    door.restore_mode(set, &mut self.desk);
                }
            }
            Fact::FirstCard { door, seen } => {
                if let Some(door) = self.doors.get_mut(usize::from(door.0)) {
                    door.restore_first_card(seen);
                }
            }
            Fact::Fire { active } => self.desk.fire = active,
            Fact::Inside { subject, since: Some(since) } => {
                self.inside.restore(subject, since, now, wall);
            }
            Fact::Lockout { reader, count } => {
                if let Some(guessing) = self.guessing.get_mut(usize::from(reader.0)) {
                    guessing.restore(count);
                    self.desk.arm(Timer::Calm(reader), self.options.lockout.calm);
                }
            }
            Fact::Spent { subject, uses } => {
                self.spent.insert(subject, uses);
            }
            Fact::Alarm { door, reader, alarm, standing: Some(standing) } => {
                self.desk.restore_alarm((door, reader, alarm), standing);
            }
            // Over, or the floor, which came first.
            _ => {}
        }
    }

    /// When [`Gate::handle`] wants to be called with [`Input::Tick`] at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.desk.timers.next()
    }

    /// The door's mode, for health reports.
    pub fn mode(&self, door: DoorId) -> Option<DoorMode> {
        Some(self.doors.get(usize::from(door.0))?.mode(self.desk.fire))
    }

    /// The door and its ways in, for health reports.
    pub fn status(&self, door: DoorId) -> Option<DoorStatus> {
        let mode = self.mode(door)?;
        let readers = self.readers_of(door);
        let up = |r: &ReaderId| self.readers_up.get(usize::from(r.0)).copied().unwrap_or(false);
        let card_path = (!readers.is_empty()).then(|| readers.iter().any(up));
        let face = self.options.face.as_ref().is_some_and(|face| face.door == door);
        Some(DoorStatus { mode, card_path, face_path: face.then_some(self.face_up) })
    }

    /// Alarms that nobody has acknowledged, or whose cause is still there.
    pub fn alarms(
        &self,
    ) -> impl Iterator<Item = ((Option<DoorId>, Option<ReaderId>, Alarm), Standing)> {
        self.desk.alarms.iter()
    }

    /// What there is to believe of what the machine says the time is: the same that decisions go by.
    pub fn time(&self, wall: Option<WallTime>) -> Option<WallTime> {
        self.clock.believe(wall)
    }

    /// How often a right of limited use has been used.
    pub fn uses(&self, subject: &SubjectId) -> u16 {
        self.spent.get(subject).copied().unwrap_or(0)
    }

    /// Judges one input. Deadlines that passed before `now` are served first, in their order, so that a
    /// late call decides as a punctual one would have. The first call, whatever its input, also says how
    /// every output ought to be.
    ///
    /// `wall` is absent while the machine itself can't tell the time. An input that names a door or reader
    /// this gate doesn't have does nothing.
    pub fn handle(
        &mut self,
        now: Instant,
        wall: Option<WallTime>,
        input: Input,
        directory: &impl Directory,
        out: &mut Vec<Command>,
    ) {
        let judged = self.clock.judge(now, wall);
        self.desk.performed = now;
        while let Some((at, timer)) = self.desk.timers.pop_due(now) {
            let late = now.since(at).as_millis();
            self.desk.now = at;
            self.desk.wall = judged.wall.map(|wall| WallTime(wall.0.saturating_sub(late)));
            self.expire(timer, directory);
            self.settle(out);
        }
        self.desk.now = now;
        self.desk.wall = judged.wall;
        if let Some(wall) = judged.keep {
            self.desk.keep(Fact::Floor { wall });
        }
        if judged.changed {
            self.desk.record(EventKind::ClockTrusted { trusted: judged.wall.is_some() });
        }
        self.look_at_schedules();
        self.take(input, directory);
        self.settle(out);
    }

    fn take(&mut self, input: Input, directory: &impl Directory) {
        match input {
            Input::Card { reader, card } => self.card(reader, card, directory),
            Input::Key { reader, key } => self.key(reader, key, directory),
            Input::Face(seen) => self.face(&seen, directory),
            Input::Line { door, line, state } => self.line(door, line, state),
            Input::Rex { door } => {
                if let Some(door) = self.doors.get_mut(usize::from(door.0)) {
                    door.let_out(crate::domain::Way::Rex, &mut self.desk);
                }
            }
            Input::Reader { reader, up } => self.reader(reader, up),
            Input::FacePath { up } => self.face_up = up && self.options.face.is_some(),
            Input::Alarm { door, reader, alarm, active } => {
                self.desk.set_alarm(door, reader, alarm, active);
            }
            Input::Order { by, order } => self.order(by, order),
            Input::Kept { ticket, durable } => self.kept(ticket, durable),
            Input::Tick => {}
        }
    }

    /// Each deadline has one function.
    fn expire(&mut self, timer: Timer, directory: &impl Directory) {
        match timer {
            Timer::Minute => self.look_at_schedules(),
            Timer::Mode(id) => self.at_door(id, |door, desk| door.end_mode(desk)),
            Timer::Pulse(id, at) => self.at_door(id, |door, desk| door.pulse_over(at, desk)),
            Timer::Stop(id) => self.at_door(id, |door, _| door.stop_over()),
            Timer::Turn(id, at) => self.at_door(id, |door, desk| door.turn_over(at, desk)),
            Timer::HeldWarning(id) => self.at_door(id, |door, desk| door.held_warning(desk)),
            Timer::Held(id) => self.at_door(id, |door, desk| door.held(desk)),
            Timer::ExitHeld(id) => self.at_door(id, |door, desk| door.exit_held(desk)),
            Timer::Pin(reader) => self.pin_over(reader, directory),
            Timer::SecondFactor(door) => self.half_over(door),
            Timer::Answer(reader) => self.answer_due(reader, directory),
            Timer::Calm(reader) => self.calm(reader),
            Timer::Spend(ticket) => self.spend_over(ticket),
            Timer::Repeat(door, reader, alarm) => self.desk.repeat_alarm((door, reader, alarm)),
            Timer::Siren => self.desk.silence(),
        }
    }

    fn at_door(&mut self, id: DoorId, what: impl FnOnce(&mut Door, &mut Desk)) {
        if let Some(door) = self.doors.get_mut(usize::from(id.0)) {
            what(door, &mut self.desk);
        }
    }

    /// What follows from the step, and what is to be done: outputs first.
    fn settle(&mut self, out: &mut Vec<Command>) {
        self.conclude();
        for door in &mut self.doors {
            out.extend(door.changes(&self.desk).map(|(output, on)| Command::Switch { output, on }));
        }
        let siren = self.desk.siren;
        if self.siren_told.replace(siren) != Some(siren) {
            out.push(Command::Switch { output: Output::Siren, on: siren });
        }
        out.append(&mut self.desk.said);
    }

    /// Schedules are kept to the minute, whatever the clock did meanwhile.
    fn look_at_schedules(&mut self) {
        const MINUTE_MS: u64 = 60_000;
        for door in &mut self.doors {
            let (unlock, lock_down) = (door.options().unlock, door.options().lock_down);
            let holds = |profile: Option<u8>| {
                let at = profile.zip(self.desk.wall);
                at.is_some_and(|(profile, wall)| self.options.calendar.holds(profile, wall))
            };
            let (free, locked_down) = (holds(unlock), holds(lock_down));
            door.schedule(free, locked_down, &mut self.desk);
        }
        let scheduled = |door: &DoorOptions| door.unlock.is_some() || door.lock_down.is_some();
        if self.options.doors.iter().any(scheduled)
            && let Some(wall) = self.desk.wall
        {
            let left = Duration::from_millis(MINUTE_MS - wall.0 % MINUTE_MS);
            self.desk.arm(Timer::Minute, left);
        }
    }

    fn line(&mut self, door: Option<DoorId>, line: Wire, state: LineState) {
        if self.lines.insert((door, line), state) == Some(state) {
            return;
        }
        match (door, line) {
            (Some(id), _) => self.at_door(id, |door, desk| door.wire(line, state, desk)),
            (None, Wire::Fire) => self.fire_line(state),
            (None, Wire::Mains) => self.own_line(line, state, Alarm::Mains),
            (None, Wire::Battery) => self.own_line(line, state, Alarm::Battery),
            (None, Wire::Enclosure) => self.own_line(line, state, Alarm::Enclosure),
            (None, Wire::CallGuard) => self.own_line(line, state, Alarm::CallGuard),
            (None, _) => {}
        }
    }

    /// One of the gate's own lines. A tamper loop at fault is tampered with.
    fn own_line(&mut self, line: Wire, state: LineState, alarm: Alarm) {
        self.desk.record(EventKind::LineChanged { door: None, line, state });
        let tamper = alarm == Alarm::Enclosure && state.is_fault();
        self.desk.set_alarm(None, None, alarm, state == LineState::Active || tamper);
        let own = [Wire::Mains, Wire::Battery, Wire::Enclosure, Wire::CallGuard];
        let is_fault = |wire: &Wire| self.lines.get(&(None, *wire)).is_some_and(|s| s.is_fault());
        self.desk.set_alarm(None, None, Alarm::LineFault, own.iter().any(is_fault));
    }

    fn reader(&mut self, reader: ReaderId, up: bool) {
        let Some(known) = self.readers_up.get_mut(usize::from(reader.0)) else { return };
        *known = up;
        for i in 0..self.doors.len() {
            let door = DoorId(i as u8);
            let down = self.status(door).and_then(|status| status.card_path) == Some(false);
            self.desk.set_alarm(Some(door), None, Alarm::CardPathDown, down);
        }
    }

    /// Whether an order would be obeyed now: for telling whoever gives it.
    pub fn heeds(&self, order: &Order) -> Result<(), Unheeded> {
        let (id, hindered): (_, fn(&Door) -> bool) = match order {
            Order::OpenOnce { door, heading: Heading::In } => (door, |d| d.modes.refuses()),
            Order::SetMode { mode: DoorMode::Accessed, .. } => return Err(Unheeded::DoorMode),
            Order::SetMode { door, .. } => (door, |d| d.modes.is_sealed()),
            Order::OpenOnce { door, .. } | Order::EndMode { door } => (door, |_| false),
            Order::Acknowledge | Order::Amnesty | Order::EndFire | Order::SetFloor { .. } => {
                return Ok(());
            }
        };
        let door = self.doors.get(usize::from(id.0)).ok_or(Unheeded::NoDoor)?;
        if hindered(door) { Err(Unheeded::DoorMode) } else { Ok(()) }
    }

    fn order(&mut self, by: OperatorId, order: Order) {
        match order {
            Order::OpenOnce { door, heading } => self.open_once(door, heading),
            Order::SetMode { door, mode, lasting } => {
                self.at_door(door, |door, desk| door.set_mode(mode, by, lasting, desk));
            }
            Order::EndMode { door } => self.at_door(door, |door, desk| door.end_mode(desk)),
            Order::Acknowledge => self.desk.acknowledge(),
            Order::Amnesty => {
                let forgotten: Vec<Fact> = self.inside.amnesty().collect();
                forgotten.into_iter().for_each(|fact| self.desk.keep(fact));
            }
            Order::EndFire => self.end_fire(),
            Order::SetFloor { floor } => {
                self.clock.set_floor(floor, self.desk.now);
                self.desk.keep(Fact::Floor { wall: floor });
            }
        }
    }
}
