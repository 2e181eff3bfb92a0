//! Several extractors as one: their rows side by side, each brought to a length of its own.
//!
//! Squared distances of joined rows are the sums of those of the parts, so whichever part has the longer rows would
//! decide. Therefore each part of a row is brought to unit length first, then multiplied by the part's weight. That needs
//! the image alone, no look at the collection, and keeps zeros.

use std::ops::RangeInclusive;

use image::DynamicImage;
use ndarray::{ArrayView1, Slice};
use serde::{Deserialize, Serialize};

use super::spec::{check, check_version};
use super::{EmbedError, Extractor, ExtractorSpec};

const NAME: &str = "combined";
const VERSION: u32 = 1;

/// Parameters of a combination: the rows of 2 to 16 extractors joined in this order, each of unit length, times its
/// weight.
///
/// A part that is all zero, such as the pixels of a black image, stays zero. Amounts are lost: by pixels of unit length
/// an image and a darker copy of it are the same. Zeros stay zeros, so joined rows are [sparse](super::Layout) by the same
/// rule as others: where nine in ten of all their values are zero, as beside wide and mostly blank pixels.
///
/// ```
/// use alike::embed::{Colour, CombinedSpec, ExtractorSpec, GradientsSpec, PixelsSpec};
/// let pixels = ExtractorSpec::Pixels(PixelsSpec::new(8, 8, Colour::Grey));
/// let gradients = ExtractorSpec::Gradients(GradientsSpec::default());
/// let joined = ExtractorSpec::Combined(CombinedSpec::new([(pixels, 1.0), (gradients.clone(), 2.0)]));
/// assert_eq!(joined.name(), "pixels+gradients:2");
/// assert_eq!(joined.build()?.n_features(), 64 + gradients.build()?.n_features());
/// # Ok::<(), alike::embed::EmbedError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CombinedSpec {
    /// Meaning of the other fields: 1.
    pub version: u32,
    /// The parts, 2 to 16, none of them a combination.
    pub parts: Vec<WeightedSpec>,
}

/// A part of a combination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedSpec {
    /// Length of this part of every row that is not zero, 0.001 to 1000.
    pub weight: f32,
    /// What it is.
    pub spec: ExtractorSpec,
}

impl CombinedSpec {
    /// The smallest and the largest weight.
    pub const WEIGHTS: RangeInclusive<f32> = 0.001..=1000.0;

    /// These extractors, with their weights.
    pub fn new(parts: impl IntoIterator<Item = (ExtractorSpec, f32)>) -> Self {
        let parts = parts.into_iter().map(|(spec, weight)| WeightedSpec { weight, spec }).collect();
        Self { version: VERSION, parts }
    }

    pub(super) fn name(&self) -> String {
        joined_name(self.parts.iter().map(|part| (part.spec.name(), part.weight)))
    }

    /// The parts, if they can be joined.
    pub(super) fn checked(&self) -> Result<&[WeightedSpec], EmbedError> {
        check_version(NAME, self.version, VERSION)?;
        check((2..=16).contains(&self.parts.len()), NAME, "number of parts", "from 2 to 16", self.parts.len())?;
        for WeightedSpec { weight, spec } in &self.parts {
            check(Self::WEIGHTS.contains(weight), NAME, "weight", "from 0.001 to 1000", weight)?;
            let single = !matches!(spec, ExtractorSpec::Combined(_));
            check(single, NAME, "part", "an extractor that is no combination itself", spec.name())?;
        }
        Ok(&self.parts)
    }
}

/// As users write it: names joined by `+`, each with its weight unless that is 1.
pub(crate) fn joined_name(parts: impl Iterator<Item = (String, f32)>) -> String {
    let part = |(name, weight)| if weight == 1.0 { name } else { format!("{name}:{weight}") };
    parts.map(part).collect::<Vec<_>>().join("+")
}

/// One extractor, or several whose rows are joined.
pub struct Extractors {
    spec: ExtractorSpec,
    parts: Vec<Box<dyn Extractor>>,
}

impl Extractors {
    pub(super) fn new(spec: ExtractorSpec, parts: Vec<Box<dyn Extractor>>) -> Self {
        Self { spec, parts }
    }

    /// What they are, from which equal ones can be built.
    pub fn spec(&self) -> &ExtractorSpec {
        &self.spec
    }

    /// Each by itself.
    pub fn parts(&self) -> &[Box<dyn Extractor>] {
        &self.parts
    }

    /// Number of features of a joined row.
    pub fn n_features(&self) -> usize {
        self.parts.iter().map(|part| part.n_features()).sum()
    }

    /// How many images they all like to get together.
    pub(super) fn batch_size(&self) -> usize {
        self.parts.iter().map(|part| part.batch_size()).min().unwrap_or(1).max(1)
    }

