//! Face templates at rest: sealed to one subject and one embedding model.
//!
//! Sealed form, version 2: `version(1) | model sha256(32) | nonce(24) | ciphertext | tag(16)`, by
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). The additional data is `version | subject(16) |
//! model`, so a sealed template can't be moved to another subject or taken for another model's. The
//! plain text is a scale, `f32`, and the template's numbers as `i16` in units of it, little-endian: half the memory,
//! and off by 1 in 65,534 of the largest one, which is nothing beside what two pictures of one person differ by.
//!
//! The model stands in clear so that a template of a replaced model is told from a damaged one.

use crate::domain::SubjectId;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

const VERSION: u8 = 2;
const MODEL_AT: usize = 1;
const NONCE_AT: usize = MODEL_AT + 32;
const BODY_AT: usize = NONCE_AT + NONCE_LEN;
const TAG_LEN: usize = 16;
const SCALE_LEN: usize = 4;

/// Bytes of randomness that [`seal`] wants anew each time.
pub const NONCE_LEN: usize = 24;
/// The longest template, in numbers, that is sealed or opened: today's embeddings have 128 to 1024.
pub const MAX_NUMBERS: usize = 1024;
/// The longest sealed form.
pub const MAX_SEALED: usize = BODY_AT + SCALE_LEN + 2 * MAX_NUMBERS + TAG_LEN;

/// The site's or gate's key for templates at rest. Its `Debug` shows nothing; it is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct TemplateKey(Zeroizing<[u8; 32]>);

impl TemplateKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TemplateKey(redacted)")
    }
}

/// The text is no 32 bytes in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 hex digits")]
pub struct NotHex256;

fn hex256(text: &str) -> Result<Zeroizing<[u8; 32]>, NotHex256> {
    let mut bytes = Zeroizing::new([0; 32]);
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(NotHex256);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| pair.get(at).and_then(|&c| char::from(c).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(NotHex256) };
        *byte = (high << 4 | low) as u8;
    }
    Ok(bytes)
}

impl FromStr for TemplateKey {
    type Err = NotHex256;
    fn from_str(text: &str) -> Result<Self, NotHex256> {
        Ok(Self(hex256(text)?))
    }
}

/// SHA-256 of the embedding model's file: which model a template was made with.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelHash(pub [u8; 32]);

impl ModelHash {
    /// 64 lower-case hex digits, as in the model's manifest.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl FromStr for ModelHash {
    type Err = NotHex256;
    fn from_str(text: &str) -> Result<Self, NotHex256> {
        Ok(Self(*hex256(text)?))
    }
}

impl fmt::Debug for ModelHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelHash({})", self.to_hex())
    }
}

/// A sealed template and whose it is: what the daemon stores and hands to the worker. It never opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    pub subject: SubjectId,
    pub bytes: Vec<u8>,
}

impl Sealed {
    /// The model it was made with, as it says in clear; `None` if it is none of this version.
    pub fn model(&self) -> Option<ModelHash> {
        let (version, rest) = self.bytes.split_first()?;
        let model = rest.first_chunk().filter(|_| *version == VERSION)?;
        Some(ModelHash(*model))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}

/// Why a template was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("a template has 1 to {MAX_NUMBERS} finite numbers")]
    Shape,
    #[error("the cipher refused")]
    Cipher,
}

/// Why a sealed template was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("not a sealed template")]
    Malformed,
    #[error("sealed in a form of another version; update this program or enrol again")]
    Version,
    #[error("made with another embedding model; enrol again")]
    Model,
    #[error("altered, for another subject, or sealed with another key")]
    Refused,
}

fn associated(subject: &SubjectId, model: &ModelHash) -> [u8; 49] {
    let mut data = [0; 49];
    data[0] = VERSION;
    data[1..17].copy_from_slice(&subject.0);
    data[17..].copy_from_slice(&model.0);
    data
}

