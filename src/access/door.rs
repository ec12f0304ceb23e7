//! One leaf and its lock: what it was granted, whether it stands open, which alarms it raised.

use crate::domain::{Alarm, DoorMode, Duration, Way};

/// How a door behaves. Durations are from configuration.
#[derive(Clone, Debug)]
pub struct DoorOptions {
    /// How long one grant keeps the relay energised if nobody opens.
    pub open: Duration,
    /// Open longer than this is an alarm.
    pub held_after: Duration,
    /// Without a contact nobody can say whether a grant was used, so nothing is claimed.
    pub has_contact: bool,
    /// Lock again as soon as the leaf moves: right for a strike, wrong for a bolt or a barrier.
    pub relock_on_open: bool,
}

/// What a contact's change means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The grant is being used.
    Taken {
        way: Way,
    },
    /// Opened within a grant that was used already.
    OpenedAgain,
    /// Opened without a grant.
    OpenedAlone,
    Closed {
        cleared: Vec<Alarm>,
    },
}

#[derive(Debug)]
struct Grant {
    way: Way,
    taken: bool,
}

#[derive(Debug)]
pub(super) struct Door {
    options: DoorOptions,
    grant: Option<Grant>,
    open: bool,
    alarms: Vec<Alarm>,
}

impl Door {
    pub(super) fn new(options: DoorOptions) -> Self {
        Self { options, grant: None, open: false, alarms: Vec::new() }
    }

    pub(super) fn options(&self) -> &DoorOptions {
        &self.options
    }

    pub(super) fn mode(&self) -> DoorMode {
        if self.grant.is_some() { DoorMode::Accessed } else { DoorMode::Locked }
    }

    /// With the leaf open already the contact can't show whether this grant gets used, so nothing will
    /// be claimed about it.
    pub(super) fn grant(&mut self, way: Way) {
        self.grant = Some(Grant { way, taken: self.open });
    }

    /// Ends the grant. Returns its way if it was never used, as far as this door can tell.
    pub(super) fn relock(&mut self) -> Option<Way> {
        let grant = self.grant.take()?;
        (self.options.has_contact && !grant.taken).then_some(grant.way)
    }

    pub(super) fn alarm(&mut self, alarm: Alarm) {
        if !self.alarms.contains(&alarm) {
            self.alarms.push(alarm);
        }
    }

    /// `None` if the contact says what is known already.
    pub(super) fn contact(&mut self, open: bool) -> Option<Change> {
        if open == self.open {
            return None;
        }
        self.open = open;
        Some(if !open {
            Change::Closed { cleared: std::mem::take(&mut self.alarms) }
        } else {
            match &mut self.grant {
                Some(grant) if !grant.taken => {
                    grant.taken = true;
                    Change::Taken { way: grant.way }
                }
                Some(_) => Change::OpenedAgain,
                None => Change::OpenedAlone,
            }
        })
    }
}
