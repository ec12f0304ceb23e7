//! The root's word for an operator: this key, in this role, until then.

use super::jws::{self, Unverified};
use super::{PublicKey, Purpose, SecretKey};
use crate::domain::{OperatorId, RefusedUpdate, SiteId, WallTime};
use serde::{Deserialize, Serialize};

const TYPE: &str = "eithergate-cert+jwt";

/// What an operator is trusted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Who may pass, how doors are, and whose data is erased.
    Office,
    /// Letting one person through, and seeing alarms.
    Guard,
    /// How a gate is set up.
    Installer,
}

impl Role {
    /// Whether the role may sign for that purpose. Nobody but the root changes keys.
    pub fn may(self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Allowlist | Purpose::Erasure => self == Role::Office,
            // Which ones, `may_ask` says.
            Purpose::Command => matches!(self, Role::Guard | Role::Office),
            Purpose::Configuration => self == Role::Installer,
            Purpose::Keys => false,
        }
    }
}

/// A certificate's claims. Times are whole seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    v: u8,
    pub site: SiteId,
    pub operator: OperatorId,
    pub key: PublicKey,
    pub role: Role,
    iat: u64,
    exp: u64,
}

impl Certificate {
    pub fn new(
        site: SiteId,
        operator: OperatorId,
        key: PublicKey,
        role: Role,
        from: WallTime,
        until: WallTime,
    ) -> Self {
        Self { v: 1, site, operator, key, role, iat: from.as_secs(), exp: until.as_secs() }
    }

    pub fn valid_from(&self) -> WallTime {
        WallTime::from_secs(self.iat)
    }

    pub fn valid_until(&self) -> WallTime {
        WallTime::from_secs(self.exp)
    }

    /// The certificate as text, signed by the root.
    pub fn issue(&self, root: &SecretKey) -> Result<String, serde_json::Error> {
        jws::sign(TYPE, None, self, root)
    }

    /// The claims of a certificate that `root` signed for `site`. Role and times are the caller's to judge.
    pub fn verify(text: &str, root: &PublicKey, site: &SiteId) -> Result<Self, RefusedUpdate> {
        let unverified = Unverified::parse(text, TYPE)?;
        if unverified.cert.is_some() {
            return Err(RefusedUpdate::Malformed);
        }
        let certificate: Self = unverified.verify(root)?;
        if certificate.v != 1 {
            return Err(RefusedUpdate::Malformed);
        }
        if certificate.site != *site {
            return Err(RefusedUpdate::NotForUs);
        }
        Ok(certificate)
    }
}
