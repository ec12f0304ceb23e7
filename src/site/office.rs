//! One office: a directory with the site's keys, gates and subjects, and what it makes of them.

mod cards;
mod passes;

pub use passes::{Cells, NewPass, PassRow};

use super::files::{file_error, fill_new_dir, write_new};
use super::import::ImportError;
use super::when::{UtcOffset, to_rfc3339};
use super::{Lock, Subjects, files};
use crate::allowlist::{CardKey, Plain, Unlistable};
use crate::domain::{GateId, OperatorId, SiteId, SubjectId, WallTime};
use crate::trust::{
    BadKey, Certificate, Draft, GateKeys, GatePublicKeys, Key256, KeyFileError, PublicKey, Purpose,
    Role, SecretKey, read_private, seal,
};
use crate::wire::card::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const SITE_FILE: &str = "site.toml";
const SUBJECTS_FILE: &str = "subjects.jsonl";
const ROOT_KEY: &str = "root.key";
pub(super) const OFFICE_KEY: &str = "office.key";
pub(super) const OFFICE_CERTIFICATE: &str = "office.cert";
const CARD_KEY: &str = "card.key";
const LOCK: &str = "lock";

/// An office's certificate is renewed with the root key before this is over.
const CERTIFIED_DAYS: u64 = 2 * 365;

const DAY_S: u64 = 86_400;

/// Why the office can't do something, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(
        "{0}: there is no site here; make one with `eithergate site init --name NAME`, or name its \
         directory with --site"
    )]
    NoSite(PathBuf),
    #[error("{0}: exists and is not empty; nothing was changed. Choose another directory.")]
    Occupied(PathBuf),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: {why}; restore it from your backup")]
    Spoilt { path: PathBuf, why: String },
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error("another `eithergate site` command is at work in {0}; try again when it has finished")]
    Busy(PathBuf),
    #[error("gate {0} is there already; nothing was changed")]
    GateExists(GateId),
    #[error("there is no gate {0} here; add it with `eithergate site gate add {0} --out DIR`")]
    NoGate(GateId),
    #[error("there is no gate yet; add one with `eithergate site gate add NAME --out DIR`")]
    NoGates,
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(
        "line {line} of {path}: this subject's only way in would be a face. Nothing was published. \
         Import a card for it, or its line again with face = no."
    )]
    FaceOnly { path: PathBuf, line: usize },
    #[error("{0}")]
    NoCard(String),
    #[error("no subject here has this card; nothing was changed")]
    CardUnknown,
    #[error("several cards here look like this one; nothing was changed. Give its whole serial.")]
    CardUnclear,
    #[error(
        "no reader here has view {0}; nothing was changed. `eithergate site view list` shows those there are"
    )]
    NoView(View),
    #[error(
        "this is the subject's last card, and a face would be the only way in. Nothing was changed. Import \
         another card for the subject first, or this one's line with face = no."
    )]
    LastCard,
    #[error("the allowlist is too large: {0}; remove cards that are no longer used")]
    TooLarge(String),
    #[error(
        "the office's key is certified from {from} until {until}, which is not now. If this machine's clock \
         is right, bring the root key and run: eithergate site renew --root-key FILE"
    )]
    NotCertified { from: String, until: String },
    #[error("the root key given is not this site's root key")]
    WrongRoot,
    #[error("{0}: an operator's desk, not the office: that is done in the office's own directory")]
    NoOffice(PathBuf),
    #[error(
        "operator {0} may let people in and acknowledge alarms; what lasts is the office's to order"
    )]
    NotYours(OperatorId),
    #[error("{0} is what the gates' events call somebody else; choose another name")]
    OperatorName(OperatorId),
    #[error("this card is a resident's; nothing was changed. Give the visitor another one.")]
    NoPass,
    #[error("nothing was changed: {0}")]
    NotAdded(String),
}

/// What the office keeps of a gate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRecord {
    pub signing: PublicKey,
    pub sealing: crate::trust::SealingKey,
    /// The version last made for it; 0 for none.
    #[serde(default)]
    pub version: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SiteFile {
    v: u8,
    name: SiteId,
    root_key: PublicKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    utc_offset: Option<String>,
    epoch: u32,
    last_version: u64,
    /// How the readers here present serials, as in the gates' configurations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    views: Vec<String>,
    #[serde(default)]
    gates: BTreeMap<GateId, GateRecord>,
}

/// What `Office::init` needs to know.
pub struct Init {
    pub name: SiteId,
    /// For dates without a time, in card files.
    pub utc_offset: Option<UtcOffset>,
    pub now: WallTime,
}

