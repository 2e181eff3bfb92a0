//! Links between the pages and to the files beside them, and ids made fit to be seen.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::{Component, Path};

/// Where a page lies, which decides how it reaches the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// `report.html`.
    Top,
    /// A page in `report/`.
    Inside,
}

impl From {
    /// The link to `path`, which is below the report's directory (or absolute) and encoded already.
    pub(super) fn to(self, path: &str) -> String {
        match (self, path.strip_prefix("report/")) {
            (From::Inside, Some(inside)) => inside.to_owned(),
            (From::Inside, None) if !path.starts_with('/') => format!("../{path}"),
            _ => path.to_owned(),
        }
    }
}

/// `path` as a URL reference: every byte that could mean something in a URL is encoded.
pub(super) fn encode(path: &Path) -> String {
    let mut url = String::new();
    for component in path.components() {
        if !url.is_empty() && !url.ends_with('/') {
            url.push('/');
        }
        if component == Component::RootDir {
            url.push('/');
            continue;
        }
        for &byte in component.as_os_str().as_encoded_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

/// `id` with a picture in place of each control character, so that a name can't break the line it is shown on.
pub(super) fn shown(id: &str) -> Cow<'_, str> {
    if !id.contains(char::is_control) {
        return Cow::Borrowed(id);
    }
    let visible = |c: char| match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    Cow::Owned(id.chars().map(visible).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_reach_both_ways() {
        assert_eq!(From::Top.to("report/a.html"), "report/a.html");
        assert_eq!(From::Inside.to("report/a.html"), "a.html");
        assert_eq!(From::Inside.to("report.html"), "../report.html");
        assert_eq!(From::Inside.to("/photos/a.jpg"), "/photos/a.jpg");
    }

    #[test]
    fn every_special_byte_of_a_path_is_encoded() {
        assert_eq!(encode(Path::new("c/a b#?%.jpg")), "c/a%20b%23%3F%25.jpg");
        assert_eq!(encode(Path::new("javascript:alert(1)")), "javascript%3Aalert%281%29");
        assert_eq!(encode(Path::new("/x/é")), "/x/%C3%A9");
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            assert_eq!(encode(Path::new(std::ffi::OsStr::from_bytes(b"a\xff\n"))), "a%FF%0A");
        }
    }

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(shown("plain é"), "plain é");
        assert_eq!(shown("a\nb\0\u{7f}\u{85}"), "a␊b␀␡\u{fffd}");
    }
}
