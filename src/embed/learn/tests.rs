//! What a training must hold to: the same encoder however it is run, nothing learned from nothing.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use image::{DynamicImage, GrayImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::adam::Adam;
use super::network::Encoder;
use super::*;
use crate::decode::Limits;
use crate::embed::contract::{Memory, bits, grey, on_threads, rgb, run};
use crate::embed::{Cache, EmbedError, PixelsChoice};
use crate::progress::{Reporter, Silent, Watch};

/// An encoder after a few steps.
pub(in crate::embed) fn small(method: LearnMethod) -> ExtractorSpec {
    let images = (0..20).map(|i| if method == LearnMethod::Dense { grey(9, 7, i) } else { rgb(9, 7, i) }).collect();
    learn(&Memory::new(images), &params(method, 3), &Limits::default(), None, &Silent).unwrap()
}

fn params(method: LearnMethod, max_steps: usize) -> LearnParams {
    LearnParams { max_steps, ..LearnParams::new(method) }
}

fn hash(spec: &ExtractorSpec) -> String {
    spec.learned()[0].hash().to_owned()
}

/// Pictures 16 x 14 of a stroke, every second one upright, at any place, of any brightness.
fn bars(n: usize) -> Vec<DynamicImage> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let picture = |i: usize| {
        let (width, height) = if i.is_multiple_of(2) { (2, 7) } else { (7, 2) };
        let (left, top) = (rng.random_range(0..16 - width), rng.random_range(0..14 - height));
        let light = rng.random_range(100..=255);
        let lit = |x, y| (left..left + width).contains(&x) && (top..top + height).contains(&y);
        DynamicImage::ImageLuma8(GrayImage::from_fn(16, 14, |x, y| [if lit(x, y) { light } else { 0 }].into()))
    };
    (0..n).map(picture).collect()
}

/// The share of rows whose nearest other row is of their kind, where kinds take turns.
fn purity(spec: &ExtractorSpec, n: usize) -> f64 {
    let rows = run(&Memory::new(bars(n)), &spec.build().unwrap(), None).embeddings;
    let rows = rows.view();
    let near = |i: usize| {
        let distance = |j: usize| (&rows.row(i) - &rows.row(j)).mapv(|v| v * v).sum();
        (0..n).filter(|j| *j != i).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap()
    };
    (0..n).filter(|i| near(*i) % 2 == i % 2).count() as f64 / n as f64
}

#[test]
fn kinds_that_pixels_mix_up_come_apart() {
    let n = 96;
    let learned = |steps| {
        let source = Memory::new(bars(n));
        learn(&source, &params(LearnMethod::Contrastive, steps), &Limits::default(), None, &Silent).unwrap()
    };
    let pixels = ExtractorSpec::Pixels(PixelsSpec::new(16, 14, Colour::Grey));
    let (before, after) = (purity(&pixels, n), purity(&learned(80), n));
    assert!(after > 0.97 && before < 0.95, "pixels {before}, learned {after}");
}

#[test]
fn threads_don_t_change_what_is_learned() {
    for method in LearnMethod::ALL {
        let on = |threads| {
            let source = Memory::new(bars(40));
            hash(
                &on_threads(threads, || learn(&source, &params(method, 4), &Limits::default(), None, &Silent)).unwrap(),
            )
        };
        let one = on(1);
        assert_eq!([on(2), on(4)], [one.clone(), one], "{method:?}");
    }
}