/// A signed allowlist, ready to be sent.
pub struct Published {
    pub gate: GateId,
    pub version: u64,
    pub subjects: usize,
    pub cards: usize,
    /// Names that the gate finds them by: one a card, and one for each view of the site that it has.
    pub names: usize,
    pub envelope: Vec<u8>,
}

/// An open office. Changing it takes the [`Lock`].
#[derive(Debug)]
pub struct Office {
    dir: PathBuf,
    site: SiteFile,
    views: Vec<View>,
}

pub(super) fn key_file(comment: &str, secret: &str) -> Vec<u8> {
    format!("# Eithergate: {comment} Mode 0600.\n{secret}\n").into_bytes()
}

/// The one line of a key file that is no comment.
pub(super) fn read_key<K: std::str::FromStr<Err = BadKey>>(path: &Path) -> Result<K, SiteError> {
    let text = read_private(path)?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    line.unwrap_or_default()
        .parse()
        .map_err(|why| KeyFileError::Content { path: path.to_owned(), why }.into())
}

fn certify(
    site: &SiteId,
    root: &SecretKey,
    office: PublicKey,
    now: WallTime,
) -> Result<String, SiteError> {
    let spoilt = |why: String| SiteError::Spoilt { path: OFFICE_CERTIFICATE.into(), why };
    let operator: OperatorId = "office".parse().map_err(|_| spoilt("its name".into()))?;
    // An hour of grace for a clock that is corrected backwards after this.
    let from = WallTime::from_secs(now.as_secs().saturating_sub(3_600));
    let until = WallTime::from_secs(now.as_secs().saturating_add(CERTIFIED_DAYS * DAY_S));
    let certificate = Certificate::new(site.clone(), operator, office, Role::Office, from, until);
    certificate.issue(root).map_err(|e| spoilt(e.to_string()))
}

fn random_subject() -> SubjectId {
    let random = Key256::generate();
    let mut id = [0; 16];
    id.copy_from_slice(&random.as_bytes()[..16]);
    SubjectId(id)
}

impl Office {
    /// Makes a site's keys and its first state in a new directory.
    pub fn init(dir: &Path, init: &Init) -> Result<Self, SiteError> {
        let (root, office) = (SecretKey::generate(), SecretKey::generate());
        let site = SiteFile {
            v: 1,
            name: init.name.clone(),
            root_key: root.public(),
            utc_offset: init.utc_offset.map(|offset| offset.to_string()),
            epoch: 1,
            last_version: 0,
            views: Vec::new(),
            gates: BTreeMap::new(),
        };
        let certificate = certify(&site.name, &root, office.public(), init.now)?;
        fill_new_dir(dir, |new| {
            let secret = |name: &str, comment: &str, secret: &str| {
                write_new(&new.join(name), &key_file(comment, secret), true)
            };
            secret(ROOT_KEY, "the site's root key. Keep it offline.", &root.to_secret_text())?;
            secret(OFFICE_KEY, "the office's operator key.", &office.to_secret_text())?;
            let (card, epoch) = (Key256::generate(), Key256::generate());
            secret(CARD_KEY, "the key that cards are hashed under.", &card.to_secret_text())?;
            let epoch_comment = "the key that allowlists are encrypted under.";
            secret(&epoch_file(site.epoch), epoch_comment, &epoch.to_secret_text())?;
            write_new(&new.join(OFFICE_CERTIFICATE), certificate.as_bytes(), false)?;
            write_new(&new.join(SUBJECTS_FILE), b"", true)?;
            save_site(new, &site)
        })?;
        Ok(Self { dir: dir.to_owned(), site, views: Vec::new() })
    }

