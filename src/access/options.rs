//! What a gate is made of, and the rules a configuration must keep for the gate to be one.

use super::door::{DoorKind, Drive, Fail, PassageSensor};
use super::when::Calendar;
use crate::domain::{DoorId, Duration, Heading, ReaderId};
use serde::{Deserialize, Serialize};

/// What the gate is made of: ids are positions in these lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    pub doors: Vec<DoorOptions>,
    pub readers: Vec<ReaderOptions>,
    /// The camera, where there is one.
    pub face: Option<FaceOptions>,
    pub calendar: Calendar,
    pub untrusted_clock: UntrustedClock,
    pub passback: Passback,
    /// Doors of which one may be opened from outside only while the others are shut.
    pub interlocks: Vec<Vec<DoorId>>,
    pub lockout: Lockout,
    pub fire: FireOptions,
    pub alarms: AlarmOptions,
}

/// How a door behaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DoorOptions {
    pub kind: DoorKind,
    pub fail: Fail,
    pub drive: Drive,
    pub contact: bool,
    pub sensor: PassageSensor,
    /// Lock again as soon as the leaf moves.
    pub relock_on_open: bool,
    /// How long one grant waits for its passage; with a turnstile its own time, 5 to 8 s.
    pub open: Duration,
    /// The same for those who need longer.
    pub extended_open: Duration,
    /// Open longer than this is an alarm.
    pub held_after: Duration,
    pub extended_held_after: Duration,
    /// How long before that the door itself warns.
    pub warn_before: Option<Duration>,
    /// When the door is free for everybody: a profile of the calendar.
    pub unlock: Option<u8>,
    /// Free only once the first resident has come.
    pub first_card: bool,
    /// When nobody gets in: a profile of the calendar.
    pub lock_down: Option<u8>,
}

impl DoorOptions {
    /// What is usual for a kind of door that has a contact (a turnstile: its passage contacts).
    pub fn usual(kind: DoorKind) -> Self {
        let turnstile = kind == DoorKind::Turnstile;
        Self {
            kind,
            fail: if kind == DoorKind::Magnet { Fail::Safe } else { Fail::Secure },
            drive: match kind {
                DoorKind::Turnstile => Drive::Pulse { length: Duration::from_millis(200) },
                DoorKind::Barrier => Drive::Pulse { length: Duration::from_millis(500) },
                DoorKind::Bolt => Drive::HoldWhileOpen,
                _ => Drive::Latch,
            },
            contact: !turnstile,
            sensor: if turnstile { PassageSensor::Contacts } else { PassageSensor::None },
            relock_on_open: kind.may_relock_on_open(),
            open: Duration::from_secs(5),
            extended_open: Duration::from_secs(15),
            held_after: Duration::from_secs(30),
            extended_held_after: Duration::from_secs(60),
            warn_before: None,
            unlock: None,
            first_card: false,
            lock_down: None,
        }
    }
}

/// One reader's part in a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReaderOptions {
    /// The door it opens.
    pub door: DoorId,
    /// `In` for one on the street's side. Whoever reads a card at one inside is leaving, which is never
    /// denied.
    pub heading: Heading,
    /// Its keypad, where it has one that is used.
    pub pin: Option<PinOptions>,
}

/// How long a card waits for its PIN, and when it needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinOptions {
    /// From the card to the end of the PIN.
    pub total: Duration,
    /// From one key to the next. The first one has the whole time: who shows a card may first read what to do.
    pub between_keys: Duration,
    pub hours: Hours,
}

/// When a rule is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hours {
    Always,
    /// In a profile of the calendar; not while the time is unknown, so that nobody is shut out by it.
    Profile(u8),
}

/// The face path's part in a decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaceOptions {
    pub door: DoorId,
    /// An observation older than this when it is decided opens nothing: who stood there may be gone.
    pub max_age: Duration,
}

