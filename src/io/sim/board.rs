//! The simulated kernel: edges become due, are queued, and are read late if somebody asked for that.

use crate::domain::{Clock, Duration, Instant};
use crate::io::{EdgeSource, PinEdge, RawEdge};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Edges on their way, shared by the clients that make them and the pins' thread.
#[derive(Clone, Default)]
pub(super) struct Board(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    /// By when they are due.
    coming: Vec<PinEdge>,
    /// How late they are handed over; their stamps are right.
    lag: Duration,
    rung: bool,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding it.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn schedule(&self, edges: &[PinEdge]) {
        let mut state = self.state();
        state.coming.extend_from_slice(edges);
        state.coming.sort_by_key(|edge| edge.at);
        self.0.1.notify_all();
    }

    pub(super) fn lag(&self, lag: Duration) {
        self.state().lag = lag;
    }

    pub(super) fn wake(&self) {
        self.state().rung = true;
        self.0.1.notify_all();
    }
}

/// The pins' thread's end of it.
pub(super) struct Source<C> {
    pub board: Board,
    pub clock: C,
    /// Every line is a queue of its own; how many edges each has had.
    pub lines: Vec<(u32, u32)>,
}

impl<C: Clock + Send> EdgeSource for Source<C> {
    fn take(&mut self, wait: Duration, into: &mut Vec<RawEdge>) -> std::io::Result<Instant> {
        let end = self.clock.now() + wait;
        let mut state = self.board.state();
        let taken = loop {
            let now = self.clock.now();
            let lag = state.lag;
            let due = state.coming.first().map(|edge| edge.at + lag);
            if state.rung || now >= end || due.is_some_and(|due| due <= now) {
                state.rung = false;
                break now - lag;
            }
            let sleep = due.map_or(end, |due| due.min(end)).since(now);
            let woken = self.board.0.1.wait_timeout(state, sleep.into());
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        };
        let due = state.coming.partition_point(|edge| edge.at <= taken);
        for PinEdge { line, high, at } in state.coming.drain(..due) {
            let Some(queue) = self.lines.iter().position(|(l, _)| *l == line) else { continue };
            let number = self.lines[queue].1;
            self.lines[queue].1 = number.wrapping_add(1);
            into.push(RawEdge { queue, line, high, at, number });
        }
        Ok(taken)
    }
}
