//! Every reducer: what all promise, and figures against scikit-learn and numpy (tests/data/reduce.py is the recipe).

use alike::collection::{Csr, Features};
use alike::progress::Silent;
use alike::reduce::{Method, ReduceError, Reducer, ReducerParams};
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView2, Axis, Slice, concatenate};
use serde_json::Value;

fn fit<'a>(x: impl Into<Features<'a>>, method: Method, n: usize) -> Result<Reducer, ReduceError> {
    ReducerParams::new(method, n).check().and_then(|params| params.fit_features(x, &Silent))
}

/// The rows of the recipe.
fn rows() -> Array2<f32> {
    Array2::from_shape_fn((160, 12), |(i, j)| {
        (((i * 37 + j * 101 + i * j * 7) % 211) as f64 / 211.0 * 10.0 / (j + 1) as f64 + 3.0) as f32
    })
}

/// The same with most values blanked.
fn ink() -> Array2<f32> {
    let mut x = rows();
    x.indexed_iter_mut().filter(|((i, j), _)| (i * 31 + j * 17 + i * j) % 29 >= 6).for_each(|(_, v)| *v = 0.0);
    x
}

/// Wider rows, mostly zero.
fn spots() -> Array2<f32> {
    Array2::from_shape_fn((400, 300), |(i, j)| {
        let ink = (i * 31 + j * 17 + i * j) % 29 < 3;
        if ink { 1.0 + ((i % 7 + j % 5) as f32) / 4.0 + (i % 3 * (j % 11)) as f32 } else { 0.0 }
    })
}

fn sparse(x: ArrayView2<'_, f32>) -> Csr {
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for row in x.outer_iter() {
        for (j, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            indices.push(j as u32);
            data.push(value);
        }
        indptr.push(indices.len());
    }
    Csr::new(x.dim(), indptr, indices, data)
}

fn part(x: &Array2<f32>, rows: std::ops::Range<usize>) -> ArrayView2<'_, f32> {
    x.slice_axis(Axis(0), Slice::from(rows))
}

/// Largest difference, each column with the sign that suits it, as a share of the largest value expected.
fn off(found: &Array2<f32>, expected: &Array2<f32>) -> f32 {
    assert_eq!(found.dim(), expected.dim());
    let largest = expected.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    let columns = found.axis_iter(Axis(1)).zip(expected.axis_iter(Axis(1)));
    let off = columns.map(|(f, e)| {
        let sign = if f.dot(&e) < 0.0 { -1.0 } else { 1.0 };
        f.iter().zip(e).map(|(f, e)| (sign * f - e).abs()).fold(0.0, f32::max)
    });
    off.fold(0.0, f32::max) / largest
}

#[test]
fn figures_are_those_of_scikit_learn_and_numpy() {
    let expected: Value = serde_json::from_str(include_str!("data/reduce.json")).unwrap();
    let csr = sparse(part(&ink(), 0..150));
    let whole = rows();
    let dense = || Features::from(part(&whole, 0..150));
    let cases = [
        ("pca", Method::Pca, dense()),
        ("whiten", Method::Whiten, dense()),
        ("svd", Method::Svd, dense()),
        ("sparse pca", Method::Pca, Features::from(&csr)),
        ("sparse svd", Method::Svd, Features::from(&csr)),
        ("kernel-pca", Method::KernelPca, dense()),
        ("diffusion", Method::Diffusion, dense()),
    ];
    for (name, method, x) in cases {
        let expected = &expected[name];
        let matrix = |key: &str| -> Array2<f32> {
            let rows: Vec<Vec<f32>> = serde_json::from_value(expected[key].clone()).unwrap();
            Array2::from_shape_vec((rows.len(), 4), rows.concat()).unwrap()
        };
        let reducer = fit(&x, method, 4).unwrap();
        let fitted = reducer.transform_features(&x).select(Axis(0), &(0..150).step_by(15).collect::<Vec<_>>());
        let new = match &x {
            Features::Dense(_) => part(&whole, 150..160).to_owned(),
            Features::Sparse(_) => part(&ink(), 150..160).to_owned(),
        };
        // One sign for a component, whichever rows it is of.
        let found = concatenate![Axis(0), fitted, reducer.transform_features(new.view())];
        let off = off(&found, &concatenate![Axis(0), matrix("fit"), matrix("new")]);
        assert!(off < 1e-3, "{name}: {off}");
        if let Some(ratio) = reducer.explained_variance_ratio() {
            let figures: Vec<f64> = serde_json::from_value(expected["figures"].clone()).unwrap();
            // Of kernel PCA scikit-learn tells the eigenvalues.
            let scale = if method == Method::KernelPca { figures[0] / ratio[0] } else { 1.0 };
            for (ours, theirs) in ratio.iter().zip(figures) {
                assert!((ours * scale - theirs).abs() < 1e-4 * theirs, "{name}: {ours} {theirs}");
            }
        }
    }
}

