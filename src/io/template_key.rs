//! Reads the key that face templates are sealed with.

use crate::wire::template::{NotHex256, TemplateKey};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why there is no key. Each message names the file and the remedy, never what stands in it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("can't read the template key {}: {source}; make one with `umask 077; openssl rand -hex 32 > FILE`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the template key {} can be read by others (mode {mode:o}); `chmod 600` it, and make a new key if it may have been seen", path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("the template key {} {source}, alone on one line", path.display())]
    Malformed { path: PathBuf, source: NotHex256 },
}

/// Reads 32 bytes in hex, on one line, from a file that only its owner can read.
pub fn read(path: &Path) -> Result<TemplateKey, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open { path: path.to_owned(), mode });
    }
    // Never grows, so no copy stays behind; a byte more than a key and a line end tells a wrong file.
    let mut text = Zeroizing::new(String::with_capacity(128));
    file.take(67).read_to_string(&mut text).map_err(failed)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.parse().map_err(|source| KeyFileError::Malformed { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("template.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn reads_a_key_that_is_kept_private() {
        let (_dir, path) = file(&format!("{}\n", "0a".repeat(32)), 0o600);
        assert_eq!(read(&path).unwrap(), TemplateKey::new([10; 32]));
    }

    #[test]
    fn refuses_a_key_that_others_can_read() {
        for mode in [0o640, 0o604, 0o620] {
            let (_dir, path) = file(&"0a".repeat(32), mode);
            assert!(matches!(read(&path), Err(KeyFileError::Open { .. })), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_key_is_not_quoted() {
        for text in ["", "0a", &"0a".repeat(33), &format!("\n{}", "0a".repeat(32)), "geheim"] {
            let (_dir, path) = file(text, 0o600);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, KeyFileError::Malformed { .. }), "{text:?}");
            assert!(!error.to_string().contains("geheim"));
        }
    }
}
