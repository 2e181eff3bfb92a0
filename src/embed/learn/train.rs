//! The training itself. The same pictures, parameters and seed give the same encoder, on the CPU to the last bit at any
//! number of threads; so a finished encoder, or the state of an interrupted training, is found again in the cache.
//!
//! The rate rises for a while, stays, and falls to nothing at the end, which begins when the loss stops falling or the
//! steps run out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::adam::Adam;
use super::augment::Augment;
use super::loss::{contrast, disagreement};
use super::network::{Encoder, Head};
use super::pictures::Pictures;
use super::{LearnMethod, LearnedSpec, LearnedWeights, VERSION, failed};
use crate::decode::Limits;
use crate::device;
use crate::embed::{Cache, EmbedError, ExtractorSpec, PixelsChoice, choose_pixels};
use crate::files::write_whole;
use crate::nn::kaiming_normal;
use crate::progress::Reporter;
use crate::source::Source;

/// How to learn from a collection.
#[derive(Clone, Debug)]
pub struct LearnParams {
    /// The kind of encoder.
    pub method: LearnMethod,
    /// What it sees of an image.
    pub pixels: PixelsChoice,
    /// Steps at most, each over a batch of 512 pictures. By default 400 of the contrastive one, 1000 of the others.
    pub max_steps: usize,
    /// Seed of the start, the order of the pictures and their views.
    pub seed: u64,
    /// Where it is computed.
    pub device: device::Device,
}

impl LearnParams {
    /// The defaults.
    pub fn new(method: LearnMethod) -> Self {
        let max_steps = if method == LearnMethod::Contrastive { 400 } else { 1000 };
        Self { method, pixels: PixelsChoice::default(), max_steps, seed: 0, device: device::Device::default() }
    }
}

/// Raised by whatever changes what is learned: what earlier programs kept is learned anew.
const RECIPE: u32 = 1;
/// Pictures of a step.
const BATCH: usize = 512;
/// Largest rate.
const RATE: f64 = 2e-3;
/// Steps between looks at the loss.
const LOOK: usize = 100;
/// Looks without a loss lower by this share after which the rate begins to fall.
const PATIENCE: usize = 4;
const GAIN: f64 = 2e-3;
/// Floating point operations of a step, about: whether a device pays.
const FLOPS: f64 = 3e10;

/// Trains an encoder on the images of `collection`, and says how it goes.
///
/// Up to a gigabyte of resized pictures is held in memory (90,000 of 64 x 64 RGB); of larger collections a random part
/// is learned from. Cost: `max_steps` times forward and backward over 512 pictures or 1024 views of them, a few minutes
/// for 28 x 28 on two cores. All images are read even if what they teach is in the cache, which is known by their
/// contents.
///
/// ```no_run
/// use alike::{decode::Limits, embed::{LearnMethod, LearnParams, learn}, progress::Silent, source};
/// let digits = source::open(&source::Input::Path("train-images-idx3-ubyte".into()), &Default::default(), &Silent)?;
/// let params = LearnParams { seed: 1, ..LearnParams::new(LearnMethod::Contrastive) };
/// let spec = learn(&*digits.source, &params, &Limits::default(), None, &Silent)?;
/// assert_eq!(spec.build()?.n_features(), 128);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If interrupted (what was learned so far is in the cache then), if fewer than 16 images can be read or all are the
/// same, if the loss is no number any more, or if the device fails.
pub fn learn(
    collection: &dyn Source,
    params: &LearnParams,
    limits: &Limits,
    cache: Option<&Cache>,
    reporter: &dyn Reporter,
) -> std::result::Result<ExtractorSpec, EmbedError> {
    let ExtractorSpec::Pixels(pixels) = choose_pixels(collection, &params.pixels, limits, reporter)? else {
        unreachable!("pixels were chosen")
    };
    let weights = LearnedWeights::new(BTreeMap::new()).map_err(failed)?;
    let mut spec = LearnedSpec { version: VERSION, method: params.method, pixels, weights };
    spec.check()?;
    let pictures = Pictures::read(collection, pixels, limits, params.seed, reporter)?;
    pictures.check(params.method.name())?;
    let kind = serde_json::to_string(&spec).expect("a spec is plain data");
    let key =
        blake3::hash(format!("{RECIPE} {kind} {} {} {}", params.max_steps, params.seed, pictures.hash).as_bytes());
    let files = cache.map(|cache| Files { finished: cache.learned(&key.to_hex()) });
    let weights = match files.as_ref().and_then(|files| files.read(&files.finished)) {
        Some(tensors) => tensors,
        None => {
            let device = params.device.for_work(FLOPS * params.max_steps as f64).cloned().unwrap_or(Device::Cpu);
            let mut training = Training::new(&spec, params, &device).map_err(failed)?;
            reporter.begin("learn", Some(params.max_steps as u64));
            let result = training.run(&pictures, files.as_ref(), reporter);
            reporter.end();
            result?;
            let weights = training.encoder().map_err(failed)?;
            if let Some(files) = &files {
                files.finish(&weights, reporter);
            }
            weights
        }
    };
    spec.weights = LearnedWeights::new(weights).map_err(failed)?;
    Ok(ExtractorSpec::Learned(spec))
}

