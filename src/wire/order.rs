//! What an operator asks of a gate, as it is written inside a command: one line of JSON, in one form only.
//! Who may ask for what, and whether it is asked now, is `trust`'s to judge.

use crate::domain::{Asked, DoorMode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;

/// A mode that somebody set for longer is one to be set without an end.
const LONGEST_S: u64 = 366 * 86_400;

/// Doors are called shorter.
const MAX_NAME: usize = 64;

/// Random bytes that a gate without a trusted clock makes up, and that the command it then obeys contains.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Challenge(pub [u8; 16]);

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenge({self})")
    }
}

impl Serialize for Challenge {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Challenge {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let wrong = || D::Error::custom("must be 32 lower-case hex digits");
        let number = u128::from_str_radix(&text, 16).map_err(|_| wrong())?;
        let challenge = Self(number.to_be_bytes());
        if challenge.to_string() == text { Ok(challenge) } else { Err(wrong()) }
    }
}

/// What is asked for. Doors by their names in the gate's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wish {
    /// Lets one person in.
    OpenOnce { door: String },
    /// For so many seconds, or until it is ended.
    SetMode {
        door: String,
        mode: DoorMode,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_s: Option<u64>,
    },
    /// The door does what its schedule says again.
    EndMode { door: String },
    /// Somebody has seen all alarms there are.
    Acknowledge {},
    /// Nobody violates anti-passback with the next passage.
    Amnesty {},
    /// The fire is over, where doors don't relock with the fire panel.
    EndFire {},
}

impl Wish {
    pub fn asked(&self) -> Asked {
        match self {
            Self::OpenOnce { .. } => Asked::OpenOnce,
            Self::SetMode { .. } => Asked::SetMode,
            Self::EndMode { .. } => Asked::EndMode,
            Self::Acknowledge {} => Asked::Acknowledge,
            Self::Amnesty {} => Asked::Amnesty,
            Self::EndFire {} => Asked::EndFire,
        }
    }

    /// The door it is about.
    pub fn door(&self) -> Option<&str> {
        match self {
            Self::OpenOnce { door } | Self::SetMode { door, .. } | Self::EndMode { door } => {
                Some(door)
            }
            Self::Acknowledge {} | Self::Amnesty {} | Self::EndFire {} => None,
        }
    }

    /// A passage is no mode that can be set, and no mode lasts for no time.
    pub fn is_sound(&self) -> bool {
        let name = self.door().is_none_or(|door| (1..=MAX_NAME).contains(&door.len()));
        name && match self {
            Self::SetMode { mode, for_s, .. } => {
                *mode != DoorMode::Accessed && for_s.is_none_or(|s| (1..=LONGEST_S).contains(&s))
            }
            _ => true,
        }
    }
}

/// A command's plain form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    #[serde(flatten)]
    pub wish: Wish,
}

impl Request {
    pub fn new(wish: Wish, challenge: Option<Challenge>) -> Self {
        Self { v: 1, challenge, wish }
    }

    /// The bytes to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts and numbers: there is nothing that could fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `None` for anything that [`Request::to_bytes`] would not have written of a sound wish.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let request: Self = serde_json::from_slice(bytes).ok()?;
        let sound = request.v == 1 && request.wish.is_sound() && request.to_bytes() == bytes;
        sound.then_some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(wish: Wish, challenge: Option<Challenge>) -> String {
        String::from_utf8(Request::new(wish, challenge).to_bytes()).unwrap_or_default()
    }

    #[test]
    fn version_1_is_frozen() {
        let door = || "main".to_owned();
        let lasting =
            Wish::SetMode { door: door(), mode: DoorMode::LockedDown, for_s: Some(7_200) };
        for (wish, frozen) in [
            (Wish::OpenOnce { door: door() }, r#"{"v":1,"order":"open-once","door":"main"}"#),
            (
                lasting,
                r#"{"v":1,"order":"set-mode","door":"main","mode":"LockedDown","for_s":7200}"#,
            ),
            (Wish::EndMode { door: door() }, r#"{"v":1,"order":"end-mode","door":"main"}"#),
            (Wish::Acknowledge {}, r#"{"v":1,"order":"acknowledge"}"#),
            (Wish::Amnesty {}, r#"{"v":1,"order":"amnesty"}"#),
            (Wish::EndFire {}, r#"{"v":1,"order":"end-fire"}"#),
        ] {
            assert_eq!(text(wish.clone(), None), frozen);
            assert_eq!(Request::read(frozen.as_bytes()).map(|r| r.wish), Some(wish));
        }
        let challenge = Challenge([0xab; 16]);
        let with = format!(r#"{{"v":1,"challenge":"{}","order":"amnesty"}}"#, "ab".repeat(16));
        assert_eq!(text(Wish::Amnesty {}, Some(challenge)), with);
        assert_eq!(Request::read(with.as_bytes()).and_then(|r| r.challenge), Some(challenge));
    }

    #[test]
    fn nothing_is_understood_that_could_be_written_otherwise() {
        for bad in [
            "",
            "{}",
            r#"{"v":2,"order":"amnesty"}"#,
            r#"{"order":"amnesty","v":1}"#,
            r#"{"v":1,"order":"amnesty","door":"main"}"#,
            r#"{"v":1,"order":"amnesty","more":1}"#,
            r#"{"v":1,"order":"open-once"}"#,
            r#"{"v":1,"order":"open-once","door":""}"#,
            r#"{"v":1,"order":"set-mode","door":"main","mode":"Accessed"}"#,
            r#"{"v":1,"order":"set-mode","door":"main","mode":"Locked","for_s":0}"#,
            r#"{"v":1,"order":"set-mode","door":"main","mode":"Locked","for_s":99999999999}"#,
            r#"{"v":1,"order":"set-floor"}"#,
            r#"{"v":1,"challenge":"00","order":"amnesty"}"#,
            r#"{"v":1,"challenge":"+ABCDEF0123456789ABCDEF012345678","order":"amnesty"}"#,
        ] {
            assert_eq!(Request::read(bad.as_bytes()), None, "{bad}");
        }
        assert!(
            Request::read(text(Wish::OpenOnce { door: "x".repeat(65) }, None).as_bytes()).is_none()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"[{}":,a-z0-9 _-]{0,80}"#) {
            if let Some(request) = Request::read(text.as_bytes()) {
                prop_assert_eq!(request.to_bytes(), text.into_bytes());
            }
        }
    }
}