/// What happens to time-limited rights while the clock can't be trusted. Rights without a limit always
/// work: a family is not locked out by a flat battery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UntrustedClock {
    /// Time-limited rights wait until the clock is trusted again.
    #[default]
    Deny,
    /// Time-limited rights count as valid.
    Allow,
}

/// What becomes of somebody who comes in again without having left. This gate knows its own doors alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passback {
    pub rule: PassbackRule,
    /// After this, one who came in may come in again.
    pub timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PassbackRule {
    #[default]
    Off,
    /// Reported.
    Soft,
    /// Denied.
    Hard,
}

/// What slows guessing at a reader. It refuses no valid card: each is answered, only later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockout {
    /// Unknown cards or wrong PINs, one after the other, from which on the reader is slow. 0: never.
    pub after: u16,
    /// Without another one for so long, the reader is quick again.
    pub calm: Duration,
    /// How long each answer takes, for every unknown card from there on once more ...
    pub delay: Duration,
    /// ... up to this.
    pub longest: Duration,
}

impl Default for Lockout {
    fn default() -> Self {
        let (calm, longest) = (Duration::from_secs(60), Duration::from_secs(10));
        Self { after: 5, calm, delay: Duration::from_secs(2), longest }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FireOptions {
    pub cut: FireCut,
    pub relock: FireRelock,
}

/// What a cut or bridged fire loop does. The release itself is hard-wired; this is about what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FireCut {
    /// The doors open: a fire could not be told any more.
    #[default]
    Unlock,
    /// An alarm alone, where somebody could otherwise open the gate with pliers.
    Report,
}

/// When doors lock again after a fire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FireRelock {
    /// With the fire panel, which a person has reset.
    #[default]
    WithPanel,
    /// When an operator says so.
    ByOrder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmOptions {
    /// Until somebody acknowledges.
    pub repeat: Duration,
    /// How long the siren sounds if nobody does.
    pub siren: Duration,
    /// How long request to exit may be active.
    pub exit_held: Duration,
}

impl Default for AlarmOptions {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            repeat: Duration::from_secs(300),
            siren: Duration::from_secs(180),
            exit_held: minute,
        }
    }
}

/// Why options make no gate. `config` says the same with the place to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    #[error("there is no such door")]
    NoDoor,
    #[error("there is no such profile in the calendar")]
    NoProfile,
    #[error("a camera's door needs a card reader outside, so that nobody must give a face")]
    FaceAlone,
    #[error("door {}: a barrier or bolt must not relock while it is open, and without a contact no door can tell", .0.0)]
    RelockOnOpen(DoorId),
    /// A motor that is held open while it is open never closes.
    #[error("door {}: hold-while-open takes a contact and a leaf that people move; a bolt takes hold-while-open", .0.0)]
    Hold(DoorId),
    #[error("door {}: a turnstile takes a pulse of 0.1 to 10 s, shorter than its time for a passage", .0.0)]
    Pulse(DoorId),
    #[error("door {}: the warning comes before the alarm", .0.0)]
    Warning(DoorId),
    #[error("door {}: passage contacts belong to a turnstile", .0.0)]
    Sensor(DoorId),
    #[error("anti-passback takes a reader for leaving: request to exit doesn't say who left")]
    NoWayToLeave,
    #[error("an interlock has at least two doors")]
    Interlock,
    #[error("reader {}: time for a PIN is longer than none", .0.0)]
    Pin(ReaderId),
    #[error("times are longer than none")]
    NoTime,
}

impl Options {
    /// A gate of these doors and readers, everything else as is usual.
    pub fn usual(doors: Vec<DoorOptions>, readers: Vec<ReaderOptions>) -> Self {
        Self {
            doors,
            readers,
            face: None,
            calendar: Calendar::default(),
            untrusted_clock: UntrustedClock::Deny,
            passback: Passback::default(),
            interlocks: Vec::new(),
            lockout: Lockout::default(),
            fire: FireOptions::default(),
            alarms: AlarmOptions::default(),
        }
    }

