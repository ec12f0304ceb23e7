//! What people do at a gate, and what breaks there.

use super::plan::{Act, Show, Then, Told, inside, outside};
use super::rng::Rng;
use super::site::{number, pin_of, subject};
use super::world::{Step, World};
use crate::access::{Input, Order};
use crate::domain::{
    DoorId, Duration, Heading, Key, LineState, Liveness, Observation, ReaderId, Wire,
};
use crate::wire::wiegand::{self, Assembler, Edge, Level, Line};

impl<'p> World<'p> {
    pub(super) fn begin(&mut self, i: usize) {
        let Some(actor) = self.actor(i) else { return };
        self.say(|| format!("{:?}", actor.act));
        let mut rng = self.rng(i);
        let door = actor.door;
        match &actor.act {
            Act::Comes { who, show, then, spoilt } => {
                let card = number(*who);
                match show {
                    Show::Face => self.after(0, Step::ShowsFace(i)),
                    _ => self.swipe(outside(door), card, spoilt.then(|| rng.next())),
                }
                if *show == Show::Both {
                    self.after(rng.range(0, 2_000), Step::ShowsFace(i));
                }
                if matches!(show, Show::Pin | Show::WrongPin | Show::Duress) {
                    self.after(rng.range(500, 4_000), Step::Types(i));
                }
                if then.goes {
                    self.after(
                        then.after_ms,
                        Step::Tries { actor: i, heading: Heading::In, left: 12 },
                    );
                }
            }
            Act::Leaves { by_card, held_ms, then } => {
                match by_card {
                    Some(who) => self.swipe(inside(door), number(*who), None),
                    None if !self.leaf(door).rex => {
                        self.at_leaf(door, |leaf| leaf.rex = true);
                        if !self.leaf(door).rex_fault {
                            self.say_rex(door);
                        }
                        self.after(*held_ms, Step::LetsGo(door));
                    }
                    None => {}
                }
                if then.goes {
                    self.after(
                        then.after_ms,
                        Step::Tries { actor: i, heading: Heading::Out, left: 3 },
                    );
                }
            }
            Act::UnknownCard { number } => self.swipe(outside(door), *number, None),
            Act::UnknownFace => self.face(None, 100_000, Liveness::NotChecked),
            Act::StaleFace { who } => {
                self.face(Some(*who), rng.range(1_000_001, 30_000_000), Liveness::Live);
            }
            Act::DeadFace { who } => self.face(Some(*who), 100_000, Liveness::NotShown),
            Act::Guesses { .. } => self.after(0, Step::Guesses(i, 0)),
            Act::Forces { open_ms } => {
                self.at_leaf(door, |leaf| leaf.holders += 1);
                self.set_open(door, true);
                self.after(*open_ms, Step::Shuts(door));
            }
            Act::Noise { edges } => self.noise(door, *edges, &mut rng),
            Act::Order(told) => self.order(door, told),
            fault => self.breaks(i, door, fault),
        }
    }

    fn breaks(&mut self, i: usize, door: DoorId, act: &Act) {
        let ms = match act {
            Act::Fire { ms, .. } => {
                self.fire = LineState::Active;
                self.own(Wire::Fire, self.fire);
                *ms
            }
            Act::FireLoop { ms } => {
                self.fire = LineState::Cut;
                self.own(Wire::Fire, self.fire);
                *ms
            }
            Act::PowerCut { ms } => {
                if self.gate.is_none() {
                    return;
                }
                self.disk.cut(self.now_us, &mut self.watch);
                (self.gate, self.twin) = (None, None);
                self.state.power_cut();
                return self.after(*ms, Step::Power);
            }
            Act::ClockLost { ms } => {
                self.wall_lost += 1;
                *ms
            }
            Act::ClockStep { ms } => {
                self.wall_off = self.wall_off.map(|off| off + ms);
                300_000
            }
            Act::DiskFull { ms } => {
                self.disk.set_full(true);
                *ms
            }
            Act::BrokerLost { ms } => {
                self.disk.broker = false;
                *ms
            }
            Act::WorkerFault { ms } => {
                self.camera_up = false;
                self.input(Input::FacePath { up: false });
                *ms
            }
            Act::ReaderDead { ms } => {
                self.at_leaf(door, |leaf| leaf.reader_dead = true);
                self.input(Input::Reader { reader: outside(door), up: false });
                *ms
            }
            Act::LineFault { ms, rex } => {
                if *rex {
                    self.at_leaf(door, |leaf| leaf.rex_fault = true);
                    self.say_rex(door);
                } else if self.door(door).is_some_and(|d| d.contact) {
                    self.at_leaf(door, |leaf| leaf.contact_fault = true);
                    self.say_contact(door);
                }
                *ms
            }
            Act::Mains { ms } => {
                self.mains = false;
                self.own(Wire::Mains, LineState::Active);
                *ms
            }
            Act::List => {
                if self.list + 1 < self.lists.len() {
                    self.list += 1;
                }
                return;
            }
            _ => return,
        };
        if let Act::Fire { ms, burns: true } = act {
            self.after(ms / 2, Step::Mend(i));
        }
        self.after(ms, Step::Mend(i));
    }

