//! What a gate publishes, as JSON objects before they are signed. `docs/mqtt.md` describes them; the
//! tests here freeze version 1.

use crate::domain::{Event, GateId, OperatorId, RefusedCommand, RefusedUpdate};
use crate::wire::order::Challenge;
use serde::Serialize;
use serde_json::Value;

/// The version in every payload.
pub const VERSION: u8 = 1;

/// What door and reader positions are called at this gate.
pub struct Names<'a> {
    pub doors: Vec<&'a str>,
    pub readers: Vec<&'a str>,
}

/// The answer to an allowlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ack {
    Applied {
        version: u64,
    },
    /// `version` is what the envelope claimed to be, where it could be read at all.
    Refused {
        version: Option<u64>,
        why: RefusedUpdate,
    },
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done {
        version: u64,
        by: OperatorId,
    },
    /// Not this one, but one that contains the challenge: this gate's clock can't be trusted.
    Challenge {
        version: u64,
        by: OperatorId,
        challenge: Challenge,
    },
    /// `version` is what the envelope claimed to be, where it could be read; `by` whose it is, where the
    /// signature was right.
    Refused {
        version: Option<u64>,
        by: Option<OperatorId>,
        why: RefusedCommand,
    },
}

/// An epoch as it is written: 16 hex digits.
pub fn epoch_text(epoch: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(epoch))
}

#[derive(Serialize)]
struct EventPayload<'a> {
    v: u8,
    gate: &'a GateId,
    epoch: &'a str,
    seq: u64,
    /// Milliseconds since 1970, or null while the gate's clock can't be trusted.
    t: Option<u64>,
    #[serde(flatten)]
    what: Value,
}

/// An event as published. `stored` is an [`Event`] in the journal's JSON; one that can't be read any more
/// is published as `Unreadable`, so that the numbers stay gapless.
pub fn event(gate: &GateId, epoch: &str, seq: u64, stored: &[u8], names: &Names<'_>) -> String {
    let event: Option<Event> = serde_json::from_slice(stored).ok();
    let t = event.as_ref().and_then(|e| e.wall).map(|wall| wall.0);
    let mut what = event
        .and_then(|e| serde_json::to_value(e.what).ok())
        .unwrap_or_else(|| serde_json::json!({ "kind": "Unreadable" }));
    for (key, of) in [("door", &names.doors), ("reader", &names.readers)] {
        if let Some(value) = what.get_mut(key)
            && let Some(name) =
                value.as_u64().and_then(|i| usize::try_from(i).ok()).and_then(|i| of.get(i))
        {
            *value = Value::from(*name);
        }
    }
    to_text(&EventPayload { v: VERSION, gate, epoch, seq, t, what })
}

#[derive(Serialize)]
struct AckPayload<'a> {
    v: u8,
    gate: &'a GateId,
    t: Option<u64>,
    what: &'static str,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<RefusedUpdate>,
}

/// An acknowledgement as published.
pub fn ack(gate: &GateId, t: Option<u64>, ack: &Ack) -> String {
    let (version, why) = match ack {
        Ack::Applied { version } => (Some(*version), None),
        Ack::Refused { version, why } => (*version, Some(*why)),
    };
    let applied = why.is_none();
    to_text(&AckPayload { v: VERSION, gate, t, what: "allowlist", applied, version, why })
}

#[derive(Serialize)]
struct AnswerPayload<'a> {
    v: u8,
    gate: &'a GateId,
    t: Option<u64>,
    what: &'static str,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a OperatorId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<RefusedCommand>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<Challenge>,
}

/// An answer as published.
pub fn answer(gate: &GateId, t: Option<u64>, answer: &Answer) -> String {
    let (done, version, by, why, challenge) = match answer {
        Answer::Done { version, by } => (true, Some(*version), Some(by), None, None),
        Answer::Challenge { version, by, challenge } => {
            (false, Some(*version), Some(by), None, Some(*challenge))
        }
        Answer::Refused { version, by, why } => (false, *version, by.as_ref(), Some(*why), None),
    };
    let what = "command";
    to_text(&AnswerPayload { v: VERSION, gate, t, what, done, version, by, why, challenge })
}

#[derive(Serialize)]
struct HealthPayload<'a, R: Serialize> {
    v: u8,
    gate: &'a GateId,
    t: Option<u64>,
    status: &'static str,
    #[serde(flatten)]
    report: Option<&'a R>,
}

