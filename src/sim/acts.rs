//! What people do at a gate, and what breaks there.

use super::plan::{Act, INSIDE, OUTSIDE, Show, Then, Told};
use super::rng::Rng;
use super::site::{number, subject};
use super::world::{Step, World};
use crate::access::{Input, Order};
use crate::domain::{Duration, Heading, Key, LineState, Liveness, Observation, ReaderId, Wire};
use crate::wire::wiegand::{self, Assembler, Edge, Level, Line};

impl<'p> World<'p> {
    pub(super) fn begin(&mut self, i: usize) {
        let Some(actor) = self.actor(i) else { return };
        self.say(|| format!("{:?}", actor.act));
        let mut rng = self.rng(i);
        match &actor.act {
            Act::Comes { who, show, then, spoilt } => {
                let card = number(*who);
                match show {
                    Show::Face => self.after(0, Step::ShowsFace(i)),
                    _ => self.swipe(OUTSIDE, card, spoilt.then(|| rng.next())),
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
                    Some(who) => self.swipe(INSIDE, number(*who), None),
                    None if !self.rex => {
                        self.rex = true;
                        if !self.rex_fault {
                            self.say_rex();
                        }
                        self.after(*held_ms, Step::LetsGo(i));
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
            Act::UnknownCard { number } => self.swipe(OUTSIDE, *number, None),
            Act::UnknownFace => self.face(None, 100_000, Liveness::NotChecked),
            Act::StaleFace { who } => {
                self.face(Some(*who), rng.range(1_000_001, 30_000_000), Liveness::Live);
            }
            Act::DeadFace { who } => self.face(Some(*who), 100_000, Liveness::NotShown),
            Act::Guesses { .. } => self.after(0, Step::Guesses(i, 0)),
            Act::Forces { open_ms } => {
                self.holders += 1;
                self.set_open(true);
                self.after(*open_ms, Step::Shuts);
            }
            Act::Noise { edges } => self.noise(*edges, &mut rng),
            Act::Order(told) => self.order(told),
            fault => self.breaks(i, fault),
        }
    }

    fn breaks(&mut self, i: usize, act: &Act) {
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
                self.disk.full = true;
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
                self.reader_up = false;
                self.input(Input::Reader { reader: ReaderId(0), up: false });
                *ms
            }
            Act::LineFault { ms, rex } => {
                if *rex {
                    self.rex_fault = true;
                    self.say_rex();
                } else if self.plan.options.doors.first().is_some_and(|d| d.contact) {
                    self.contact_fault = true;
                    self.say_contact();
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
            Act::DiskFull { .. } => self.disk.full = false,
            Act::BrokerLost { .. } => {
                self.disk.broker = true;
                self.disk.publish(&mut self.watch);
            }
            Act::WorkerFault { .. } => {
                self.camera_up = true;
                self.input(Input::FacePath { up: true });
            }
            Act::ReaderDead { .. } => {
                self.reader_up = true;
                self.input(Input::Reader { reader: ReaderId(0), up: true });
            }
            Act::LineFault { .. } => {
                let (contact, rex) = (self.contact_fault, self.rex_fault);
                (self.contact_fault, self.rex_fault) = (false, false);
                if contact {
                    self.say_contact();
                }
                if rex {
                    self.say_rex();
                }
            }
            Act::Mains { .. } => {
                self.mains = true;
                self.own(Wire::Mains, LineState::Normal);
            }
            _ => {}
        }
    }

    fn order(&mut self, told: &Told) {
        let door = crate::domain::DoorId(0);
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
        let Some(Act::Comes { show, .. }) = self.actor(i).map(|a| &a.act) else { return };
        let keys = match show {
            Show::Pin => [1, 2, 3, 4],
            Show::Duress => [1, 2, 3, 5],
            _ => [4, 3, 2, 1],
        };
        let keys = keys.into_iter().map(Key::Digit).chain([Key::Enter]);
        for key in keys {
            self.input(Input::Key { reader: ReaderId(0), key });
        }
    }

    /// A card before a reader: edges on two wires, through the gate's own assembler.
    pub(super) fn swipe(&mut self, reader: usize, number: u32, spoilt: Option<u64>) {
        if self.gate.is_none() || reader == OUTSIDE && !self.reader_up {
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

    fn noise(&mut self, edges: u8, rng: &mut Rng) {
        let mut at = self.now();
        let edges: Vec<Edge> = (0..edges)
            .map(|_| {
                at += Duration::from_micros(rng.range(1, 5_000));
                let line = if rng.percent(50) { Line::D0 } else { Line::D1 };
                let level = if rng.percent(50) { Level::Low } else { Level::High };
                Edge { at, line, level }
            })
            .collect();
        self.edges(OUTSIDE, &edges);
    }

    fn edges(&mut self, reader: usize, edges: &[Edge]) {
        for edge in edges {
            let Some(assembler) = self.assemblers.get_mut(reader) else { return };
            if let Some(Ok(frame)) = assembler.edge(*edge) {
                self.frame(reader, frame);
            }
        }
        if let Some(end) = self.assemblers.get(reader).and_then(Assembler::deadline) {
            self.at(self.world_us(end), Step::Silence(reader));
        }
    }

    pub(super) fn silence(&mut self, reader: usize) {
        let now = self.now();
        let Some(assembler) = self.assemblers.get_mut(reader) else { return };
        match assembler.poll(now) {
            Some(Ok(frame)) => self.frame(reader, frame),
            Some(Err(_)) => self.say(|| "no card: the frame is spoilt".into()),
            None => {}
        }
    }

    fn frame(&mut self, reader: usize, frame: wiegand::Frame) {
        if let Some(card) = self.format.card(frame.bits)
            && self.gate.is_some()
        {
            self.input(Input::Card { reader: ReaderId(reader as u8), card });
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
        if !self.open && !self.is_unlocked(heading) {
            if left > 0 {
                self.after(700, Step::Tries { actor: i, heading, left: left - 1 });
            }
            return;
        }
        self.goes_through(heading, then);
    }

    fn goes_through(&mut self, heading: Heading, then: Then) {
        if !self.state.is_turnstile {
            self.holders += 1;
            self.set_open(true);
            self.after(then.open_ms, Step::Shuts);
        }
        self.pass(heading);
        for n in 0..then.followers {
            let ms = 700 * (u64::from(n) + 1);
            self.after(ms, Step::Follows(heading));
        }
    }
}
