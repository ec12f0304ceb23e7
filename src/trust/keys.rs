//! The keys as types of their own, with a text form each, so that none is taken for another.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_box::aead::OsRng;
use crypto_box::aead::rand_core::RngCore;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Why a text is no key. It never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("must be `{0}:` and 43 characters of base64url")]
    Form(&'static str),
    #[error("is no usable Ed25519 public key")]
    Weak,
    #[error("must have the lines `ed25519-secret:...` and `x25519-secret:...`, once each")]
    GateFile,
}

fn to_text(prefix: &str, bytes: &[u8; 32]) -> String {
    format!("{prefix}:{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn from_text(prefix: &'static str, text: &str) -> Result<Zeroizing<[u8; 32]>, BadKey> {
    let wrong = BadKey::Form(prefix);
    let encoded = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(':')).ok_or(wrong)?;
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| wrong)?);
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(wrong);
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}

/// Implements the serde forms of a public key by its text form.
macro_rules! text_form {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// An Ed25519 public key: a root's, an operator's or a gate's. Text form `ed25519:BASE64URL`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Strict verification (RFC 8032 with canonical encodings and no small-order points), so that one
    /// message has one signature.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_text("ed25519", self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = BadKey;
    fn from_str(s: &str) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_bytes(&*from_text("ed25519", s)?).map_err(|_| BadKey::Weak)?;
        if key.is_weak() { Err(BadKey::Weak) } else { Ok(Self(key)) }
    }
}

text_form!(PublicKey);

/// An Ed25519 secret key; wiped when dropped. Text form `ed25519-secret:BASE64URL`.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    pub fn generate() -> Self {
        Self(SigningKey::generate(&mut OsRng))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// For a key file, and nowhere else.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(to_text("ed25519-secret", self.0.as_bytes()))
    }
}

impl FromStr for SecretKey {
    type Err = BadKey;
    fn from_str(s: &str) -> Result<Self, BadKey> {
        Ok(Self(SigningKey::from_bytes(&*from_text("ed25519-secret", s)?)))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// The X25519 public key that an epoch key is wrapped to. Text form `x25519:BASE64URL`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey(crypto_box::PublicKey);

impl SealingKey {
    /// An anonymous sealed box (libsodium's `crypto_box_seal`): 48 bytes longer than `plain`.
    /// `None` if the key can't be sealed to.
    pub fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.seal(&mut OsRng, plain).ok()
    }
}

impl fmt::Display for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_text("x25519", self.0.as_bytes()))
    }
}

impl FromStr for SealingKey {
    type Err = BadKey;
    fn from_str(s: &str) -> Result<Self, BadKey> {
        Ok(Self(crypto_box::PublicKey::from_bytes(*from_text("x25519", s)?)))
    }
}

text_form!(SealingKey);

/// What a gate signs and unseals with; wiped when dropped.
#[derive(Clone)]
pub struct GateKeys {
    signing: SecretKey,
    unsealing: crypto_box::SecretKey,
}

/// What the office keeps of a gate's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatePublicKeys {
    /// Events, health and acknowledgements are signed with it.
    pub signing: PublicKey,
    /// Epoch keys are wrapped to it.
    pub sealing: SealingKey,
}

impl GateKeys {
    pub fn generate() -> Self {
        Self {
            signing: SecretKey::generate(),
            unsealing: crypto_box::SecretKey::generate(&mut OsRng),
        }
    }

    pub fn public(&self) -> GatePublicKeys {
        GatePublicKeys {
            signing: self.signing.public(),
            sealing: SealingKey(self.unsealing.public_key()),
        }
    }

    pub fn signing(&self) -> &SecretKey {
        &self.signing
    }

    /// The plain bytes, if they were sealed to this gate and not altered.
    pub fn unseal(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.unsealing.unseal(sealed).ok().map(Zeroizing::new)
    }

