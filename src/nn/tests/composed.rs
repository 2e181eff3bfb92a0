//! Kernels in f32 against candle's own operations in f64, which is the way of every other device: values and gradients.

use super::*;

/// Runs `layer` on tensors of the given shapes, in f32 and in f64, and compares what comes out and all gradients.
fn compare(shapes: &[&[usize]], tolerance: f32, layer: impl Fn(&[Tensor]) -> Result<Tensor>) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let inputs: Vec<Tensor> = shapes.iter().map(|shape| (random(&mut rng, shape) * 2.0).unwrap()).collect();
    let run = |dtype, weights: Option<&Tensor>| -> Result<_> {
        let vars: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(&x.to_dtype(dtype)?)).collect::<Result<_>>()?;
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let y = layer(&tensors)?;
        let weights = match weights {
            Some(weights) => weights.clone(),
            None => random(&mut ChaCha8Rng::seed_from_u64(6), y.dims()),
        };
        let gradients = (&y * weights.to_dtype(dtype)?)?.sum_all()?.backward()?;
        let gradients: Vec<_> = tensors.iter().map(|x| gradients.get(x).unwrap().to_dtype(DType::F32)).collect();
        Ok((y.to_dtype(DType::F32)?, gradients.into_iter().collect::<Result<Vec<_>>>()?, weights))
    };
    let (found, gradients, weights) = run(DType::F32, None)?;
    let (expected, expected_gradients, _) = run(DType::F64, Some(&weights))?;
    assert_close(&found, &expected, tolerance);
    for (found, expected) in gradients.iter().zip(&expected_gradients) {
        assert_close(found, expected, tolerance);
    }
    Ok(())
}

/// Names for the given tensors.
fn named(names: &[&str], tensors: &[Tensor]) -> VarBuilder<'static> {
    let dtype = tensors[0].dtype();
    let tensors = names.iter().map(|name| name.to_string()).zip(tensors.iter().cloned()).collect();
    VarBuilder::from_tensors(tensors, dtype, &Device::Cpu)
}

#[test]
fn activations() -> Result<()> {
    use Activation::*;
    for activation in [None, Relu, Relu6, Silu, HardSwish, Gelu, GeluTanh, QuickGelu] {
        compare(&[&[3, 50]], 2e-6, |x| activation.forward(&(&x[0] * 4.0)?))?;
    }
    Ok(())
}

#[test]
fn joined_channels() -> Result<()> {
    for (size, channels) in [([1, 1], [1, 1]), ([5, 3], [4, 7]), ([80, 70], [3, 16])] {
        let [a, b] = channels.map(|c| [2, size[0], size[1], c]);
        compare(&[&a, &b], 0.0, |x| join_channels(&x[0], &x[1]))?;
        // Views that are not contiguous, too.
        compare(&[&a, &b], 0.0, |x| join_channels(&x[0].transpose(1, 2)?, &x[1].transpose(1, 2)?))?;
    }
    let x = Tensor::zeros((1, 2, 2, 3), DType::F32, &Device::Cpu)?;
    assert!(join_channels(&x, &Tensor::zeros((1, 2, 3, 3), DType::F32, &Device::Cpu)?).is_err());
    Ok(())
}

#[test]
fn layer_norms() -> Result<()> {
    for channels in [1, 7, 64, 100] {
        compare(&[&[2, 5, channels], &[channels], &[channels]], 1e-5, |x| {
            LayerNorm::load(named(&["weight", "bias"], &x[1..]), channels, 1e-2)?.forward(&x[0])
        })?;
    }
    Ok(())
}

fn batch_norm(x: &[Tensor], activation: Activation) -> Result<BatchNorm> {
    let running = |value: f64| Tensor::full(value, x[1].shape(), &Device::Cpu)?.to_dtype(x[1].dtype());
    let all = [x[1].clone(), x[2].clone(), running(0.5)?, running(2.0)?];
    let vb = named(&["weight", "bias", "running_mean", "running_var"], &all);
    BatchNorm::load(vb, x[1].elem_count(), 1e-3, activation)
}

#[test]
fn batch_norms() -> Result<()> {
    for (shape, train) in [([3, 4, 5, 7], true), ([2, 30, 31, 33], true), ([2, 3, 3, 20], false)] {
        let c = shape[3];
        for activation in [Activation::None, Activation::Relu, Activation::Silu] {
            compare(&[&shape, &[c], &[c], &shape], 2e-5, |x| {
                batch_norm(x, activation)?.forward_add(&x[0], &x[3], train)
            })?;
        }
        compare(&[&shape, &[c], &[c]], 2e-5, |x| batch_norm(x, Activation::Relu6)?.forward(&x[0], train))?;
    }
    Ok(())
}

#[test]
fn convolutions_with_batch_norm() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..24 {
        let (kernel, stride) = (rng.random_range(1..4), rng.random_range(1..3));
        let (c_in, c_out) = (rng.random_range(1..40), rng.random_range(1..90));
        // All rows and columns under a kernel: candle's way back wants that.
        let sides = [0, 0].map(|_| kernel + stride * rng.random_range(1..20));
        let padding = if stride == 1 { kernel / 2 } else { 0 };
        let config = Conv2dConfig { stride, padding, ..Default::default() };
        let activation = [Activation::None, Activation::Relu, Activation::Relu6, Activation::Gelu][round % 4];
        let train = round % 3 > 0;
        let shapes: [&[usize]; 4] =
            [&[2, sides[0], sides[1], c_in], &[c_out, c_in, kernel, kernel], &[c_out], &[c_out]];
        compare(&shapes, 1e-4, |x| {
            let conv = Conv2d::new(x[1].clone(), None, config)?;
            conv.forward_norm(&x[0], &batch_norm(&x[1..], activation)?, train)
        })?;
    }
    Ok(())
}

