//! Every deadline of the gate in one table: a timeout is data, never a stray sleep.

use crate::domain::{DoorId, Instant};

/// What is due when a deadline passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The grant ends.
    Relock,
    /// The door has stood open too long.
    Held,
}

const KINDS: [Timer; 2] = [Timer::Relock, Timer::Held];

/// One slot for each kind and door, so arming twice replaces and nothing can pile up.
#[derive(Debug)]
pub(super) struct Timers {
    slots: Vec<[Option<Instant>; KINDS.len()]>,
}

impl Timers {
    pub(super) fn new(doors: usize) -> Self {
        Self { slots: vec![[None; KINDS.len()]; doors] }
    }

    pub(super) fn arm(&mut self, timer: Timer, door: DoorId, at: Instant) {
        self.set(timer, door, Some(at));
    }

    pub(super) fn disarm(&mut self, timer: Timer, door: DoorId) {
        self.set(timer, door, None);
    }

    fn set(&mut self, timer: Timer, door: DoorId, at: Option<Instant>) {
        if let Some(slots) = self.slots.get_mut(usize::from(door.0)) {
            slots[timer as usize] = at;
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.slots.iter().flatten().flatten().min().copied()
    }

    /// Takes the earliest deadline that is not after `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Timer, DoorId)> {
        let due = self.next().filter(|due| *due <= now)?;
        for (door, slots) in self.slots.iter_mut().enumerate() {
            for kind in KINDS {
                let slot = &mut slots[kind as usize];
                if *slot == Some(due) {
                    *slot = None;
                    return Some((kind, DoorId(door as u8)));
                }
            }
        }
        None
    }
}
