//! Embeddings that stay in their file and are read a block at a time.

use super::{FilesError, Float, Format, npy, numbered, parquet};
use crate::collection::{Blocks, BlocksError, Features};
use crate::files::At;
use ndarray::Axis;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Bytes of a block, about: enough for a disk to be read at random.
const BLOCK_BYTES: usize = 1 << 16;

/// A file of embeddings whose rows are read a block at a time: a `.npy` in C order and little-endian, or a `.parquet`.
/// Any other file of embeddings is read as a whole. The ids are in memory, if the file has any.
pub struct EmbeddingsFile {
    path: PathBuf,
    rows: Rows,
    ids: Option<Vec<String>>,
    dim: (usize, usize),
}

enum Rows {
    Npy { file: File, values: u64, float: Float },
    Parquet(Box<parquet::Cursor>),
    Memory(Features<'static>),
}

impl EmbeddingsFile {
    /// Opens a file of embeddings, as [`read`](super::read) takes them.
    ///
    /// # Errors
    /// As [`read`](super::read), but for what is wrong with the rows, which [`Blocks::read`] meets.
    pub fn open(path: &Path) -> Result<Self, FilesError> {
        let invalid = |reason: String| FilesError::Invalid { path: path.to_owned(), reason };
        let file = File::open(path).at("read", path)?;
        let len = file.metadata().at("read", path)?.len();
        let (rows, dim, ids) = match Format::of(path) {
            Some(Format::Npy) => match npy::layout(&mut BufReader::new(&file), len).map_err(invalid)? {
                Some(npy::Layout { dim, values, float }) => {
                    (Rows::Npy { file, values, float }, dim, npy::read_ids(path).map_err(invalid)?)
                }
                None => return Self::whole(path),
            },
            Some(Format::Parquet) => {
                let opened =
                    catch_unwind(|| parquet::Cursor::open(file, len)).unwrap_or_else(|_| Err(parquet::DAMAGED.into()));
                match opened.map_err(invalid)? {
                    Some((cursor, dim, ids)) => (Rows::Parquet(Box::new(cursor)), dim, ids),
                    None => return Self::whole(path),
                }
            }
            _ => return Self::whole(path),
        };
        if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != dim.0) {
            return Err(invalid(format!("{} ids for {} rows: each row needs one id", ids.len(), dim.0)));
        }
        Ok(Self { path: path.to_owned(), rows, ids, dim })
    }

    fn whole(path: &Path) -> Result<Self, FilesError> {
        let (ids, features) = super::read(path)?.into_parts();
        Ok(Self { path: path.to_owned(), dim: features.dim(), ids: Some(ids), rows: Rows::Memory(features) })
    }

    /// The id of each row, those of rows without one made up as by [`numbers`](super::numbers).
    pub fn ids(&self) -> Box<dyn Iterator<Item = Cow<'_, str>> + '_> {
        match &self.ids {
            Some(ids) => Box::new(ids.iter().map(|id| Cow::from(id.as_str()))),
            None => Box::new(numbered(self.dim.0).map(Cow::from)),
        }
    }
}

impl Blocks for EmbeddingsFile {
    fn dim(&self) -> (usize, usize) {
        self.dim
    }

    fn block_rows(&self) -> usize {
        (BLOCK_BYTES / 4 / self.dim.1.max(1)).max(1)
    }

