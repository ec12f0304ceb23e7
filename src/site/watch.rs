//! What gates say, believed only when signed, and each event once.

use super::when::to_rfc3339;
use crate::domain::{GateId, SiteId, WallTime};
use crate::trust::{PublicKey, signed_json};
use crate::wire::order::Challenge;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A gate sends again what was not acknowledged, so duplicates lie close together.
const REMEMBERED: usize = 4_096;

/// Journals a gate may begin before the oldest is forgotten.
const EPOCHS: usize = 16;

/// A message whose signature is right.
#[derive(Clone, Debug, PartialEq)]
pub struct GateMessage {
    pub gate: GateId,
    /// `event`, `health`, `ack` or `answer`: the topic's last part.
    pub what: String,
    /// The JSON as signed, without `sig`.
    pub object: String,
    value: Value,
}

/// Why a message was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("not a topic of this site's gates")]
    Topic,
    #[error("from a gate this office doesn't know")]
    UnknownGate,
    #[error("not signed by that gate for that topic")]
    Signature,
    #[error("signed, but not what version 1 of docs/mqtt.md describes")]
    Content,
}

/// A gate's answer to an allowlist.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ack {
    pub what: String,
    /// The version applied, or the one refused where it could be read.
    #[serde(default)]
    pub version: Option<u64>,
    pub applied: bool,
    #[serde(default)]
    pub why: Option<String>,
}

/// A gate's answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CommandAnswer {
    what: String,
    #[serde(default)]
    pub version: Option<u64>,
    /// Whose command it was, where its signature was right.
    #[serde(default)]
    pub by: Option<String>,
    pub done: bool,
    #[serde(default)]
    pub why: Option<String>,
    /// What the next command must contain.
    #[serde(default)]
    pub challenge: Option<Challenge>,
}

/// Holds messages against the gates' public keys and drops duplicates.
#[derive(Debug)]
pub struct Watcher {
    site: SiteId,
    gates: BTreeMap<GateId, PublicKey>,
    /// By gate: journal epochs in the order they appeared, each with the sequence numbers seen last.
    seen: BTreeMap<GateId, Vec<(String, BTreeSet<u64>)>>,
}

impl Watcher {
    pub fn new(site: SiteId, gates: BTreeMap<GateId, PublicKey>) -> Self {
        Self { site, gates, seen: BTreeMap::new() }
    }

    /// The message, if it is to be believed; `None` if it is an event already seen.
    pub fn take(&mut self, topic: &str, payload: &[u8]) -> Result<Option<GateMessage>, Rejected> {
        let mut parts = topic.strip_prefix("eithergate/v1/").ok_or(Rejected::Topic)?.split('/');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(site), Some(gate), Some(what), None) = parts else { return Err(Rejected::Topic) };
        if site != self.site.as_str() || !matches!(what, "event" | "health" | "ack" | "answer") {
            return Err(Rejected::Topic);
        }
        let gate: GateId = gate.parse().map_err(|_| Rejected::Topic)?;
        let key = self.gates.get(&gate).ok_or(Rejected::UnknownGate)?;
        let text = std::str::from_utf8(payload).map_err(|_| Rejected::Signature)?;
        let object = signed_json::verify(topic, text, key).map_err(|_| Rejected::Signature)?;
        let value: Value = serde_json::from_str(&object).map_err(|_| Rejected::Content)?;
        if value.get("v") != Some(&Value::from(1))
            || value.get("gate").and_then(Value::as_str) != Some(gate.as_str())
        {
            return Err(Rejected::Content);
        }
        let message = GateMessage { gate, what: what.to_owned(), object, value };
        if what == "event" {
            let epoch = message.text("epoch").ok_or(Rejected::Content)?;
            let seq = message.value.get("seq").and_then(Value::as_u64).ok_or(Rejected::Content)?;
            if !self.is_new(&message.gate, epoch, seq) {
                return Ok(None);
            }
        }
        Ok(Some(message))
    }

    fn is_new(&mut self, gate: &GateId, epoch: &str, seq: u64) -> bool {
        let epochs = self.seen.entry(gate.clone()).or_default();
        if !epochs.iter().any(|(known, _)| known == epoch) {
            if epochs.len() == EPOCHS {
                epochs.remove(0);
            }
            epochs.push((epoch.to_owned(), BTreeSet::new()));
        }
        let Some((_, seen)) = epochs.iter_mut().find(|(known, _)| known == epoch) else {
            return true;
        };
        let new = seen.insert(seq);
        if seen.len() > REMEMBERED {
            seen.pop_first();
        }
        new
    }
}

impl GateMessage {
    fn text(&self, member: &str) -> Option<&str> {
        self.value.get(member)?.as_str()
    }

    /// The acknowledgement in it, if it is one for an allowlist.
    pub fn allowlist_ack(&self) -> Option<Ack> {
        let ack: Ack = serde_json::from_str(&self.object).ok()?;
        (self.what == "ack" && ack.what == "allowlist").then_some(ack)
    }

    /// The answer in it, if it is one to a command.
    pub fn command_answer(&self) -> Option<CommandAnswer> {
        let answer: CommandAnswer = serde_json::from_str(&self.object).ok()?;
        (self.what == "answer" && answer.what == "command").then_some(answer)
    }

