//! Paths and stamps as JSON that loses nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::source::Stamp;

/// A path as text where it is text, else as the system's units.
pub(super) mod path {
    use super::*;
    use std::ffi::OsString;

    #[derive(Deserialize)]
    #[serde(untagged)]
    pub(super) enum Either {
        Text(String),
        Units(OsString),
    }

    pub(super) fn from(either: Either) -> PathBuf {
        match either {
            Either::Text(text) => text.into(),
            Either::Units(units) => units.into(),
        }
    }

    pub(in super::super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => to.serialize_str(text),
            None => path.as_os_str().serialize(to),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Either::deserialize(from).map(self::from)
    }
}

/// [`path`], or null.
pub(super) mod optional_path {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        match path {
            Some(path) => super::path::serialize(path, to),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::deserialize(from)?.map(super::path::from))
    }
}

/// A stamp with its time as seconds and nanoseconds since 1970, also before it, or null.
pub(super) mod optional_stamp {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wire {
        len: u64,
        seconds: i64,
        nanos: u32,
    }

    pub(in super::super) fn serialize<S: Serializer>(stamp: &Option<Stamp>, to: S) -> Result<S::Ok, S::Error> {
        let wire = stamp.map(|Stamp { len, modified }| {
            let (seconds, nanos) = match modified.duration_since(UNIX_EPOCH) {
                Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
                Err(e) => {
                    let before = e.duration();
                    let nanos = before.subsec_nanos();
                    let seconds = 0i64.saturating_sub_unsigned(before.as_secs()) - i64::from(nanos > 0);
                    (seconds, if nanos > 0 { 1_000_000_000 - nanos } else { 0 })
                }
            };
            Wire { len, seconds, nanos }
        });
        wire.serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Stamp>, D::Error> {
        let Some(Wire { len, seconds, nanos }) = Option::deserialize(from)? else { return Ok(None) };
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let base = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
        let modified = base.and_then(|base| base.checked_add(Duration::from_nanos(nanos.into())));
        let modified = modified.ok_or_else(|| serde::de::Error::custom("a time out of range"))?;
        Ok(Some(Stamp { len, modified }))
    }
}
