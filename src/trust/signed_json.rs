//! What a gate says: a JSON object whose last member is `"sig"`, the gate's Ed25519 signature over the
//! text without that member and over the topic, so that nothing is moved to another topic. Any JSON tool
//! reads it; who wants certainty verifies it.

use super::{PublicKey, SecretKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const MEMBER: &str = r#","sig":""#;
const SIGNATURE_CHARACTERS: usize = 86;
const TAIL_BYTES: usize = MEMBER.len() + SIGNATURE_CHARACTERS + 2;

/// Why a text could not be signed, or is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignedJson {
    #[error("is no JSON object with at least one member, written without a space at its end")]
    NoObject,
    #[error("does not end in a `sig` member")]
    Unsigned,
    #[error("its signature is not this gate's for this topic: altered, moved or forged")]
    BadSignature,
}

/// The signed bytes: a prefix no other signature of ours begins with, the topic, the object.
fn message(topic: &str, object: &str) -> Vec<u8> {
    format!("eithergate signed json v1\n{topic}\n{object}").into_bytes()
}

/// `object` with the signature as its last member.
pub fn sign(topic: &str, object: &str, key: &SecretKey) -> Result<String, BadSignedJson> {
    let open = object.strip_suffix('}').ok_or(BadSignedJson::NoObject)?;
    if !open.starts_with('{') || open.len() < 2 {
        return Err(BadSignedJson::NoObject);
    }
    let signature = URL_SAFE_NO_PAD.encode(key.sign(&message(topic, object)));
    Ok(format!("{open}{MEMBER}{signature}\"}}"))
}

/// The object without its signature, exactly as it was signed for that topic.
pub fn verify(topic: &str, text: &str, key: &PublicKey) -> Result<String, BadSignedJson> {
    let split = text.len().checked_sub(TAIL_BYTES).ok_or(BadSignedJson::Unsigned)?;
    let (open, tail) = text.split_at_checked(split).ok_or(BadSignedJson::Unsigned)?;
    let signature = tail
        .strip_prefix(MEMBER)
        .and_then(|rest| rest.strip_suffix("\"}"))
        .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
        .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
        .ok_or(BadSignedJson::Unsigned)?;
    let object = format!("{open}}}");
    if !key.verifies(&message(topic, &object), &signature) {
        return Err(BadSignedJson::BadSignature);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOPIC: &str = "eithergate/v1/garden/north/event";

    #[test]
    fn any_json_tool_reads_it_and_the_signature_binds_key_and_topic() -> Result<(), BadSignedJson> {
        let key = SecretKey::generate();
        let object = r#"{"v":1,"gate":"north","seq":7}"#;
        let text = sign(TOPIC, object, &key)?;
        let read: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(read["seq"], 7);
        assert_eq!(verify(TOPIC, &text, &key.public())?, object);

        let other_topic = "eithergate/v1/garden/south/event";
        assert_eq!(verify(other_topic, &text, &key.public()), Err(BadSignedJson::BadSignature));
        let other = SecretKey::generate().public();
        assert_eq!(verify(TOPIC, &text, &other), Err(BadSignedJson::BadSignature));
        assert_eq!(verify(TOPIC, object, &key.public()), Err(BadSignedJson::Unsigned));
        Ok(())
    }

    /// Ed25519 is deterministic, so version 1 has one text for this key, topic and object.
    #[test]
    fn version_1_is_frozen() -> Result<(), Box<dyn std::error::Error>> {
        let key: SecretKey =
            format!("ed25519-secret:{}", URL_SAFE_NO_PAD.encode([3; 32])).parse()?;
        let text = sign(TOPIC, r#"{"v":1,"gate":"north","seq":7}"#, &key)?;
        assert_eq!(
            text,
            concat!(
                r#"{"v":1,"gate":"north","seq":7,"sig":"_O1LSQu8o26FzEPrifOXLVc-o2wQKNbWyJ9OIgOi"#,
                r#"jyQIltKhXlt_gObNagRJTyUw2ITzRVbI-lrFxvIetgnHDg"}"#
            )
        );
        Ok(())
    }

    #[test]
    fn what_is_no_object_is_not_signed() {
        let key = SecretKey::generate();
        for bad in ["", "{}", "{", "}", "[1]", "7", "{\"a\":1} "] {
            assert_eq!(sign(TOPIC, bad, &key), Err(BadSignedJson::NoObject), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_altered_byte_passes(at in 0..200usize, bit in 0..8u32) {
            let key = SecretKey::generate();
            let mut bytes = sign(TOPIC, r#"{"v":1,"gate":"north","seq":7}"#, &key)?.into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(bytes) {
                prop_assert!(verify(TOPIC, &text, &key.public()).is_err());
            }
        }

        #[test]
        fn strange_texts_are_refused_quietly(text in ".{0,300}") {
            prop_assert!(verify(TOPIC, &text, &SecretKey::generate().public()).is_err());
        }
    }
}
