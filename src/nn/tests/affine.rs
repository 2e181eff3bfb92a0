//! Convolutions and linear layers of random shapes, outputs and gradients, against candle's convolution of images with
//! channels first and its own way back.

use super::*;

/// A layer of random shape with what flows through it.
struct Case {
    x: Var,
    weight: Var,
    bias: Option<Var>,
    residual: Option<Var>,
    config: Conv2dConfig,
}

impl Case {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let groups = if rng.random_bool(0.7) { 1 } else { rng.random_range(1..9) };
        // Depthwise, in groups, or whole; narrow, or wider than a panel.
        let per_group = |rng: &mut ChaCha8Rng| match rng.random_range(0..4) {
            _ if groups > 4 => 1,
            0 => 1,
            1 => rng.random_range(60..90),
            _ => rng.random_range(2..40),
        };
        let (c_in, c_out) = (groups * per_group(rng), groups * per_group(rng));
        let kernel = [1, 1, 2, 3, 3, 4, 5, 7][rng.random_range(0..8)];
        let dilation = if rng.random_bool(0.8) { 1 } else { 2 };
        let config = Conv2dConfig {
            stride: rng.random_range(1..4),
            padding: rng.random_range(0..4),
            dilation,
            groups,
            bias: rng.random_bool(0.5),
            activation: [Activation::None, Activation::Relu, Activation::Silu][rng.random_range(0..3)],
        };
        let least = (dilation * (kernel - 1) + 1).saturating_sub(2 * config.padding).max(1);
        let sides = [0, 0].map(|_| least + rng.random_range(0..12));
        let n = rng.random_range(1..4);
        let var = |rng: &mut ChaCha8Rng, shape: &[usize]| Var::from_tensor(&random(rng, shape)).unwrap();
        let out = sides.map(|side| (side + 2 * config.padding - dilation * (kernel - 1) - 1) / config.stride + 1);
        Self {
            x: var(rng, &[n, sides[0], sides[1], c_in]),
            weight: var(rng, &[c_out, c_in / groups, kernel, kernel]),
            bias: config.bias.then(|| var(rng, &[c_out])),
            residual: rng.random_bool(0.3).then(|| var(rng, &[n, out[0], out[1], c_out])),
            config,
        }
    }

    fn tensors(&self) -> Vec<&Tensor> {
        [Some(&self.x), Some(&self.weight), self.bias.as_ref(), self.residual.as_ref()]
            .into_iter()
            .flatten()
            .map(|var| var.as_tensor())
            .collect()
    }

    fn layer(&self, frozen: bool) -> Result<Conv2d> {
        let [weight, bias] = [Some(&self.weight), self.bias.as_ref()]
            .map(|var| var.map(|var| if frozen { var.as_detached_tensor() } else { var.as_tensor().clone() }));
        Conv2d::new(weight.unwrap(), bias, self.config)
    }

    fn run(layer: &Conv2d, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        match residual {
            Some(residual) => layer.forward_add(x, residual),
            None => layer.forward(x),
        }
    }

    fn by_candle(&self) -> Result<Tensor> {
        let Conv2dConfig { stride, padding, dilation, groups, .. } = self.config;
        // Only what is used: candle's way back takes rows and columns to be left over alike.
        let reach = dilation * (self.weight.dim(2)? - 1) + 1;
        let used = |size: usize| (size + 2 * padding - reach) / stride * stride + reach;
        let x = self.x.permute((0, 3, 1, 2))?.pad_with_zeros(2, padding, padding)?;
        let x = x.pad_with_zeros(3, padding, padding)?.narrow(2, 0, used(self.x.dim(1)?))?;
        let x = x.narrow(3, 0, used(self.x.dim(2)?))?.contiguous()?;
        let mut y = x.conv2d(&self.weight, 0, stride, dilation, groups)?.permute((0, 2, 3, 1))?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(bias)?;
        }
        if let Some(residual) = &self.residual {
            y = (y + residual.as_tensor())?;
        }
        match self.config.activation {
            Activation::Relu => y.relu(),
            Activation::Silu => y.silu(),
            _ => Ok(y),
        }
    }
}

/// Compares values and gradients, the outputs weighted at random.
fn compare(found: &Tensor, expected: &Tensor, tensors: &[&Tensor], rng: &mut ChaCha8Rng) -> Result<()> {
    assert_close(found, expected, 1e-4);
    let weights = random(rng, found.dims());
    let [found, expected] = [found, expected].map(|y| (y * &weights).unwrap().sum_all().unwrap().backward().unwrap());
    for tensor in tensors {
        assert_close(found.get(tensor).unwrap(), expected.get(tensor).unwrap(), 1e-4);
    }
    Ok(())
}