/// A training under way.
struct Training<'a> {
    params: &'a LearnParams,
    augment: Augment,
    device: Device,
    encoder: Encoder,
    head: Head,
    adam: Adam,
    progress: Progress,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Progress {
    step: usize,
    /// Sum of the losses since the last look.
    loss: f64,
    /// The least mean loss between looks, and the looks since.
    best: f64,
    stale: usize,
    /// The step from which on the rate falls.
    decay_from: usize,
}

impl<'a> Training<'a> {
    fn new(spec: &LearnedSpec, params: &'a LearnParams, device: &Device) -> Result<Self> {
        let variables = VarMap::new();
        let vb = VarBuilder::from_varmap(&variables, DType::F32, device);
        let encoder = Encoder::load(spec, vb.pp("encoder"), true)?;
        let head = Head::load(spec, vb.pp("head"))?;
        let named = variables.data().lock().expect("no other user").clone();
        let named: BTreeMap<_, _> = named.into_iter().collect();
        kaiming_normal(&named, params.seed)?;
        let decay_from = params.max_steps - params.max_steps * 3 / 10;
        let progress = Progress { step: 0, loss: 0.0, best: f64::INFINITY, stale: 0, decay_from };
        let pixels = spec.pixels;
        let augment = Augment { width: pixels.width as usize, height: pixels.height as usize, colour: pixels.colour };
        Ok(Self { params, augment, device: device.clone(), encoder, head, adam: Adam::new(named)?, progress })
    }

    fn run(
        &mut self,
        pictures: &Pictures,
        files: Option<&Files>,
        reporter: &dyn Reporter,
    ) -> std::result::Result<(), EmbedError> {
        if let Some(state) = files.and_then(|files| files.read(&files.unfinished()))
            && self.restore(&state).is_ok()
        {
            reporter.detail(&format!("learning goes on from step {}", self.progress.step));
            reporter.advance(self.progress.step as u64);
        }
        while self.progress.step < self.end() {
            if let Err(interrupted) = reporter.check() {
                self.keep(files, reporter)?;
                return Err(interrupted.into());
            }
            let loss = self.step(pictures).map_err(failed)?;
            if !loss.is_finite() {
                let step = self.progress.step;
                return Err(EmbedError::Failed(format!("learning went astray at step {step}: the loss is {loss}")));
            }
            self.progress.loss += loss;
            self.progress.step += 1;
            reporter.status(&format!("loss {loss:.3}"));
            reporter.advance(1);
            if self.progress.step.is_multiple_of(LOOK) {
                self.look(reporter);
                self.keep(files, reporter)?;
            }
        }
        Ok(())
    }

    fn cooldown(&self) -> usize {
        self.params.max_steps * 3 / 10
    }

    fn end(&self) -> usize {
        self.progress.decay_from + self.cooldown()
    }

    /// Whether the loss still falls.
    fn look(&mut self, reporter: &dyn Reporter) {
        let Progress { step, loss, best, stale, decay_from } = &mut self.progress;
        let mean = std::mem::take(loss) / LOOK as f64;
        reporter.detail(&format!("step {step}: loss {mean:.4}"));
        *stale = if mean < *best * (1.0 - GAIN) { 0 } else { *stale + 1 };
        *best = best.min(mean);
        if *stale >= PATIENCE && *step < *decay_from {
            *decay_from = *step;
            reporter.detail("the loss stopped falling: learning comes to its end");
        }
    }

    fn rate(&self) -> f64 {
        let Progress { step, decay_from, .. } = self.progress;
        let rise = (step + 1) as f64 / (self.params.max_steps as f64 / 20.0).max(1.0);
        let fall = 1.0 - step.saturating_sub(decay_from) as f64 / self.cooldown().max(1) as f64;
        RATE * rise.min(fall).min(1.0)
    }

    /// A step; its loss.
    fn step(&mut self, pictures: &Pictures) -> Result<f64> {
        let batch = self.batch(pictures);
        let contrastive = self.params.method == LearnMethod::Contrastive;
        let (n, views) = (batch.len(), if contrastive { 2 } else { 1 });
        let mut values = vec![0.0; views * n * self.augment.len()];
        values.par_chunks_exact_mut(self.augment.len()).enumerate().for_each(|(at, out)| {
            let picture = pictures.get(batch[at % n]);
            if !contrastive {
                return Augment::plain(picture, out);
            }
            let mut rng = ChaCha8Rng::seed_from_u64(self.params.seed);
            rng.set_stream((1 << 63) | (self.progress.step * 2 * BATCH + at) as u64);
            self.augment.view(picture, out, &mut rng);
        });
        let (width, height) = (self.augment.width, self.augment.height);
        let x = Tensor::from_vec(values, (views * n, height, width, ()), &self.device)?;
        let (features, before) = self.encoder.forward(&x, true)?;
        let seen = self.head.forward(before.as_ref().unwrap_or(&features))?;
        let loss = if contrastive {
            (contrast(&features)? + disagreement(&seen)?)?
        } else {
            (&seen[0] - x.flatten_from(1)?)?.sqr()?.mean_all()?
        };
        self.adam.step(&loss.backward()?, self.rate())?;
        Ok(f64::from(loss.to_scalar::<f32>()?))
    }