#[test]
fn a_convolution_with_batch_norm_is_the_two_apart() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (x, weight, bias) =
        (random(&mut rng, &[3, 20, 21, 5]), random(&mut rng, &[9, 5, 3, 3]), random(&mut rng, &[9]));
    let weight = Var::from_tensor(&weight)?.as_tensor().clone();
    for (bias, activation) in [(None, Activation::None), (Some(bias), Activation::None), (None, Activation::Relu)] {
        let conv = Conv2d::new(weight.clone(), bias, Conv2dConfig { activation, ..Default::default() })?;
        let run = |together: bool| -> Result<_> {
            let vars = [0.7_f32, -0.2, 0.1, 2.0].map(|value| Var::from_vec(vec![value; 9], 9, &Device::Cpu).unwrap());
            let all = vars.each_ref().map(|var: &Var| var.as_tensor().clone());
            let vb = named(&["weight", "bias", "running_mean", "running_var"], &all);
            let norm = BatchNorm::load(vb, 9, 1e-5, Activation::Relu)?;
            let forward = |train| match together {
                true => conv.forward_norm(&x, &norm, train),
                false => norm.forward(&conv.forward(&x)?, train),
            };
            let (trained, seen) = (forward(true)?, forward(false)?);
            let gradient = trained.sqr()?.sum_all()?.backward()?.get(&weight).unwrap().clone();
            Ok([trained, seen, gradient, all[2].clone(), all[3].clone()].map(|found| values(&found)))
        };
        assert!(run(true)? == run(false)?);
    }
    let norm = batch_norm(&[weight.clone(), tensor(&[1.0; 7], &[7]), tensor(&[1.0; 7], &[7])], Activation::None)?;
    assert!(Conv2d::new(weight, None, Conv2dConfig::default())?.forward_norm(&x, &norm, true).is_err());
    Ok(())
}

#[test]
fn attentions() -> Result<()> {
    for (n, t, heads, size) in [(1, 1, 1, 1), (2, 5, 3, 8), (1, 130, 2, 64), (2, 57, 1, 80)] {
        compare(&[&[n, t, 3 * heads * size]], 1e-5, |x| attention(&x[0], heads))?;
    }
    Ok(())
}

#[test]
fn pools() -> Result<()> {
    for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1), (5, 3, 2), (1, 1, 0)] {
        compare(&[&[2, 7, 9, 5]], 1e-6, |x| max_pool2d(&x[0], kernel, stride, padding))?;
    }
    compare(&[&[2, 7, 9, 20]], 1e-6, |x| global_mean(&x[0]))?;
    compare(&[&[2, 3, 5, 20]], 1e-6, |x| upsample_nearest2x(&x[0]))?;
    compare(&[&[2, 7, 9, 5]], 1e-6, |x| avg_pool2d(&x[0], 3, 2))
}

#[test]
fn layers_with_weights() -> Result<()> {
    let config = Conv2dConfig { stride: 2, padding: 1, activation: Activation::Gelu, ..Default::default() };
    compare(&[&[2, 9, 9, 6], &[5, 6, 3, 3], &[5], &[2, 5, 5, 5]], 1e-5, |x| {
        Conv2d::new(x[1].clone(), Some(x[2].clone()), config)?.forward_add(&x[0], &x[3])
    })?;
    compare(&[&[2, 4, 5, 6], &[6, 5, 4, 4], &[5]], 1e-5, |x| {
        ConvTranspose2d::new(x[1].clone(), Some(x[2].clone()), 2, 1, Activation::Silu)?.forward(&x[0])
    })?;
    compare(&[&[2, 9, 6], &[5, 6], &[5], &[2, 9, 5]], 1e-5, |x| {
        Linear::new(x[1].clone(), Some(x[2].clone()), Activation::QuickGelu)?.forward_add(&x[0], &x[3])
    })
}

/// With the running moments, folded into the weights and not.
#[test]
fn a_frozen_convolution_with_its_norm_is_the_trained_one() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let norm = ["weight", "bias", "running_mean", "running_var"].map(|name| format!("norm.{name}"));
    let names = [vec!["conv.weight"], norm.iter().map(String::as_str).collect()].concat();
    let tensors = [
        random(&mut rng, &[7, 5, 3, 3]),
        random(&mut rng, &[7]),
        random(&mut rng, &[7]),
        random(&mut rng, &[7]),
        (random(&mut rng, &[7]).sqr()? + 0.1)?,
    ];
    let config = Conv2dConfig { stride: 2, padding: 1, activation: Activation::Relu, ..Default::default() };
    let load = |train| ConvNorm::load(named(&names, &tensors), 5, 7, 3, config, train);
    let x = random(&mut rng, &[2, 9, 11, 5]);
    assert_close(&load(false)?.forward(&x, true)?, &load(true)?.forward(&x, false)?, 1e-5);
    Ok(())
}
