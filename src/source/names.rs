//! What file names tell: ids, hidden entries, pictures and their companions.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::Path;

/// What an extension promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    Image,
    /// A file that may belong to an image.
    Companion,
    /// The content has to tell.
    Unknown,
}

const IMAGES: [&str; 22] = [
    "apng", "avif", "bmp", "dib", "gif", "heic", "heif", "hif", "jfif", "jpe", "jpeg", "jpg", "pam", "pbm", "pgm",
    "png", "pnm", "ppm", "qoi", "tif", "tiff", "webp",
];

/// Side-cars, RAW formats, clips and voice notes.
const COMPANIONS: [&str; 59] = [
    "aae", "cos", "dop", "json", "on1", "pp3", "thm", "vrd", "xmp", //
    "3fr", "ari", "arw", "bay", "cr2", "cr3", "crw", "dcr", "dcs", "dng", "drf", "eip", "erf", "fff", "gpr", "iiq",
    "k25", "kdc", "mdc", "mef", "mos", "mrw", "nef", "nrw", "orf", "pef", "ptx", "raf", "raw", "rw2", "rwl", "rwz",
    "sr2", "srf", "srw", "x3f", //
    "3gp", "avi", "insv", "lrv", "m2ts", "m4v", "mov", "mp4", "mpg", "mts", //
    "aac", "m4a", "mp3", "wav",
];

/// By the extension alone.
pub fn guess(path: &Path) -> Guess {
    let extension = extension(path);
    if IMAGES.contains(&extension.as_str()) {
        Guess::Image
    } else if COMPANIONS.contains(&extension.as_str()) {
        Guess::Companion
    } else {
        Guess::Unknown
    }
}

/// The extension in lower case, or nothing.
pub fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// Whether a directory's or archive's entry is left out unseen: hidden files, thumbnails that Synology's disk
/// stations keep, and the resource forks that macOS puts into archives.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "@eaDir" || name == "__MACOSX"
}

/// An id from the bytes of a path: `\` doubled, control characters and bytes that aren't UTF-8 as `\xHH`.
pub fn id(path: &[u8]) -> String {
    let mut id = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => id.push_str("\\\\"),
                c if c.is_control() => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(&mut id, byte)),
                c => id.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| escape(&mut id, byte));
    }
    id
}

fn escape(id: &mut String, byte: u8) {
    write!(id, "\\x{byte:02x}").expect("a string takes all that is written to it");
}

/// A path as an id, with `/` on every system: `\` doubled, control characters and bytes that aren't UTF-8 as `\xHH`.
pub fn relative_id(path: &Path) -> String {
    if cfg!(windows) {
        id(path.to_string_lossy().replace('\\', "/").as_bytes())
    } else {
        id(path.as_os_str().as_encoded_bytes())
    }
}

/// A name or path from bytes that may be no UTF-8. Where the system's names must be text, such bytes are replaced.
pub fn os_string(bytes: &[u8]) -> OsString {
    #[cfg(unix)]
    return <OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).to_os_string();
    #[cfg(not(unix))]
    return String::from_utf8_lossy(bytes).into_owned().into();
}
