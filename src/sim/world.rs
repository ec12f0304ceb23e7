//! The day itself: people, leaf, wires, power and clock around the gate's own code. What the gate does with
//! an input, and whether that was right, is `turn`'s business.

use super::disk::Disk;
use super::plan::{Act, Actor, DAY_US, MIDNIGHT, Plan, outside};
use super::rng::Rng;
use super::site::{List, Office};
use super::watch::Watch;
use crate::access::{Command, Gate, Input, PassageSensor, Ticket};
use crate::domain::{
    DoorId, Heading, Instant, LineState, Liveness, OperatorId, ReaderId, WallTime, Wire,
};
use crate::record::Recorder;
use crate::wire::format::{self, Format};
use crate::wire::wiegand::{self, Assembler};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// What happens next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Begin(usize),
    /// The fault that an actor caused is mended.
    Mend(usize),
    /// A reader's silence has lasted long enough.
    Silence(ReaderId),
    Types(usize),
    ShowsFace(usize),
    Guesses(usize, u8),
    /// Somebody tries the door, and again a little later.
    Tries {
        actor: usize,
        heading: Heading,
        left: u8,
    },
    LetsGo(DoorId),
    Shuts(DoorId),
    Follows(DoorId, Heading),
    Flush,
    Power,
}

/// A door as it stands there.
#[derive(Clone, Default)]
pub(super) struct Leaf {
    pub open: bool,
    /// Who holds it, so that the last one shuts it.
    pub holders: u32,
    /// Somebody asks to leave.
    pub rex: bool,
    pub contact_fault: bool,
    pub rex_fault: bool,
    pub reader_dead: bool,
}

/// What a day came to. Timeline and record are empty unless they were asked for.
pub(super) struct Outcome {
    pub watch: Watch,
    pub log: Vec<String>,
    pub record: String,
}

pub(super) struct World<'p> {
    pub plan: &'p Plan,
    queue: BinaryHeap<Reverse<(u64, u64, Step)>>,
    order: u64,
    /// Since the day began.
    pub now_us: u64,
    booted_us: u64,
    pub gate: Option<Gate>,
    /// The same gate without the faces that opened nothing.
    pub twin: Option<Gate>,
    wiegand: wiegand::Options,
    pub(super) assemblers: Vec<Assembler>,
    pub(super) format: Format,
    pub lists: Vec<List>,
    pub list: usize,
    pub disk: Disk,
    pub watch: Watch,
    pub operator: OperatorId,
    /// Milliseconds the wall is off; `None` while there is no telling.
    pub wall_off: Option<i64>,
    pub(super) wall_lost: u32,
    pub leaves: Vec<Leaf>,
    pub fire: LineState,
    pub camera_up: bool,
    pub mains: bool,
    /// What came of inputs lately, while somebody wants to know.
    pub(super) heard: Option<Vec<Command>>,
    pub state: super::turn::State,
    pub log: Option<Vec<String>>,
    /// The day as a gate would record it.
    pub(super) record: Option<(Recorder, String)>,
}

impl<'p> World<'p> {
    pub(super) fn new(plan: &'p Plan, office: &Office, logged: bool) -> Option<Self> {
        let people = Rc::new(plan.people.clone());
        let lists: Option<Vec<List>> = (0..plan.lists).map(|v| office.list(&people, v)).collect();
        let format = format::builtin("h10301")?;
        let options = wiegand::Options {
            lengths: wiegand::Lengths::of([format.bits()]),
            ..wiegand::Options::default()
        };
        let mut world = Self {
            plan,
            queue: BinaryHeap::new(),
            order: 0,
            now_us: 0,
            booted_us: 0,
            gate: None,
            twin: None,
            wiegand: options,
            assemblers: Vec::new(),
            format,
            lists: lists?,
            list: 0,
            disk: Disk::new(plan.room, plan.capacity),
            watch: Watch::default(),
            operator: "guard".parse().ok()?,
            wall_off: Some(0),
            wall_lost: 0,
            leaves: vec![Leaf::default(); plan.options.doors.len()],
            fire: LineState::Normal,
            camera_up: true,
            mains: true,
            heard: None,
            state: super::turn::State::new(plan.options.doors.len()),
            log: logged.then(Vec::new),
            record: None,
        };
        for (i, actor) in plan.actors.iter().enumerate() {
            world.at(actor.at_us, Step::Begin(i));
        }
        if logged {
            let doors = world.doors().map(|door| format!("door{}", door.0)).collect();
            let readers = (0..plan.options.readers.len()).map(|i| format!("reader{i}")).collect();
            let recorder = Recorder::new(doors, readers, plan.options.clone());
            world.record = Some((recorder, String::new()));
        }
        world.boot();
        Some(world)
    }