    /// The first rule that these options break.
    pub fn check(&self) -> Result<(), Unsound> {
        self.unsound().into_iter().next().map_or(Ok(()), Err)
    }

    /// Every rule that these options break.
    pub fn unsound(&self) -> Vec<Unsound> {
        let doors = self.doors.iter().enumerate();
        let mut found: Vec<_> =
            doors.flat_map(|(i, door)| self.check_door(DoorId(i as u8), door)).collect();
        for (i, reader) in self.readers.iter().enumerate() {
            found.extend(self.has_door(reader.door).err());
            let Some(pin) = reader.pin else { continue };
            if pin.total == Duration::ZERO || pin.between_keys == Duration::ZERO {
                found.push(Unsound::Pin(ReaderId(i as u8)));
            }
            if let Hours::Profile(profile) = pin.hours {
                found.extend(self.has_profile(Some(profile)).err());
            }
        }
        if let Some(face) = &self.face {
            let card = |r: &ReaderOptions| r.door == face.door && r.heading == Heading::In;
            match self.has_door(face.door) {
                Ok(()) if !self.readers.iter().any(card) => found.push(Unsound::FaceAlone),
                there => found.extend(there.err()),
            }
        }
        for doors in &self.interlocks {
            found.extend(doors.iter().filter_map(|door| self.has_door(*door).err()));
            if doors.len() < 2 {
                found.push(Unsound::Interlock);
            }
        }
        let (alarms, lockout) = (self.alarms, self.lockout);
        let times = [alarms.repeat, alarms.siren, alarms.exit_held, lockout.calm, lockout.delay];
        if times.contains(&Duration::ZERO) {
            found.push(Unsound::NoTime);
        }
        let leaves = |r: &ReaderOptions| r.heading == Heading::Out;
        if self.passback.rule != PassbackRule::Off && !self.readers.iter().any(leaves) {
            found.push(Unsound::NoWayToLeave);
        }
        found
    }

    fn check_door(&self, id: DoorId, door: &DoorOptions) -> Vec<Unsound> {
        let mut found = Vec::new();
        if door.relock_on_open && !(door.contact && door.kind.may_relock_on_open()) {
            found.push(Unsound::RelockOnOpen(id));
        }
        let times = [door.open, door.extended_open, door.held_after, door.extended_held_after];
        if times.contains(&Duration::ZERO) {
            found.push(Unsound::NoTime);
        }
        let holds = door.drive == Drive::HoldWhileOpen;
        let can_hold = door.contact && door.kind.is_moved_by_people();
        if holds && !can_hold || !holds && door.kind == DoorKind::Bolt {
            found.push(Unsound::Hold(id));
        }
        let turnstile = door.kind == DoorKind::Turnstile;
        let drives = match door.drive {
            Drive::Pulse { length } => {
                let range = Duration::from_millis(100)..=Duration::from_secs(10);
                range.contains(&length) && length < door.open
            }
            _ => !turnstile,
        };
        if !drives {
            found.push(Unsound::Pulse(id));
        }
        if door.warn_before.is_some_and(|w| w == Duration::ZERO || w >= door.held_after) {
            found.push(Unsound::Warning(id));
        }
        if door.sensor == PassageSensor::Contacts && !turnstile {
            found.push(Unsound::Sensor(id));
        }
        let profiles = [door.unlock, door.lock_down];
        found.extend(profiles.into_iter().filter_map(|profile| self.has_profile(profile).err()));
        found
    }

    fn has_door(&self, door: DoorId) -> Result<(), Unsound> {
        self.doors.get(usize::from(door.0)).map(|_| ()).ok_or(Unsound::NoDoor)
    }

    fn has_profile(&self, profile: Option<u8>) -> Result<(), Unsound> {
        match profile {
            Some(profile) if !self.calendar.has(profile) => Err(Unsound::NoProfile),
            _ => Ok(()),
        }
    }
}