/// Components asked of a method.
fn width(method: Method) -> usize {
    if method == Method::Tsne { 2 } else { 3 }
}

/// A reducer and what it makes of its rows, by so many threads.
fn on(threads: usize, x: &Features<'_>, method: Method) -> (Reducer, Array2<f32>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let reducer = fit(x, method, width(method)).unwrap();
        let reduced = reducer.transform_features(x);
        (reducer, reduced)
    })
}

#[test]
fn every_reducer_keeps_its_promises() {
    let (x, csr) = (rows(), sparse(spots().view()));
    for method in Method::ALL {
        let x_on = |threads| on(threads, &x.view().into(), method);
        let (reducer, reduced) = x_on(1);
        assert_eq!((reducer.method(), reducer.n_features(), reducer.n_components()), (method, 12, width(method)));
        assert_eq!(reduced.dim(), (160, width(method)));
        for threads in [2, 4, 8] {
            assert!(
                (&reducer, &reduced) == (&x_on(threads).0, &x_on(threads).1),
                "{method:?}: threads change the result"
            );
        }
        let csr = Features::from(&csr);
        assert!(on(1, &csr, method) == on(4, &csr, method), "{method:?}: threads change the result of sparse rows");
        for i in [0, 77, 159] {
            let alone = reducer.transform_features(part(&x, i..i + 1));
            assert_eq!(alone.row(0), reduced.row(i), "{method:?}: alone as among others");
        }
        assert_eq!(reducer.transform_features(part(&x, 0..0)).dim(), (0, width(method)));
        let back = reducer.inverse_transform(reduced.view());
        assert_eq!(back.is_some(), matches!(method, Method::Pca | Method::Svd | Method::Whiten));
        assert!(back.is_none_or(|back| back.dim() == x.dim()));
    }
}

#[test]
fn sparse_rows_get_what_dense_ones_get() {
    let dense = spots();
    let csr = sparse(dense.view());
    for method in Method::ALL {
        let (ours, theirs) =
            (fit(&csr, method, width(method)).unwrap(), fit(dense.view(), method, width(method)).unwrap());
        let off = off(&ours.transform_features(&csr), &theirs.transform_features(dense.view()));
        assert!(off < 2e-3, "{method:?}: {off}");
        assert_same_ratios(&ours, &theirs, 1e-4);
    }
}

#[test]
fn little_or_dull_data_is_reduced_or_refused() {
    let x = rows();
    let flat = Array2::from_elem((20, 5), 2.5f32);
    let mut half = part(&x, 0..40).to_owned();
    half.slice_axis_mut(Axis(1), Slice::from(0..6)).fill(7.0);
    for method in Method::ALL {
        let one = fit(part(&x, 0..1), method, 1);
        match method {
            Method::Diffusion => assert!(matches!(one, Err(ReduceError::TooMany { most: 0, .. }))),
            _ => drop(assert_finite(&one.unwrap(), x.view())),
        }
        for (x, n) in [(flat.view(), 2), (half.view(), width(method))] {
            let reduced = assert_finite(&fit(x, method, n).unwrap(), x);
            if x == flat && !matches!(method, Method::Svd | Method::Random | Method::Umap | Method::Tsne) {
                assert!(reduced.iter().all(|v| v.abs() < 1e-3), "{method:?}: {reduced}");
            }
        }
        let mut broken = x.clone();
        broken[[7, 3]] = f32::NAN;
        assert!(matches!(fit(broken.view(), method, 2), Err(ReduceError::NotFinite { row: 7 })), "{method:?}");
        assert!(matches!(fit(sparse(broken.view()), method, 2), Err(ReduceError::NotFinite { row: 7 })), "{method:?}");
        assert!(matches!(fit(x.view(), method, 0), Err(ReduceError::NoComponents)));
        if method != Method::Random {
            assert!(matches!(fit(part(&x, 0..5), method, 6), Err(ReduceError::TooMany { .. })), "{method:?}");
            assert!(matches!(fit(x.view(), method, 161), Err(ReduceError::TooMany { .. })), "{method:?}");
        }
        assert!(fit(Array2::zeros((0, 3)).view(), method, 1).is_err());
    }
    let gamma = ReducerParams::new(Method::KernelPca, 2).gamma(0.0).check();
    assert!(matches!(gamma, Err(ReduceError::Gamma { .. })));
    for method in Method::ALL {
        let mut vast = x.clone();
        vast.slice_axis_mut(Axis(0), Slice::from(5..)).mapv_inplace(|v| v * 1e18);
        let csr = sparse(vast.view());
        for vast in [Features::from(vast.view()), Features::from(&csr)] {
            assert!(matches!(fit(vast, method, 2), Err(ReduceError::TooLarge { row: 5 })), "{method:?}");
        }
    }
}