    pub(super) fn mend(&mut self, i: usize) {
        let Some(actor) = self.actor(i) else { return };
        self.say(|| format!("over: {:?}", actor.act));
        let door = actor.door;
        match &actor.act {
            // Half way it burns through its wire.
            Act::Fire { burns: true, .. } if self.fire == LineState::Active => {
                self.fire = LineState::Cut;
                self.own(Wire::Fire, self.fire);
            }
            Act::Fire { .. } | Act::FireLoop { .. } => {
                self.fire = LineState::Normal;
                self.own(Wire::Fire, self.fire);
            }
            Act::ClockLost { .. } => self.wall_lost = self.wall_lost.saturating_sub(1),
            Act::ClockStep { ms } => self.wall_off = self.wall_off.map(|off| off - ms),
            Act::DiskFull { .. } => self.disk.set_full(false),
            Act::BrokerLost { .. } => {
                self.disk.broker = true;
                self.disk.publish(self.now_us, &mut self.watch);
            }
            Act::WorkerFault { .. } => {
                self.camera_up = true;
                self.input(Input::FacePath { up: true });
            }
            Act::ReaderDead { .. } => {
                self.at_leaf(door, |leaf| leaf.reader_dead = false);
                self.input(Input::Reader { reader: outside(door), up: true });
            }
            Act::LineFault { .. } => {
                let before = self.leaf(door);
                self.at_leaf(door, |l| (l.contact_fault, l.rex_fault) = (false, false));
                if before.contact_fault {
                    self.say_contact(door);
                }
                if before.rex_fault {
                    self.say_rex(door);
                }
            }
            Act::Mains { .. } => {
                self.mains = true;
                self.own(Wire::Mains, LineState::Normal);
            }
            _ => {}
        }
    }

    fn order(&mut self, door: DoorId, told: &Told) {
        let order = match told {
            Told::Mode(mode, ms) => {
                Order::SetMode { door, mode: *mode, lasting: ms.map(Duration::from_millis) }
            }
            Told::End => Order::EndMode { door },
            Told::Acknowledge => Order::Acknowledge,
            Told::Amnesty => Order::Amnesty,
            Told::OpenOnce => Order::OpenOnce { door, heading: Heading::In },
            Told::EndFire => Order::EndFire,
        };
        self.input(Input::Order { by: self.operator.clone(), order });
    }

    pub(super) fn face(&mut self, who: Option<usize>, age_us: u64, liveness: Liveness) {
        if !self.camera_up || self.gate.is_none() {
            return;
        }
        let captured_at = self.now() - Duration::from_micros(age_us);
        let subject = who.map(subject);
        let (distance, quality) = (0.3, 1.0);
        let look_alike = None;
        let seen = Observation { captured_at, subject, look_alike, distance, quality, liveness };
        self.input(Input::Face(seen));
    }

    pub(super) fn types(&mut self, i: usize) {
        let Some(Act::Comes { show, who, .. }) = self.actor(i).map(|a| &a.act) else { return };
        let reader = outside(self.door_of(i));
        match show {
            Show::Pin => {
                self.state.typed(self.now_us, *who);
                self.keys(reader, pin_of(*who, false));
            }
            Show::Duress => self.under_threat(reader, *who),
            _ => self.keys(reader, [9, 9, 9, 9]),
        }
    }