/// Seals `template` to `subject` and `model`. `nonce` must be random and used once.
pub fn seal(
    key: &TemplateKey,
    subject: SubjectId,
    model: &ModelHash,
    template: &[f32],
    nonce: [u8; NONCE_LEN],
) -> Result<Sealed, SealError> {
    if !(1..=MAX_NUMBERS).contains(&template.len()) || !template.iter().all(|x| x.is_finite()) {
        return Err(SealError::Shape);
    }
    let plain = pack(template);
    let body = XChaCha20Poly1305::new(key.as_bytes().into())
        .encrypt(
            XNonce::from_slice(&nonce),
            Payload { msg: &plain, aad: &associated(&subject, model) },
        )
        .map_err(|_| SealError::Cipher)?;
    let mut bytes = Vec::with_capacity(BODY_AT + body.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&model.0);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&body);
    Ok(Sealed { subject, bytes })
}

/// Opens a sealed template: the numbers, all finite, wiped on drop.
pub fn open(
    key: &TemplateKey,
    sealed: &Sealed,
    model: &ModelHash,
) -> Result<Zeroizing<Vec<f32>>, OpenError> {
    let bytes = sealed.bytes.as_slice();
    match bytes.first() {
        None => return Err(OpenError::Malformed),
        Some(&VERSION) => {}
        Some(_) => return Err(OpenError::Version),
    }
    let (Some(made_with), Some(nonce), Some(body)) =
        (bytes.get(MODEL_AT..NONCE_AT), bytes.get(NONCE_AT..BODY_AT), bytes.get(BODY_AT..))
    else {
        return Err(OpenError::Malformed);
    };
    if bytes.len() > MAX_SEALED {
        return Err(OpenError::Malformed);
    }
    if made_with != model.0 {
        return Err(OpenError::Model);
    }
    let plain = XChaCha20Poly1305::new(key.as_bytes().into())
        .decrypt(
            XNonce::from_slice(nonce),
            Payload { msg: body, aad: &associated(&sealed.subject, model) },
        )
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Refused)?;
    unpack(&plain).ok_or(OpenError::Malformed)
}

/// The plain text of finite numbers.
pub fn pack(numbers: &[f32]) -> Zeroizing<Vec<u8>> {
    let most = numbers.iter().fold(0f32, |most, number| most.max(number.abs()));
    let scale = most / f32::from(i16::MAX);
    let mut plain = Zeroizing::new(Vec::with_capacity(SCALE_LEN + 2 * numbers.len()));
    plain.extend_from_slice(&scale.to_le_bytes());
    for number in numbers {
        // Of all zeros each is 0 / 0, which is 0 as an integer.
        plain.extend_from_slice(&((number / scale).round() as i16).to_le_bytes());
    }
    plain
}

