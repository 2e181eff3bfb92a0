//! The few operations on files that an arrangement is made of. None of them replaces a file that is there.

use std::fs::{self, File, FileTimes, Metadata};
use std::io::ErrorKind::{AlreadyExists, CrossesDevices, InvalidInput, NotFound, PermissionDenied, Unsupported};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use crate::files::{At, FileError, sync_directory};
use crate::source::Stamp;

/// Linux's limit for the names of a file's extended attributes, and for one's value.
#[cfg(target_os = "linux")]
const MAX_ATTRIBUTES: usize = 1 << 16;

/// Size and time by which a change is noticed.
pub(super) fn stamp(meta: &Metadata) -> io::Result<Stamp> {
    Ok(Stamp { len: meta.len(), modified: meta.modified()? })
}

/// Renames `from` to `to`, failing with `AlreadyExists` if `to` is there and with `CrossesDevices` between file
/// systems.
///
/// Where the file system can't refuse in one step it is linked and unlinked; where it has no links either, a look
/// comes before the rename, and only another program making the same name within that microsecond could lose.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_no_replace(from, to) {
        Err(e) if e.kind() == Unsupported => rename_in_steps(from, to),
        done => done,
    }
}

fn rename_in_steps(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => return fs::remove_file(from),
        Err(e) if matches!(e.kind(), AlreadyExists | CrossesDevices | NotFound) => {
            return Err(e);
        }
        Err(_) => {}
    }
    match fs::symlink_metadata(to) {
        Err(e) if e.kind() == NotFound => fs::rename(from, to),
        Err(e) => Err(e),
        Ok(_) => Err(AlreadyExists.into()),
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(Unsupported.into()),
        done => Ok(done?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_: &Path, _: &Path) -> io::Result<()> {
    Err(Unsupported.into())
}

/// Copies bytes, permissions and times of `from` (what a link points to) to a file `to` of our own making.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    remove_if_there(to)?;
    let meta = fs::metadata(from)?;
    let mut times = FileTimes::new().set_modified(meta.modified()?);
    if let Ok(accessed) = meta.accessed() {
        times = times.set_accessed(accessed);
    }
    fs::copy(from, to)?;
    copy_belongings(from, &meta, to);
    with_handle(to, |file| file.set_times(times))
}

/// Owner, extended attributes (tags, comments) and access lists, as far as this user and file system can have them.
#[cfg(target_os = "linux")]
fn copy_belongings(from: &Path, meta: &Metadata, to: &Path) {
    use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};
    use std::os::unix::fs::{MetadataExt, chown};
    let other = fs::metadata(to).is_ok_and(|copy| (copy.uid(), copy.gid()) != (meta.uid(), meta.gid()));
    if other && chown(to, Some(meta.uid()), Some(meta.gid())).is_ok() {
        // A new owner may have cost it some permissions.
        let _ = fs::set_permissions(to, meta.permissions());
    }
    let mut names = vec![0; MAX_ATTRIBUTES];
    let Ok(length) = listxattr(from, &mut names) else { return };
    let mut value = vec![0; MAX_ATTRIBUTES];
    for name in names[..length].split(|byte| *byte == 0) {
        if name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_") {
            let copied = getxattr(from, name, &mut value);
            let _ = copied.and_then(|length| setxattr(to, name, &value[..length], XattrFlags::empty()));
        }
    }
}

/// The system's own way of copying takes them along, or it has none.
#[cfg(not(target_os = "linux"))]
fn copy_belongings(_: &Path, _: &Metadata, _: &Path) {}

/// Writes `bytes` to a file `to` of our own making, with this time of modification.
pub(super) fn write(bytes: &[u8], to: &Path, modified: SystemTime) -> io::Result<()> {
    remove_if_there(to)?;
    let mut file = File::create_new(to)?;
    file.write_all(bytes)?;
    file.set_times(FileTimes::new().set_modified(modified))
}

/// Makes a file's bytes, times and permissions durable.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    with_handle(path, |file| file.sync_all())
}

/// Makes a directory and those above it, durably; returns how many were missing.
pub(super) fn create_directories(path: &Path) -> Result<usize, FileError> {
    let missing = path.ancestors().take_while(|path| !path.exists()).count();
    if missing > 0 {
        fs::create_dir_all(path).at("create", path)?;
        sync_directories(path.ancestors().take(missing + 1))?;
    }
    Ok(missing)
}

/// Makes the entries of directories durable. One that we may not read, or a file system that doesn't know this,
/// can't be helped.
pub(super) fn sync_directories<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), FileError> {
    for path in paths {
        match sync_directory(path) {
            Err(e) if matches!(e.kind(), PermissionDenied | InvalidInput | Unsupported | NotFound) => {}
            done => done.at("sync", path)?,
        }
    }
    Ok(())
}