    pub(super) fn keys(&mut self, reader: ReaderId, pin: [u8; 4]) {
        for key in keys_of(pin) {
            self.input(Input::Key { reader, key });
        }
    }

    /// A card before a reader: edges on two wires, through the gate's own assembler.
    pub(super) fn swipe(&mut self, reader: ReaderId, number: u32, spoilt: Option<u64>) {
        let door = DoorId(reader.0 / 2);
        let dead = self.leaf(door).reader_dead && reader == outside(door);
        if self.gate.is_none() || dead {
            return;
        }
        let Ok(bits) = self.format.encode_card(number.into()) else { return };
        let (pulse, interval) = (Duration::from_micros(50), Duration::from_micros(2_000));
        let mut edges: Vec<Edge> = wiegand::edges_of(bits, self.now(), pulse, interval).collect();
        if let Some(chance) = spoilt {
            let at = (chance % edges.len() as u64) as usize;
            edges.remove(at);
        }
        self.edges(reader, &edges);
    }

    fn noise(&mut self, door: DoorId, edges: u8, rng: &mut Rng) {
        let mut at = self.now();
        let edges: Vec<Edge> = (0..edges)
            .map(|_| {
                at += Duration::from_micros(rng.range(1, 5_000));
                let line = if rng.percent(50) { Line::D0 } else { Line::D1 };
                let level = if rng.percent(50) { Level::Low } else { Level::High };
                Edge { at, line, level }
            })
            .collect();
        self.edges(outside(door), &edges);
    }

    fn edges(&mut self, reader: ReaderId, edges: &[Edge]) {
        for edge in edges {
            let Some(assembler) = self.assemblers.get_mut(usize::from(reader.0)) else { return };
            if let Some(Ok(frame)) = assembler.edge(*edge) {
                self.frame(reader, frame);
            }
        }
        if let Some(end) = self.assemblers.get(usize::from(reader.0)).and_then(Assembler::deadline)
        {
            self.at(self.world_us(end), Step::Silence(reader));
        }
    }

    pub(super) fn silence(&mut self, reader: ReaderId) {
        let now = self.now();
        let Some(assembler) = self.assemblers.get_mut(usize::from(reader.0)) else { return };
        match assembler.poll(now) {
            Some(Ok(frame)) => self.frame(reader, frame),
            Some(Err(_)) => self.say(|| "no card: the frame is spoilt".into()),
            None => {}
        }
    }

    fn frame(&mut self, reader: ReaderId, frame: wiegand::Frame) {
        if let Some(card) = self.format.card(frame.bits)
            && self.gate.is_some()
        {
            self.input(Input::Card { reader, card });
        }
    }

    /// Pushes the door: whoever finds it locked tries again for a while.
    pub(super) fn tries(&mut self, i: usize, heading: Heading, left: u8) {
        let Some(then) = self.actor(i).and_then(|a| match &a.act {
            Act::Comes { then, .. } | Act::Leaves { then, .. } => Some(*then),
            _ => None,
        }) else {
            return;
        };
        let door = self.door_of(i);
        if !self.leaf(door).open && !self.is_unlocked(door, heading) {
            if left > 0 {
                self.after(700, Step::Tries { actor: i, heading, left: left - 1 });
            }
            return;
        }
        self.goes_through(door, heading, then);
    }

    fn goes_through(&mut self, door: DoorId, heading: Heading, then: Then) {
        if !self.is_turnstile(door) {
            self.at_leaf(door, |leaf| leaf.holders += 1);
            self.set_open(door, true);
            self.after(then.open_ms, Step::Shuts(door));
        }
        self.pass(door, heading);
        for n in 0..then.followers {
            let ms = 700 * (u64::from(n) + 1);
            self.after(ms, Step::Follows(door, heading));
        }
    }
}

/// What is pressed for a PIN.
pub(super) fn keys_of(pin: [u8; 4]) -> impl Iterator<Item = Key> {
    pin.into_iter().map(Key::Digit).chain([Key::Enter])
}
