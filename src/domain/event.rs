//! What happened, in ONVIF's access-control words. An event has no field that could name a person: no
//! subject, no card number, no credential hash. It is anonymous because there is nothing to remove.

use super::{DoorId, Instant, ReadFault, ReaderId, SecurityBreach, WallTime};
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

/// Something a person has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// The door opened without a grant.
    DoorForced,
    /// The door was left open too long.
    DoorHeld,
    Fire,
    /// Somebody opened a reader or took it off the wall.
    Tamper,
    /// A reader doesn't answer on its bus or port.
    ReaderOffline,
    /// A reader says that its power is failing.
    ReaderPower,
    /// A reader has not been heard for much longer than is usual for it.
    ReaderSilent,
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
    DoorModeChanged {
        door: DoorId,
        mode: DoorMode,
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
    Started {
        version: String,
    },
    /// This many events were dropped, oldest first, up to and including `through_seq`.
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
