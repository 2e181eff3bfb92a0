//! Layers against candle's own and against values worked by hand or by PyTorch 2.15.

mod affine;
mod composed;

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarBuilder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

fn random(rng: &mut ChaCha8Rng, shape: &[usize]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// No value farther from the other's than `tolerance` times the largest.
#[track_caller]
fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (values(found), values(expected));
    let scale = expected.iter().fold(1e-3_f32, |scale, value| scale.max(value.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= tolerance * scale, "value {i} is {found}, not {expected}");
    }
}

fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

#[test]
fn a_convolution_by_hand() -> Result<()> {
    // Two channels; the kernel takes the first one's right neighbour and three times the second one.
    let x = tensor(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0], &[1, 2, 2, 2]);
    let mut weight = [0.0; 18];
    (weight[5], weight[9 + 4]) = (1.0, 3.0);
    let config = Conv2dConfig { padding: 1, activation: Activation::Relu, ..Default::default() };
    let conv = Conv2d::new(tensor(&weight, &[1, 2, 3, 3]), Some(tensor(&[-100.0], &[1])), config)?;
    assert_eq!(values(&conv.forward(&x)?), [0.0, 0.0, 0.0, 20.0]);
    let residual = tensor(&[69.0, 1.0, 0.0, -30.0], &[1, 2, 2, 1]);
    assert_eq!(values(&conv.forward_add(&x, &residual)?), [1.0, 0.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn a_batch_norm_folds_into_its_convolution() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let x = random(&mut rng, &[2, 5, 5, 4]);
    let mut tensors: HashMap<_, _> =
        ["weight", "bias", "running_mean"].map(|name| (name.to_owned(), random(&mut rng, &[4]))).into();
    tensors.insert("running_var".to_owned(), tensor(&[0.5, 1.0, 2.0, 0.1], &[4]));
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    for (groups, biased) in [(1, false), (1, true), (2, true), (4, false), (4, true)] {
        let weight = random(&mut rng, &[4, 4 / groups, 3, 3]);
        let bias = biased.then(|| random(&mut rng, &[4]));
        let conv = Conv2d::new(weight, bias, Conv2dConfig { groups, ..Default::default() })?;
        let apart = BatchNorm::load(vb.clone(), 4, 1e-3, Activation::None)?.forward(&conv.forward(&x)?, false)?;
        assert_close(&conv.with_batch_norm(vb.clone(), 1e-3)?.forward(&x)?, &apart, 1e-5);
    }
    Ok(())
}

#[test]
fn a_linear_layer_by_hand_and_scaled() -> Result<()> {
    let weight = tensor(&[1.0, 2.0, 3.0, -1.0, 0.0, 1.0], &[2, 3]);
    let linear = Linear::new(weight, Some(tensor(&[1.0, -1.0], &[2])), Activation::None)?;
    let x = tensor(&[1.0, 1.0, 1.0, 0.0, 1.0, 2.0], &[1, 2, 3]);
    let y = linear.forward(&x)?;
    assert_eq!((y.dims(), values(&y)), (&[1, 2, 2][..], vec![7.0, -1.0, 9.0, 1.0]));
    assert_eq!(values(&linear.forward_add(&x, &y)?), [14.0, -2.0, 18.0, 2.0]);
    let scaled = linear.scaled_by(&tensor(&[2.0, 10.0], &[2]))?;
    assert_eq!(values(&scaled.forward(&x)?), [14.0, -10.0, 18.0, 10.0]);
    Ok(())
}

#[test]
fn activations_are_pytorchs() -> Result<()> {
    let x = tensor(&[-4.0, -1.0, -0.3, 0.0, 0.5, 2.0, 7.0], &[7]);
    #[rustfmt::skip]
    let cases = [
        (Activation::Relu, [0.0, 0.0, 0.0, 0.0, 0.5, 2.0, 7.0]),
        (Activation::Relu6, [0.0, 0.0, 0.0, 0.0, 0.5, 2.0, 6.0]),
        (Activation::Silu, [-0.07194484, -0.26894143, -0.12766725, 0.0, 0.31122968, 1.7615942, 6.9936233]),
        (Activation::HardSwish, [0.0, -0.33333334, -0.135, 0.0, 0.29166666, 1.6666666, 7.0]),
        (Activation::Gelu, [-0.00012648, -0.15865526, -0.11462658, 0.0, 0.34573123, 1.9544997, 7.0]),
        (Activation::GeluTanh, [-0.00007021, -0.15880796, -0.11462908, 0.0, 0.345714, 1.954_597_7, 7.0]),
        (Activation::QuickGelu, [-0.00441472, -0.15420423, -0.11251587, 0.0, 0.35038844, 1.9356586, 6.999_953_7]),
    ];
    for (activation, expected) in cases {
        assert_close(&activation.forward(&x)?, &tensor(&expected, &[7]), 1e-6);
    }
    Ok(())
}

#[test]
fn attention_to_one_token_is_its_value() -> Result<()> {
    let x = tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1, 1, 6]);
    assert_eq!(values(&attention(&x, 2)?), [5.0, 6.0]);
    assert!(attention(&x, 4).is_err());
    // Two tokens whose scores differ by ln 3: weights 1/4 and 3/4 for the first, the same for the second.
    let half = 3_f32.ln();
    let x = tensor(&[1.0, 0.0, 8.0, 1.0, half, 16.0], &[1, 2, 3]);
    assert_close(&attention(&x, 1)?, &tensor(&[14.0, 14.0], &[1, 2, 1]), 1e-6);
    Ok(())
}