/// What the reducer makes of the rows, which is finite, as its figures are.
fn assert_finite(reducer: &Reducer, x: ArrayView2<'_, f32>) -> Array2<f32> {
    let reduced = reducer.transform_features(x);
    assert!(reduced.iter().all(|v| v.is_finite()), "{:?}: {reduced}", reducer.method());
    let ratio = reducer.explained_variance_ratio().unwrap_or_default();
    assert!(ratio.iter().all(|v| v.is_finite()), "{:?}: {ratio:?}", reducer.method());
    reduced
}

#[test]
fn however_far_a_row_it_is_near_no_landmark() {
    let x = rows();
    for method in [Method::KernelPca, Method::Diffusion] {
        let reducer = fit(x.view(), method, 3).unwrap();
        let far = x.mapv(|v| v * 1e25);
        let reduced = assert_finite(&reducer, far.view());
        assert_eq!(reduced, reducer.transform_features(sparse(far.view())), "{method:?}");
        let farther = assert_finite(&reducer, x.mapv(|v| v * 2e37).view());
        assert!(reduced.outer_iter().chain(farther.outer_iter()).all(|row| row == farther.row(0)), "{method:?}");
    }
}

#[test]
fn whitened_rows_have_unit_variance_and_a_way_back() {
    let x = rows();
    let reducer = fit(x.view(), Method::Whiten, 12).unwrap();
    let white = reducer.transform_features(x.view());
    let covariance = white.t().dot(&white) / 159.0;
    assert!(
        covariance.indexed_iter().all(|((i, j), v)| (v - f32::from(u8::from(i == j))).abs() < 1e-2),
        "{covariance}"
    );
    let back = reducer.inverse_transform(white.view()).unwrap();
    assert!(back.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-3));
}

#[test]
fn far_from_zero_digits_are_kept() {
    let x = rows();
    let far = &x + 1e4;
    for method in [Method::Pca, Method::Whiten, Method::KernelPca, Method::Diffusion] {
        let near = fit(x.view(), method, 3).unwrap().transform_features(x.view());
        let off = off(&fit(far.view(), method, 3).unwrap().transform_features(far.view()), &near);
        assert!(off < 1e-2, "{method:?}: {off}");
    }
    let csr = sparse(far.view());
    let (ours, theirs) = (fit(&csr, Method::Pca, 3).unwrap(), fit(far.view(), Method::Pca, 3).unwrap());
    let off = off(&ours.transform_features(&csr), &theirs.transform_features(far.view()));
    assert!(off < 1e-2, "{off}");
    assert_same_ratios(&ours, &theirs, 1e-3);
}

fn assert_same_ratios(ours: &Reducer, theirs: &Reducer, tolerance: f64) {
    let (ours, theirs) = (ours.explained_variance_ratio(), theirs.explained_variance_ratio());
    for (a, b) in ours.into_iter().flatten().zip(theirs.into_iter().flatten()) {
        assert!((a - b).abs() < tolerance * b, "{ours:?} {theirs:?}");
    }
}

#[test]
fn random_projections_keep_distances_and_follow_the_seed() {
    let x = Array2::from_shape_fn((30, 400), |(i, j)| ((i * 37 + j * 101 + i * j * 7) % 211) as f32 / 211.0);
    let by = |seed| {
        let params = ReducerParams::new(Method::Random, 300).seed(seed).check().unwrap();
        params.fit_features(x.view(), &Silent).unwrap().transform_features(x.view())
    };
    let reduced = by(0);
    assert_eq!(reduced, by(0));
    assert_ne!(reduced, by(1));
    let squared = |x: &Array2<f32>, i: usize, j: usize| (&x.row(i) - &x.row(j)).mapv(|v| v * v).sum();
    for i in 0..30 {
        for j in 0..i {
            let ratio = squared(&reduced, i, j) / squared(&x, i, j);
            assert!((0.6..1.4).contains(&ratio), "{ratio}");
        }
    }
}

#[test]
fn landmarks_stand_for_many_rows() {
    // Copies of some rows, side by side, are spread as the rows are, and landmarks meet every one of them.
    let some = part(&rows(), 0..60).to_owned();
    let many = some.select(Axis(0), &(0..10_200).map(|i| i / 170).collect::<Vec<_>>());
    let expected = fit(some.view(), Method::KernelPca, 3).unwrap();
    let (reducer, reduced) = on(1, &many.view().into(), Method::KernelPca);
    assert!(on(4, &many.view().into(), Method::KernelPca) == (reducer.clone(), reduced));
    assert_same_ratios(&reducer, &expected, 1e-2);
    let off = off(&reducer.transform_features(some.view()), &expected.transform_features(some.view()));
    assert!(off < 1e-2, "{off}");
    let reduced = fit(many.view(), Method::Diffusion, 3).unwrap().transform_features(many.view());
    assert_eq!(reduced.row(0), reduced.row(169), "equal rows are equal");
    assert!(reduced.iter().all(|v| v.is_finite()));
}
