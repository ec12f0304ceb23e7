//! What happened, in ONVIF's access-control words. An event has no field that could name a person: no
//! subject, no card number, no credential hash. It is anonymous because there is nothing to remove.

use super::{
    DoorId, Instant, LineState, OperatorId, ReadFault, ReaderId, SecurityBreach, WallTime, Wire,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of credential presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    Card,
    Face,
    /// Request to exit: nobody is identified.
    Rex,
    /// An operator's signed command.
    Operator,
}

/// Why a presentation was denied (ONVIF access rules, `tns1:AccessControl/Denied`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    CredentialNotFound,
    /// The subject is known but has not chosen, or may not use, this way.
    CredentialNotEnabled,
    CredentialNotActive,
    CredentialExpired,
    /// The card's PIN was wrong, missing, or not given in time.
    #[serde(rename = "InvalidPIN")]
    InvalidPin,
    NotPermittedAtThisTime,
    Unauthorized,
    /// None of these; here: an observation too old to act on.
    Other,
}

/// ONVIF door modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DoorMode {
    Locked,
    Unlocked,
    /// Momentarily unlocked for one passage.
    Accessed,
    Blocked,
    LockedDown,
    LockedOpen,
}

/// Who set a door's mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetBy {
    Fire,
    Schedule,
    Operator(OperatorId),
}

/// Something a person has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// The door opened without a grant.
    DoorForced,
    /// The door was left open too long.
    DoorHeld,
    Fire,
    /// The fire loop is cut or bridged: a fire could not be told.
    FireLine,
    /// A line that the door's rules rest on is cut or bridged.
    LineFault,
    /// Request to exit has been active too long: a stuck button, or something before its sensor.
    ExitHeld,
    /// Unknown cards or wrong PINs, one after the other.
    Guessing,
    /// Every card reader of the entrance is dead: faces go on alone until one is mended.
    CardPathDown,
    /// A credential was given under threat.
    Duress,
    Mains,
    Battery,
    Enclosure,
    /// Somebody at the gate calls for the guard.
    CallGuard,
    /// Somebody opened a reader or took it off the wall.
    Tamper,
    /// A reader doesn't answer on its bus or port.
    ReaderOffline,
    /// A reader says that its power is failing.
    ReaderPower,
    /// A reader has not been heard for much longer than is usual for it.
    ReaderSilent,
    /// Camera or recognition has been gone for longer than a restart takes.
    FacePathDown,
    /// The camera sees nothing but a flat field.
    CameraCovered,
    /// A light shines into the camera.
    CameraBlinded,
    /// The camera sees something else than its gate.
    CameraMoved,
}

/// Why the face path is not working; cards never notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaceFault {
    /// The worker ended, or was killed.
    WorkerGone,
    /// The worker gave no sign of life in time and was replaced.
    WorkerHung,
    /// The worker can't start: library, model, manifest or delegate.
    WorkerUnfit,
    /// The capture program ended or can't start.
    CaptureGone,
    /// No picture for too long.
    CaptureStalled,
    /// The worker could not shut itself in (no landlock, no seccomp).
    SandboxMissing,
}

/// Why an allowlist that arrived was refused. Nothing of it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedUpdate {
    Malformed,
    /// The signature, or its certificate's, is wrong: altered or forged.
    BadSignature,
    /// The root did not certify this key for this purpose.
    Uncertified,
    /// For another gate, another site or another purpose.
    NotForUs,
    /// Not newer than what is applied.
    Older,
    Expired,
    /// Sealed for another gate or altered afterwards.
    Sealed,
    /// A subject would have a face as the only way in.
    FaceOnly,
}

/// What an operator asked for, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    OpenOnce,
    SetMode,
    EndMode,
    Acknowledge,
    Amnesty,
    EndFire,
    SetClock,
}

/// Why a command was not obeyed. Nothing of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedCommand {
    Malformed,
    /// The signature, or its certificate's, is wrong: altered or forged.
    BadSignature,
    /// The root did not certify this key for this.
    Uncertified,
    /// For another gate, another site or another purpose.
    NotForUs,
    /// Given before, or older than one that was: each is obeyed once.
    Older,
    Expired,
    /// Sealed for another gate or altered afterwards.
    Sealed,
    /// The broker kept it: it is from some other time.
    Retained,
    NoDoor,
    /// The door is locked down, locked open or blocked: that mode must be ended first.
    DoorMode,
    /// It could not be written down in time that this one is used.
    NotKept,
}

