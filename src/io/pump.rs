//! The pins' thread: from what a kernel reports to edges in order of time, and the promise that none is
//! missing. What differs from backend to backend is behind [`EdgeSource`]; the rest is here, and is tested
//! with sources that misbehave.
//!
//! **Why a promise is needed.** A Wiegand frame ends by silence, and silence can't be told from a thread
//! that is late: an edge stamped in time, but still in the kernel when the gap is over, would tear its frame
//! in two. So the loop never takes its own clock for the end of a frame. At the deadline it asks
//! ([`super::Pins::ask`]); this thread takes what the kernel has and answers [`PinEvent::Until`] behind the
//! last edge, in the same queue. Assemblers are polled up to that answer and no further. It costs one
//! question a frame and nothing while nobody is at the gate.
//!
//! **Why it settles.** Kernels stamp an edge when the interrupt comes and queue it in a thread of their own, each
//! line in another: two lines' edges can arrive in the wrong order, and the newest can be missing. So
//! an edge is held back for [`SETTLE`] and then handed over by its stamp, and the promise stops that long before the
//! moment of reading.
//!
//! **What must arrive.** A frame whose edges were lost is presented again. A switch that says something once, and
//! finds no room, would be believed to stand as before for as long as it does: a fire would go unheard. So the
//! newest edge of each switch is offered again until there is room.
//!
//! What never enters: what a line means, bits, cards.

use super::{PinEdge, PinEvent, PinSink, Switch};
use crate::domain::{Clock, Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// From the stamp of an edge to its place in the kernel's queue, at most: interrupt threads outrank
/// everything but each other.
pub const SETTLE: Duration = Duration::from_micros(200);
/// When a switch that found no room is said again.
const AGAIN: Duration = Duration::from_millis(5);
/// The longest wait for an edge.
const IDLE: Duration = Duration::from_secs(1);
/// So many edges at once are no reader's; without a pause they could keep everybody else from the processor.
const FLOOD: usize = 256;
const FLOOD_PAUSE: Duration = Duration::from_millis(1);
/// SCHED_FIFO's lowest but few: above every ordinary thread, below the kernel's interrupt threads (50).
const PRIORITY: i32 = 10;
const NICE: i32 = -15;

/// An edge as a kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEdge {
    /// Which of the source's queues it came through.
    pub queue: usize,
    pub line: u32,
    pub high: bool,
    /// On `CLOCK_MONOTONIC`.
    pub at: Instant,
    /// Counts the edges of its queue, lost ones too; wraps.
    pub number: u32,
}

/// What a backend has to do.
pub trait EdgeSource: Send {
    /// Waits for an edge, for the bell or for `wait`, then takes everything its queues had. Returns a moment up to
    /// which every *queued* edge has been taken.
    fn take(&mut self, wait: Duration, into: &mut Vec<RawEdge>) -> std::io::Result<Instant>;
}

/// Asks the pins' thread from another one.
#[derive(Clone)]
pub struct Bell {
    asked: Arc<AtomicBool>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Bell {
    /// `wake` ends the source's waiting.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { asked: Arc::default(), wake: Arc::new(wake) }
    }

    pub fn ring(&self) {
        self.asked.store(true, Ordering::Release);
        (self.wake)();
    }

    fn answer(&self) -> bool {
        self.asked.swap(false, Ordering::AcqRel)
    }
}

/// A source, and what becomes of its edges.
pub struct Pump<S> {
    source: S,
    sorter: Sorter,
    bell: Bell,
    sink: PinSink,
    switches: BTreeSet<u32>,
    /// Each switch's newest edge that found no room.
    untold: BTreeMap<u32, PinEdge>,
    raw: Vec<RawEdge>,
    ready: Vec<PinEvent>,
}

