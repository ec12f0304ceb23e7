//! Alarms: raised, cleared, and said again until somebody acknowledges, whether or not the cause is gone.

use super::desk::{Desk, Timer};
use super::memory::{Fact, Standing};
use super::options::AlarmOptions;
use crate::domain::{Alarm, DoorId, Duration, EventKind, ReaderId};
use std::collections::BTreeMap;

type Place = (Option<DoorId>, Option<ReaderId>, Alarm);

#[derive(Clone, Debug)]
pub(super) struct Alarms {
    standing: BTreeMap<Place, Standing>,
    options: AlarmOptions,
}

/// Whether it is heard at the gate. Under threat nothing may be; what needs a mechanic needs no siren.
fn sounds(alarm: Alarm) -> bool {
    matches!(alarm, Alarm::DoorForced | Alarm::Tamper | Alarm::Enclosure)
}

impl Alarms {
    pub(super) fn new(options: AlarmOptions) -> Self {
        Self { standing: BTreeMap::new(), options }
    }

    /// What stands, for health reports.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, Standing)> {
        self.standing.iter().map(|(place, standing)| (*place, *standing))
    }
}

impl Desk {
    pub(super) fn alarms_exit_held(&self) -> Duration {
        self.alarms.options.exit_held
    }

    pub(super) fn set_alarm(
        &mut self,
        door: Option<DoorId>,
        reader: Option<ReaderId>,
        alarm: Alarm,
        active: bool,
    ) {
        let place = (door, reader, alarm);
        let before = self.alarms.standing.get(&place).copied();
        if before.is_some_and(|s| s.active) == active {
            return;
        }
        if active {
            self.alarms.standing.insert(place, Standing { active, acknowledged: false });
            self.record(EventKind::AlarmRaised { door, reader, alarm });
            self.arm(Timer::Repeat(door, reader, alarm), self.alarms.options.repeat);
            if sounds(alarm) {
                self.siren = true;
                self.arm(Timer::Siren, self.alarms.options.siren);
            }
        } else {
            self.record(EventKind::AlarmCleared { door, reader, alarm });
            match before {
                Some(s) if !s.acknowledged => {
                    self.alarms.standing.insert(place, Standing { active, ..s });
                }
                _ => {
                    self.alarms.standing.remove(&place);
                }
            }
        }
        self.keep_alarm(place);
    }

    /// Somebody has seen all there are.
    pub(super) fn acknowledge(&mut self) {
        let open: Vec<Place> =
            self.alarms.iter().filter(|(_, s)| !s.acknowledged).map(|(p, _)| p).collect();
        for place in open {
            let (door, reader, alarm) = place;
            self.timers.disarm(Timer::Repeat(door, reader, alarm));
            self.record(EventKind::AlarmAcknowledged { door, reader, alarm });
            match self.alarms.standing.get_mut(&place) {
                Some(s) if s.active => s.acknowledged = true,
                _ => {
                    self.alarms.standing.remove(&place);
                }
            }
            self.keep_alarm(place);
        }
        self.silence();
    }

    pub(super) fn repeat_alarm(&mut self, place: Place) {
        let (door, reader, alarm) = place;
        let Some(standing) = self.alarms.standing.get(&place).copied() else { return };
        self.record(EventKind::AlarmRepeated { door, reader, alarm, active: standing.active });
        self.arm(Timer::Repeat(door, reader, alarm), self.alarms.options.repeat);
    }

    pub(super) fn silence(&mut self) {
        self.siren = false;
        self.timers.disarm(Timer::Siren);
    }

    pub(super) fn restore_alarm(&mut self, place: Place, standing: Standing) {
        self.alarms.standing.insert(place, standing);
        if standing.acknowledged {
            return;
        }
        let (door, reader, alarm) = place;
        self.arm(Timer::Repeat(door, reader, alarm), self.alarms.options.repeat);
        // Whoever can make the box start again must not silence it by that.
        if standing.active && sounds(alarm) {
            self.siren = true;
            self.arm(Timer::Siren, self.alarms.options.siren);
        }
    }

    fn keep_alarm(&mut self, (door, reader, alarm): Place) {
        let standing = self.alarms.standing.get(&(door, reader, alarm)).copied();
        self.keep(Fact::Alarm { door, reader, alarm, standing });
    }
}
