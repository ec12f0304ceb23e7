//! Orders: operators' signed commands, and what somebody at the gate's own machine asks for. A command's version
//! is durable before it is obeyed, so that no restart lets it be obeyed twice. Who may order what is `trust`'s,
//! what an order does is `access`'s.

use super::Gate;
use crate::access::{Order, Ticket, Unheeded};
use crate::domain::{
    Asked, Clock, DoorId, Duration, EventKind, Heading, Instant, OperatorId, RefusedCommand,
};
use crate::io::PinError;
use crate::io::store::Store;
use crate::trust::{Command, NotACommand, Register, Verdict};
use crate::wire::order::{Challenge, Wish};
use crate::wire::payload::Answer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The core counts its tickets from 1; these are apart from them.
const OURS: u64 = 1 << 63;
/// A command whose version is not durable by then is not obeyed.
const KEEP_WITHIN: Duration = Duration::from_secs(2);
/// Commands that wait for the disk at most.
const WAITING: usize = 16;
/// Refusals with one reason are one event in so long, since anybody at the broker can cause them.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// What is remembered of an operator.
#[derive(Serialize, Deserialize)]
pub(super) struct Obeyed {
    operator: OperatorId,
    command: u64,
}

struct Waiting {
    command: Command,
    since: Instant,
}

#[derive(Default)]
struct Refusals {
    count: u32,
    silent_until: Instant,
}

pub(in crate::app) struct Orders {
    register: Register,
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    refusals: BTreeMap<RefusedCommand, Refusals>,
}

impl Orders {
    /// What the gate before this one obeyed is not obeyed again.
    pub(in crate::app) fn restore(store: &Store) -> Self {
        let kept = store.facts().unwrap_or_default();
        let obeyed = kept.iter().filter_map(|bytes| serde_json::from_slice::<Obeyed>(bytes).ok());
        Self {
            register: Register::restore(obeyed.map(|o| (o.operator, o.command))),
            waiting: BTreeMap::new(),
            next: OURS,
            refusals: BTreeMap::new(),
        }
    }
}

impl Gate {
    /// A command arrived.
    pub(super) fn command(&mut self, read: Result<Command, NotACommand>) -> Result<(), PinError> {
        let command = match read {
            Ok(command) => command,
            Err(refused) => {
                self.refuse(refused);
                return Ok(());
            }
        };
        let now = self.parts.clock.now();
        let wall = self.core.time(self.parts.clock.wall());
        let mut random = [0; 16];
        let verdict = match getrandom::fill(&mut random) {
            Ok(()) => self.parts.orders.register.judge(now, wall, &command, Challenge(random)),
            Err(_) => Verdict::Refuse(RefusedCommand::NotKept),
        };
        match verdict {
            Verdict::Obey => self.keep_first(command, now),
            Verdict::Ask(challenge) => {
                let (version, by) = (command.version, command.by);
                self.answer(&Answer::Challenge { version, by, challenge });
            }
            Verdict::Refuse(why) => self.refuse_this(&command, why),
        }
        Ok(())
    }

    fn keep_first(&mut self, command: Command, now: Instant) {
        let orders = &mut self.parts.orders;
        orders.waiting.retain(|_, waiting| now.since(waiting.since) <= KEEP_WITHIN);
        let ticket = orders.next;
        let obeyed = Obeyed { operator: command.by.clone(), command: command.version };
        let key = format!("\"command\":{}", command.by).into_bytes();
        let has_room = orders.waiting.len() < WAITING;
        match serde_json::to_vec(&obeyed) {
            Ok(value) if has_room => {
                self.parts.writer.keep(key, Some(value), Some(ticket));
                orders.next += 1;
                orders.waiting.insert(ticket, Waiting { command, since: now });
            }
            _ => self.refuse_this(&command, RefusedCommand::NotKept),
        }
    }

    /// Something is on disk, or could not be written. `false` if that is the core's affair.
    pub(super) fn command_kept(&mut self, ticket: Ticket, durable: bool) -> Result<bool, PinError> {
        if ticket.0 < OURS {
            return Ok(false);
        }
        let Some(Waiting { command, since }) = self.parts.orders.waiting.remove(&ticket.0) else {
            return Ok(true);
        };
        if !durable || self.parts.clock.now().since(since) > KEEP_WITHIN {
            self.refuse_this(&command, RefusedCommand::NotKept);
            return Ok(true);
        }
        match self.wish(command.by.clone(), &command.wish)? {
            Ok(()) => {
                let (version, by) = (command.version, command.by);
                self.answer(&Answer::Done { version, by });
            }
            Err(why) => self.answer(&Answer::Refused {
                version: Some(command.version),
                by: Some(command.by),
                why,
            }),
        }
        Ok(true)
    }

