//! Giving commands: an operator's key with what it needs beside it, and commands signed with it.
//!
//! A guard's desk is a directory like the office's with less in it: the gates' public keys, the guard's own key
//! and its certificate. No card, no subject, no key that lists are encrypted under: each command has a key of
//! its own, which only its gate can read.

use super::files::{file_error, fill_new_dir, replace, write_new};
use super::office::{OFFICE_CERTIFICATE, OFFICE_KEY, key_file, read_key, save_site};
use super::when::to_rfc3339;
use super::{Lock, Office, SiteError};
use crate::domain::{GateId, OperatorId, WallTime};
use crate::trust::{COMMAND_LIVES_S, Certificate, Draft, Key256, Purpose, Role, SecretKey, seal};
use crate::wire::order::Request;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

const OPERATOR_KEY: &str = "operator.key";
const OPERATOR_CERTIFICATE: &str = "operator.cert";
const LAST_COMMAND: &str = "command.last";
const COMMAND_LOCK: &str = "command.lock";

const DAY_S: u64 = 86_400;

/// Another command holds the number for as long as writing it takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whoever may give commands: the office, or a guard at a desk of their own.
#[derive(Debug)]
pub struct Operator {
    office: Office,
    key: SecretKey,
    certificate: String,
    claims: Certificate,
}

/// A command, ready to be sent.
#[derive(Debug)]
pub struct Signed {
    pub version: u64,
    pub expires_at: WallTime,
    pub envelope: Vec<u8>,
}

impl Operator {
    pub fn open(dir: &Path) -> Result<Self, SiteError> {
        let office = Office::open(dir)?;
        let own = dir.join(OPERATOR_CERTIFICATE).exists();
        let (key, certificate) = if own {
            (OPERATOR_KEY, OPERATOR_CERTIFICATE)
        } else {
            (OFFICE_KEY, OFFICE_CERTIFICATE)
        };
        let (claims, certificate) = office.certificate_in(certificate)?;
        let key: SecretKey = read_key(&dir.join(key))?;
        Ok(Self { office, key, certificate, claims })
    }

    pub fn name(&self) -> &OperatorId {
        &self.claims.operator
    }

    pub fn office(&self) -> &Office {
        &self.office
    }

    /// Signs a command. Its version is on disk before it is sent, so it is never used twice.
    pub fn sign(
        &self,
        gate: &GateId,
        request: &Request,
        now: WallTime,
    ) -> Result<Signed, SiteError> {
        let record = self.office.gates().get(gate);
        let record = record.ok_or_else(|| SiteError::NoGate(gate.clone()))?;
        if !self.claims.role.may_ask(&request.wish) {
            return Err(SiteError::NotYours(self.name().clone()));
        }
        let (from, until) = (self.claims.valid_from(), self.claims.valid_until());
        if !(from..until).contains(&now) {
            let (from, until) = (to_rfc3339(from), to_rfc3339(until));
            return Err(SiteError::NotCertified { from, until });
        }
        let version = self.next_version(now)?;
        let expires_at = WallTime::from_secs(now.as_secs().saturating_add(COMMAND_LIVES_S));
        let draft = Draft {
            site: self.office.name(),
            gate,
            seal_to: &record.sealing,
            purpose: Purpose::Command,
            version,
            issued_at: now,
            expires_at,
            epoch: 0,
            epoch_key: &Key256::generate(),
            plain: &request.to_bytes(),
        };
        let envelope = seal(&draft, &self.key, &self.certificate)
            .ok_or_else(|| SiteError::TooLarge("a command".into()))?;
        Ok(Signed { version, expires_at, envelope })
    }

