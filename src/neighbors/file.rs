//! A graph as a safetensors file, which any safetensors reader opens: `indices` (u32) and `distances` (f32), both of shape
//! (n_samples, n_neighbors), and the metric in the metadata.

use super::KnnGraph;
use crate::distance::Metric;
use crate::files::{At, FileError, write_whole};
use ndarray::Array2;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::Path;

/// The metadata's key of the metric.
const METRIC: &str = "metric";

/// Why a graph can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GraphFileError {
    /// The file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is something else, or damaged.
    #[error("{path} is not a graph of nearest neighbours ({reason}): search for them again")]
    NotAGraph {
        /// The file.
        path: String,
        /// What was found.
        reason: String,
    },
}

impl KnnGraph {
    /// Writes the graph, whole or not at all; 8 bytes a neighbour.
    ///
    /// # Errors
    /// Any I/O error.
    ///
    /// ```
    /// use alike::neighbors::{KnnGraph, NeighborsParams, nearest};
    ///
    /// let x = ndarray::array![[0.0], [1.0], [3.0]];
    /// let graph = nearest(x.view(), &NeighborsParams::default(), &alike::progress::Silent)?;
    /// let dir = tempfile::tempdir()?;
    /// let path = dir.path().join("neighbors.safetensors");
    /// graph.write(&path)?;
    /// assert_eq!(KnnGraph::read(&path)?, graph);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, path: &Path) -> Result<(), GraphFileError> {
        let indices: Vec<u8> = self.indices().iter().flat_map(|v| v.to_le_bytes()).collect();
        let distances: Vec<u8> = self.distances().iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = |dtype, bytes| {
            let shape = vec![self.n_samples(), self.n_neighbors()];
            TensorView::new(dtype, shape, bytes).expect("as many bytes as the shape needs")
        };
        let tensors = [("indices", tensor(Dtype::U32, &indices)), ("distances", tensor(Dtype::F32, &distances))];
        let metric = match self.metric() {
            Metric::Euclidean => "euclidean",
            Metric::Cosine => "cosine",
        };
        let metadata = HashMap::from([(METRIC.to_owned(), metric.to_owned())]);
        let bytes = safetensors::serialize(tensors, Some(metadata)).expect("two tensors of one shape");
        Ok(write_whole(path, |out| out.write_all(&bytes))?)
    }

    /// Reads a graph that [`KnnGraph::write`] wrote.
    ///
    /// # Errors
    /// If the file can't be read, or isn't a graph in all that [`KnnGraph::new`] asks for, or of several rows without
    /// a neighbour.
    pub fn read(path: &Path) -> Result<Self, GraphFileError> {
        let bytes = std::fs::read(path).at("read", path)?;
        parse(&bytes).map_err(|reason| GraphFileError::NotAGraph { path: path.display().to_string(), reason })
    }
}

fn parse(bytes: &[u8]) -> Result<KnnGraph, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
    let metric = match header.metadata().as_ref().and_then(|metadata| metadata.get(METRIC)).map(String::as_str) {
        Some("euclidean") => Metric::Euclidean,
        Some("cosine") => Metric::Cosine,
        found => return Err(format!("its metric is {found:?}")),
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let indices = array(&tensors, "indices", Dtype::U32, u32::from_le_bytes)?;
    let distances = array(&tensors, "distances", Dtype::F32, f32::from_le_bytes)?;
    KnnGraph::checked(metric, indices, distances)
}

fn array<T>(tensors: &SafeTensors<'_>, name: &str, dtype: Dtype, value: fn([u8; 4]) -> T) -> Result<Array2<T>, String> {
    let tensor = tensors.tensor(name).map_err(|e| e.to_string())?;
    let (found, &[rows, columns]) = (tensor.dtype(), tensor.shape()) else {
        return Err(format!("{name} has the shape {:?}", tensor.shape()));
    };
    if found != dtype {
        return Err(format!("{name} is {found:?}, {dtype:?} is needed"));
    }
    // Nothing in the file would bear out their number.
    if columns == 0 && rows > 1 {
        return Err(format!("{rows} rows have no neighbours"));
    }
    let values = tensor.data().as_chunks().0.iter().map(|&bytes| value(bytes)).collect();
    Array2::from_shape_vec((rows, columns), values).map_err(|e| format!("{name}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn bytes(metric: &str, shape: Vec<usize>, indices: &[u32], distances: &[f32]) -> Vec<u8> {
        let indices: Vec<u8> = indices.iter().flat_map(|v| v.to_le_bytes()).collect();
        let distances: Vec<u8> = distances.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors = [
            ("indices", TensorView::new(Dtype::U32, shape.clone(), &indices).unwrap()),
            ("distances", TensorView::new(Dtype::F32, shape, &distances).unwrap()),
        ];
        safetensors::serialize(tensors, Some(HashMap::from([(METRIC.to_owned(), metric.to_owned())]))).unwrap()
    }

    #[test]
    fn a_graph_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g");
        for graph in [
            KnnGraph::new(Metric::Cosine, array![[1, 2], [2, 0], [0, 1]], array![[0.0, 0.5], [1.0, 2.0], [0.1, 0.1]]),
            KnnGraph::new(Metric::Euclidean, Array2::zeros((1, 0)), Array2::zeros((1, 0))),
            KnnGraph::new(Metric::Euclidean, Array2::zeros((0, 0)), Array2::zeros((0, 0))),
        ] {
            graph.write(&path).unwrap();
            assert_eq!(KnnGraph::read(&path).unwrap(), graph);
        }
        assert!(matches!(KnnGraph::read(&dir.path().join("none")), Err(GraphFileError::File(_))));
    }

    #[test]
    fn what_is_no_graph_is_refused() {
        let whole = bytes("cosine", vec![2, 1], &[1, 0], &[0.5, 0.5]);
        assert!(parse(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end} bytes");
        }
        for (wrong, says) in [
            (bytes("jaccard", vec![2, 1], &[1, 0], &[0.5, 0.5]), "jaccard"),
            (bytes("cosine", vec![1 << 40, 0], &[], &[]), "no neighbours"),
            (bytes("cosine", vec![2], &[1, 0], &[0.5, 0.5]), "shape"),
            (bytes("cosine", vec![2, 1], &[1, 1], &[0.5, 0.5]), "row 1"),
            (bytes("cosine", vec![2, 1], &[1, 9], &[0.5, 0.5]), "row 1"),
            (bytes("cosine", vec![2, 1], &[1, 0], &[0.5, f32::NAN]), "order"),
            (bytes("cosine", vec![2, 1], &[1, 0], &[0.5, f32::INFINITY]), "order"),
            (bytes("cosine", vec![2, 1], &[1, 0], &[-0.5, 0.5]), "order"),
            (bytes("cosine", vec![3, 2], &[1, 2, 0, 2, 0, 1], &[0.5, 0.1, 0.5, 0.5, 0.5, 0.5]), "order"),
        ] {
            let error = parse(&wrong).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
