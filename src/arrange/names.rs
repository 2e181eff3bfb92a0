//! Names that stay apart on every file system.
//!
//! macOS and Windows ignore case, macOS also how an accent is encoded, and nobody takes more than 255 bytes. An
//! image and its companions get one suffix, so that they go on sharing their stem; and no other file gets a stem
//! that an image shares with companions, or it would later pass for one of the family.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};

use unicode_normalization::UnicodeNormalization;

/// The longest name that common file systems take, in bytes.
const LONGEST: usize = 255;
/// What follows the stem is kept whole up to this length; more is no extension.
const LONGEST_EXTENSION: usize = 64;

/// The names in use, by directory.
#[derive(Default)]
pub(super) struct Names {
    directories: HashMap<String, Directory>,
}

#[derive(Default)]
struct Directory {
    names: HashSet<String>,
    /// Stems in use; true for one that an image shares with companions.
    stems: HashMap<String, bool>,
    /// The number from which to look for a free suffix, by name.
    next: HashMap<String, u32>,
}

/// A name in two parts, a suffix going between them.
struct Parts {
    stem: Vec<u8>,
    rest: Vec<u8>,
}

impl Names {
    /// Notes a name that is there already.
    pub(super) fn take(&mut self, directory: &str, name: &OsStr) {
        let directory = self.directories.entry(directory.to_owned()).or_default();
        let parts = split(name.as_encoded_bytes());
        directory.stems.entry(fold(&parts.stem)).or_insert(false);
        directory.names.insert(fold(name.as_encoded_bytes()));
    }

    /// Claims a free name for an image and one for each companion, in this order. `stem` is what the companions'
    /// names begin with now.
    pub(super) fn claim(
        &mut self,
        directory: &str,
        name: &OsStr,
        stem: &OsStr,
        companions: &[&OsStr],
    ) -> Vec<OsString> {
        let directory = self.directories.entry(directory.to_owned()).or_default();
        let image = split(name.as_encoded_bytes());
        let mut seen = HashSet::from([fold(name.as_encoded_bytes())]);
        let family: Vec<Option<Parts>> = companions
            .iter()
            .map(|companion| shared(companion.as_encoded_bytes(), stem.as_encoded_bytes(), &image.stem))
            .map(|parts| parts.filter(|p| seen.insert(fold(&[&*p.stem, &*p.rest].concat()))))
            .collect();
        let together: Vec<&Parts> = std::iter::once(&image).chain(family.iter().flatten()).collect();
        let mut found = directory.claim_together(&together).into_iter();
        let mut names: Vec<OsString> = found.next().into_iter().collect();
        for (companion, parts) in companions.iter().zip(&family) {
            let name = match parts {
                Some(_) => found.next(),
                None => directory.claim_together(&[&split(companion.as_encoded_bytes())]).pop(),
            };
            names.extend(name);
        }
        names
    }
}

impl Directory {
    /// The names of `parts`, which share a stem, with the first suffix that leaves all of them free.
    fn claim_together(&mut self, parts: &[&Parts]) -> Vec<OsString> {
        let longest_rest = parts.iter().map(|p| p.rest.len()).max().unwrap_or(0);
        let key = fold(&[&*parts[0].stem, &*parts[0].rest].concat());
        let family = parts.len() > 1;
        let mut number = self.next.get(&key).copied().unwrap_or(1);
        loop {
            let suffix = if number == 1 { String::new() } else { format!(" ({number})") };
            let room = LONGEST.saturating_sub(suffix.len() + longest_rest);
            let stemmed = |p: &Parts| [shorten(&p.stem, room), suffix.as_bytes()].concat();
            let names: Vec<Vec<u8>> = parts.iter().map(|p| [stemmed(p), p.rest.clone()].concat()).collect();
            let folded: Vec<String> = names.iter().map(|n| fold(n)).collect();
            let stem = fold(&stemmed(parts[0]));
            let free = match self.stems.get(&stem) {
                None => true,
                Some(&others_family) => !family && !others_family,
            };
            number += 1;
            if free && folded.iter().all(|name| !self.names.contains(name)) {
                self.names.extend(folded);
                self.stems.insert(stem, family);
                self.next.insert(key, number);
                return names.into_iter().map(os_string).collect();
            }
        }
    }
}

/// A companion's name as the image's new stem (its own way to write it, if that is the old one) and what follows;
/// `None` if it doesn't share the old stem.
fn shared(companion: &[u8], old_stem: &[u8], new_stem: &[u8]) -> Option<Parts> {
    let (start, rest) = companion.split_at_checked(old_stem.len())?;
    let shares = start.eq_ignore_ascii_case(old_stem) && rest.starts_with(b".") && rest.len() <= LONGEST_EXTENSION;
    let stem = if start.eq_ignore_ascii_case(new_stem) { start } else { new_stem };
    shares.then(|| Parts { stem: stem.to_vec(), rest: rest.to_vec() })
}