#[test]
fn pooling_by_hand() -> Result<()> {
    let x = tensor(&[-1.0, -2.0, -3.0, -4.0, 5.0, -6.0, -7.0, -8.0, 9.0], &[1, 3, 3, 1]);
    assert_eq!(values(&max_pool2d(&x, 2, 1, 0)?), [5.0, 5.0, 5.0, 9.0]);
    assert_eq!(values(&max_pool2d(&x, 3, 2, 1)?), [5.0, 5.0, 5.0, 9.0]);
    assert_eq!(values(&max_pool2d(&(&x - 10.0)?, 3, 2, 1)?), [-5.0, -5.0, -5.0, -1.0]);
    assert_eq!(values(&avg_pool2d(&x, 2, 1)?), [-0.5, -1.5, -3.5, 0.0]);
    assert_close(&global_mean(&x)?, &tensor(&[-17.0 / 9.0], &[1, 1]), 1e-6);
    let x = tensor(&[1.0, 2.0], &[1, 1, 2, 1]);
    assert_eq!(values(&upsample_nearest2x(&x)?), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    assert!(max_pool2d(&x, 2, 2, 0).is_err());
    Ok(())
}

#[test]
fn the_first_of_equal_values_has_the_gradient_of_their_maximum() -> Result<()> {
    let x = Var::from_tensor(&tensor(&[2.0, 1.0, 2.0, 2.0], &[1, 2, 2, 1]))?;
    let gradients = max_pool2d(&x, 2, 2, 0)?.sum_all()?.backward()?;
    assert_eq!(values(gradients.get(&x).unwrap()), [1.0, 0.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn a_transposed_convolution_by_hand() -> Result<()> {
    let weight = tensor(&[1.0, 2.0, 3.0, 4.0], &[1, 1, 2, 2]);
    let conv = ConvTranspose2d::new(weight, Some(tensor(&[0.5], &[1])), 2, 0, Activation::None)?;
    let y = conv.forward(&tensor(&[1.0, 10.0], &[1, 1, 2, 1]))?;
    assert_eq!((y.dims(), values(&y)), (&[1, 2, 4, 1][..], vec![1.5, 2.5, 10.5, 20.5, 3.5, 4.5, 30.5, 40.5]));
    Ok(())
}

#[test]
fn a_batch_norm_learns_the_statistics() -> Result<()> {
    let vars: HashMap<String, Tensor> = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
        .map(|(name, value)| (name.to_owned(), Var::from_tensor(&tensor(&[value], &[1])).unwrap().as_tensor().clone()))
        .into();
    let vb = VarBuilder::from_tensors(vars.clone(), DType::F32, &Device::Cpu);
    let norm = BatchNorm::load(vb, 1, 0.0, Activation::Relu)?;
    let x = tensor(&[1.0, 3.0], &[2, 1]);
    assert_eq!(values(&norm.forward(&x, true)?), [0.0, 1.0]);
    assert_close(&vars["running_mean"], &tensor(&[0.2], &[1]), 1e-6);
    assert_close(&vars["running_var"], &tensor(&[0.9 + 0.2], &[1]), 1e-6);
    assert_eq!(values(&norm.forward_add(&x, &tensor(&[2.0, 2.0], &[2, 1]), true)?), [1.0, 3.0]);
    Ok(())
}

#[test]
fn a_layer_norm_by_hand() -> Result<()> {
    let tensors = [("weight", [2.0, 2.0]), ("bias", [0.0, 1.0])]
        .map(|(name, value)| (name.to_owned(), tensor(&value, &[2])))
        .into();
    let norm = LayerNorm::load(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), 2, 0.0)?;
    assert_close(
        &norm.forward(&tensor(&[1.0, 3.0, 5.0, -5.0], &[2, 2]))?,
        &tensor(&[-2.0, 3.0, 2.0, -1.0], &[2, 2]),
        1e-6,
    );
    Ok(())
}
