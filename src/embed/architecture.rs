//! The networks that published weights belong to: what has to be known beside the weights to build one.

use serde::{Deserialize, Serialize};

/// A network and its measures. Weights are named as transformers (vision transformers) or timm (the others) save them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Architecture {
    /// A vision transformer of the DINOv2 family; features are the class token after the last norm.
    Dinov2 {
        /// Values of a token.
        width: usize,
        /// Blocks.
        depth: usize,
        /// Attention heads of a block.
        heads: usize,
        /// Side of a patch in pixels.
        patch: usize,
        /// Side in pixels of the images that the position embeddings were made for; others interpolate them.
        image: usize,
        /// Register tokens behind the class token.
        registers: usize,
    },
    /// The image tower of CLIP; features are the projected class token.
    Clip {
        /// Values of a token.
        width: usize,
        /// Blocks.
        depth: usize,
        /// Attention heads of a block.
        heads: usize,
        /// Side of a patch in pixels.
        patch: usize,
        /// Side of an image in pixels.
        image: usize,
        /// Features after the projection.
        projection: usize,
    },
    /// The image tower of SigLIP; features are those of its attention pooling.
    Siglip {
        /// Values of a token.
        width: usize,
        /// Blocks.
        depth: usize,
        /// Attention heads of a block.
        heads: usize,
        /// Side of a patch in pixels.
        patch: usize,
        /// Side of an image in pixels.
        image: usize,
    },
    /// A residual network; features are the mean over places.
    ResNet {
        /// Kind of its blocks.
        block: ResNetBlock,
        /// Blocks of each stage.
        depths: [usize; 4],
    },
    /// A plain convolutional network; features are those of the last pooling.
    Vgg {
        /// Convolutions of each stage.
        depths: [usize; 5],
        /// What becomes of the places.
        output: VggOutput,
    },
    /// A ConvNeXt; features are the normalised mean over places.
    ConvNext {
        /// Blocks of each stage.
        depths: [usize; 4],
        /// Channels of each stage.
        widths: [usize; 4],
    },
    /// An EfficientNet; features are the mean over places.
    EfficientNet {
        /// Channels relative to B0.
        width: f32,
        /// Blocks relative to B0.
        depth: f32,
    },
    /// The small convolutional MobileNetV4; features are those that its classifier sees.
    MobileNetV4 {
        /// Channels relative to the small one.
        width: f32,
    },
}

impl Architecture {
    /// Whether such a network can be: no measure is zero or absurd, and heads share a token's values evenly.
    pub(super) fn is_sound(&self) -> bool {
        let sizes = |sizes: &[usize]| sizes.iter().all(|size| (1..=1 << 16).contains(size));
        let even = |width: usize, heads: usize| width.is_multiple_of(heads);
        match *self {
            Self::Dinov2 { width, depth, heads, patch, image, registers } => {
                sizes(&[width, depth, heads, patch, image, registers.saturating_add(1)])
                    && even(width, heads)
                    && patch <= image
            }
            Self::Clip { width, depth, heads, patch, image, projection } => {
                sizes(&[width, depth, heads, patch, image, projection]) && even(width, heads) && patch <= image
            }
            Self::Siglip { width, depth, heads, patch, image } => {
                sizes(&[width, depth, heads, patch, image]) && even(width, heads) && patch <= image
            }
            Self::ResNet { depths, .. } => sizes(&depths),
            Self::Vgg { depths, .. } => sizes(&depths),
            Self::ConvNext { depths, widths } => sizes(&depths) && sizes(&widths),
            Self::EfficientNet { width, depth } => [width, depth].iter().all(|scale| (0.01..=100.0).contains(scale)),
            Self::MobileNetV4 { width } => (0.01..=100.0).contains(&width),
        }
    }
}

/// The kind of a residual network's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResNetBlock {
    /// Two 3 x 3 convolutions.
    Basic,
    /// 1 x 1, 3 x 3 and 1 x 1, four times as wide at the end.
    Bottleneck,
}

/// How the places of a VGG's last feature map become features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VggOutput {
    /// Their mean.
    Pooled,
    /// One beside the other.
    Flat,
}