    fn read(&mut self, blocks: &[usize], out: &mut Vec<f32>) -> Result<(), BlocksError> {
        let (n_samples, n_features) = self.dim;
        let block_rows = self.block_rows();
        let failed = |reason: String| BlocksError::Unreadable(format!("{}: {reason}", self.path.display()));
        for run in blocks.chunk_by(|a, b| a + 1 == *b) {
            let rows = run[0] * block_rows..n_samples.min((run[run.len() - 1] + 1) * block_rows);
            match &mut self.rows {
                Rows::Npy { file, values, float } => {
                    let at = *values + (rows.start * n_features * float.size()) as u64;
                    file.seek(SeekFrom::Start(at)).map_err(|e| failed(e.to_string()))?;
                    let read = float.read(file, rows.len() * n_features).map_err(|e| failed(e.to_string()))?;
                    out.extend(read);
                }
                Rows::Parquet(cursor) => {
                    let read = catch_unwind(AssertUnwindSafe(|| cursor.read(rows, n_features, out)));
                    read.unwrap_or_else(|_| Err(parquet::DAMAGED.into())).map_err(failed)?;
                }
                Rows::Memory(Features::Dense(x)) => out.extend(x.slice_axis(Axis(0), rows.into()).iter()),
                Rows::Memory(sparse) => out.extend(sparse.select(&rows.collect::<Vec<_>>()).to_dense().iter()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Csr, Embeddings};
    use crate::embed::files::{read, write};
    use ndarray::Array2;

    /// Embeddings of more rows than a block and, in Parquet, than a group has.
    fn example() -> Embeddings {
        let data = Array2::from_shape_fn((10_000, 20), |(i, j)| (i * 20 + j) as f32 * 0.5);
        Embeddings::new((0..10_000).map(|i| format!("image {i}")).collect(), data).unwrap()
    }

    #[test]
    fn blocks_are_the_rows_of_the_file_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        for extension in ["npy", "parquet", "safetensors"] {
            let path = dir.path().join("x").with_extension(extension);
            write(&path, &example()).unwrap();
            let mut file = EmbeddingsFile::open(&path).unwrap();
            assert_eq!(Blocks::dim(&file), (10_000, 20));
            assert!(file.ids().eq(example().ids().iter().map(|id| Cow::from(id.as_str()))), "{extension}");
            let last = file.n_blocks() - 1;
            for blocks in [vec![0], vec![3, 4, 7, last], vec![1, 2], vec![0], vec![last], (0..=last).collect()] {
                let rows = |block: usize| block * file.block_rows()..10_000.min((block + 1) * file.block_rows());
                let expected: Vec<f32> = blocks
                    .iter()
                    .flat_map(|&block| {
                        example().view().slice_axis(Axis(0), rows(block).into()).iter().copied().collect::<Vec<_>>()
                    })
                    .collect();
                let mut out = Vec::new();
                file.read(&blocks, &mut out).unwrap();
                assert!(out == expected, "{extension}: {blocks:?}");
            }
        }
    }

    #[test]
    fn a_file_of_no_rows_has_no_blocks() {
        let dir = tempfile::tempdir().unwrap();
        for (name, features) in [
            ("x.npy", Features::from(Array2::zeros((0, 0)))),
            ("x.npz", Features::from(Csr::zero((0, 0)))),
            ("y.npy", Features::from(Array2::zeros((0, 100)))),
        ] {
            let path = dir.path().join(name);
            write(&path, &Embeddings::new(vec![], features).unwrap()).unwrap();
            let mut file = EmbeddingsFile::open(&path).unwrap();
            assert_eq!((file.n_blocks(), file.groups().len()), (0, 0), "{name}");
            assert_eq!(file.load(&[]).unwrap().nrows(), 0, "{name}");
        }
    }

    #[test]
    fn files_of_other_programs_are_read() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/embed/files/fixtures");
        for name in [
            "f32.npy",
            "f64-fortran-big-endian.npy",
            "f16.npy",
            "list.parquet",
            "fixed-size-f64-dictionary-zstd.parquet",
            "f16.safetensors",
        ] {
            let mut file = EmbeddingsFile::open(&dir.join(name)).unwrap_or_else(|e| panic!("{e}"));
            let mut out = Vec::new();
            file.read(&(0..file.n_blocks()).collect::<Vec<_>>(), &mut out).unwrap();
            let whole = read(&dir.join(name)).unwrap();
            assert!(
                whole.view().iter().eq(&out) && file.ids().eq(whole.ids().iter().map(|id| Cow::from(id.as_str()))),
                "{name}"
            );
        }
    }
}
