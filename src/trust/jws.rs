//! Compact JWS (RFC 7515), one way only: Ed25519, base64url without padding, JSON exactly as written
//! here. Whatever could be written in a second way is refused, so a signed text has one form.

use super::{PublicKey, SecretKey};
use crate::domain::RefusedUpdate;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A certificate is about 500 characters and an envelope's text about 1,500.
pub(super) const MAX_BYTES: usize = 8 * 1024;

/// The only algorithm. An envelope can't choose another one.
const ALGORITHM: &str = "EdDSA";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    /// The signer's certificate; the root's own signatures have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cert: Option<String>,
}

/// A JWS taken apart; nothing of it is believed yet.
pub(super) struct Unverified<'a> {
    signed: &'a str,
    payload: &'a str,
    signature: [u8; 64],
    pub(super) cert: Option<String>,
}

/// Parses JSON that must be exactly what this program would have written.
fn canonical<T: Serialize + DeserializeOwned>(encoded: &str) -> Result<T, RefusedUpdate> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| RefusedUpdate::Malformed)?;
    let value: T = serde_json::from_slice(&bytes).map_err(|_| RefusedUpdate::Malformed)?;
    match serde_json::to_vec(&value) {
        Ok(again) if again == bytes => Ok(value),
        _ => Err(RefusedUpdate::Malformed),
    }
}

impl<'a> Unverified<'a> {
    pub(super) fn parse(text: &'a str, typ: &str) -> Result<Self, RefusedUpdate> {
        if text.len() > MAX_BYTES {
            return Err(RefusedUpdate::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(RefusedUpdate::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(RefusedUpdate::Malformed)?;
        let header: Header = canonical(header)?;
        if header.alg != ALGORITHM || header.typ != typ {
            return Err(RefusedUpdate::Malformed);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| RefusedUpdate::Malformed)?;
        let signature = signature.try_into().map_err(|_| RefusedUpdate::Malformed)?;
        Ok(Self { signed, payload, signature, cert: header.cert })
    }

    /// The claims, once the signature is `key`'s.
    pub(super) fn verify<T: Serialize + DeserializeOwned>(
        &self,
        key: &PublicKey,
    ) -> Result<T, RefusedUpdate> {
        if !key.verifies(self.signed.as_bytes(), &self.signature) {
            return Err(RefusedUpdate::BadSignature);
        }
        canonical(self.payload)
    }

    /// What anybody may have written.
    pub(super) fn claims_unverified<T: Serialize + DeserializeOwned>(
        &self,
    ) -> Result<T, RefusedUpdate> {
        canonical(self.payload)
    }
}

/// Signs `claims`. Errors only if they can't be written as JSON.
pub(super) fn sign<T: Serialize>(
    typ: &str,
    cert: Option<&str>,
    claims: &T,
    key: &SecretKey,
) -> Result<String, serde_json::Error> {
    let header = Header { alg: ALGORITHM.into(), typ: typ.into(), cert: cert.map(str::to_owned) };
    let mut text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
    text.push('.');
    text.push_str(&URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
    text.push('.');
    text.push_str(&signature);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Claims {
        n: u32,
    }

    fn by_hand(header: &str, payload: &str, key: &SecretKey) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn open(text: &str, key: &PublicKey) -> Result<Claims, RefusedUpdate> {
        Unverified::parse(text, "t+jwt")?.verify(key)
    }

    #[test]
    fn one_form_only() -> Result<(), serde_json::Error> {
        let key = SecretKey::generate();
        let header = r#"{"alg":"EdDSA","typ":"t+jwt"}"#;
        let good = sign("t+jwt", None, &Claims { n: 1 }, &key)?;
        assert_eq!(good, by_hand(header, r#"{"n":1}"#, &key));
        assert_eq!(open(&good, &key.public()), Ok(Claims { n: 1 }));

        for (header, payload) in [
            (r#"{"alg":"none","typ":"t+jwt"}"#, r#"{"n":1}"#),
            (r#"{"alg":"HS256","typ":"t+jwt"}"#, r#"{"n":1}"#),
            (r#"{"alg":"EdDSA","typ":"other"}"#, r#"{"n":1}"#),
            (r#"{"alg":"EdDSA"}"#, r#"{"n":1}"#),
            (r#"{"typ":"t+jwt","alg":"EdDSA"}"#, r#"{"n":1}"#),
            (r#"{"alg":"EdDSA","typ":"t+jwt","crit":[]}"#, r#"{"n":1}"#),
            (header, r#"{"n": 1}"#),
            (header, r#"{"n":1,"n":1}"#),
            (header, r#"{"n":1,"m":1}"#),
            (header, r#"{"n":1.0}"#),
        ] {
            let text = by_hand(header, payload, &key);
            assert_eq!(
                open(&text, &key.public()),
                Err(RefusedUpdate::Malformed),
                "{header} {payload}"
            );
        }
        let other = SecretKey::generate().public();
        assert_eq!(open(&good, &other), Err(RefusedUpdate::BadSignature));
        for bad in [format!("{good}="), format!("{good}.x"), good.replace('.', ""), String::new()] {
            assert_eq!(open(&bad, &key.public()), Err(RefusedUpdate::Malformed), "{bad}");
        }
        Ok(())
    }
}