    /// Plays the day, or up to the first broken invariant.
    pub(super) fn play(mut self) -> Outcome {
        while self.watch.broken.is_none() {
            let deadline = self.gate.as_ref().and_then(Gate::deadline).map(|d| self.world_us(d));
            let next = self.queue.peek().map(|Reverse((at, ..))| *at);
            let flush = self.disk.flush_at();
            let earliest = [deadline, next, flush].into_iter().flatten().min();
            let Some(at) = earliest.filter(|at| *at < DAY_US) else { break };
            self.now_us = at.max(self.now_us);
            if flush == Some(at) {
                self.step(Step::Flush);
            } else if deadline == Some(at) {
                self.input(Input::Tick);
            } else if let Some(Reverse((_, _, step))) = self.queue.pop() {
                self.step(step);
            }
        }
        Outcome {
            watch: self.watch,
            log: self.log.unwrap_or_default(),
            record: self.record.map_or_else(String::new, |(_, text)| text),
        }
    }

    pub(super) fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let s = self.now_us / 1_000;
            let (h, m, sec, ms) = (s / 3_600_000, s / 60_000 % 60, s / 1_000 % 60, s % 1_000);
            log.push(format!("{h:02}:{m:02}:{sec:02}.{ms:03}  {}", what()));
        }
    }

    pub(super) fn at(&mut self, at_us: u64, step: Step) {
        self.order += 1;
        self.queue.push(Reverse((at_us, self.order, step)));
    }

    pub(super) fn after(&mut self, ms: u64, step: Step) {
        self.at(self.now_us + ms * 1_000, step);
    }

    /// The machine's monotonic clock begins anew with each boot.
    pub(super) fn now(&self) -> Instant {
        Instant(1_000_000 + self.now_us - self.booted_us)
    }

    pub(super) fn world_us(&self, at: Instant) -> u64 {
        (at.0 + self.booted_us).saturating_sub(1_000_000)
    }

    pub(super) fn wall(&self) -> Option<WallTime> {
        let off = self.wall_off.filter(|_| self.wall_lost == 0)?;
        Some(WallTime((MIDNIGHT.0 as i64 + self.now_us as i64 / 1_000 + off) as u64))
    }

    pub(super) fn actor(&self, i: usize) -> Option<&'p Actor> {
        self.plan.actors.get(i)
    }

    /// The door an actor is at.
    pub(super) fn door_of(&self, actor: usize) -> DoorId {
        self.actor(actor).map_or(DoorId(0), |actor| actor.door)
    }

    pub(super) fn rng(&self, actor: usize) -> Rng {
        Rng::of(self.plan.seed, self.plan.actors.get(actor).map_or(0, |a| a.at_us))
    }

    fn boot(&mut self) {
        self.booted_us = self.now_us;
        let readers = self.plan.options.readers.len();
        self.assemblers = (0..readers).map(|_| Assembler::new(self.wiegand)).collect();
        self.disk.resume();
        let facts: Vec<_> = self.disk.facts().cloned().collect();
        let restore = || {
            let facts = facts.iter().cloned();
            Gate::restore(self.plan.options.clone(), facts, self.now(), self.wall()).ok()
        };
        (self.gate, self.twin) = (restore(), restore());
        self.state.know(&facts);
        let (now, wall) = (self.now(), self.wall());
        if let Some((recorder, text)) = &mut self.record {
            text.push_str(&recorder.start(&facts, now, wall));
        }
        self.state.boot();
        self.input(Input::Tick);
        self.check_restart();
        for door in self.doors() {
            self.say_contact(door);
            self.say_rex(door);
        }
        self.own(Wire::Fire, self.fire);
        let mains = if self.mains { LineState::Normal } else { LineState::Active };
        self.own(Wire::Mains, mains);
        for door in self.doors() {
            let up = !self.leaf(door).reader_dead;
            self.input(Input::Reader { reader: outside(door), up });
        }
        self.input(Input::FacePath { up: self.camera_up });
    }

    pub(super) fn doors(&self) -> impl Iterator<Item = DoorId> + use<> {
        (0..self.leaves.len()).map(|i| DoorId(i as u8))
    }

    pub(super) fn leaf(&self, door: DoorId) -> Leaf {
        self.leaves.get(usize::from(door.0)).cloned().unwrap_or_default()
    }

    pub(super) fn at_leaf(&mut self, door: DoorId, change: impl FnOnce(&mut Leaf)) {
        if let Some(leaf) = self.leaves.get_mut(usize::from(door.0)) {
            change(leaf);
        }
    }

    pub(super) fn own(&mut self, line: Wire, state: LineState) {
        self.input(Input::Line { door: None, line, state });
    }

    pub(super) fn door_line(&mut self, door: DoorId, line: Wire, state: LineState) {
        self.input(Input::Line { door: Some(door), line, state });
    }

    fn has_contact(&self, door: DoorId) -> bool {
        self.door(door).is_some_and(|d| d.contact)
    }

    pub(super) fn say_contact(&mut self, door: DoorId) {
        let leaf = self.leaf(door);
        let state = match (leaf.contact_fault, leaf.open) {
            (true, _) => LineState::Cut,
            (false, true) => LineState::Active,
            (false, false) => LineState::Normal,
        };
        if self.has_contact(door) {
            self.door_line(door, Wire::Contact, state);
        }
    }

    pub(super) fn say_rex(&mut self, door: DoorId) {
        let leaf = self.leaf(door);
        let state = match (leaf.rex_fault, leaf.rex) {
            (true, _) => LineState::Short,
            (false, true) => LineState::Active,
            (false, false) => LineState::Normal,
        };
        self.door_line(door, Wire::Rex, state);
    }

    pub(super) fn set_open(&mut self, door: DoorId, open: bool) {
        let leaf = self.leaf(door);
        if leaf.open != open {
            self.at_leaf(door, |leaf| leaf.open = open);
            self.say(|| format!("door {} {}", door.0, if open { "opens" } else { "shuts" }));
            if !leaf.contact_fault {
                self.say_contact(door);
            }
        }
    }

    pub(super) fn pass(&mut self, door: DoorId, heading: Heading) {
        self.say(|| format!("somebody goes {heading:?} at door {}", door.0));
        self.state.passes(door, heading);
        match self.door(door).map(|d| d.sensor) {
            Some(PassageSensor::Beams) => {
                let (a, b) = match heading {
                    Heading::In => (Wire::OuterBeam, Wire::InnerBeam),
                    Heading::Out => (Wire::InnerBeam, Wire::OuterBeam),
                };
                for (line, state) in [
                    (a, LineState::Active),
                    (b, LineState::Active),
                    (a, LineState::Normal),
                    (b, LineState::Normal),
                ] {
                    self.door_line(door, line, state);
                }
            }
            Some(PassageSensor::Contacts) => {
                let line = if heading == Heading::In { Wire::PassedIn } else { Wire::PassedOut };
                self.door_line(door, line, LineState::Active);
                self.door_line(door, line, LineState::Normal);
            }
            _ => {}
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Begin(i) => self.begin(i),
            Step::Mend(i) => self.mend(i),
            Step::Silence(reader) => self.silence(reader),
            Step::Types(i) => self.types(i),
            Step::ShowsFace(i) => {
                if let Some(Act::Comes { who, .. }) = self.actor(i).map(|a| &a.act) {
                    self.face(Some(*who), 100_000, Liveness::Live);
                }
            }
            Step::Guesses(i, n) => {
                if let Some(Act::Guesses { cards, first }) = self.actor(i).map(|a| &a.act) {
                    let door = self.door_of(i);
                    self.swipe(outside(door), first + u32::from(n), None);
                    if n + 1 < *cards {
                        self.after(1_500, Step::Guesses(i, n + 1));
                    }
                }
            }
            Step::Tries { actor, heading, left } => self.tries(actor, heading, left),
            Step::LetsGo(door) => {
                self.at_leaf(door, |leaf| leaf.rex = false);
                self.say(|| "exit released".into());
                if !self.leaf(door).rex_fault {
                    self.say_rex(door);
                }
            }
            Step::Shuts(door) => {
                self.at_leaf(door, |leaf| leaf.holders = leaf.holders.saturating_sub(1));
                if self.leaf(door).holders == 0 {
                    self.set_open(door, false);
                }
            }
            Step::Follows(door, heading) => {
                if self.leaf(door).open || self.state.is_turning(door, heading) {
                    self.pass(door, heading);
                }
            }
            Step::Flush => {
                let answers = self.disk.flush(self.now_us, &mut self.watch);
                for (ticket, durable) in answers {
                    self.kept(ticket, durable);
                }
            }
            Step::Power => {
                self.say(|| "the power is back".into());
                self.boot();
            }
        }
    }

    fn kept(&mut self, ticket: Ticket, durable: bool) {
        self.input(Input::Kept { ticket, durable });
    }
}