#[test]
fn random_convolutions_are_candles_with_their_gradients() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..200 {
        let case = Case::draw(&mut rng);
        let residual = case.residual.as_ref().map(|residual| residual.as_tensor());
        let found = Case::run(&case.layer(false)?, &case.x, residual)?;
        compare(&found, &case.by_candle()?, &case.tensors(), &mut rng)?;

        // Frozen: the same bits.
        let frozen = case.layer(true)?;
        let (x, residual) = (case.x.as_detached_tensor(), residual.map(|residual| residual.detach()));
        assert_eq!(values(&Case::run(&frozen, &x, residual.as_ref())?), values(&found));
        assert!(Case::run(&frozen, &case.x, residual.as_ref()).is_err(), "a gradient would be lost");
    }
    Ok(())
}

#[test]
fn random_transposed_convolutions_are_candles_with_their_gradients() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..40 {
        let kernel: usize = rng.random_range(1..6);
        let (stride, padding) = (rng.random_range(1..4), rng.random_range(0..kernel.div_ceil(2)));
        let mut var = |shape: &[usize]| Var::from_tensor(&random(&mut rng, shape)).unwrap();
        let (x, weight, bias) = (var(&[2, 4, 5, 9]), var(&[9, 20, kernel, kernel]), var(&[20]));
        let layer = |weight, bias| ConvTranspose2d::new(weight, Some(bias), stride, padding, Activation::Relu);
        let found = layer(weight.as_tensor().clone(), bias.as_tensor().clone())?.forward(&x)?;
        let first = x.permute((0, 3, 1, 2))?.contiguous()?;
        let y = first.conv_transpose2d(&weight, padding, 0, stride, 1)?.permute((0, 2, 3, 1))?;
        compare(&found, &y.broadcast_add(&bias)?.relu()?, &[&x, &weight, &bias], &mut rng)?;
        let frozen = layer(weight.as_detached_tensor(), bias.as_detached_tensor())?;
        assert_eq!(values(&frozen.forward(&x.as_detached_tensor())?), values(&found));
    }
    Ok(())
}

#[test]
fn random_linear_layers_are_candles_with_their_gradients() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (rows, c_in, c_out) in [(1, 1, 1), (5, 700, 3), (300, 65, 130), (50, 1100, 64)] {
        let mut var = |shape: &[usize]| Var::from_tensor(&random(&mut rng, shape)).unwrap();
        let (x, weight, bias) = (var(&[2, rows, c_in]), var(&[c_out, c_in]), var(&[c_out]));
        let layer = Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()), Activation::None)?;
        let expected = x.reshape(((), c_in))?.matmul(&weight.t()?)?.broadcast_add(&bias)?.reshape((2, rows, c_out))?;
        compare(&layer.forward(&x)?, &expected, &[&x, &weight, &bias], &mut rng)?;
    }
    Ok(())
}

#[test]
fn bits_depend_on_neither_threads_nor_the_batch() -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for (side, c_in, c_out, groups, stride) in [(40, 33, 70, 1, 1), (9, 96, 96, 96, 2), (7, 130, 64, 2, 2)] {
        let config = Conv2dConfig { padding: 1, groups, stride, bias: false, ..Default::default() };
        let weight = Var::from_tensor(&random(&mut rng, &[c_out, c_in / groups, 3, 3]))?;
        let x = Var::from_tensor(&random(&mut rng, &[6, side, side, c_in]))?;
        let run = |threads| -> Result<_> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let y = Conv2d::new(weight.as_tensor().clone(), None, config)?.forward(&x)?;
                let gradients = y.sqr()?.sum_all()?.backward()?;
                let gradients = [x.as_tensor(), weight.as_tensor()].map(|var| values(gradients.get(var).unwrap()));
                Ok((values(&y), gradients))
            })
        };
        let found = run(1)?;
        assert!(found == run(2)? && found == run(5)?);
        let frozen = Conv2d::new(weight.as_detached_tensor(), None, config)?;
        let alone: Vec<_> = (0..6).map(|i| frozen.forward(&x.as_detached_tensor().narrow(0, i, 1).unwrap())).collect();
        let alone: Vec<f32> = alone.into_iter().flat_map(|y| values(&y.unwrap())).collect();
        assert!(alone == found.0);
    }
    Ok(())
}
