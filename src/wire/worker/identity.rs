//! Identities and keys have no `Serialize` of their own, so that they can't slip into a log or an event;
//! these modules spell out the one place they go.

pub(super) mod subject {
    use super::super::*;

    pub fn serialize<S: Serializer>(id: &SubjectId, s: S) -> Result<S::Ok, S::Error> {
        id.0.serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<SubjectId, D::Error> {
        Deserialize::deserialize(d).map(SubjectId)
    }
}

pub(super) mod subjects {
    use super::super::*;

    pub fn serialize<S: Serializer>(ids: &[SubjectId], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(ids.iter().map(|id| id.0))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<SubjectId>, D::Error> {
        let ids: Vec<[u8; 16]> = Deserialize::deserialize(d)?;
        Ok(ids.into_iter().map(SubjectId).collect())
    }
}

pub(super) mod pair {
    use super::super::*;

    pub fn serialize<S: Serializer>(
        (a, b): &(SubjectId, SubjectId),
        s: S,
    ) -> Result<S::Ok, S::Error> {
        (a.0, b.0).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<(SubjectId, SubjectId), D::Error> {
        let (a, b) = Deserialize::deserialize(d)?;
        Ok((SubjectId(a), SubjectId(b)))
    }
}

pub(super) mod key {
    use super::super::*;

    pub fn serialize<S: Serializer>(key: &TemplateKey, s: S) -> Result<S::Ok, S::Error> {
        key.as_bytes().serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<TemplateKey, D::Error> {
        let mut bytes: [u8; 32] = Deserialize::deserialize(d)?;
        let key = TemplateKey::new(bytes);
        bytes.zeroize();
        Ok(key)
    }
}

pub(super) mod sealed {
    use super::super::*;

    pub fn serialize<S: Serializer>(sealed: &Sealed, s: S) -> Result<S::Ok, S::Error> {
        (sealed.subject.0, &sealed.bytes).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Sealed, D::Error> {
        let (subject, bytes) = Deserialize::deserialize(d)?;
        Ok(Sealed { subject: SubjectId(subject), bytes })
    }
}

pub(super) mod observation {
    use super::super::*;

    #[derive(Serialize, Deserialize)]
    struct Wire {
        captured_at: Instant,
        subject: Option<[u8; 16]>,
        look_alike: Option<[u8; 16]>,
        distance: f32,
        quality: f32,
        liveness: Liveness,
    }

    pub fn serialize<S: Serializer>(o: &Observation, s: S) -> Result<S::Ok, S::Error> {
        Wire {
            captured_at: o.captured_at,
            subject: o.subject.map(|s| s.0),
            look_alike: o.look_alike.map(|s| s.0),
            distance: o.distance,
            quality: o.quality,
            liveness: o.liveness,
        }
        .serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Observation, D::Error> {
        let Wire { captured_at, subject, look_alike, distance, quality, liveness } =
            Wire::deserialize(d)?;
        let (subject, look_alike) = (subject.map(SubjectId), look_alike.map(SubjectId));
        Ok(Observation { captured_at, subject, look_alike, distance, quality, liveness })
    }
}