#[test]
fn other_pictures_seeds_steps_and_methods_are_other_encoders() {
    let learned = |n, params: LearnParams| {
        hash(&learn(&Memory::new(bars(n)), &params, &Limits::default(), None, &Silent).unwrap())
    };
    let of = params(LearnMethod::Contrastive, 2);
    let all = [
        learned(30, of.clone()),
        learned(31, of.clone()),
        learned(30, LearnParams { seed: 1, ..of.clone() }),
        learned(30, LearnParams { max_steps: 3, ..of.clone() }),
        learned(30, LearnParams { pixels: PixelsChoice { size: Some((9, 9)), ..of.pixels }, ..of.clone() }),
        learned(30, LearnParams { pixels: PixelsChoice { colour: Some(Colour::Rgb), ..of.pixels }, ..of }),
        learned(30, params(LearnMethod::Autoencoder, 2)),
        learned(30, params(LearnMethod::Dense, 2)),
    ];
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_encoder_and_a_finished_one_is_found_again() {
    let source = Memory::new(bars(30));
    for method in LearnMethod::ALL {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let learn =
            |cache, reporter: &dyn Reporter| learn(&source, &params(method, 12), &Limits::default(), cache, reporter);
        let whole = learn(None, &Silent).unwrap();
        // 30 pictures are read first.
        let stopped = learn(Some(&cache), &Watch::stopping_after(37));
        assert!(matches!(stopped, Err(EmbedError::Interrupted(_))), "{stopped:?}");
        // What was done before is shown as done, too.
        for shown in [30 + 12, 30] {
            let watch = Watch::default();
            assert_eq!(hash(&learn(Some(&cache), &watch).unwrap()), hash(&whole));
            assert_eq!((watch.steps(), watch.warned()), (shown, vec![]));
        }
        assert_eq!(std::fs::read_dir(dir.path().join("learned-v1")).unwrap().count(), 1, "no leftovers");
    }
}

#[test]
fn a_damaged_state_is_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path());
    let source = Memory::new(bars(30));
    let learn = |cache, reporter: &dyn Reporter| {
        learn(&source, &params(LearnMethod::Dense, 12), &Limits::default(), cache, reporter)
    };
    learn(Some(&cache), &Watch::stopping_after(37)).unwrap_err();
    let file = std::fs::read_dir(dir.path().join("learned-v1")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(hash(&learn(Some(&cache), &Silent).unwrap()), hash(&learn(None, &Silent).unwrap()));
}

#[test]
fn too_few_pictures_equal_ones_and_broken_ones_are_named() {
    let broken = || DynamicImage::ImageLuma8(GrayImage::new(5, 0));
    let said = |images: Vec<DynamicImage>, params: LearnParams| {
        learn(&Memory::new(images), &params, &Limits::default(), None, &Silent).unwrap_err().to_string()
    };
    let of = params(LearnMethod::Contrastive, 2);
    let few = said(bars(15), of.clone());
    assert!(few.contains("learn") && few.contains("15 images"), "{few}");
    let none = said((0..20).map(|_| broken()).collect(), of.clone());
    assert!(none.contains("0 images") && none.contains("00000 can't be"), "{none}");
    let equal = said(vec![grey(8, 8, 1); 20], of.clone());
    assert!(equal.contains("20 times the same picture"), "{equal}");
    let large =
        said(bars(20), LearnParams { pixels: PixelsChoice { size: Some((4, 129)), ..of.pixels }, ..of.clone() });
    assert!(large.contains("height must be from 4 to 128"), "{large}");
    // Broken ones among enough others don't count.
    let some = Memory::new(bars(20).into_iter().chain([broken()]).collect());
    learn(&some, &of, &Limits::default(), None, &Silent).unwrap();
}

#[test]
fn the_frozen_encoder_is_the_trained_one() {
    for method in [LearnMethod::Contrastive, LearnMethod::Autoencoder] {
        let ExtractorSpec::Learned(spec) = small(method) else { panic!("not learned") };
        let x = Tensor::rand(0f32, 1.0, (5, 7, 9, 3), &Device::Cpu).unwrap();
        let frozen = Encoder::load(&spec, spec.weights.builder().unwrap().pp("encoder"), false).unwrap();
        let trained = Encoder::load(&spec, spec.weights.builder().unwrap().pp("encoder"), true).unwrap();
        let expected = trained.forward(&x, false).unwrap().0;
        let difference = (frozen.forward(&x, false).unwrap().0 - &expected).unwrap().abs().unwrap().max_all().unwrap();
        let most = expected.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(most > 0.01 && difference.to_scalar::<f32>().unwrap() < 1e-5 * most, "{difference} {most}");
    }
}