fn unpack(plain: &[u8]) -> Option<Zeroizing<Vec<f32>>> {
    let (scale, numbers) = plain.split_first_chunk()?;
    let scale = f32::from_le_bytes(*scale);
    let numbers = numbers.chunks_exact(2);
    let sound = scale.is_finite() && numbers.remainder().is_empty() && numbers.len() > 0;
    sound.then(|| {
        let number = |bytes: &[u8]| {
            let number = bytes.iter().rev().fold(0, |n, byte| n << 8 | i16::from(*byte));
            // The largest numbers there are can be one too large.
            (f32::from(number) * scale).clamp(f32::MIN, f32::MAX)
        };
        Zeroizing::new(numbers.map(number).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUBJECT: SubjectId = SubjectId([7; 16]);
    const MODEL: ModelHash = ModelHash([9; 32]);

    fn key() -> TemplateKey {
        TemplateKey::new([3; 32])
    }

    fn sealed() -> Sealed {
        seal(&key(), SUBJECT, &MODEL, &[0.5, -1.0], [1; NONCE_LEN]).unwrap()
    }

    #[test]
    fn opens_what_it_sealed() {
        let numbers = open(&key(), &sealed(), &MODEL).unwrap();
        assert!((numbers[0] - 0.5).abs() < 2e-5 && numbers[1] == -1.0, "{numbers:?}");
        assert_eq!(sealed().model(), Some(MODEL));
        for bad in [&[][..], &[2; 32], &[1; 81]] {
            assert_eq!(Sealed { subject: SUBJECT, bytes: bad.to_vec() }.model(), None);
        }
    }

    #[test]
    fn version_2_is_frozen() {
        let hex: String = sealed().bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "02\
             0909090909090909090909090909090909090909090909090909090909090909\
             010101010101010101010101010101010101010101010101\
             f4911205bd42ccdd99ecf7c952457fe986c78733ee196a43"
        );
    }

    #[test]
    fn refuses_another_key_subject_or_model() {
        let other = TemplateKey::new([4; 32]);
        assert_eq!(open(&other, &sealed(), &MODEL), Err(OpenError::Refused));
        let moved = Sealed { subject: SubjectId([8; 16]), ..sealed() };
        assert_eq!(open(&key(), &moved, &MODEL), Err(OpenError::Refused));
        assert_eq!(open(&key(), &sealed(), &ModelHash([8; 32])), Err(OpenError::Model));
    }

    #[test]
    fn a_forged_model_tag_does_not_open() {
        let other = ModelHash([8; 32]);
        let mut forged = sealed();
        forged.bytes[MODEL_AT..NONCE_AT].copy_from_slice(&other.0);
        assert_eq!(open(&key(), &forged, &other), Err(OpenError::Refused));
    }

    #[test]
    fn seals_only_templates() {
        for bad in [vec![], vec![f32::NAN], vec![0.0; MAX_NUMBERS + 1]] {
            let outcome = seal(&key(), SUBJECT, &MODEL, &bad, [1; NONCE_LEN]);
            assert_eq!(outcome, Err(SealError::Shape));
        }
        let longest = seal(&key(), SUBJECT, &MODEL, &[1.0; MAX_NUMBERS], [1; NONCE_LEN]).unwrap();
        assert_eq!(longest.bytes.len(), MAX_SEALED);
    }

    #[test]
    fn what_was_sealed_is_finite_however_large_or_small() {
        for numbers in [[0.0, -0.0], [f32::MAX, f32::MIN], [f32::MIN_POSITIVE / 8.0, 0.0]] {
            let back = unpack(&pack(&numbers)).unwrap();
            assert!(back.iter().all(|v| v.is_finite()), "{numbers:?} {back:?}");
        }
        for hostile in [&[][..], &[0; 4], &[0; 5], &[0; 7], &[0xff; 6], &[0, 0, 0x80, 0x7f, 1, 0]] {
            assert_eq!(unpack(hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        assert_eq!(format!("{:?} {:?}", key(), sealed()), "TemplateKey(redacted) Sealed(81 bytes)");
        assert_eq!("é".repeat(32).parse::<TemplateKey>(), Err(NotHex256));
        assert_eq!("03".repeat(32).parse(), Ok(key()));
    }

    proptest! {
        #[test]
        fn numbers_keep_what_tells_people_apart(numbers in proptest::collection::vec(-2f32..2.0, 1..200), by in -30i32..30) {
            let numbers: Vec<f32> = numbers.iter().map(|v| v * 2f32.powi(by)).collect();
            let most = numbers.iter().fold(0f32, |m, v| m.max(v.abs()));
            let back = unpack(&pack(&numbers)).unwrap();
            prop_assert_eq!(back.len(), numbers.len());
            for (a, b) in numbers.iter().zip(back.iter()) {
                prop_assert!((a - b).abs() <= most / 65_000.0, "{} {}", a, b);
            }
        }

        #[test]
        fn every_altered_byte_is_noticed(at in 0usize..81, flip in 1u8..) {
            let mut altered = sealed();
            altered.bytes[at] ^= flip;
            prop_assert!(open(&key(), &altered, &MODEL).is_err());
        }

        #[test]
        fn hostile_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let hostile = Sealed { subject: SUBJECT, bytes };
            prop_assert!(open(&key(), &hostile, &MODEL).is_err());
        }
    }
}