    /// An image's row, from its row of each part.
    pub(super) fn join(&self, mut rows: Vec<Vec<f32>>) -> Vec<f32> {
        let ExtractorSpec::Combined(CombinedSpec { parts, .. }) = &self.spec else { return rows.swap_remove(0) };
        parts.iter().zip(rows).flat_map(|(part, row)| of_length(part.weight, row)).collect()
    }

    /// The image that a row, or a mean of rows, stands for, if one of the parts can draw it. As a joined row doesn't know
    /// how bright its image was, its largest feature is drawn as 1.
    pub fn picture(&self, features: ArrayView1<'_, f32>) -> Option<DynamicImage> {
        if let [only] = &self.parts[..] {
            return only.picture(features);
        }
        if features.len() != self.n_features() {
            return None;
        }
        let mut start = 0;
        self.parts.iter().find_map(|part| {
            let own = features.slice_axis(ndarray::Axis(0), Slice::from(start..start + part.n_features()));
            start += part.n_features();
            let most = own.fold(0f32, |most, value| most.max(*value));
            part.picture((&own / most.max(f32::MIN_POSITIVE)).view())
        })
    }
}

/// A row of this length, unless it is zero.
pub(super) fn of_length(length: f32, mut row: Vec<f32>) -> Vec<f32> {
    let own = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    if own > 0.0 {
        row.iter_mut().for_each(|v| *v = (f64::from(*v) / own * f64::from(length)) as f32);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Features, Stage};
    use crate::embed::contract::{Fussy, Memory, bits, rgb, run};
    use crate::embed::{Cache, Colour, EmbedOptions, GradientsSpec, Layout, PixelsSpec, embed};
    use crate::progress::Silent;
    use image::GrayImage;
    use ndarray::ArrayView1;

    fn pixels(width: u32, height: u32) -> ExtractorSpec {
        ExtractorSpec::Pixels(PixelsSpec::new(width, height, Colour::Rgb))
    }

    fn gradients() -> ExtractorSpec {
        ExtractorSpec::Gradients(GradientsSpec::default())
    }

    fn joined(parts: impl IntoIterator<Item = (ExtractorSpec, f32)>) -> Extractors {
        ExtractorSpec::Combined(CombinedSpec::new(parts)).build().unwrap()
    }

    fn images() -> Vec<DynamicImage> {
        (0..40).map(|i| rgb(12 + i % 3, 10, i)).chain([DynamicImage::ImageLuma8(GrayImage::new(9, 9))]).collect()
    }

    fn square(row: ArrayView1<'_, f32>) -> f64 {
        row.iter().map(|v| f64::from(*v).powi(2)).sum()
    }

    #[test]
    fn a_joined_row_is_its_parts_each_as_long_as_its_weight() {
        let source = Memory::new(images());
        let alone = [pixels(7, 5), gradients()].map(|spec| run(&source, &spec.build().unwrap(), None).embeddings);
        let both = run(&source, &joined([(pixels(7, 5), 0.5), (gradients(), 3.0)]), None).embeddings;
        for (i, row) in both.view().outer_iter().enumerate() {
            let (first, second) = row.split_at(ndarray::Axis(0), 105);
            for (own, part, weight) in [(&alone[0], first, 0.5), (&alone[1], second, 3.0)] {
                let own = own.view().row(i).to_owned();
                let length = square(own.view()).sqrt();
                if length == 0.0 {
                    assert!(i == 40 && weight == 0.5 && part.iter().all(|v| *v == 0.0), "black pixels stay zero");
                    continue;
                }
                assert!((square(part).sqrt() - weight).abs() < 1e-6 * weight);
                for (found, own) in part.iter().zip(&own) {
                    assert!((f64::from(*found) - f64::from(*own) / length * weight).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_weight_says_how_much_a_part_counts_in_squared_distances() {
        let source = Memory::new(images());
        let distances = |weight: f32| {
            let rows = run(&source, &joined([(pixels(7, 5), 1.0), (gradients(), weight)]), None).embeddings;
            let difference = &rows.view().row(0) - &rows.view().row(1);
            let (first, second) = difference.view().split_at(ndarray::Axis(0), 105);
            (square(first), square(second))
        };
        let (one, three) = (distances(1.0), distances(3.0));
        assert!(one.0 > 0.0 && three.0 == one.0);
        assert!((three.1 / one.1 - 9.0).abs() < 1e-4, "{one:?} {three:?}");
    }

    #[test]
    fn what_is_cached_of_a_part_serves_every_combination() {
        let source = Memory::new(images());
        let extractors = joined([(pixels(7, 5), 1.0), (gradients(), 2.0)]);
        let fresh = run(&source, &extractors, None);
        for n_known in 0..=2 {
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::new(dir.path());
            for spec in [gradients(), pixels(7, 5)].into_iter().take(n_known) {
                run(&source, &spec.build().unwrap(), Some(&cache));
            }
            let first = run(&source, &extractors, Some(&cache));
            assert_eq!(first.n_cached, if n_known == 2 { 41 } else { 0 });
            assert_eq!(bits(&first), bits(&fresh));
            let other = joined([(gradients(), 5.0), (pixels(7, 5), 1.0)]);
            assert_eq!(run(&source, &other, Some(&cache)).n_cached, 41, "other weights, another order");
            assert_eq!(run(&source, &gradients().build().unwrap(), Some(&cache)).n_cached, 41, "a part alone");
        }
    }

    #[test]
    fn a_part_too_wide_to_be_kept_is_computed_again_beside_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let source = Memory::new(images());
        let extractors = joined([(pixels(150, 40), 1.0), (gradients(), 1.0)]);
        let fresh = run(&source, &extractors, None);
        for _ in 0..2 {
            let found = run(&source, &extractors, Some(&cache));
            assert_eq!((found.n_cached, bits(&found)), (0, bits(&fresh)));
        }
        assert_eq!(run(&source, &gradients().build().unwrap(), Some(&cache)).n_cached, 41);
    }

    #[test]
    fn an_image_that_fails_in_one_part_is_skipped_once() {
        let spec = CombinedSpec::new([(pixels(2, 2), 1.0), (pixels(3, 3), 1.0)]);
        let parts = pixels(2, 2).build().unwrap().parts.into_iter().chain([Box::new(Fussy(pixels(3, 3))) as Box<_>]);
        let extractors = Extractors::new(ExtractorSpec::Combined(spec), parts.collect());
        let images = vec![rgb(5, 5, 0), DynamicImage::ImageLuma8(GrayImage::new(4, 4)), rgb(1, 4, 0), rgb(6, 6, 0)];
        let embedded = run(&Memory::new(images), &extractors, None);
        assert_eq!(embedded.kept, [0, 3]);
        assert_eq!(embedded.skipped.iter().map(|s| s.stage).collect::<Vec<_>>(), [Stage::Embed; 2]);
        assert_eq!(embedded.embeddings.view().column(12), ndarray::array![1.0, 1.0], "a single feature of unit length");
    }

    #[test]
    fn mostly_zero_parts_keep_joined_rows_sparse() {
        let dots = |i: u32| {
            GrayImage::from_fn(100, 100, |x, y| [if (x + y * 7 + i).is_multiple_of(50) { 200 } else { 0 }].into())
        };
        let source = Memory::new((0..5).map(|i| DynamicImage::ImageLuma8(dots(i))).collect());
        let grey = ExtractorSpec::Pixels(PixelsSpec::new(100, 100, Colour::Grey));
        let extractors = joined([(grey, 1.0), (gradients(), 1.0)]);
        let options = EmbedOptions { layout: Layout::Auto, ..EmbedOptions::default() };
        let sparse = embed(&source, &extractors, &options, None, None, &Silent).unwrap().embeddings;
        assert!(matches!(sparse.features(), Features::Sparse(_)));
        assert_eq!(sparse.features().to_dense().view(), run(&source, &extractors, None).embeddings.view());
    }

    #[test]
    fn the_pixels_of_a_joined_row_can_be_drawn() {
        let image =
            DynamicImage::ImageRgb8(image::RgbImage::from_fn(4, 3, |x, y| [20 * x as u8, 85 * y as u8, 3].into()));
        let source = Memory::new(vec![image.clone()]);
        let extractors = joined([(gradients(), 0.7), (pixels(4, 3), 2.0)]);
        assert!(extractors.picture(ndarray::Array1::ones(9).view()).is_none());
        let picture = extractors.picture(run(&source, &extractors, None).embeddings.view().row(0)).unwrap();
        let scaled = image.as_bytes().iter().map(|v| (f32::from(*v) / 170.0 * 255.0).round() as u8);
        assert_eq!(picture.as_bytes(), scaled.collect::<Vec<_>>());
        let more = ExtractorSpec::Gradients(GradientsSpec { cells: 2, ..GradientsSpec::default() });
        let without = joined([(gradients(), 1.0), (more, 1.0)]);
        assert!(without.picture(ndarray::Array1::ones(without.n_features()).view()).is_none());
    }

    #[test]
    fn a_spec_out_of_range_is_refused() {
        let two = |weight| CombinedSpec::new([(pixels(1, 1), weight), (gradients(), 1.0)]);
        assert!(ExtractorSpec::Combined(two(1000.0)).build().is_ok());
        let nested = (ExtractorSpec::Combined(two(1.0)), 1.0);
        for spec in [
            two(0.0),
            two(-1.0),
            two(f32::NAN),
            two(f32::INFINITY),
            CombinedSpec { version: 2, ..two(1.0) },
            CombinedSpec::new([]),
            CombinedSpec::new([(gradients(), 1.0)]),
            CombinedSpec::new(vec![(gradients(), 1.0); 17]),
            CombinedSpec::new([(gradients(), 1.0), (pixels(0, 1), 1.0)]),
            CombinedSpec::new([(gradients(), 1.0), nested]),
        ] {
            assert!(ExtractorSpec::Combined(spec.clone()).build().is_err(), "{spec:?}");
        }
    }
}