    /// One row of the table: time, gate, number, what, details. Control characters are left out: a terminal
    /// obeys them.
    pub fn to_row(&self) -> String {
        let t = self.value.get("t").and_then(Value::as_u64);
        let t = t.map_or_else(|| "clock not set".into(), |t| to_rfc3339(WallTime(t)));
        let seq = self.value.get("seq").and_then(Value::as_u64);
        let seq = seq.map_or_else(String::new, |seq| seq.to_string());
        let what = self.text("kind").or_else(|| self.text("status")).unwrap_or(&self.what);
        let mut row = format!("{t:<20}  {:<12}  {seq:>8}  {what:<18}", self.gate);
        let members = self.value.as_object().into_iter().flatten();
        for (name, value) in members {
            if !matches!(name.as_str(), "v" | "gate" | "epoch" | "seq" | "t" | "kind" | "status") {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let _ = write!(row, "  {name} {value}");
            }
        }
        row.chars().filter(|c| !c.is_control()).take(300).collect::<String>().trim_end().to_owned()
    }

    /// The heading of the rows.
    pub fn heading() -> String {
        let [time, gate, number, what] = ["TIME (UTC)", "GATE", "NUMBER", "WHAT"];
        format!("{time:<20}  {gate:<12}  {number:>8}  {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::SecretKey;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    const TOPIC: &str = "eithergate/v1/garden/north/event";

    fn watcher(key: &SecretKey) -> Result<Watcher, crate::domain::BadId> {
        Ok(Watcher::new("garden".parse()?, [("north".parse()?, key.public())].into()))
    }

    fn event(epoch: &str, seq: u64) -> String {
        format!(
            r#"{{"v":1,"gate":"north","epoch":"{epoch}","seq":{seq},"t":1795334974000,"kind":"AccessGranted","door":0,"way":"card"}}"#
        )
    }

    #[test]
    fn each_event_once_by_gate_epoch_and_number() -> Outcome {
        let key = SecretKey::generate();
        let mut watcher = watcher(&key)?;
        let mut take = |epoch: &str, seq| -> Result<bool, Box<dyn std::error::Error>> {
            let text = signed_json::sign(TOPIC, &event(epoch, seq), &key)?;
            Ok(watcher.take(TOPIC, text.as_bytes())?.is_some())
        };
        assert!(take("aa", 1)? && take("aa", 2)?);
        assert!(!take("aa", 1)?, "sent again");
        assert!(take("bb", 1)?, "another journal");
        Ok(())
    }

    #[test]
    fn what_is_not_signed_for_its_topic_is_not_believed() -> Outcome {
        let key = SecretKey::generate();
        let mut watcher = watcher(&key)?;
        let good = signed_json::sign(TOPIC, &event("aa", 1), &key)?;
        let other = signed_json::sign(TOPIC, &event("aa", 1), &SecretKey::generate())?;
        let mut refused = |topic: &str, text: &str| watcher.take(topic, text.as_bytes()).err();
        assert_eq!(refused(TOPIC, &other), Some(Rejected::Signature));
        assert_eq!(refused(TOPIC, &event("aa", 1)), Some(Rejected::Signature));
        assert_eq!(refused(&TOPIC.replace("event", "health"), &good), Some(Rejected::Signature));
        assert_eq!(refused(&TOPIC.replace("north", "south"), &good), Some(Rejected::UnknownGate));
        assert_eq!(refused(&TOPIC.replace("garden", "park"), &good), Some(Rejected::Topic));
        assert_eq!(refused("eithergate/v1/garden/north/event/x", &good), Some(Rejected::Topic));
        let lies = signed_json::sign(TOPIC, &event("aa", 1).replace("north", "south"), &key)?;
        assert_eq!(refused(TOPIC, &lies), Some(Rejected::Content));
        Ok(())
    }

    #[test]
    fn a_row_for_people_has_no_control_characters() -> Outcome {
        let key = SecretKey::generate();
        let object = event("aa", 7).replace("\"card\"", "\"ca\\u001b[2Jrd\"");
        let text = signed_json::sign(TOPIC, &object, &key)?;
        let message = watcher(&key)?.take(TOPIC, text.as_bytes())?.ok_or("duplicate")?;
        let row = message.to_row();
        assert!(row.starts_with("2026-11-22T08:09:34Z  north "), "{row}");
        assert!(row.contains("AccessGranted") && row.contains("door 0"), "{row}");
        assert!(!row.contains('\u{1b}'), "{row}");
        Ok(())
    }

    #[test]
    fn acknowledgements() -> Outcome {
        let key = SecretKey::generate();
        let topic = "eithergate/v1/garden/north/ack";
        let object = r#"{"v":1,"gate":"north","what":"allowlist","version":9,"applied":true}"#;
        let text = signed_json::sign(topic, object, &key)?;
        let message = watcher(&key)?.take(topic, text.as_bytes())?.ok_or("duplicate")?;
        let ack = message.allowlist_ack().ok_or("no ack")?;
        assert_eq!((ack.version, ack.applied), (Some(9), true));
        assert_eq!(message.command_answer(), None);

        let topic = "eithergate/v1/garden/north/answer";
        let challenge = "ab".repeat(16);
        let object = format!(
            r#"{{"v":1,"gate":"north","what":"command","version":9,"by":"desk","done":false,"challenge":"{challenge}"}}"#
        );
        let text = signed_json::sign(topic, &object, &key)?;
        let message = watcher(&key)?.take(topic, text.as_bytes())?.ok_or("duplicate")?;
        let answer = message.command_answer().ok_or("no answer")?;
        assert_eq!((answer.version, answer.done, answer.why), (Some(9), false, None));
        assert_eq!(answer.challenge, Some(Challenge([0xab; 16])));
        Ok(())
    }
}