    /// By somebody who may wish it.
    fn wish(
        &mut self,
        by: OperatorId,
        wish: &Wish,
    ) -> Result<Result<(), RefusedCommand>, PinError> {
        match order_of(&self.parts.config, wish) {
            Some(order) => self.order(by, order),
            None => {
                self.say_refused(RefusedCommand::NoDoor, Some(by));
                Ok(Err(RefusedCommand::NoDoor))
            }
        }
    }

    /// Gives an order to the core, on record with who gave it.
    pub(super) fn order(
        &mut self,
        by: OperatorId,
        order: Order,
    ) -> Result<Result<(), RefusedCommand>, PinError> {
        if let Err(unheeded) = self.core.heeds(&order) {
            let why = match unheeded {
                Unheeded::NoDoor => RefusedCommand::NoDoor,
                Unheeded::DoorMode => RefusedCommand::DoorMode,
            };
            self.say_refused(why, Some(by));
            return Ok(Err(why));
        }
        let (asked, door) = asked(&order);
        self.record(EventKind::Ordered { by: by.clone(), order: asked, door });
        self.decide(crate::access::Input::Order { by, order })?;
        // A clock that is believed again is told at once.
        self.decide(crate::access::Input::Tick)?;
        self.health_due = self.parts.clock.now();
        Ok(Ok(()))
    }

    fn refuse_this(&mut self, command: &Command, why: RefusedCommand) {
        let (version, by) = (Some(command.version), Some(command.by.clone()));
        self.refuse(NotACommand { why, by, version });
    }

    fn refuse(&mut self, refused: NotACommand) {
        let NotACommand { why, by, version } = refused;
        self.say_refused(why, by.clone());
        self.answer(&Answer::Refused { version, by, why });
    }

    fn say_refused(&mut self, why: RefusedCommand, by: Option<OperatorId>) {
        let now = self.parts.clock.now();
        let refusals = self.parts.orders.refusals.entry(why).or_default();
        refusals.count = refusals.count.saturating_add(1);
        if refusals.silent_until <= now {
            let count = std::mem::take(&mut refusals.count);
            refusals.silent_until = now + SAY_EVERY;
            self.record(EventKind::CommandRefused { why, by, count });
        }
    }

    fn answer(&self, answer: &Answer) {
        if let Some((link, feed)) = &self.link {
            link.say(feed.answer(answer));
        }
    }
}

fn asked(order: &Order) -> (Asked, Option<DoorId>) {
    match order {
        Order::OpenOnce { door, .. } => (Asked::OpenOnce, Some(*door)),
        Order::SetMode { door, .. } => (Asked::SetMode, Some(*door)),
        Order::EndMode { door } => (Asked::EndMode, Some(*door)),
        Order::Acknowledge => (Asked::Acknowledge, None),
        Order::Amnesty => (Asked::Amnesty, None),
        Order::EndFire => (Asked::EndFire, None),
        Order::SetFloor { .. } => (Asked::SetClock, None),
    }
}

/// What a wish means here; `None` if there is no such door.
pub(in crate::app) fn order_of(config: &crate::config::Config, wish: &Wish) -> Option<Order> {
    let door = |name: &str| {
        let at = config.doors.iter().position(|door| door.name == name)?;
        u8::try_from(at).ok().map(DoorId)
    };
    Some(match wish {
        Wish::OpenOnce { door: name } => {
            Order::OpenOnce { door: door(name)?, heading: Heading::In }
        }
        Wish::SetMode { door: name, mode, for_s } => {
            let lasting = for_s.map(Duration::from_secs);
            Order::SetMode { door: door(name)?, mode: *mode, lasting }
        }
        Wish::EndMode { door: name } => Order::EndMode { door: door(name)? },
        Wish::Acknowledge {} => Order::Acknowledge,
        Wish::Amnesty {} => Order::Amnesty,
        Wish::EndFire {} => Order::EndFire,
    })
}
