//! What a gate's store has of an enrolled template: by which consent, and the template, sealed. Whose it is the store's
//! key says, and the seal: of somebody else's it doesn't open. Nothing here opens one.
//!
//! A record is its form's number and then the fields by postcard; at 50,000 of them every byte counts, since
//! the store keeps them in memory.

use super::template::Sealed;
use crate::domain::SubjectId;
use serde::{Deserialize, Serialize};

/// Records were JSON before, which begins with a brace.
const FORM: u8 = 1;

/// What a template may not be without: who agreed to what, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The notice, by its version, that the resident agreed to separately.
    pub notice: String,
    /// Milliseconds since 1970.
    pub given_at: u64,
}

/// A template as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub sealed: Sealed,
    pub consent: Consent,
}

#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    given_at: u64,
    notice: &'a str,
    sealed: &'a [u8],
}

/// The record is damaged, or of another version of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of an enrolled template that this version reads; enrol again")]
pub struct NotEnrolled;

impl Record {
    /// An error only where there is no memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        let fields = Fields {
            given_at: self.consent.given_at,
            notice: &self.consent.notice,
            sealed: &self.sealed.bytes,
        };
        postcard::to_extend(&fields, vec![FORM])
    }

    /// What the store has for this subject.
    pub fn from_bytes(subject: SubjectId, bytes: &[u8]) -> Result<Self, NotEnrolled> {
        let (_, fields) = bytes.split_first().filter(|(f, _)| **f == FORM).ok_or(NotEnrolled)?;
        match postcard::take_from_bytes::<Fields<'_>>(fields) {
            Ok((Fields { given_at, notice, sealed }, [])) => Ok(Self {
                sealed: Sealed { subject, bytes: sealed.to_vec() },
                consent: Consent { notice: notice.into(), given_at },
            }),
            _ => Err(NotEnrolled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANN: SubjectId = SubjectId([7; 16]);

    fn record(sealed: Vec<u8>) -> Record {
        let sealed = Sealed { subject: ANN, bytes: sealed };
        Record { sealed, consent: Consent { notice: "2026-04".into(), given_at: 1 << 40 } }
    }

    #[test]
    fn the_form_is_frozen() -> Result<(), postcard::Error> {
        let bytes = record(vec![2, 0xff]).to_bytes()?;
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "01808080808020".to_owned() + "07323032362d3034" + "0202ff");
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_and_nothing_else(
            sealed in proptest::collection::vec(any::<u8>(), 0..600),
            cut in 1usize..15,
        ) {
            let kept = record(sealed);
            let bytes = kept.to_bytes().unwrap_or_default();
            let (part, more) = (&bytes[..bytes.len() - cut], [&bytes[..], &[0]].concat());
            prop_assert_eq!(Record::from_bytes(ANN, &bytes), Ok(kept));
            prop_assert_eq!(Record::from_bytes(ANN, part), Err(NotEnrolled));
            prop_assert_eq!(Record::from_bytes(ANN, &more), Err(NotEnrolled));
        }

        #[test]
        fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::from_bytes(ANN, &bytes);
        }
    }

    #[test]
    fn a_record_of_before_is_said_to_be_none() {
        let before = br#"{"subject":"07","sealed":"AQ=="}"#;
        assert_eq!(Record::from_bytes(ANN, before), Err(NotEnrolled));
        assert_eq!(Record::from_bytes(ANN, &[]), Err(NotEnrolled));
    }
}
