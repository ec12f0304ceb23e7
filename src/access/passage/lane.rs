//! One grant, one passage: grants wait in the order they were given, and each has its own turn.

use crate::domain::{Duration, Heading, Instant, SubjectId, Way};
use std::collections::VecDeque;

/// More grants than anybody has patience for.
const MOST: usize = 8;

/// Permission for one passage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::access) struct Grant {
    pub way: Way,
    /// `None` where nobody was identified.
    pub who: Option<SubjectId>,
    pub heading: Heading,
    /// How long its turn lasts.
    pub window: Duration,
    pub held_after: Duration,
    /// One of a limited number of uses, given back if nobody passes.
    pub limited: bool,
}

/// The first grant's time.
#[derive(Clone, Copy, Debug)]
pub(in crate::access) struct Turn {
    pub ends: Instant,
    /// The door has been open in this turn.
    pub open_seen: bool,
}

/// Until when the lock is released for this lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::access) enum Release {
    Shut,
    Until(Instant),
    WhileOpen,
}

/// One pulse opens once: two need a pause between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::access) enum Pulse {
    Off,
    On,
    /// Another is wanted after this one.
    OnAndAgain,
    /// The pause before another.
    Pause,
}

/// A queue of grants. There is a turn exactly while there are grants.
#[derive(Clone, Debug)]
pub(in crate::access) struct Lane {
    pub waiting: VecDeque<Grant>,
    pub turn: Option<Turn>,
    pub release: Release,
    pub pulse: Pulse,
}

impl Default for Lane {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), turn: None, release: Release::Shut, pulse: Pulse::Off }
    }
}

impl Lane {
    pub(in crate::access) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    pub(in crate::access) fn is_pulsing(&self) -> bool {
        matches!(self.pulse, Pulse::On | Pulse::OnAndAgain)
    }

    pub(in crate::access) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.release == Release::Shut
    }
}
