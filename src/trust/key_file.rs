//! Reading a file of secrets, and refusing one that others on the machine can read.

use super::{BadKey, GateKeys};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key file is a few hundred bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Why a key file can't be used, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("{path}: {source}; copy the key file there, or name the right one")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}: others on this machine may read it (mode {mode:03o}); run: chmod 600 {path}")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path}: is no key file: {why}")]
    Content { path: PathBuf, why: BadKey },
    #[error("{path}: is no key file (not a text file of at most 64 KB)")]
    NotText { path: PathBuf },
}

/// The text of a file that only its owner may read.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable { path: path.to_owned(), source };
    let not_text = || KeyFileError::NotText { path: path.to_owned() };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, so that it can't be exchanged in between.
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(not_text());
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    // Room for the whole from the start: growing would leave unwiped copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| not_text())?;
    Ok(Zeroizing::new(text.to_owned()))
}

impl GateKeys {
    /// Reads a `gate.key`; refuses one that group or others may read.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        Self::from_file_text(&read_private(path)?)
            .map_err(|why| KeyFileError::Content { path: path.to_owned(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    #[test]
    fn a_key_file_that_others_may_read_is_refused_with_the_remedy() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("gate.key");
        let keys = GateKeys::generate();
        write(&path, keys.to_file_text().as_bytes())?;
        for mode in [0o640, 0o604, 0o644, 0o610] {
            set_permissions(&path, Permissions::from_mode(mode))?;
            let why = GateKeys::read(&path).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(why.contains("chmod 600"), "{mode:o}: {why}");
        }
        set_permissions(&path, Permissions::from_mode(0o600))?;
        assert_eq!(GateKeys::read(&path).ok().map(|k| k.public()), Some(keys.public()));
        Ok(())
    }

    #[test]
    fn no_file_a_directory_and_rubbish_are_errors() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        assert!(matches!(
            GateKeys::read(&dir.path().join("absent")),
            Err(KeyFileError::Unreadable { .. })
        ));
        assert!(matches!(GateKeys::read(dir.path()), Err(KeyFileError::NotText { .. })));
        let path = dir.path().join("gate.key");
        write(&path, [0xff; 40])?;
        set_permissions(&path, Permissions::from_mode(0o600))?;
        assert!(matches!(GateKeys::read(&path), Err(KeyFileError::NotText { .. })));
        write(&path, "hello")?;
        assert!(matches!(GateKeys::read(&path), Err(KeyFileError::Content { .. })));
        Ok(())
    }
}
