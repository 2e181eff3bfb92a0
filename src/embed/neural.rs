//! A network as an extractor: images as it wants to see them, through it, one or many at a time.

use image::DynamicImage;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::{EmbedError, Extractor, ExtractorSpec, Network, Preprocess};
use crate::decode::REDUCED_SIDE;

/// A network with its weights, and how images are brought before it.
pub(super) struct Neural {
    pub spec: ExtractorSpec,
    pub n_features: usize,
    pub preprocess: Preprocess,
    pub network: Box<dyn Network>,
    pub device: candle_core::Device,
}

impl Neural {
    /// Writes the features of images that go through the network together.
    fn rows(&self, images: &[DynamicImage], mut out: ArrayViewMut2<'_, f32>) -> Result<(), EmbedError> {
        let features = (self.preprocess.tensor(images, &self.device))
            .and_then(|images| self.network.forward(&images)?.flatten_all()?.to_vec1::<f32>())
            .map_err(|e| EmbedError::Failed(e.to_string()))?;
        let rows = ArrayView2::from_shape(out.raw_dim(), &features);
        out.assign(&rows.map_err(|_| {
            EmbedError::Failed(format!("{} gives {} features for {:?}", self.spec.name(), features.len(), out.dim()))
        })?);
        Ok(())
    }
}

impl Extractor for Neural {
    fn spec(&self) -> &ExtractorSpec {
        &self.spec
    }

    fn n_features(&self) -> usize {
        self.n_features
    }

    fn wants_whole(&self) -> bool {
        self.preprocess.shortest.unwrap_or(self.preprocess.side) > REDUCED_SIDE / 2
    }

    fn is_half(&self) -> bool {
        true
    }

    fn prepare(&self, image: &DynamicImage) -> DynamicImage {
        self.preprocess.prepare(image)
    }

    fn embed(&self, batch: &[DynamicImage], mut out: ArrayViewMut2<'_, f32>) -> Result<(), EmbedError> {
        // On the CPU one image a thread is faster than all threads on each layer; a device wants all of them.
        let size = if self.device.is_cpu() { 1 } else { batch.len().max(1) };
        let rows = out.axis_chunks_iter_mut(Axis(0), size).into_par_iter();
        batch.par_chunks(size).zip(rows).try_for_each(|(images, rows)| self.rows(images, rows))
    }

    fn batch_size(&self) -> usize {
        rayon::current_num_threads().max(8)
    }
}