/// Stem and extension, the latter with its dot.
fn split(name: &[u8]) -> Parts {
    let dot = name.iter().rposition(|b| *b == b'.').filter(|at| *at > 0 && name.len() - at <= LONGEST_EXTENSION);
    let (stem, rest) = name.split_at(dot.unwrap_or(name.len()));
    Parts { stem: stem.to_vec(), rest: rest.to_vec() }
}

/// The first `room` bytes, or up to three fewer where that would cut a character.
fn shorten(stem: &[u8], room: usize) -> &[u8] {
    if stem.len() <= room {
        return stem;
    }
    let is_boundary = |at: &usize| stem[*at] & 0xC0 != 0x80;
    let cut = (room.saturating_sub(3)..=room).rev().find(is_boundary).unwrap_or(room);
    &stem[..cut]
}

/// A key under which names are equal if some file system holds them equal.
fn fold(name: &[u8]) -> String {
    if name.is_ascii() {
        return name.iter().map(|b| char::from(b.to_ascii_lowercase())).collect();
    }
    let text = String::from_utf8_lossy(name);
    text.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfd().collect()
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(names: &mut Names, name: &str, companions: &[&str]) -> Vec<String> {
        let stem = std::path::Path::new(name).file_stem().unwrap();
        let companions: Vec<&OsStr> = companions.iter().map(OsStr::new).collect();
        let claimed = names.claim("c", name.as_ref(), stem, &companions);
        claimed.into_iter().map(|n| n.into_string().unwrap()).collect()
    }

    #[test]
    fn equal_names_get_a_suffix_before_the_extension() {
        let mut names = Names::default();
        for expected in ["a.jpg", "a (2).jpg", "a (3).jpg"] {
            assert_eq!(claim(&mut names, "a.jpg", &[]), [expected]);
        }
        assert_eq!(claim(&mut names, "A.JPG", &[]), ["A (4).JPG"]);
        assert_eq!(claim(&mut names, "a.png", &[]), ["a.png"]);
        assert_eq!(claim(&mut names, ".hidden", &[]), [".hidden"]);
        assert_eq!(claim(&mut names, ".hidden", &[]), [".hidden (2)"]);
    }

    #[test]
    fn names_that_some_file_system_holds_equal_are_kept_apart() {
        for (one, other) in [("caf\u{e9}.jpg", "cafe\u{301}.jpg"), ("STRASSE.jpg", "straße.jpg"), ("Σ.jpg", "ς.jpg")]
        {
            let mut names = Names::default();
            assert_eq!(claim(&mut names, one, &[]), [one]);
            assert_ne!(claim(&mut names, other, &[]), [other]);
        }
    }

    #[test]
    fn companions_share_the_new_stem() {
        let mut names = Names::default();
        assert_eq!(claim(&mut names, "a.jpg", &["a.xmp", "A.CR2"]), ["a.jpg", "a.xmp", "A.CR2"]);
        let second = claim(&mut names, "a.jpg", &["a.jpg.xmp", "a.mov"]);
        assert_eq!(second, ["a (2).jpg", "a (2).jpg.xmp", "a (2).mov"]);
        assert_eq!(claim(&mut names, "a.png", &[]), ["a (3).png"], "a.png would pass for the first one's RAW");
        assert_eq!(claim(&mut names, "b.png", &[]), ["b.png"]);
        assert_eq!(claim(&mut names, "b.jpg", &["b.xmp"]), ["b (2).jpg", "b (2).xmp"]);
    }

    #[test]
    fn companions_of_another_stem_or_the_same_name_keep_their_own() {
        let mut names = Names::default();
        let claimed = claim(&mut names, "IMG_1.jpg", &["IMG_10.xmp", "IMG_1.xmp", "IMG_1.xmp"]);
        assert_eq!(claimed, ["IMG_1.jpg", "IMG_10.xmp", "IMG_1.xmp", "IMG_1 (2).xmp"]);
    }

    #[test]
    fn long_names_lose_the_end_of_their_stem() {
        let mut names = Names::default();
        let long = format!("{}.jpeg", "ä".repeat(125));
        assert_eq!(long.len(), 255);
        assert_eq!(claim(&mut names, &long, &[]), [&*long]);
        let second = claim(&mut names, &long, &[]).remove(0);
        assert_eq!(second, format!("{} (2).jpeg", "ä".repeat(123)));
        let too_long = format!("{}.jpeg", "x".repeat(300));
        let family = claim(&mut names, &too_long, &[&format!("{}.longer", "x".repeat(300))]);
        assert!(
            family.iter().all(|n| n.len() <= 255) && family[0].ends_with("x.jpeg") && family[1].ends_with("x.longer")
        );
        assert_eq!(claim(&mut names, &"y".repeat(400), &[])[0].len(), 255);
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"\xFF\xFEa.jpg");
        let mut names = Names::default();
        assert_eq!(names.claim("c", name, OsStr::from_bytes(b"\xFF\xFEa"), &[]), [name]);
        let other = names.claim("c", OsStr::from_bytes(b"\xFD\xFEa.jpg"), OsStr::new("x"), &[]);
        assert_eq!(other[0].as_bytes(), b"\xFD\xFEa (2).jpg");
    }
}