    /// The pictures of this step: they come in an order that is drawn anew for each pass.
    fn batch(&self, pictures: &Pictures) -> Vec<usize> {
        let (n, size) = (pictures.n(), BATCH.min(pictures.n()));
        let first = self.progress.step * size;
        let order = |pass: usize| {
            let mut order: Vec<usize> = (0..n).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(self.params.seed);
            rng.set_stream(1 + pass as u64);
            order.shuffle(&mut rng);
            order
        };
        let mut batch = order(first / n)[first % n..].to_vec();
        batch.truncate(size);
        if batch.len() < size {
            batch.extend(&order(first / n + 1)[..size - batch.len()]);
        }
        batch
    }

    fn keep(&self, files: Option<&Files>, reporter: &dyn Reporter) -> std::result::Result<(), EmbedError> {
        let Some(files) = files else { return Ok(()) };
        let mut state = self.adam.state().map_err(failed)?;
        let Progress { step, loss, best, stale, decay_from } = self.progress;
        let progress = [step as f64, loss, best, stale as f64, decay_from as f64];
        state.insert(PROGRESS.into(), Tensor::new(&progress, &Device::Cpu).map_err(failed)?);
        files.write(&files.unfinished(), &state, reporter);
        Ok(())
    }

    fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let found = state.get(PROGRESS).ok_or_else(|| candle_core::Error::msg("no progress"))?.to_vec1::<f64>()?;
        let &[step, loss, best, stale, decay_from] = &found[..] else { candle_core::bail!("another kind of progress") };
        self.adam.restore(state, step as i32)?;
        self.progress =
            Progress { step: step as usize, loss, best, stale: stale as usize, decay_from: decay_from as usize };
        Ok(())
    }

    /// The encoder's weights, without the head's.
    fn encoder(&self) -> Result<BTreeMap<String, Tensor>> {
        let variables = self.adam.variables().filter(|(name, _)| name.starts_with("encoder."));
        variables
            .map(|(name, variable)| Ok((name.clone(), variable.as_detached_tensor().to_device(&Device::Cpu)?)))
            .collect()
    }
}

const PROGRESS: &str = "progress";

/// Where a training is kept.
struct Files {
    finished: PathBuf,
}

impl Files {
    fn unfinished(&self) -> PathBuf {
        self.finished.with_extension("part")
    }

    /// Nothing, if it isn't there or isn't whole.
    fn read(&self, path: &Path) -> Option<BTreeMap<String, Tensor>> {
        let tensors = candle_core::safetensors::load_buffer(&std::fs::read(path).ok()?, &Device::Cpu).ok()?;
        Some(tensors.into_iter().collect())
    }

    fn write(&self, path: &Path, tensors: &BTreeMap<String, Tensor>, reporter: &dyn Reporter) {
        let bytes = safetensors::serialize(tensors, None).expect("tensors on the CPU");
        let directory = path.parent().expect("a file in the cache");
        let written = std::fs::create_dir_all(directory)
            .map_err(|e| e.to_string())
            .and_then(|()| write_whole(path, |out| out.write_all(&bytes)).map_err(|e| e.to_string()));
        if let Err(e) = written {
            reporter.warn(&format!("what was learned can't be kept for another run: {e}"));
        }
    }

    fn finish(&self, weights: &BTreeMap<String, Tensor>, reporter: &dyn Reporter) {
        self.write(&self.finished, weights, reporter);
        // A leftover costs a few megabytes and nothing else.
        let _ = std::fs::remove_file(self.unfinished());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{Colour, PixelsSpec};
    use crate::progress::Silent;

    #[test]
    fn learning_ends_early_when_the_loss_stops_falling() {
        let pixels = PixelsSpec::new(8, 8, Colour::Grey);
        let weights = LearnedWeights::new(BTreeMap::new()).unwrap();
        let params = LearnParams { max_steps: 10 * LOOK, ..LearnParams::new(LearnMethod::Dense) };
        let spec = LearnedSpec { version: VERSION, method: params.method, pixels, weights };
        for (gain, end) in [(0.01, 10 * LOOK), (0.001, (1 + PATIENCE + 3) * LOOK)] {
            let mut training = Training::new(&spec, &params, &Device::Cpu).unwrap();
            let mut mean = 1.0;
            assert!(training.rate() < RATE / 10.0);
            while training.progress.step < training.end() {
                training.progress.step += LOOK;
                training.progress.loss = mean * LOOK as f64;
                mean *= 1.0 - gain;
                training.look(&Silent);
            }
            assert_eq!((training.progress.step, training.rate()), (end, 0.0), "{gain}");
        }
    }
}
