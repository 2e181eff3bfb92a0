//! A file of weights: read, hashed, and looked at before anything is done with it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::WeightsError;
use crate::files::At;
use crate::progress::Reporter;

/// Bytes between two looks at whether the user asked to stop.
const STEP: u64 = 16 << 20;

/// An intact safetensors file in memory.
#[derive(Clone)]
pub struct Weights {
    path: PathBuf,
    bytes: Vec<u8>,
    sha256: String,
}

impl Weights {
    /// Reads `path`. Cost: the file is read whole and hashed, which takes a second for 0.3 to 2 GB.
    ///
    /// # Errors
    /// If it can't be read, is no intact safetensors file (told by its contents, whatever its name), or hashes to another
    /// SHA-256 than `expected`.
    pub fn read(path: &Path, expected: Option<&str>, reporter: &dyn Reporter) -> Result<Self, WeightsError> {
        let mut file = File::open(path).at("read", path)?;
        let mut bytes = Vec::new();
        (&mut file).take(16).read_to_end(&mut bytes).at("read", path)?;
        refuse_others(&bytes, path)?;
        let size = file.metadata().at("read", path)?.len();
        let damaged = |reason: String| WeightsError::Damaged { path: path.to_owned(), reason };
        let room = usize::try_from(size).ok().and_then(|size| bytes.try_reserve_exact(size).ok());
        room.ok_or_else(|| damaged(format!("its {size} bytes don't fit into memory")))?;
        let mut hasher = Sha256::new();
        let mut hashed = 0;
        while hashed < bytes.len() {
            reporter.check()?;
            hasher.update(&bytes[hashed..]);
            hashed = bytes.len();
            (&mut file).take(STEP).read_to_end(&mut bytes).at("read", path)?;
        }
        let sha256 = hex(hasher);
        if let Some(expected) = expected.filter(|expected| **expected != sha256) {
            let advice = "remove it and fetch it again";
            let (at, expected) = (path.display().to_string(), expected.to_owned());
            return Err(WeightsError::Hash { at, expected, found: sha256, advice });
        }
        SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { path: path.to_owned(), bytes, sha256 })
    }

    /// Where they were read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file in hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The file's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Refuses what begins like a file of another kind.
fn refuse_others(start: &[u8], path: &Path) -> Result<(), WeightsError> {
    let path = path.to_owned();
    // A zip archive as torch.save writes it, or a bare pickle of protocol 2 to 5.
    if start.starts_with(b"PK\x03\x04") || matches!(start, [0x80, 2..=5, ..]) {
        return Err(WeightsError::Pickled { path });
    }
    let reason = match start {
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => "it is a Git LFS pointer, run `git lfs pull`",
        [_, _, _, _, _, _, _, _, b'{', ..] => return Ok(()),
        _ => "it begins like none",
    };
    Err(WeightsError::Damaged { path, reason: reason.into() })
}

/// What was hashed, in hexadecimal digits.
pub(super) fn hex(hasher: Sha256) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    hasher.finalize().iter().for_each(|byte| write!(text, "{byte:02x}").expect("a string takes all"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Silent, Watch};

    fn intact() -> Vec<u8> {
        let bytes: Vec<u8> = [1f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &bytes).unwrap();
        safetensors::serialize([("a", view)], None).unwrap()
    }

    fn read(bytes: &[u8], expected: Option<&str>) -> Result<Weights, WeightsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Weights::read(file.path(), expected, &Silent)
    }

    #[test]
    fn an_intact_file_is_read_and_hashed() {
        let weights = read(&intact(), None).unwrap();
        assert_eq!(weights.sha256(), hex(Sha256::new_with_prefix(intact())));
        assert_eq!(read(&intact(), Some(weights.sha256())).unwrap().into_bytes(), intact());
        // The abc of FIPS 180-4.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(Sha256::new_with_prefix("abc")), abc);
        assert!(matches!(read(&intact(), Some(abc)), Err(WeightsError::Hash { expected, .. }) if expected == abc));
    }

    #[test]
    fn pickles_are_refused_by_their_contents() {
        for start in [&b"PK\x03\x04archive/data.pkl"[..], b"\x80\x02}q\x00.", b"\x80\x05\x95"] {
            let error = read(start, None).err().unwrap();
            assert!(matches!(error, WeightsError::Pickled { .. }), "{error}");
            assert!(error.to_string().contains("save_file"));
        }
    }

    #[test]
    fn a_damaged_file_is_named() {
        let whole = intact();
        for length in 0..whole.len() {
            let error = read(&whole[..length], None).err().unwrap();
            assert!(matches!(error, WeightsError::Damaged { .. }), "{length} bytes: {error}");
        }
        let mut huge = whole.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(read(&huge, None), Err(WeightsError::Damaged { .. })));
        assert!(
            read(b"version https://git-lfs.github.com/spec/v1", None).err().unwrap().to_string().contains("git lfs")
        );
    }

    #[test]
    fn reading_stops_when_asked_to() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), intact()).unwrap();
        let stopped = Weights::read(file.path(), None, &Watch::stopping_after(0));
        assert!(matches!(stopped, Err(WeightsError::Interrupted(_))));
    }
}