/// Gives `act` a handle that may set times and sync, also on a read-only file.
#[cfg(unix)]
fn with_handle(path: &Path, act: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    act(&File::open(path)?)
}

/// Gives `act` a handle that may set times and sync, also on a read-only file.
#[cfg(not(unix))]
fn with_handle(path: &Path, act: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let kept = fs::metadata(path)?.permissions();
    let mut open = kept.clone();
    #[expect(clippy::permissions_set_readonly_false, reason = "not Unix: this clears the read-only attribute alone")]
    open.set_readonly(false);
    fs::set_permissions(path, open)?;
    act(&File::options().write(true).open(path)?)?;
    fs::set_permissions(path, kept)
}

/// Removes a file; that it is gone already is fine.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Whether something, if only a broken link, has this name.
pub(super) fn exists(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether two files hold the same bytes.
pub(super) fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.len() == fs::metadata(other)?.len() && hash(one)? == hash(other)?)
}

fn hash(path: &Path) -> io::Result<blake3::Hash> {
    Ok(blake3::Hasher::new().update_reader(File::open(path)?)?.finalize())
}

/// Whether `path` still leads to a file when the name `removed` is gone. It doesn't where somebody made one a link
/// to the other.
pub(super) fn survives(path: &Path, removed: &Path) -> io::Result<bool> {
    let parent = removed.parent().unwrap_or(removed).canonicalize()?;
    let name = removed.file_name().map(|name| parent.join(name));
    Ok(Some(path.canonicalize()?) != name)
}

/// Free bytes for this user on the file system that holds `path`; `None` where the system doesn't tell.
#[cfg(unix)]
pub(super) fn free_space(path: &Path) -> io::Result<Option<u64>> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Some(found.f_bavail.saturating_mul(found.f_frsize)))
}

/// Free bytes for this user on the file system that holds `path`; `None` where the system doesn't tell.
#[cfg(not(unix))]
pub(super) fn free_space(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

/// Whether this user may move files out of a directory, as far as can be told.
#[cfg(unix)]
pub(super) fn may_change(directory: &Path) -> bool {
    use rustix::fs::{Access, access};
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Whether this user may move files out of a directory, as far as can be told.
#[cfg(not(unix))]
pub(super) fn may_change(_: &Path) -> bool {
    true
}

/// A number of the file system that holds this file.
#[cfg(unix)]
pub(super) fn device(meta: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(meta)
}

/// A number of the file system that holds this file.
#[cfg(not(unix))]
pub(super) fn device(_: &Metadata) -> u64 {
    0
}

/// Makes a symbolic link.
#[cfg(unix)]
pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Makes a symbolic link.
#[cfg(windows)]
pub(super) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_never_replaces() -> io::Result<()> {
        for rename in [rename_new, rename_in_steps] {
            let dir = tempfile::tempdir()?;
            let (a, b, c) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
            fs::write(&a, "a")?;
            fs::write(&b, "b")?;
            assert_eq!(rename(&a, &b).unwrap_err().kind(), AlreadyExists);
            assert_eq!((fs::read(&a)?, fs::read(&b)?), (b"a".into(), b"b".into()));
            rename(&a, &c)?;
            assert!(!exists(&a)? && fs::read(&c)? == b"a");
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_removed_name_does_not_survive() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (a, b, c) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        fs::write(&a, "a")?;
        symlink(&a, &b)?;
        fs::hard_link(&a, &c)?;
        assert!(!survives(&b, &a)? && survives(&c, &a)? && survives(&a, &b)?);
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_copy_keeps_times_and_permissions() -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir()?;
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "a")?;
        let old = SystemTime::UNIX_EPOCH - std::time::Duration::new(86_400, 7);
        File::open(&a)?.set_times(FileTimes::new().set_modified(old).set_accessed(old))?;
        fs::set_permissions(&a, fs::Permissions::from_mode(0o440))?;
        copy(&a, &b)?;
        let meta = fs::metadata(&b)?;
        assert_eq!((meta.modified()?, meta.accessed()?, meta.permissions().mode() & 0o777), (old, old, 0o440));
        Ok(())
    }

    /// On a file system that has them.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_copy_keeps_extended_attributes() -> io::Result<()> {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        let dir = tempfile::tempdir()?;
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "a")?;
        if setxattr(&a, "user.xdg.tags", b"holiday", XattrFlags::empty()).is_ok() {
            copy(&a, &b)?;
            let mut value = [0; 100];
            let length = getxattr(&b, "user.xdg.tags", &mut value)?;
            assert_eq!(&value[..length], b"holiday");
        }
        Ok(())
    }
}
