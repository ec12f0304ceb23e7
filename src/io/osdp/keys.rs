//! Readers' keys: one file a reader that only the gate's user may read, with the reader as it was when it
//! was enrolled. Never logged, never printed.

use crate::wire::osdp::Profile;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Base key of a reader's secure channel (SCBK).
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub(super) Zeroizing<[u8; 16]>);

/// The key of every reader as it leaves the factory (SCBK-D).
const DEFAULT: [u8; 16] = *b"0123456789:;<=>?";

impl Key {
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes.into())
    }

    /// A random one.
    pub fn random() -> Result<Self, getrandom::Error> {
        loop {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes)?;
            let key = Self(bytes.into());
            if !key.is_weak() {
                return Ok(key);
            }
        }
    }

    /// The default key, or one that somebody made up: a byte or a group of them repeated, or a row with a
    /// constant step, up or down.
    pub fn is_weak(&self) -> bool {
        let repeats = |n: usize| self.0.iter().zip(self.0.iter().skip(n)).all(|(a, b)| a == b);
        let step = self.0[1].wrapping_sub(self.0[0]);
        let row = self.0.windows(2).all(|w| w[1].wrapping_sub(w[0]) == step);
        *self.0 == DEFAULT || row || [1, 2, 4, 8].into_iter().any(repeats)
    }
}

/// What is known of a reader.
pub struct Enrolled {
    pub key: Key,
    /// `None` while its key was made but not yet taken by the reader: the gate may have stopped in between.
    pub profile: Option<Profile>,
}

/// Why there is no key. Never with what stands in the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}: {cause}")]
    Io { path: PathBuf, cause: io::Error },
    #[error(
        "{path} can be read by others (mode {mode:o}): the key may have been seen; remove the file and enrol the reader again"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error("{path} is no reader's key file: remove it and enrol the reader again")]
    Malformed { path: PathBuf },
    #[error(
        "{path} holds the default key or one with a pattern: remove it and enrol the reader again"
    )]
    Weak { path: PathBuf },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u8,
    key: String,
    enrolled: Option<Profile>,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

const VERSION: u8 = 1;
/// A profile of 255 capabilities is shorter.
const MAX_BYTES: u64 = 16 * 1024;

/// The folder of the key files.
#[derive(Clone, Debug)]
pub struct Keys {
    folder: PathBuf,
}

impl Keys {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// A reader's file. The name is a configuration's, which may have any letters in it.
    fn path(&self, reader: &str) -> PathBuf {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name: String = reader
            .chars()
            .map(|c| if safe(c) { c.to_string() } else { format!("%{:x}", u32::from(c)) })
            .collect();
        self.folder.join(format!("{name}.key"))
    }

    /// The reader's key and profile; `None` if it was never enrolled.
    pub fn load(&self, reader: &str) -> Result<Option<Enrolled>, KeyError> {
        let path = self.path(reader);
        let failed = |cause| KeyError::Io { path: path.clone(), cause };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { path, mode });
        }
        // Never grows, so no copy stays behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
        file.take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        let malformed = || KeyError::Malformed { path: path.clone() };
        let written: Written = serde_json::from_slice(&text).map_err(|_| malformed())?;
        if written.v != VERSION {
            return Err(malformed());
        }
        let key = Key::new(unhex(&written.key).ok_or_else(malformed)?);
        if key.is_weak() {
            return Err(KeyError::Weak { path });
        }
        Ok(Some(Enrolled { key, profile: written.enrolled.clone() }))
    }

    /// Keeps a reader's key, whole or not at all.
    pub fn save(&self, reader: &str, enrolled: &Enrolled) -> Result<(), KeyError> {
        let path = self.path(reader);
        self.write(&path, enrolled).map_err(|cause| KeyError::Io { path, cause })
    }

    fn write(&self, path: &Path, enrolled: &Enrolled) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let key = enrolled.key.0.iter().map(|b| format!("{b:02x}")).collect();
        let written = Written { v: VERSION, key, enrolled: enrolled.profile.clone() };
        let text = Zeroizing::new(serde_json::to_vec(&written)?);
        let new = path.with_extension("new");
        let _ = std::fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        File::open(&self.folder)?.sync_all()
    }
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let mut key = [0; 16];
    if text.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |d: u8| char::from(d).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::osdp::{Capability, Identity};

    #[test]
    fn keys_that_somebody_made_up_are_known() {
        let up: [u8; 16] = std::array::from_fn(|i| i as u8);
        let down: [u8; 16] = std::array::from_fn(|i| 250 - 3 * i as u8);
        let pairs: [u8; 16] = std::array::from_fn(|i| [0xde, 0xad][i % 2]);
        let halves: [u8; 16] = std::array::from_fn(|i| (i % 8 * i % 8) as u8);
        for weak in [[0; 16], [0xff; 16], DEFAULT, up, down, pairs, halves] {
            assert!(Key::new(weak).is_weak(), "{weak:x?}");
        }
        let mut nearly = up;
        nearly[9] ^= 1;
        assert!(!Key::new(nearly).is_weak());
        assert!(Key::random().unwrap() != Key::random().unwrap());
    }

    #[test]
    fn a_key_is_kept_private_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::new(dir.path().join("readers"));
        assert!(keys.load("gate/../1").unwrap().is_none());
        let identity = Identity { vendor: 1, model: 2, version: 3, serial: 4, firmware: 5 };
        let profile = Profile { identity, capabilities: vec![Capability(9, 1, 0)] };
        let key = Key::random().unwrap();
        keys.save("gate/../1", &Enrolled { key: key.clone(), profile: None }).unwrap();
        assert!(keys.load("gate/../1").unwrap().unwrap().profile.is_none());
        let enrolled = Enrolled { key: key.clone(), profile: Some(profile.clone()) };
        keys.save("gate/../1", &enrolled).unwrap();
        let read = keys.load("gate/../1").unwrap().unwrap();
        assert!(read.key == key);
        assert_eq!(read.profile, Some(profile));

        let path = keys.path("gate/../1");
        assert_eq!(path.parent(), Some(&*keys.folder));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(keys.load("gate/../1"), Err(KeyError::Open { .. })));
    }

    #[test]
    fn weak_and_broken_files_are_refused_without_being_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::new(dir.path().into());
        let weak = Enrolled { key: Key::new(DEFAULT), profile: None };
        keys.save("a", &weak).unwrap();
        assert!(matches!(keys.load("a"), Err(KeyError::Weak { .. })));
        for text in ["", "{}", "{\"v\":1,\"key\":\"3031\",\"enrolled\":null}", "secret"] {
            std::fs::write(keys.path("a"), text).unwrap();
            let Err(error) = keys.load("a") else { panic!("{text}") };
            assert!(matches!(error, KeyError::Malformed { .. }), "{text}");
            assert!(!error.to_string().contains("3031") && !error.to_string().contains("secret"));
        }
    }
}
