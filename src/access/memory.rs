//! What outlives a restart, as plain facts: the newest of each key counts.

use crate::domain::{
    Alarm, DoorId, DoorMode, Duration, Instant, OperatorId, ReaderId, SubjectId, WallTime,
};
use serde::{Deserialize, Serialize};

/// What a [`Fact`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum FactKey {
    Mode(DoorId),
    FirstCard(DoorId),
    Fire,
    Inside(#[serde(with = "hex")] SubjectId),
    Lockout(ReaderId),
    Spent(#[serde(with = "hex")] SubjectId),
    Alarm(Option<DoorId>, Option<ReaderId>, Alarm),
    Floor,
}

/// One thing to be remembered. Ages are told by the wall where it can be trusted: the monotonic clock
/// begins anew with each start. Its serde form is for the gate's own store and nowhere else: it names
/// subjects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// The mode that an operator set; `None` once it has ended.
    Mode { door: DoorId, set: Option<Set> },
    /// The first card of this opening has come.
    FirstCard { door: DoorId, seen: bool },
    /// Doors are open for a fire.
    Fire { active: bool },
    /// Since when the subject is inside; `None`: has left, or nobody knows. `Some(None)`: since a time that
    /// could not be told.
    Inside {
        #[serde(with = "hex")]
        subject: SubjectId,
        #[serde(with = "since")]
        since: Option<Option<WallTime>>,
    },
    /// Unknown cards at this reader, one after the other.
    Lockout { reader: ReaderId, count: u16 },
    /// How often a right of limited use has been used.
    Spent {
        #[serde(with = "hex")]
        subject: SubjectId,
        uses: u16,
    },
    /// An alarm that nobody has acknowledged, or whose cause is still there.
    Alarm {
        door: Option<DoorId>,
        reader: Option<ReaderId>,
        alarm: Alarm,
        standing: Option<Standing>,
    },
    /// No trusted clock says less.
    Floor { wall: WallTime },
}

/// A mode that somebody set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    pub mode: DoorMode,
    pub by: OperatorId,
    /// How long it had left when it was written down.
    pub left: Option<Duration>,
    /// When it ends, where the time was known.
    pub until: Option<WallTime>,
}

/// How an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The cause is still there.
    pub active: bool,
    pub acknowledged: bool,
}

impl Fact {
    pub fn key(&self) -> FactKey {
        match self {
            Self::Mode { door, .. } => FactKey::Mode(*door),
            Self::FirstCard { door, .. } => FactKey::FirstCard(*door),
            Self::Fire { .. } => FactKey::Fire,
            Self::Inside { subject, .. } => FactKey::Inside(*subject),
            Self::Lockout { reader, .. } => FactKey::Lockout(*reader),
            Self::Spent { subject, .. } => FactKey::Spent(*subject),
            Self::Alarm { door, reader, alarm, .. } => FactKey::Alarm(*door, *reader, *alarm),
            Self::Floor { .. } => FactKey::Floor,
        }
    }

    /// Nothing worth keeping: the store may delete what it has under this key.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Mode { set, .. } => set.is_none(),
            Self::FirstCard { seen, .. } => !seen,
            Self::Fire { active } => !active,
            Self::Inside { since, .. } => since.is_none(),
            Self::Lockout { count, .. } => *count == 0,
            Self::Alarm { standing, .. } => standing.is_none(),
            Self::Spent { .. } | Self::Floor { .. } => false,
        }
    }
}

/// The instant at which a wall time was, as far as both clocks tell now; `None` if it can't be told.
pub(super) fn instant_of(
    wall: WallTime,
    now: Instant,
    now_wall: Option<WallTime>,
) -> Option<Instant> {
    let ms = now_wall?.0.checked_sub(wall.0)?;
    Some(now - Duration::from_millis(ms))
}

/// A subject's id has no serde form of its own, so that it can't slip into an event.
mod hex {
    use crate::domain::SubjectId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(id: &SubjectId, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&id.to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SubjectId, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

/// A time that could not be told is 0: null says that nobody is inside.
mod since {
    use crate::domain::WallTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        since: &Option<Option<WallTime>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        since.map(|since| since.map_or(0, |wall| wall.0)).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Option<WallTime>>, D::Error> {
        let since = Option::<u64>::deserialize(d)?;
        Ok(since.map(|ms| Some(WallTime(ms)).filter(|wall| wall.0 > 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_as_it_was() -> Result<(), Box<dyn std::error::Error>> {
        let (door, reader, subject) = (DoorId(1), ReaderId(2), SubjectId([7; 16]));
        let set = Set {
            mode: DoorMode::Blocked,
            by: "guard".parse()?,
            left: Some(Duration::from_secs(60)),
            until: None,
        };
        let standing = Some(Standing { active: true, acknowledged: false });
        let facts = [
            Fact::Mode { door, set: Some(set) },
            Fact::FirstCard { door, seen: true },
            Fact::Fire { active: true },
            Fact::Inside { subject, since: Some(None) },
            Fact::Inside { subject, since: Some(Some(WallTime(5))) },
            Fact::Inside { subject, since: None },
            Fact::Lockout { reader, count: 3 },
            Fact::Spent { subject, uses: 4 },
            Fact::Alarm { door: None, reader: Some(reader), alarm: Alarm::Tamper, standing },
            Fact::Floor { wall: WallTime(9) },
        ];
        for fact in facts {
            let text = serde_json::to_string(&fact)?;
            assert_eq!(serde_json::from_str::<Fact>(&text)?, fact, "{text}");
            let nobody = fact == Fact::Inside { subject, since: None };
            assert_eq!(fact.is_over(), nobody, "{text}");
        }
        for over in [
            Fact::Mode { door, set: None },
            Fact::FirstCard { door, seen: false },
            Fact::Fire { active: false },
            Fact::Lockout { reader, count: 0 },
            Fact::Alarm { door: None, reader: None, alarm: Alarm::Fire, standing: None },
        ] {
            assert!(over.is_over(), "{over:?}");
        }
        let inside = serde_json::to_string(&FactKey::Inside(subject))?;
        assert_ne!(inside, serde_json::to_string(&FactKey::Spent(subject))?);
        Ok(())
    }
}