    /// The content of `gate.key`: comment lines begin with `#`.
    pub fn to_file_text(&self) -> Zeroizing<String> {
        let unsealing = Zeroizing::new(self.unsealing.to_bytes());
        let unsealing = Zeroizing::new(to_text("x25519-secret", &unsealing));
        Zeroizing::new(format!(
            "# Eithergate: this gate's secret keys. Mode 0600; never copied to a second gate.\n{}\n{}\n",
            *self.signing.to_secret_text(),
            *unsealing
        ))
    }

    pub fn from_file_text(text: &str) -> Result<Self, BadKey> {
        let (mut signing, mut unsealing) = (None, None);
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with("ed25519-secret:") && signing.is_none() {
                signing = Some(line.parse()?);
            } else if line.starts_with("x25519-secret:") && unsealing.is_none() {
                let bytes = from_text("x25519-secret", line)?;
                unsealing = Some(crypto_box::SecretKey::from_bytes(*bytes));
            } else {
                return Err(BadKey::GateFile);
            }
        }
        match (signing, unsealing) {
            (Some(signing), Some(unsealing)) => Ok(Self { signing, unsealing }),
            _ => Err(BadKey::GateFile),
        }
    }
}

impl fmt::Debug for GateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GateKeys(of {})", self.signing.public())
    }
}

/// A secret of 256 bits: an epoch key or a card key; wiped when dropped. Text form `key256:BASE64URL`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key256(Zeroizing<[u8; 32]>);

impl Key256 {
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// For a key file, and nowhere else.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        Zeroizing::new(to_text("key256", &self.0))
    }
}

impl FromStr for Key256 {
    type Err = BadKey;
    fn from_str(s: &str) -> Result<Self, BadKey> {
        Ok(Self(from_text("key256", s)?))
    }
}

impl fmt::Debug for Key256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key256(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip_and_are_not_taken_for_each_other() -> Result<(), BadKey> {
        let keys = GateKeys::generate();
        let read = GateKeys::from_file_text(&keys.to_file_text())?;
        assert_eq!(read.public(), keys.public());

        let public = keys.public();
        assert_eq!(public.signing.to_string().parse::<PublicKey>()?, public.signing);
        assert!(public.sealing.to_string().parse::<PublicKey>().is_err());
        assert!(public.signing.to_string().parse::<SealingKey>().is_err());
        assert!(keys.signing().to_secret_text().parse::<PublicKey>().is_err());
        let key = Key256::generate();
        assert_eq!(key.to_secret_text().parse::<Key256>()?, key);
        Ok(())
    }

    #[test]
    fn debug_shows_no_secret() {
        let keys = GateKeys::generate();
        for line in keys.to_file_text().lines().skip(1) {
            let secret = line.split_once(':').map_or("", |(_, secret)| secret);
            assert_eq!(secret.len(), 43);
            assert!(!format!("{keys:?} {:?}", keys.signing()).contains(secret));
        }
        let key = Key256::from_bytes([7; 32]);
        assert_eq!(format!("{key:?}"), "Key256(redacted)");
    }

    #[test]
    fn a_gate_file_with_a_line_missing_doubled_or_strange_is_refused() {
        let text = GateKeys::generate().to_file_text();
        let lines: Vec<&str> = text.lines().collect();
        for bad in [
            String::new(),
            lines[1].to_owned(),
            format!("{}\n{}\n{}", lines[1], lines[1], lines[2]),
            format!("{}\n{}\nhello", lines[1], lines[2]),
        ] {
            assert!(matches!(GateKeys::from_file_text(&bad), Err(BadKey::GateFile)));
        }
    }

    #[test]
    fn a_small_order_point_is_no_key() {
        let identity = to_text("ed25519", &{
            let mut bytes = [0; 32];
            bytes[0] = 1;
            bytes
        });
        assert_eq!(identity.parse::<PublicKey>(), Err(BadKey::Weak));
    }
}
