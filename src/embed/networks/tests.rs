//! Small checkpoints of timm and transformers, and the features that those give: `tests/data/networks.py`.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, safetensors};

use super::super::architecture::{ResNetBlock, VggOutput};
use super::*;

fn read(name: &str) -> HashMap<String, Tensor> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/networks");
    safetensors::load(folder.join(name).with_extension("safetensors"), &Device::Cpu).unwrap()
}

fn builder(tensors: HashMap<String, Tensor>) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

fn weights(name: &str) -> VarBuilder<'static> {
    builder(read(name))
}

/// The features of every batch of images that the reference has some for, `kind` of them.
#[track_caller]
fn assert_features(name: &str, kind: &str, network: Result<impl Network>) {
    let (network, expected) = (network.unwrap(), read("expected"));
    let mut compared = 0;
    for shape in ["square", "wide"] {
        let Some(rows) = expected.get(&format!("{name}.{shape}.{kind}")) else { continue };
        let found = network.forward(&expected[shape]).unwrap();
        assert_eq!(found.dims(), rows.dims(), "{name}, {shape}");
        let largest = |x: Tensor| x.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        let difference = largest((found - rows).unwrap()) / largest(rows.clone());
        assert!(difference < 1e-5, "{name}, {shape}: {difference}");
        compared += 1;
    }
    assert!(compared > 0, "{name} has features");
}

fn transformer(name: &str, family: vit::Family) -> Result<vit::VisionTransformer> {
    let (hidden, patch, grid) = if matches!(family, vit::Family::Dinov2 { .. }) { (96, 14, 5) } else { (40, 12, 7) };
    let measures = vit::Measures { family, width: 24, depth: 2, heads: 3, hidden, patch, grid };
    vit::VisionTransformer::load(&measures, weights(name))
}

#[test]
fn dinov2() {
    for (name, registers) in [("dinov2", 0), ("dinov2-registers", 3)] {
        for (kind, with_patches) in [("class", false), ("class-and-patches", true)] {
            let family = vit::Family::Dinov2 { registers, with_patches };
            assert_features(name, kind, transformer(name, family));
        }
    }
}

#[test]
fn clip() {
    assert_features("clip", "class", transformer("clip", vit::Family::Clip { projection: 16 }));
}

#[test]
fn siglip() {
    assert_features("siglip", "pooled", transformer("siglip", vit::Family::Siglip));
}

#[test]
fn resnets() {
    for (name, block, depths, widths) in [
        ("resnet-basic", ResNetBlock::Basic, [2, 1, 1, 2], [8, 12, 16, 20]),
        ("resnet-bottleneck", ResNetBlock::Bottleneck, [2, 1, 2, 1], [4, 6, 8, 10]),
    ] {
        assert_features(name, "pooled", resnet::ResNet::load(block, depths, widths, weights(name)));
    }
}

#[test]
fn vgg() {
    for (kind, output) in [("pooled", VggOutput::Pooled), ("flattened", VggOutput::Flat)] {
        let network = vgg::Vgg::load([1, 2, 1, 1, 1], [8, 12, 16, 20, 24], output, weights("vgg"));
        assert_features("vgg", kind, network);
    }
}

#[test]
fn convnext() {
    let network = convnext::ConvNext::load([1, 1, 2, 1], [8, 12, 16, 24], weights("convnext"));
    assert_features("convnext", "pooled", network);
}

#[test]
fn efficientnet() {
    let network = efficientnet::EfficientNet::load(0.125, 0.4, weights("efficientnet"));
    assert_features("efficientnet", "pooled", network);
}

#[test]
fn mobilenetv4() {
    assert_features("mobilenetv4", "pooled", mobilenetv4::MobileNetV4::load(0.1, 40, weights("mobilenetv4")));
}

#[test]
fn builtin() {
    let tensors = include_bytes!("../../../models/builtin.safetensors");
    let weights = VarBuilder::from_slice_safetensors(tensors, DType::F32, &Device::Cpu).unwrap();
    let expected = read("expected");
    let images = expected["square"].narrow(1, 0, 80).and_then(|images| images.narrow(2, 0, 80)).unwrap();
    let found = Builtin::load(weights).and_then(|network| network.forward(&images)).unwrap();
    let apart = (found - &expected["builtin.square.unit"]).unwrap().abs().unwrap();
    assert!(apart.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap() < 1e-5, "{apart}");
}

#[test]
fn a_tensor_that_does_not_fit_is_named() {
    let load = |tensors| {
        let network = convnext::ConvNext::load([1, 1, 2, 1], [8, 12, 16, 24], builder(tensors));
        network.err().expect("a tensor is wrong").to_string()
    };
    let name = "stages.2.blocks.1.mlp.fc1.weight";
    let mut tensors = read("convnext");
    tensors.insert(name.to_owned(), Tensor::zeros((64, 17), DType::F32, &Device::Cpu).unwrap());
    let message = load(tensors.clone());
    assert!([name, "[64, 16]", "[64, 17]"].iter().all(|part| message.contains(part)), "{message}");
    tensors.remove(name);
    let message = load(tensors);
    assert!(message.contains(name), "{message}");
}
