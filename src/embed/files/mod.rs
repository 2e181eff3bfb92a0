//! Files of embeddings, by extension: `.npy` (ids in a `.ids.csv` beside it), `.parquet`, `.safetensors`, and `.npz` for
//! sparse rows (ids as for `.npy`).
//!
//! A header is believed only as far as the file's length bears it out, so none can ask for much more memory than the
//! file takes on disk, but for `.npz`, which may be compressed.

mod blocks;
mod npy;
mod npz;
mod parquet;
mod safetensors;

pub use blocks::EmbeddingsFile;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use crate::collection::{Embeddings, EmbeddingsError, Features};
use crate::files::{At, FileError};

/// Why embeddings can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The system's refusal.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not the name of a file of embeddings.
    #[error("{}: embeddings are kept in .npy, .npz, .parquet or .safetensors files: choose a name that ends so", .0.display())]
    Extension(PathBuf),
    /// Not what its extension says, damaged, or without embeddings in it.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found.
        reason: String,
    },
    /// Rows and ids don't make embeddings.
    #[error("{}: {source}", path.display())]
    Embeddings {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EmbeddingsError,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Npy,
    Npz,
    Parquet,
    Safetensors,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "npy" => Some(Self::Npy),
            "npz" => Some(Self::Npz),
            "parquet" => Some(Self::Parquet),
            "safetensors" => Some(Self::Safetensors),
            _ => None,
        }
    }
}

/// Whether the name is one of a file of embeddings. A `.npy` or `.parquet` file may hold something else still.
pub fn is_embeddings(path: &Path) -> bool {
    Format::of(path).is_some()
}

/// Whether a file of this name holds sparse rows.
pub fn is_sparse(path: &Path) -> bool {
    Format::of(path) == Some(Format::Npz)
}

/// Refuses a name that [`write()`] would refuse, before any work.
///
/// # Errors
/// [`FilesError::Extension`].
pub fn check_name(path: &Path) -> Result<(), FilesError> {
    Format::of(path).map(drop).ok_or_else(|| FilesError::Extension(path.to_owned()))
}

/// Reads embeddings of 32-bit or 64-bit floats (`.npy` and `.safetensors`: 16-bit ones too). Where the file has no ids,
/// they are the rows' zero-padded numbers.
///
/// - `.npy`: shape (n_samples, n_features), C or Fortran order; `NAME.npy.ids.csv` with a column `id` beside it.
/// - `.npz`: sparse rows as `scipy.sparse.save_npz` writes a CSR matrix; ids as for `.npy`.
/// - `.parquet`: a list column `embedding`, a string column `id`.
/// - `.safetensors`: a tensor `embeddings`, shape (n_samples, n_features); a byte tensor `ids`, a JSON array of strings.
///
/// # Errors
/// If the file can't be read, is damaged, or holds something else. Never reserves much more than the file's size,
/// or what a `.npz` takes uncompressed.
pub fn read(path: &Path) -> Result<Embeddings, FilesError> {
    let format = Format::of(path).ok_or_else(|| FilesError::Extension(path.to_owned()))?;
    let file = File::open(path).at("read", path)?;
    let len = file.metadata().at("read", path)?.len();
    let read = match format {
        Format::Npy => npy::read(&mut BufReader::new(file), len, path),
        Format::Npz => npz::read(BufReader::new(file), path),
        // The parser of damaged pages panics here and there.
        Format::Parquet => {
            std::panic::catch_unwind(|| parquet::read(file, len)).unwrap_or_else(|_| Err(parquet::DAMAGED.into()))
        }
        Format::Safetensors => safetensors::read(&mut BufReader::new(file), len),
    };
    let (ids, data) = read.map_err(|reason| FilesError::Invalid { path: path.to_owned(), reason })?;
    let (n_samples, n_features) = data.dim();
    if n_features == 0 && n_samples > 0 {
        // Such rows take no bytes, so a header may claim any number of them.
        let reason = format!("{n_samples} rows of no features: embeddings need at least one");
        return Err(FilesError::Invalid { path: path.to_owned(), reason });
    }
    let ids = ids.unwrap_or_else(|| numbers(n_samples));
    Embeddings::new(ids, data).map_err(|source| FilesError::Embeddings { path: path.to_owned(), source })
}