/// A living gate's health.
pub fn health_up<R: Serialize>(gate: &GateId, t: Option<u64>, report: &R) -> String {
    to_text(&HealthPayload { v: VERSION, gate, t, status: "up", report: Some(report) })
}

/// What the broker says when the gate is gone.
pub fn health_down(gate: &GateId) -> String {
    to_text(&HealthPayload::<Value> { v: VERSION, gate, t: None, status: "down", report: None })
}

fn to_text(payload: &impl Serialize) -> String {
    // Maps with text keys, numbers and texts: there is nothing that could fail.
    serde_json::to_string(payload).unwrap_or_else(|_| "{\"v\":1}".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Alarm, BadId, DoorId, EventKind, Instant, ReadFault, ReaderId, Reason, WallTime, Way,
    };

    fn stored(what: EventKind, wall: Option<WallTime>) -> Vec<u8> {
        serde_json::to_vec(&Event { at: Instant(1), wall, what }).unwrap_or_default()
    }

    #[test]
    fn version_1_is_frozen() -> Result<(), BadId> {
        let gate: GateId = "north".parse()?;
        let names = Names { doors: vec!["main"], readers: vec!["entrance"] };
        let denied = EventKind::Denied {
            door: DoorId(0),
            way: Way::Card,
            reason: Reason::CredentialNotFound,
        };
        assert_eq!(
            event(&gate, "00ff", 7, &stored(denied, Some(WallTime(5))), &names),
            r#"{"v":1,"gate":"north","epoch":"00ff","seq":7,"t":5,"door":"main","kind":"Denied","reason":"CredentialNotFound","way":"card"}"#
        );
        let faults = [(ReadFault::Bounce, 2), (ReadFault::Parity, 1)].into();
        let faults = EventKind::ReaderFaults { reader: ReaderId(0), count: 3, faults };
        assert_eq!(
            event(&gate, "00ff", 9, &stored(faults, None), &names),
            r#"{"v":1,"gate":"north","epoch":"00ff","seq":9,"t":null,"count":3,"faults":{"bounce":2,"parity":1},"kind":"ReaderFaults","reader":"entrance"}"#
        );
        // As they were stored before faults were told apart.
        let older = br#"{"at":1,"kind":"ReaderFaults","reader":0,"count":3}"#;
        assert!(event(&gate, "00ff", 9, older, &names).contains(r#""count":3"#));
        let tamper =
            EventKind::AlarmRaised { door: None, reader: Some(ReaderId(0)), alarm: Alarm::Tamper };
        assert_eq!(
            event(&gate, "00ff", 9, &stored(tamper, None), &names),
            r#"{"v":1,"gate":"north","epoch":"00ff","seq":9,"t":null,"alarm":"tamper","door":null,"kind":"AlarmRaised","reader":"entrance"}"#
        );
        assert_eq!(
            event(&gate, "00ff", 8, b"garbage", &names),
            r#"{"v":1,"gate":"north","epoch":"00ff","seq":8,"t":null,"kind":"Unreadable"}"#
        );
        assert_eq!(
            ack(&gate, Some(5), &Ack::Applied { version: 3 }),
            r#"{"v":1,"gate":"north","t":5,"what":"allowlist","applied":true,"version":3}"#
        );
        assert_eq!(
            ack(&gate, None, &Ack::Refused { version: None, why: RefusedUpdate::BadSignature }),
            r#"{"v":1,"gate":"north","t":null,"what":"allowlist","applied":false,"why":"bad-signature"}"#
        );
        let by: OperatorId = "desk".parse()?;
        assert_eq!(
            answer(&gate, Some(5), &Answer::Done { version: 3, by: by.clone() }),
            r#"{"v":1,"gate":"north","t":5,"what":"command","done":true,"version":3,"by":"desk"}"#
        );
        let challenge = Challenge([0xab; 16]);
        assert_eq!(
            answer(&gate, None, &Answer::Challenge { version: 3, by, challenge }),
            r#"{"v":1,"gate":"north","t":null,"what":"command","done":false,"version":3,"by":"desk","challenge":"abababababababababababababababab"}"#
        );
        let why = RefusedCommand::BadSignature;
        assert_eq!(
            answer(&gate, Some(5), &Answer::Refused { version: None, by: None, why }),
            r#"{"v":1,"gate":"north","t":5,"what":"command","done":false,"why":"bad-signature"}"#
        );
        assert_eq!(health_down(&gate), r#"{"v":1,"gate":"north","t":null,"status":"down"}"#);
        Ok(())
    }
}