impl<S: EdgeSource + 'static> Pump<S> {
    /// `queues` are the lines of each of the source's queues; those of `switches` are levels that last.
    pub fn new(
        source: S,
        queues: Vec<Vec<u32>>,
        switches: &[Switch],
        bell: Bell,
        sink: PinSink,
    ) -> Self {
        Self {
            source,
            sorter: Sorter::new(queues),
            bell,
            sink,
            switches: switches.iter().map(|switch| switch.line).collect(),
            untold: BTreeMap::new(),
            raw: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// Debounces here, for a source that can't.
    pub fn debounced(mut self, switches: &[Switch]) -> Self {
        self.sorter.debounce = switches
            .iter()
            .filter(|switch| switch.debounce > Duration::ZERO)
            .map(|switch| (switch.line, Debounce::new(switch.debounce)))
            .collect();
        self
    }

    /// Starts the thread. It ends when the source fails.
    pub fn start(mut self, clock: impl Clock + Send + 'static) -> std::io::Result<()> {
        std::thread::Builder::new()
            .name("pins".into())
            .spawn(move || {
                tracing::info!(priority = outrank(Urgent::Pins), "the pins' thread runs");
                while self.turn(clock.now()) {}
            })
            .map(drop)
    }

    /// Takes what there is and hands it on. `false` at the end.
    fn turn(&mut self, now: Instant) -> bool {
        // Before taking: what is taken now is all that was there when it was asked.
        let asked = self.bell.answer();
        let longest = if self.untold.is_empty() { IDLE } else { AGAIN };
        let wait = if asked { Duration::ZERO } else { self.sorter.wait(now).min(longest) };
        self.raw.clear();
        let reached = match self.source.take(wait, &mut self.raw) {
            Ok(taken) => {
                let until = taken - SETTLE;
                self.sorter.add(&self.raw, taken);
                self.sorter.advance(until, &mut self.ready);
                until
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => return true,
            Err(e) => {
                (self.sink)(PinEvent::Failed(e.to_string()));
                return false;
            }
        };
        self.tell();
        if asked {
            // What found no room is not in yet.
            let untold = self.untold.values().map(|edge| Instant(edge.at.0.saturating_sub(1)));
            (self.sink)(PinEvent::Until(untold.fold(reached, Instant::min)));
        }
        if self.raw.len() >= FLOOD {
            std::thread::sleep(FLOOD_PAUSE.into());
        }
        true
    }

    /// Hands over what is ready, in its order: no switch before what another said earlier and found no room. The sink
    /// notes that there was none, and poisons the frames under way.
    fn tell(&mut self) {
        let mut untold: Vec<_> = self.untold.values().copied().collect();
        untold.sort_by_key(|edge| edge.at);
        for edge in untold {
            if !(self.sink)(PinEvent::Edge(edge)) {
                break;
            }
            self.untold.remove(&edge.line);
        }
        for event in self.ready.drain(..) {
            let switch = match event {
                PinEvent::Edge(edge) if self.switches.contains(&edge.line) => Some(edge),
                _ => None,
            };
            let behind = switch.is_some() && !self.untold.is_empty();
            if (behind || !(self.sink)(event))
                && let Some(edge) = switch
            {
                self.untold.insert(edge.line, edge);
            }
        }
    }
}

/// Puts edges in order of time and notices what is missing.
struct Sorter {
    queues: Vec<Queue>,
    /// Held back until they have settled, by time.
    held: Vec<(Instant, Held)>,
    debounce: BTreeMap<u32, Debounce>,
    released: Instant,
}

struct Queue {
    lines: Vec<u32>,
    /// Number and time of its last edge.
    last: Option<(u32, Instant)>,
}

#[derive(Debug)]
enum Held {
    Edge(PinEdge),
    /// By its queue.
    Lost(usize),
}

impl Sorter {
    fn new(queues: Vec<Vec<u32>>) -> Self {
        let queues = queues.into_iter().map(|lines| Queue { lines, last: None }).collect();
        Self { queues, held: Vec::new(), debounce: BTreeMap::new(), released: Instant(0) }
    }

    fn add(&mut self, raw: &[RawEdge], taken: Instant) {
        for edge in raw {
            let Some(queue) = self.queues.get_mut(edge.queue) else { continue };
            // Nothing was stamped after it was read: a stamp that says so is of another clock.
            let at = edge.at.min(taken);
            let expected = queue.last.map(|(number, _)| number.wrapping_add(1));
            if expected.is_some_and(|expected| expected != edge.number) {
                let after = queue.last.map_or(self.released, |(_, at)| at).max(self.released);
                self.held.push((after, Held::Lost(edge.queue)));
            }
            queue.last = Some((edge.number, at));
            let edge = PinEdge { line: edge.line, high: edge.high, at };
            self.held.push((at, Held::Edge(edge)));
        }
        // Stable: what has the same stamp keeps its order.
        self.held.sort_by_key(|(at, _)| *at);
    }

    /// Hands over what is stamped up to `until`.
    fn advance(&mut self, until: Instant, into: &mut Vec<PinEvent>) {
        let first = into.len();
        let settled = self.held.partition_point(|(at, _)| *at <= until);
        for (at, held) in self.held.drain(..settled) {
            match held {
                Held::Lost(queue) => {
                    let lines = self.queues.get(queue).map(|q| q.lines.clone()).unwrap_or_default();
                    into.push(PinEvent::Lost { lines, after: at });
                }
                Held::Edge(edge) => match self.debounce.get_mut(&edge.line) {
                    Some(debounce) => into.extend(debounce.edge(edge).map(PinEvent::Edge)),
                    None => into.push(PinEvent::Edge(edge)),
                },
            }
        }
        self.released = self.released.max(until);
        for (line, debounce) in &mut self.debounce {
            into.extend(debounce.poll(*line, until).map(PinEvent::Edge));
        }
        // A debounced edge is stamped when it began to count; others came in between.
        if let Some(new) = into.get_mut(first..) {
            new.sort_by_key(|event| match event {
                PinEvent::Lost { after, .. } => *after,
                PinEvent::Edge(edge) | PinEvent::Level(edge) => edge.at,
                PinEvent::Until(at) => *at,
                PinEvent::Failed(_) => until,
            });
        }
    }

    /// How long nothing has to be handed over.
    fn wait(&self, now: Instant) -> Duration {
        let held = self.held.first().map(|(at, _)| *at);
        let bounce = self.debounce.values().filter_map(Debounce::deadline).min();
        let next = [held, bounce].into_iter().flatten().min();
        next.map_or(IDLE, |at| (at + SETTLE).since(now))
    }
}

/// A level counts once it has lasted. Kernels do this themselves; the simulated pins need it.
#[derive(Debug)]
struct Debounce {
    period: Duration,
    /// The last level handed over; none before the first.
    stable: Option<bool>,
    pending: Option<PinEdge>,
}

impl Debounce {
    fn new(period: Duration) -> Self {
        Self { period, stable: None, pending: None }
    }

    /// Takes an edge; gives the level before it, if that had lasted.
    fn edge(&mut self, edge: PinEdge) -> Option<PinEdge> {
        let before = self.poll(edge.line, edge.at);
        match self.pending {
            // The same level said twice lasts since it was said first.
            Some(pending) if pending.high == edge.high => {}
            _ => self.pending = (self.stable != Some(edge.high)).then_some(edge),
        }
        before
    }

    fn poll(&mut self, line: u32, now: Instant) -> Option<PinEdge> {
        let pending = self.pending.filter(|p| now >= p.at + self.period)?;
        self.pending = None;
        self.stable = Some(pending.high);
        // Stamped when it began to count, as the kernel does.
        Some(PinEdge { line, high: pending.high, at: pending.at + self.period })
    }

    fn deadline(&self) -> Option<Instant> {
        self.pending.map(|pending| pending.at + self.period)
    }
}

/// Which thread is to outrank the ordinary ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgent {
    Pins,
    /// Below the pins' thread: what it decides is as urgent, but an edge must not wait for it. It never
    /// blocks and each turn is bounded; the kernel holds back what runs wild at real-time priority.
    Loop,
}

/// Puts this thread above ordinary ones, as far as it is permitted; says how far that was.
pub fn outrank(whom: Urgent) -> &'static str {
    let sched_priority = match whom {
        Urgent::Pins => PRIORITY,
        Urgent::Loop => PRIORITY - 1,
    };
    let fifo = libc::sched_param { sched_priority };
    // SAFETY: both calls take plain numbers and a struct that outlives them, and concern this thread alone.
    let (real_time, nice) = unsafe {
        let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
        let real_time = libc::sched_setscheduler(0, policy, &fifo) == 0;
        (real_time, !real_time && libc::setpriority(libc::PRIO_PROCESS, 0, NICE) == 0)
    };
    match (real_time, nice) {
        (true, _) => "real-time",
        (_, true) => "raised",
        _ => "ordinary: allow more with LimitRTPRIO= or LimitNICE= in the service's unit",
    }
}

#[cfg(test)]
mod tests;
