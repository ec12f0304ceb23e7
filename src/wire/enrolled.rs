//! What a gate's store has of an enrolled template: whose it is, by which consent, and the template, sealed. Nothing
//! here opens one.
//!
//! A record is its form's number and then the fields by postcard; at 50,000 of them every byte counts, since
//! the store keeps them in memory.

use super::template::Sealed;
use crate::domain::SubjectId;
use serde::{Deserialize, Serialize};

/// Of before was JSON, which begins with a brace.
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
    subject: [u8; 16],
    given_at: u64,
    notice: &'a str,
    sealed: &'a [u8],
}

/// The record is damaged, or of another version of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of an enrolled template that this version reads; enrol again")]
pub struct NotEnrolled;

impl Record {
    pub fn to_bytes(&self) -> Vec<u8> {
        let fields = Fields {
            subject: self.sealed.subject.0,
            given_at: self.consent.given_at,
            notice: &self.consent.notice,
            sealed: &self.sealed.bytes,
        };
        // Into memory; nothing here has a length that isn't known.
        postcard::to_extend(&fields, vec![FORM]).unwrap_or_default()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotEnrolled> {
        let (_, fields) = bytes.split_first().filter(|(f, _)| **f == FORM).ok_or(NotEnrolled)?;
        match postcard::take_from_bytes::<Fields<'_>>(fields) {
            Ok((Fields { subject, given_at, notice, sealed }, [])) => Ok(Self {
                sealed: Sealed { subject: SubjectId(subject), bytes: sealed.to_vec() },
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

    fn enrolled(sealed: Vec<u8>) -> Record {
        let sealed = Sealed { subject: SubjectId([7; 16]), bytes: sealed };
        Record { sealed, consent: Consent { notice: "2026-04".into(), given_at: 1 << 40 } }
    }

    #[test]
    fn the_form_is_frozen() {
        let hex: String =
            enrolled(vec![2, 0xff]).to_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "0107070707070707070707070707070707808080808020073230\
                         32362d303402 02ff"
                .replace(' ', "")
        );
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_and_nothing_else(sealed in proptest::collection::vec(any::<u8>(), 0..600), cut in 1usize..30) {
            let kept = enrolled(sealed);
            let bytes = kept.to_bytes();
            prop_assert_eq!(Record::from_bytes(&bytes), Ok(kept));
            prop_assert_eq!(Record::from_bytes(&bytes[..bytes.len() - cut]), Err(NotEnrolled));
            prop_assert_eq!(Record::from_bytes(&[&bytes[..], &[0]].concat()), Err(NotEnrolled));
        }

        #[test]
        fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::from_bytes(&bytes);
        }
    }

    #[test]
    fn a_record_of_before_is_said_to_be_none() {
        assert_eq!(Record::from_bytes(br#"{"subject":"07","sealed":"AQ=="}"#), Err(NotEnrolled));
        assert_eq!(Record::from_bytes(&[]), Err(NotEnrolled));
    }
}
