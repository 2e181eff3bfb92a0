//! The networks of the published models, and our own, on the layers of [`crate::nn`].
//!
//! A published one loads a checkpoint as timm or transformers saves it, by the keys that are in it. What inference can do
//! without is folded away while loading: batch norms and layer scales into the product before them, the attention's
//! three projections into one. Classifiers and text towers are not read.

mod builtin;
mod convnext;
mod efficientnet;
mod mobilenetv4;
mod positions;
mod residual;
mod resnet;
mod vgg;
mod vit;

#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::architecture::Architecture;

pub(super) use builtin::Builtin;

/// A network with its weights.
pub trait Network: Send + Sync {
    /// Normalised images (n, h, w, 3) to features (n, n_features), both f32.
    ///
    /// # Errors
    /// If the images are too small for the network or the device fails.
    fn forward(&self, images: &Tensor) -> Result<Tensor>;
}

impl Architecture {
    /// The network, its weights taken from a checkpoint as timm or transformers saves it.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape; the message names it.
    ///
    /// ```
    /// use alike::embed::{Architecture, ResNetBlock};
    /// use candle_core::{DType, Device, Tensor};
    /// use candle_nn::VarBuilder;
    ///
    /// let architecture = Architecture::ResNet { block: ResNetBlock::Basic, depths: [1, 1, 1, 1] };
    /// let network = architecture.build(VarBuilder::zeros(DType::F32, &Device::Cpu))?;
    /// let images = Tensor::zeros((2, 64, 64, 3), DType::F32, &Device::Cpu)?;
    /// assert_eq!(network.forward(&images)?.dims(), [2, 512]);
    /// # candle_core::Result::Ok(())
    /// ```
    pub fn build(&self, weights: VarBuilder) -> Result<Box<dyn Network>> {
        let transformer = |family, width, depth, heads, patch, image: usize| {
            let measures = vit::Measures { family, width, depth, heads, hidden: 4 * width, patch, grid: image / patch };
            vit::VisionTransformer::load(&measures, weights.clone())
        };
        Ok(match *self {
            Self::Dinov2 { width, depth, heads, patch, image, registers } => {
                let family = vit::Family::Dinov2 { registers, with_patches: false };
                Box::new(transformer(family, width, depth, heads, patch, image)?)
            }
            Self::Clip { width, depth, heads, patch, image, projection } => {
                Box::new(transformer(vit::Family::Clip { projection }, width, depth, heads, patch, image)?)
            }
            Self::Siglip { width, depth, heads, patch, image } => {
                Box::new(transformer(vit::Family::Siglip, width, depth, heads, patch, image)?)
            }
            Self::ResNet { block, depths } => Box::new(resnet::ResNet::load(block, depths, resnet::WIDTHS, weights)?),
            Self::Vgg { depths, output } => Box::new(vgg::Vgg::load(depths, vgg::WIDTHS, output, weights)?),
            Self::ConvNext { depths, widths } => Box::new(convnext::ConvNext::load(depths, widths, weights)?),
            Self::EfficientNet { width, depth } => {
                Box::new(efficientnet::EfficientNet::load(width.into(), depth.into(), weights)?)
            }
            Self::MobileNetV4 { width } => {
                Box::new(mobilenetv4::MobileNetV4::load(width.into(), mobilenetv4::HEAD, weights)?)
            }
        })
    }
}