    /// Opens an office to look at it.
    pub fn open(dir: &Path) -> Result<Self, SiteError> {
        let path = dir.join(SITE_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(SiteError::NoSite(dir.to_owned()));
            }
            Err(e) => return Err(file_error(&path)(e)),
        };
        let spoilt = |why: String| SiteError::Spoilt { path: path.clone(), why };
        let site: SiteFile = toml::from_str(&text).map_err(|e| spoilt(e.to_string()))?;
        if site.v != 1 {
            return Err(spoilt(format!("has version {}, not 1", site.v)));
        }
        let views = site.views.iter().map(|view| view.parse()).collect::<Result<_, _>>();
        let views = views.map_err(|why| spoilt(format!("views {why}")))?;
        Ok(Self { dir: dir.to_owned(), site, views })
    }

    /// Opens an office to change it, as long as the lock is held.
    pub fn open_to_change(dir: &Path) -> Result<(Self, Lock), SiteError> {
        Self::open(dir)?;
        let path = dir.join(LOCK);
        let lock = Lock::take(&path).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => SiteError::Busy(dir.to_owned()),
            _ => file_error(&path)(e),
        })?;
        // Read again: another command may have finished in between.
        Ok((Self::open(dir)?, lock))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn name(&self) -> &SiteId {
        &self.site.name
    }

    pub fn root_key(&self) -> PublicKey {
        self.site.root_key
    }

    pub fn epoch(&self) -> u32 {
        self.site.epoch
    }

    pub fn last_version(&self) -> u64 {
        self.site.last_version
    }

    pub fn gates(&self) -> &BTreeMap<GateId, GateRecord> {
        &self.site.gates
    }

    /// The root key's file, if it has not been moved away yet.
    pub fn root_key_left_here(&self) -> Option<PathBuf> {
        let path = self.dir.join(ROOT_KEY);
        path.exists().then_some(path)
    }

    pub fn certificate(&self) -> Result<(Certificate, String), SiteError> {
        self.certificate_in(OFFICE_CERTIFICATE)
    }

    pub(super) fn certificate_in(&self, file: &str) -> Result<(Certificate, String), SiteError> {
        let path = self.dir.join(file);
        let text = fs::read_to_string(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => SiteError::NoOffice(self.dir.clone()),
            _ => file_error(&path)(e),
        })?;
        let text = text.trim().to_owned();
        let certificate =
            Certificate::verify(&text, &self.site.root_key, &self.site.name).map_err(|_| {
                SiteError::Spoilt { path, why: "is not signed by this site's root".into() }
            })?;
        Ok((certificate, text))
    }

    pub(super) fn root_from(&self, file: &Path) -> Result<SecretKey, SiteError> {
        let root: SecretKey = read_key(file)?;
        if root.public() == self.site.root_key { Ok(root) } else { Err(SiteError::WrongRoot) }
    }

    /// What an operator's desk knows of the site: its gates' public keys.
    pub(super) fn site_for_operators(&self) -> SiteFile {
        SiteFile { views: Vec::new(), last_version: 0, ..self.site.clone() }
    }

    /// Certifies the office's key anew.
    pub fn renew(&self, root_file: &Path, now: WallTime) -> Result<(), SiteError> {
        let root = self.root_from(root_file)?;
        let office: SecretKey = read_key(&self.dir.join(OFFICE_KEY))?;
        let certificate = certify(&self.site.name, &root, office.public(), now)?;
        let path = self.dir.join(OFFICE_CERTIFICATE);
        files::replace(&path, certificate.as_bytes(), 0o644).map_err(file_error(&path))
    }

    pub fn subjects(&self) -> Result<Subjects, SiteError> {
        let path = self.dir.join(SUBJECTS_FILE);
        let text = zeroize::Zeroizing::new(fs::read_to_string(&path).map_err(file_error(&path))?);
        Subjects::from_lines(&text)
            .map_err(|line| SiteError::Spoilt { path, why: format!("line {line} is wrong") })
    }

    /// Makes a gate's keys, writes the bundle for its installer and keeps the public ones.
    pub fn add_gate(&mut self, gate: &GateId, out: &Path) -> Result<GatePublicKeys, SiteError> {
        if self.site.gates.contains_key(gate) {
            return Err(SiteError::GateExists(gate.clone()));
        }
        let keys = GateKeys::generate();
        let GatePublicKeys { signing, sealing } = keys.public();
        let mut snippet = format!(
            "# Gate {gate} at site {site}: paste this into the gate's configuration, and put gate.key\n\
             # beside it (owned by the user the gate runs as, mode 0600).\n\
             [gate]\nname = \"{gate}\"\nsite = \"{site}\"\n\n\
             [trust]\nroot_key = \"{root}\"\nkey_file = \"gate.key\"\n",
            site = self.site.name,
            root = self.site.root_key,
        );
        for view in &self.views {
            let why = "# in [[reader]], for a reader that presents cards in this way";
            snippet.push_str(&format!("# view = \"{view}\"  {why}\n"));
        }
        fill_new_dir(out, |new| {
            write_new(&new.join("gate.key"), keys.to_file_text().as_bytes(), true)?;
            write_new(&new.join("gate.toml"), snippet.as_bytes(), false)
        })?;
        let record = GateRecord { signing, sealing, version: 0 };
        self.site.gates.insert(gate.clone(), record);
        save_site(&self.dir, &self.site)?;
        Ok(keys.public())
    }

    /// A new version of the allowlist for these gates (all, if none is named). The version is on disk before
    /// anything is sent, so it is never used for two lists.
    pub fn publish(
        &mut self,
        gates: &[GateId],
        valid_days: u64,
        now: WallTime,
    ) -> Result<Vec<Published>, SiteError> {
        if let Some(unknown) = gates.iter().find(|gate| !self.site.gates.contains_key(*gate)) {
            return Err(SiteError::NoGate(unknown.clone()));
        }
        if self.site.gates.is_empty() {
            return Err(SiteError::NoGates);
        }
        let (claims, certificate) = self.certificate()?;
        let (from, until) = (claims.valid_from(), claims.valid_until());
        if !(from..until).contains(&now) {
            let (from, until) = (to_rfc3339(from), to_rfc3339(until));
            return Err(SiteError::NotCertified { from, until });
        }
        let operator: SecretKey = read_key(&self.dir.join(OFFICE_KEY))?;
        let card_key = CardKey(read_key(&self.dir.join(CARD_KEY))?);
        let epoch_key: Key256 = read_key(&self.dir.join(epoch_file(self.site.epoch)))?;
        let subjects = self.subjects()?;
        // All of the site's, not this gate's alone: a card without a right here must not pass for one that
        // has it.
        let looks = subjects.looks(&self.views);
        let path = self.dir.join(SUBJECTS_FILE);
        // Seconds since 1970 where that is ahead, so that an office restored from a backup isn't behind its
        // own gates.
        let version = now.as_secs().max(self.site.last_version.saturating_add(1));
        let expires_at = WallTime::from_secs(now.as_secs().saturating_add(valid_days * DAY_S));
        let mut published = Vec::new();
        for (gate, record) in &self.site.gates {
            if !gates.is_empty() && !gates.contains(gate) {
                continue;
            }
            let here = || subjects.iter().filter(|(_, resident)| resident.passes(gate));
            let cards = here().map(|(_, resident)| resident.cards.len()).sum();
            let entries = here().map(|(id, r)| (*id, r.entry(&card_key, &looks))).collect();
            let plain = Plain { card_key: card_key.clone(), entries };
            let bytes = plain.to_bytes().map_err(|why| match why {
                Unlistable::FaceOnly(subject) => {
                    let line = subjects.iter().take_while(|(id, _)| **id != subject).count() + 1;
                    SiteError::FaceOnly { path: path.clone(), line }
                }
                // The import takes no such PIN.
                Unlistable::NoDuress => {
                    SiteError::Spoilt { path: path.clone(), why: why.to_string() }
                }
                Unlistable::TooMany => SiteError::TooLarge(why.to_string()),
            })?;
            let draft = Draft {
                site: &self.site.name,
                gate,
                seal_to: &record.sealing,
                purpose: Purpose::Allowlist,
                version,
                issued_at: now,
                expires_at,
                epoch: self.site.epoch,
                epoch_key: &epoch_key,
                plain: &bytes,
            };
            let envelope = seal(&draft, &operator, &certificate)
                .ok_or_else(|| SiteError::TooLarge(format!("gate {gate} reads at most 64 MB")))?;
            let names = plain.entries.values().map(|entry| entry.cards.len()).sum();
            let (gate, subjects) = (gate.clone(), plain.entries.len());
            published.push(Published { gate, version, subjects, cards, names, envelope });
        }
        self.site.last_version = version;
        for list in &published {
            if let Some(record) = self.site.gates.get_mut(&list.gate) {
                record.version = version;
            }
        }
        save_site(&self.dir, &self.site)?;
        Ok(published)
    }
}

fn epoch_file(epoch: u32) -> String {
    format!("epoch-{epoch}.key")
}

pub(super) fn save_site(dir: &Path, site: &SiteFile) -> Result<(), SiteError> {
    let path = dir.join(SITE_FILE);
    let text = toml::to_string(site)
        .map_err(|e| SiteError::Spoilt { path: path.clone(), why: e.to_string() })?;
    let text = format!(
        "# The site's state, written by `eithergate site`. Holds public keys only.\n{text}"
    );
    files::replace(&path, text.as_bytes(), 0o600).map_err(file_error(&path))
}

#[cfg(test)]
#[path = "office_tests.rs"]
mod tests;