impl From<RefusedUpdate> for RefusedCommand {
    fn from(why: RefusedUpdate) -> Self {
        match why {
            RefusedUpdate::Malformed | RefusedUpdate::FaceOnly => Self::Malformed,
            RefusedUpdate::BadSignature => Self::BadSignature,
            RefusedUpdate::Uncertified => Self::Uncertified,
            RefusedUpdate::NotForUs => Self::NotForUs,
            RefusedUpdate::Older => Self::Older,
            RefusedUpdate::Expired => Self::Expired,
            RefusedUpdate::Sealed => Self::Sealed,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all_fields = "snake_case")]
pub enum EventKind {
    AccessGranted {
        door: DoorId,
        way: Way,
    },
    /// The door was opened after a grant.
    AccessTaken {
        door: DoorId,
        way: Way,
    },
    /// Nobody opened the door after a grant.
    AccessNotTaken {
        door: DoorId,
        way: Way,
    },
    Denied {
        door: DoorId,
        way: Way,
        reason: Reason,
    },
    /// A credential was given under threat. The door opened as if nothing were.
    Duress {
        door: DoorId,
        way: Way,
    },
    /// The subject came in again without having left.
    ApbViolation {
        door: DoorId,
        way: Way,
    },
    /// Somebody came in on no grant through a door that a grant had opened; the how manieth since it was
    /// last closed.
    Tailgating {
        door: DoorId,
        count: u32,
    },
    /// Somebody passed against the direction that was granted.
    WrongWay {
        door: DoorId,
    },
    /// The door is about to be open too long.
    DoorHeldWarning {
        door: DoorId,
    },
    DoorModeChanged {
        door: DoorId,
        mode: DoorMode,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<SetBy>,
        /// Until when, where it ends by itself and the time is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<WallTime>,
    },
    /// A supervised line, or one of the gate's own, is in another state.
    LineChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door: Option<DoorId>,
        line: Wire,
        state: LineState,
    },
    /// Nobody has acknowledged it yet. `active`: the cause is still there.
    AlarmRepeated {
        door: Option<DoorId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reader: Option<ReaderId>,
        alarm: Alarm,
        active: bool,
    },
    AlarmAcknowledged {
        door: Option<DoorId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reader: Option<ReaderId>,
        alarm: Alarm,
    },
    ClockTrusted {
        trusted: bool,
    },
    AlarmRaised {
        door: Option<DoorId>,
        /// Where the alarm is a reader's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reader: Option<ReaderId>,
        alarm: Alarm,
    },
    AlarmCleared {
        door: Option<DoorId>,
        /// Where the alarm is a reader's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reader: Option<ReaderId>,
        alarm: Alarm,
    },
    FaceDegraded {
        fault: FaceFault,
    },
    FaceRestored {},
    /// Reads that were no card: parity, length or line faults, counted since the last such event.
    ReaderFaults {
        reader: ReaderId,
        count: u32,
        /// How many of each kind.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        faults: BTreeMap<ReadFault, u32>,
    },
    /// An installer listens to the readers, and sees card numbers, for this long at most.
    ReadersListened {
        seconds: u32,
    },
    /// A reader, or somebody on its cable, was not believed: a security alarm, told at most once a minute
    /// for each reason.
    ReaderSecurity {
        reader: ReaderId,
        why: SecurityBreach,
        count: u32,
    },
    /// An installer, this machine's user of that number, may give the reader a key.
    InstallOpened {
        reader: ReaderId,
        uid: u32,
        minutes: u8,
    },
    InstallEnded {
        reader: ReaderId,
        enrolled: bool,
    },
    /// The reader has its own key now.
    ReaderEnrolled {
        reader: ReaderId,
    },
    AllowlistApplied {
        version: u64,
        subjects: u32,
        cards: u32,
    },
    AllowlistRefused {
        why: RefusedUpdate,
    },
    /// An operator asked for something, and it is being done.
    Ordered {
        by: OperatorId,
        order: Asked,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door: Option<DoorId>,
    },
    /// Commands that were not obeyed, `count` since the last such event with this reason. `by`: the last
    /// one's operator, where its signature was right.
    CommandRefused {
        why: RefusedCommand,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<OperatorId>,
        count: u32,
    },
    Started {
        version: String,
    },
    /// This many events were dropped, oldest first, up to and including `through_seq`; with 0, the newest,
    /// which never had a number: the disk took nothing and there was no room to wait for it.
    EventsLost {
        count: u64,
        through_seq: u64,
    },
}

/// An [`EventKind`] and when. `wall` is absent while the clock can't be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<WallTime>,
    #[serde(flatten)]
    pub what: EventKind,
}
