//! The envelope: a signed text that says for whom, what for and how new, a line feed, and the encrypted
//! body. `verify` believes it, `Opened::unseal` reads it, `seal` is the office's side.

use super::jws::{self, Unverified};
use super::{Certificate, GateKeys, Key256, PublicKey, SealingKey, SecretKey};
use crate::domain::{GateId, RefusedUpdate, SiteId, WallTime};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use crypto_box::aead::OsRng;
use crypto_box::aead::rand_core::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const TYPE: &str = "eithergate-envelope+jwt";
const NONCE_BYTES: usize = 24;

/// The largest envelope a gate reads: more than a million cards with a period each.
pub const MAX_ENVELOPE_BYTES: usize = 64 * 1024 * 1024;

/// Versions stay below 2^53, so that every JSON reader shows an acknowledged one exactly.
const MAX_VERSION: u64 = (1 << 53) - 1;

/// What an envelope is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Allowlist,
    Command,
    Configuration,
    Erasure,
    Keys,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Purpose::Allowlist => "allowlist",
            Purpose::Command => "command",
            Purpose::Configuration => "configuration",
            Purpose::Erasure => "erasure",
            Purpose::Keys => "keys",
        }
    }
}

/// What a gate holds an envelope against.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub site: SiteId,
    pub gate: GateId,
    /// The site's root key, as pinned in the gate's configuration.
    pub root: PublicKey,
    /// Expiry is judged only where this is known: a gate whose clock can't be trusted goes by versions
    /// alone, and an envelope accepted once is read again after a restart without a time.
    pub now: Option<WallTime>,
}

/// An envelope's signed claims. Times are whole seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    v: u8,
    pub site: SiteId,
    /// The one gate it is for.
    pub aud: GateId,
    pub purpose: Purpose,
    pub version: u64,
    iat: u64,
    exp: u64,
    /// Which epoch key the body is encrypted under.
    pub epoch: u32,
    /// The epoch key in a sealed box for the gate, base64url.
    epoch_key: String,
    /// SHA-256 of the encrypted body, base64url.
    body_sha256: String,
}

impl Claims {
    pub fn issued_at(&self) -> WallTime {
        WallTime::from_secs(self.iat)
    }

    pub fn expires_at(&self) -> WallTime {
        WallTime::from_secs(self.exp)
    }
}

/// An envelope whose whole chain was verified; its body is still encrypted.
#[derive(Debug)]
pub struct Opened<'a> {
    pub claims: Claims,
    pub certificate: Certificate,
    body: &'a [u8],
}

/// The signed text and the body after it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), RefusedUpdate> {
    if bytes.len() > MAX_ENVELOPE_BYTES {
        return Err(RefusedUpdate::Malformed);
    }
    let head = bytes.get(..bytes.len().min(jws::MAX_BYTES + 1)).unwrap_or_default();
    let line = head.iter().position(|b| *b == b'\n').ok_or(RefusedUpdate::Malformed)?;
    let (text, body) = bytes.split_at_checked(line).ok_or(RefusedUpdate::Malformed)?;
    let text = std::str::from_utf8(text).map_err(|_| RefusedUpdate::Malformed)?;
    Ok((text, body.get(1..).unwrap_or_default()))
}

/// The version an envelope *says* it has, verified or not: for telling the office which one was refused,
/// and for nothing else.
pub fn claimed_version(bytes: &[u8]) -> Option<u64> {
    let (text, _) = split(bytes).ok()?;
    let claims: Claims = Unverified::parse(text, TYPE).ok()?.claims_unverified().ok()?;
    (1..=MAX_VERSION).contains(&claims.version).then_some(claims.version)
}