#[test]
fn weights_that_are_not_here_or_are_others_are_refused() {
    let spec = small(LearnMethod::Contrastive);
    let json = serde_json::to_string(&spec).unwrap();
    assert!(json.len() < 400, "{json}");
    let mut bare: ExtractorSpec = serde_json::from_str(&json).unwrap();
    assert!(bare.build().err().unwrap().to_string().contains("not here"));
    let arrays = |spec: &ExtractorSpec| -> Vec<_> {
        let owned = |(name, shape, values): (&str, &[usize], _)| (name.to_owned(), shape.to_vec(), values);
        spec.learned()[0].arrays().map(owned).collect::<Vec<(String, Vec<usize>, Vec<f32>)>>()
    };
    let mut other = arrays(&spec);
    other[0].2[0] += 1e-6;
    assert!(bare.learned_mut()[0].attach(other).unwrap_err().contains("hash"));
    assert!(bare.learned_mut()[0].attach(arrays(&spec).into_iter().skip(1)).is_err());
    bare.learned_mut()[0].attach(arrays(&spec)).unwrap();
    let source = Memory::new((0..9).map(|i| rgb(20, 15, i)).collect());
    let rows = |spec: &ExtractorSpec| bits(&run(&source, &spec.build().unwrap(), None));
    assert_eq!(rows(&bare), rows(&spec));
}

#[test]
fn contrastive_rows_have_unit_length() {
    let source = Memory::new((0..9).map(|i| rgb(20, 15, i)).collect());
    let rows = run(&source, &small(LearnMethod::Contrastive).build().unwrap(), None).embeddings;
    for row in rows.view().outer_iter() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-3);
    }
}

/// Against PyTorch 2.15: AdamW with a rate of 0.1, weight decay 1e-4 for the matrix and 0 for the vector, three steps
/// down (i + 1) sum(w^2) + sum(b^3) + sum(w[0] b).
#[test]
fn adam_is_pytorch_s() {
    let device = &Device::Cpu;
    let w = Var::new(&[[0.5f32, -1.0], [2.0, 0.25]], device).unwrap();
    let b = Var::new(&[0.5f32, -0.5], device).unwrap();
    let named = BTreeMap::from([("w".to_owned(), w.clone()), ("b".to_owned(), b.clone())]);
    let mut adam = Adam::new(named).unwrap();
    for i in 0..3 {
        let squares = (w.sqr().unwrap().sum_all().unwrap() * f64::from(i + 1)).unwrap();
        let cubes = (b.sqr().unwrap() * b.as_tensor()).unwrap().sum_all().unwrap();
        let both = (w.get(0).unwrap() * b.as_tensor()).unwrap().sum_all().unwrap();
        let loss = ((squares + cubes).unwrap() + both).unwrap();
        adam.step(&loss.backward().unwrap(), 0.1).unwrap();
    }
    let close = |found: Vec<f32>, expected: &[f32]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
    };
    close(w.flatten_all().unwrap().to_vec1().unwrap(), &[0.200_138, -0.702_721, 1.706_217, -0.045_170]);
    close(b.to_vec1().unwrap(), &[0.209_240, -0.203_343]);
}

#[test]
fn pictures_of_any_size_come_back_from_the_autoencoders() {
    for (width, height) in [(4, 4), (5, 9), (28, 28), (33, 7)] {
        for method in [LearnMethod::Autoencoder, LearnMethod::Dense] {
            let images = (0..17).map(|i| grey(width, height, i)).collect();
            let spec = learn(&Memory::new(images), &params(method, 1), &Limits::default(), None, &Silent).unwrap();
            assert_eq!(spec.build().unwrap().n_features(), 32);
        }
    }
}
