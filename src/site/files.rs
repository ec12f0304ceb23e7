//! The office's files: private, whole or absent, one command at a time.

use super::SiteError;
use rustix::fs::{AtFlags, CWD, FlockOperation, RenameFlags, flock, renameat_with, unlinkat};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Held while a command changes the office's files; released when dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// `WouldBlock` if another command has it.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self(file))
    }
}

/// Writes the whole file beside `path`, gives it to the disk, then lets `place` put it there.
fn write_beside(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    place: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        place(&beside)?;
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        let _ = unlinkat(CWD, &beside, AtFlags::empty());
    }
    written
}

/// Puts a file in the place of the one that may be there.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_beside(path, bytes, mode, |beside| std::fs::rename(beside, path))
}

/// Puts a file where there is none; `AlreadyExists` otherwise.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_beside(path, bytes, mode, |beside| {
        Ok(renameat_with(CWD, beside, CWD, path, RenameFlags::NOREPLACE)?)
    })
}

pub(super) fn file_error(path: &Path) -> impl FnOnce(io::Error) -> SiteError {
    let path = path.to_owned();
    move |source| SiteError::File { path, source }
}

/// Writes a file that must not be there yet, whole or not at all.
pub fn write_new(path: &Path, bytes: &[u8], private: bool) -> Result<(), SiteError> {
    let mode = if private { 0o600 } else { 0o644 };
    create(path, bytes, mode).map_err(file_error(path))
}

/// Fills a new directory beside `dir`, then puts it in its place: `dir` is whole or absent.
pub(super) fn fill_new_dir(
    dir: &Path,
    fill: impl FnOnce(&Path) -> Result<(), SiteError>,
) -> Result<(), SiteError> {
    if fs::symlink_metadata(dir).is_ok() {
        // Only an empty directory goes away.
        fs::remove_dir(dir).map_err(|_| SiteError::Occupied(dir.to_owned()))?;
    }
    let name = dir.file_name().ok_or_else(|| SiteError::Occupied(dir.to_owned()))?;
    let beside = dir.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(file_error(parent))?;
    fs::DirBuilder::new().mode(0o700).create(&beside).map_err(file_error(&beside))?;
    let filled = fill(&beside).and_then(|()| {
        fs::rename(&beside, dir).map_err(file_error(dir))?;
        fs::File::open(parent).and_then(|p| p.sync_all()).map_err(file_error(parent))
    });
    if filled.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_created_once_and_replaced_whole() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("key");
        create(&path, b"one", 0o600)?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        let again = create(&path, b"two", 0o600).map_err(|e| e.kind());
        assert_eq!(again, Err(io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&path)?, b"one");
        replace(&path, b"two", 0o600)?;
        assert_eq!(fs::read(&path)?, b"two");
        assert_eq!(fs::read_dir(dir.path())?.count(), 1, "nothing is left beside it");
        Ok(())
    }

    #[test]
    fn one_command_at_a_time() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("lock");
        let held = Lock::take(&path)?;
        assert_eq!(Lock::take(&path).map_err(|e| e.kind()).err(), Some(io::ErrorKind::WouldBlock));
        drop(held);
        assert!(Lock::take(&path).is_ok());
        Ok(())
    }
}