/// Writes embeddings, whole or not at all, in the forms that [`read`] reads; 32-bit floats. All forms but `.npz` hold
/// sparse rows with their zeros, and make them dense for that.
///
/// ```
/// use alike::{collection::Embeddings, embed::files};
/// let dir = tempfile::tempdir()?;
/// let embeddings = Embeddings::new(vec!["a.jpg".into()], ndarray::array![[0.25, 0.5]])?;
/// for name in ["e.npy", "e.parquet", "e.safetensors"] {
///     files::write(&dir.path().join(name), &embeddings)?;
///     assert_eq!(files::read(&dir.path().join(name))?, embeddings);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Any I/O error, or another extension.
pub fn write(path: &Path, embeddings: &Embeddings) -> Result<(), FilesError> {
    match Format::of(path).ok_or_else(|| FilesError::Extension(path.to_owned()))? {
        Format::Npy => npy::write(path, embeddings)?,
        Format::Npz => npz::write(path, embeddings)?,
        Format::Parquet => crate::files::write_whole(path, |out| parquet::write(out, embeddings))?,
        Format::Safetensors => crate::files::write_whole(path, |out| safetensors::write(out, embeddings))?,
    }
    Ok(())
}

/// Ids, if the file has them, and rows; or what is wrong with it.
type Parts = Result<(Option<Vec<String>>, Features<'static>), String>;

/// The ids of rows that have none: their zero-padded numbers.
///
/// ```
/// assert_eq!(alike::embed::files::numbers(11)[3], "03");
/// ```
pub fn numbers(n: usize) -> Vec<String> {
    numbered(n).collect()
}

fn numbered(n: usize) -> impl Iterator<Item = String> {
    let width = n.saturating_sub(1).to_string().len();
    (0..n).map(move |i| format!("{i:0width$}"))
}

/// The type of a stored number, little-endian.
#[derive(Clone, Copy)]
enum Float {
    F16,
    F32,
    F64,
}

impl Float {
    fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Reads `n` numbers, which the caller knows to be there.
    fn read(self, input: &mut dyn Read, n: usize) -> io::Result<Vec<f32>> {
        let mut values = Vec::with_capacity(n);
        let mut block = vec![0; (1 << 16).min(n * self.size())];
        while values.len() < n {
            let len = block.len().min((n - values.len()) * self.size());
            let block = &mut block[..len];
            input.read_exact(block)?;
            match self {
                Self::F16 => values.extend(block.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32())),
                Self::F32 => values.extend(block.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
                Self::F64 => values.extend(block.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
            }
        }
        Ok(values)
    }
}

/// Rows as little-endian bytes, in order.
fn write_rows(out: &mut dyn Write, embeddings: &Embeddings) -> io::Result<()> {
    embeddings.features().to_dense().iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::Blocks;
    use ndarray::Array2;

    fn example() -> Embeddings {
        let ids = ["a.jpg", "sub/b, \"c\".png", "zeile\nzwei ü"].map(String::from).to_vec();
        let data = Array2::from_shape_fn((3, 5), |(i, j)| (i as f32 - 1.3) * 0.1 + j as f32);
        Embeddings::new(ids, data).unwrap()
    }

    #[test]
    fn every_format_gives_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let many = Array2::from_shape_fn((10_000, 3), |(i, j)| (i * 3 + j) as f32 * 0.1);
        let empty = Embeddings::new(vec![], Array2::zeros((0, 4))).unwrap();
        for extension in ["npy", "npz", "parquet", "SafeTensors"] {
            let path = dir.path().join("x").with_extension(extension);
            for embeddings in [example(), Embeddings::new(numbers(10_000), many.clone()).unwrap(), empty.clone()] {
                write(&path, &embeddings).unwrap();
                let found = read(&path).unwrap();
                assert_eq!(found.ids(), embeddings.ids(), "{extension}");
                let values = |e: &Embeddings| e.features().to_dense().iter().copied().collect::<Vec<f32>>();
                assert_eq!(values(&found), values(&embeddings), "{extension}");
                assert_eq!(matches!(found.features(), Features::Sparse(_)), extension == "npz");
                write(&path, &found).unwrap();
                assert_eq!(read(&path).unwrap(), found, "{extension}");
            }
        }
        assert!(matches!(write(Path::new("x.txt"), &example()), Err(FilesError::Extension(_))));
    }

    /// Files as other programs write them, made with numpy 2.4.6, pyarrow 26.0.1 and safetensors 0.8.0 by
    /// `fixtures/make.py`.
    #[test]
    fn files_of_other_programs_are_read() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/embed/files/fixtures");
        let expected: Vec<f32> = (0..6).map(|v| v as f32 / 4.0 - 0.5).collect();
        for (name, ids) in [
            ("f32.npy", ["0", "1", "2"]),
            ("f64-fortran-big-endian.npy", ["0", "1", "2"]),
            ("f16.npy", ["0", "1", "2"]),
            ("list.parquet", ["a", "b", "ü"]),
            ("fixed-size-f64-dictionary-zstd.parquet", ["a", "b", "ü"]),
            ("f16.safetensors", ["0", "1", "2"]),
        ] {
            let found = read(&dir.join(name)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(found.ids(), ids, "{name}");
            assert_eq!(found.view().iter().copied().collect::<Vec<_>>(), expected, "{name}");
            assert_eq!(found.view().dim(), (3, 2), "{name}");
        }
    }

    /// Made with scipy by `fixtures/sparse.py`.
    #[test]
    fn matrices_of_scipy_are_read() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/embed/files/fixtures");
        let expected = ndarray::array![[0.0, 0.5, 0.0, -1.25], [0.0; 4], [3.0, 0.0, 0.75, 1.0]];
        for name in ["csr.npz", "csr-unsorted-f64-i64-stored.npz"] {
            let found = read(&dir.join(name)).unwrap_or_else(|e| panic!("{e}"));
            let Features::Sparse(x) = found.features() else { panic!("sparse rows") };
            assert_eq!((x.to_dense(), x.nnz(), found.ids().len()), (expected.clone(), 5, 3), "{name}");
        }
        let error = read(&dir.join("csc.npz")).unwrap_err().to_string();
        assert!(error.contains("tocsr"), "{error}");
    }

    /// Truncated anywhere, or with any byte changed: an error or other numbers, never a panic or a huge allocation, read
    /// whole or in blocks.
    #[test]
    fn damaged_files_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        for extension in ["npy", "npz", "parquet", "safetensors"] {
            let path = dir.path().join("x").with_extension(extension);
            write(&path, &example()).unwrap();
            let whole = std::fs::read(&path).unwrap();
            let read_bytes = |bytes: &[u8]| {
                std::fs::remove_file(&path).unwrap(); // Overwriting waits for the disk.
                std::fs::write(&path, bytes).unwrap();
                // Of sparse rows blocks are dense, of as many columns as the file claims.
                let blocks = extension != "npz"
                    && EmbeddingsFile::open(&path).is_ok_and(|mut file| {
                        let blocks: Vec<usize> = (0..file.n_blocks()).collect();
                        file.read(&blocks, &mut Vec::new()).is_ok()
                    });
                [read(&path).is_ok(), blocks]
            };
            for len in 0..whole.len() {
                assert_eq!(read_bytes(&whole[..len]), [false; 2], "{extension} of {len} bytes");
            }
            for at in 0..whole.len() {
                for flip in [1, 16, 128, 255] {
                    let mut bytes = whole.clone();
                    bytes[at] ^= flip;
                    read_bytes(&bytes);
                }
            }
        }
    }

    #[test]
    fn hostile_headers_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let npy =
            |version: u8, len: &[u8], header: &str| [&b"\x93NUMPY"[..], &[version, 0], len, header.as_bytes()].concat();
        let shape = |shape: &str| {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
            npy(1, &(header.len() as u16).to_le_bytes(), &header)
        };
        let deep = "(".repeat(60_000);
        let tensors = |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        for (name, bytes) in [
            ("a.npy", shape("(4611686018427387904, 4)")),
            ("a.npy", shape("(1000000000, 1000)")),
            ("a.npy", shape("(3,)")),
            ("a.npy", shape("(-1, 4)")),
            ("a.npy", shape("(1000000000000000000, 0)")),
            ("a.npy", npy(1, &60_000u16.to_le_bytes(), &deep)),
            ("a.npy", npy(2, &u32::MAX.to_le_bytes(), "{")),
            ("a.safetensors", u64::MAX.to_le_bytes().to_vec()),
            ("a.safetensors", tensors("{}")),
            (
                "a.safetensors",
                tensors(r#"{"embeddings":{"dtype":"F32","shape":[1000000000000000000,0],"data_offsets":[0,0]}}"#),
            ),
            ("a.safetensors", tensors(&"[".repeat(1000))),
            (
                "a.safetensors",
                tensors(r#"{"embeddings":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,4000000000000]}}"#),
            ),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, FilesError::Invalid { .. }), "{error}");
        }
    }
}