    /// Milliseconds since 1970, or the last one's successor where that is ahead: a clock that was set back
    /// must not make all commands old.
    fn next_version(&self, now: WallTime) -> Result<u64, SiteError> {
        let dir = self.office.dir();
        let _lock = self.lock()?;
        let path = dir.join(LAST_COMMAND);
        let last: u64 = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| SiteError::Spoilt {
                path: path.clone(),
                why: "is no number".into(),
            })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(file_error(&path)(e)),
        };
        let version = now.0.max(last.saturating_add(1));
        replace(&path, format!("{version}\n").as_bytes(), 0o600).map_err(file_error(&path))?;
        Ok(version)
    }

    fn lock(&self) -> Result<Lock, SiteError> {
        let path = self.office.dir().join(COMMAND_LOCK);
        let end = Instant::now() + PATIENCE;
        loop {
            match Lock::take(&path) {
                Ok(lock) => return Ok(lock),
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => {
                    return Err(file_error(&path)(e));
                }
                Err(_) if Instant::now() >= end => {
                    return Err(SiteError::Busy(self.office.dir().to_owned()));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Office {
    /// Makes a guard's key, has the root certify it, and puts it into a new directory with what commands need.
    /// Gives until when it is certified.
    pub fn add_guard(
        &self,
        name: &OperatorId,
        root_file: &Path,
        out: &Path,
        valid_days: u64,
        now: WallTime,
    ) -> Result<WallTime, SiteError> {
        // The names that events have for others.
        if name.as_str() == "office" || name.as_str().starts_with("uid-") {
            return Err(SiteError::OperatorName(name.clone()));
        }
        let root = self.root_from(root_file)?;
        let key = SecretKey::generate();
        // An hour of grace for a clock that is corrected backwards after this.
        let from = WallTime::from_secs(now.as_secs().saturating_sub(3_600));
        let until = WallTime::from_secs(now.as_secs().saturating_add(valid_days * DAY_S));
        let (site, public) = (self.name().clone(), key.public());
        let certificate = Certificate::new(site, name.clone(), public, Role::Guard, from, until);
        let certificate = certificate.issue(&root).map_err(|e| SiteError::Spoilt {
            path: OPERATOR_CERTIFICATE.into(),
            why: e.to_string(),
        })?;
        fill_new_dir(out, |new| {
            let secret = key_file("an operator's key.", &key.to_secret_text());
            write_new(&new.join(OPERATOR_KEY), &secret, true)?;
            write_new(&new.join(OPERATOR_CERTIFICATE), certificate.as_bytes(), false)?;
            save_site(new, &self.site_for_operators())
        })?;
        Ok(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Init;
    use crate::trust::{Command, Expectation, GateKeys};
    use crate::wire::order::Wish;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    const NOW: WallTime = WallTime::from_secs(1_795_000_000);

    #[test]
    fn a_guard_s_desk_gives_commands_and_knows_nobody() -> Outcome {
        let dir = tempfile::tempdir()?;
        let (office_dir, desk) = (dir.path().join("site"), dir.path().join("desk"));
        let init = Init { name: "garden".parse()?, utc_offset: None, now: NOW };
        let mut office = Office::init(&office_dir, &init)?;
        let gate: GateId = "north".parse()?;
        office.add_gate(&gate, &dir.path().join("bundle"))?;
        let root = office_dir.join("root.key");
        for taken in ["office", "uid-0"] {
            let refused = office.add_guard(&taken.parse()?, &root, &desk, 30, NOW).err();
            assert!(matches!(refused, Some(SiteError::OperatorName(_))), "{taken}");
        }
        office.add_guard(&"desk".parse()?, &root, &desk, 30, NOW)?;
        let mut files: Vec<_> = fs::read_dir(&desk)?
            .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()?;
        files.sort();
        assert_eq!(files, ["operator.cert", "operator.key", "site.toml"]);

        let guard = Operator::open(&desk)?;
        let open = Request::new(Wish::OpenOnce { door: "main".into() }, None);
        let first = guard.sign(&gate, &open, NOW)?;
        let second = guard.sign(&gate, &open, WallTime::from_secs(NOW.as_secs() - 500))?;
        assert_eq!((first.version, second.version), (NOW.0, NOW.0 + 1), "the clock was set back");
        let keys = GateKeys::read(&dir.path().join("bundle/gate.key"))?;
        let expected = Expectation {
            site: "garden".parse()?,
            gate: gate.clone(),
            root: office.root_key(),
            now: None,
        };
        let read = Command::read(&first.envelope, false, &keys, &expected);
        let read = read.map_err(|e| format!("{e:?}"))?;
        assert_eq!((read.by.as_str(), read.wish), ("desk", open.wish.clone()));

        let amnesty = Request::new(Wish::Amnesty {}, None);
        assert!(matches!(guard.sign(&gate, &amnesty, NOW), Err(SiteError::NotYours(_))));
        assert!(Operator::open(&office_dir)?.sign(&gate, &amnesty, NOW).is_ok());
        let late = WallTime::from_secs(NOW.as_secs() + 31 * DAY_S);
        assert!(matches!(guard.sign(&gate, &open, late), Err(SiteError::NotCertified { .. })));
        assert!(matches!(guard.sign(&"south".parse()?, &open, NOW), Err(SiteError::NoGate(_))));
        // No list is signed at a guard's desk.
        let (mut desk, _lock) = Office::open_to_change(&desk)?;
        assert!(matches!(desk.publish(&[], 1, NOW), Err(SiteError::NoOffice(_))));
        Ok(())
    }
}