/// Verifies root -> certificate -> envelope -> body, then that it is meant for this gate and purpose and,
/// where the time is known, that neither certificate nor envelope has expired. Whether the version is
/// newer is the caller's to judge.
pub fn verify<'a>(
    bytes: &'a [u8],
    expected: &Expectation,
    purpose: Purpose,
) -> Result<Opened<'a>, RefusedUpdate> {
    let (text, body) = split(bytes)?;
    let unverified = Unverified::parse(text, TYPE)?;
    let certificate = unverified.cert.as_deref().ok_or(RefusedUpdate::Malformed)?;
    let certificate = Certificate::verify(certificate, &expected.root, &expected.site)?;
    let claims: Claims = unverified.verify(&certificate.key)?;
    if claims.v != 1 || !(1..=MAX_VERSION).contains(&claims.version) {
        return Err(RefusedUpdate::Malformed);
    }
    if !certificate.role.may(claims.purpose) {
        return Err(RefusedUpdate::Uncertified);
    }
    if claims.site != expected.site || claims.aud != expected.gate || claims.purpose != purpose {
        return Err(RefusedUpdate::NotForUs);
    }
    // Needs no clock: the operator signed outside the time it was certified for.
    if !(certificate.valid_from()..certificate.valid_until()).contains(&claims.issued_at()) {
        return Err(RefusedUpdate::Expired);
    }
    if expected
        .now
        .is_some_and(|now| now >= claims.expires_at() || now >= certificate.valid_until())
    {
        return Err(RefusedUpdate::Expired);
    }
    if URL_SAFE_NO_PAD.encode(Sha256::digest(body)) != claims.body_sha256 {
        return Err(RefusedUpdate::BadSignature);
    }
    Ok(Opened { claims, certificate, body })
}

impl Opened<'_> {
    /// Decrypts the body with the epoch key that was wrapped to this gate.
    pub fn unseal(&self, keys: &GateKeys) -> Result<Zeroizing<Vec<u8>>, RefusedUpdate> {
        let wrapped =
            URL_SAFE_NO_PAD.decode(&self.claims.epoch_key).map_err(|_| RefusedUpdate::Malformed)?;
        let key = keys.unseal(&wrapped).ok_or(RefusedUpdate::Sealed)?;
        let cipher =
            XChaCha20Poly1305::new_from_slice(&key).map_err(|_| RefusedUpdate::Malformed)?;
        let (nonce, sealed) =
            self.body.split_at_checked(NONCE_BYTES).ok_or(RefusedUpdate::Malformed)?;
        let c = &self.claims;
        let aad = associated(&c.site, &c.aud, c.purpose, c.version, c.epoch);
        cipher
            .decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: aad.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| RefusedUpdate::Sealed)
    }
}

/// What the body's encryption is bound to. Names have no space, so this reads in one way only.
fn associated(site: &SiteId, gate: &GateId, purpose: Purpose, version: u64, epoch: u32) -> String {
    format!("eithergate body v1 {site} {gate} {} {version} {epoch}", purpose.as_str())
}

/// An envelope to be made.
pub struct Draft<'a> {
    pub site: &'a SiteId,
    pub gate: &'a GateId,
    pub seal_to: &'a SealingKey,
    pub purpose: Purpose,
    /// 1 to 2^53 - 1, greater than any sent before.
    pub version: u64,
    pub issued_at: WallTime,
    pub expires_at: WallTime,
    pub epoch: u32,
    pub epoch_key: &'a Key256,
    pub plain: &'a [u8],
}

/// Encrypts, wraps and signs. `None` if there is nothing valid to make of it: the gate's sealing key is
/// unusable or the body too large.
pub fn seal(draft: &Draft<'_>, operator: &SecretKey, certificate: &str) -> Option<Vec<u8>> {
    let wrapped = draft.seal_to.seal(draft.epoch_key.as_bytes())?;
    let cipher = XChaCha20Poly1305::new_from_slice(draft.epoch_key.as_bytes()).ok()?;
    let mut body = vec![0; NONCE_BYTES];
    OsRng.fill_bytes(&mut body);
    let aad = associated(draft.site, draft.gate, draft.purpose, draft.version, draft.epoch);
    let sealed = cipher
        .encrypt(XNonce::from_slice(&body), Payload { msg: draft.plain, aad: aad.as_bytes() })
        .ok()?;
    body.extend_from_slice(&sealed);

    let claims = Claims {
        v: 1,
        site: draft.site.clone(),
        aud: draft.gate.clone(),
        purpose: draft.purpose,
        version: draft.version,
        iat: draft.issued_at.as_secs(),
        exp: draft.expires_at.as_secs(),
        epoch: draft.epoch,
        epoch_key: URL_SAFE_NO_PAD.encode(wrapped),
        body_sha256: URL_SAFE_NO_PAD.encode(Sha256::digest(&body)),
    };
    let mut envelope = jws::sign(TYPE, Some(certificate), &claims, operator).ok()?.into_bytes();
    envelope.push(b'\n');
    envelope.extend_from_slice(&body);
    (envelope.len() <= MAX_ENVELOPE_BYTES).then_some(envelope)
}
