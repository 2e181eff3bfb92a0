//! k-means on the pixels of an IDX file, from random starts, and the purity of what comes out.
//!
//! ```text
//! cargo run --release --example mnist_purity -- train-images-idx3-ubyte.gz [STARTS] [OUT]
//! ```
//!
//! The labels file is found beside the images. For every start: inertia, rounds and both purities (the mean over
//! clusters, and the share of all images in their cluster's majority class). For the best start two pictures in OUT:
//! the centroids, and the first 25 members of each cluster in the file's order, both in inverted grey.

use alike::cluster::{Init, KMeansParams};
use alike::collection::Truth;
use alike::evaluate::{Contingency, NoiseRule, ari, purity, purity_mean};
use alike::progress::Silent;
use alike::report::{SheetLayout, sheet};
use alike::source::{Content, Input, Options, Source};
use image::{DynamicImage, GrayImage};
use linfa::ParamGuard;
use ndarray::{Array2, ArrayView1};
use std::path::PathBuf;

const N_CLUSTERS: usize = 10;
const EXAMPLES: usize = 25;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let images = args.next().ok_or("usage: mnist_purity IMAGES [STARTS] [OUT]")?;
    let starts: u64 = args.next().map_or(Ok(20), |n| n.parse())?;
    let out = PathBuf::from(args.next().unwrap_or_else(|| "mnist_purity".into()));
    let collection = alike::source::open(&Input::Path(images.into()), &Options::default(), &Silent)?;
    let (pixels, (width, height)) = pixels(&*collection.source)?;
    let truth = Truth::from_names(collection.source.items().iter().map(|item| item.label.as_deref()));
    println!("{} images of {width}x{height}, {} classes", pixels.nrows(), truth.names.len());

    println!("start   inertia      rounds  purity(mean)  purity    ARI");
    let (mut best, mut means, mut shares) = (None, vec![], vec![]);
    for seed in 0..starts {
        let params = KMeansParams::new(N_CLUSTERS).init(Init::Random).n_restarts(1).tolerance(0.0);
        let fit = params.max_iterations(1000).seed(seed).check()?.fit_rows(pixels.view(), &Silent)?;
        let inertia = fit.inertia.ok_or("k-means has an inertia")?;
        let table = Contingency::new(&fit.labels, &truth, NoiseRule::Excluded)?;
        let (mean, share) = (purity_mean(&table).unwrap_or(0.0), purity(&table).unwrap_or(0.0));
        let (rand, rounds) = (ari(&table).unwrap_or(0.0), fit.n_iterations);
        println!("{seed:>5}   {inertia:>11.1}  {rounds:>6}  {mean:>12.6}  {share:.6}  {rand:.4}");
        means.push(mean);
        shares.push(share);
        if best.as_ref().is_none_or(|(least, _)| inertia < *least) {
            best = Some((inertia, fit));
        }
    }
    println!("purity (mean over clusters)  {}", spread(means));
    println!("purity (share of images)     {}", spread(shares));
    let (inertia, best) = best.ok_or("at least one start is needed")?;
    println!("least inertia                {inertia:.1}");

    std::fs::create_dir_all(&out)?;
    let picture = |row: ArrayView1<'_, f32>| {
        let inverted = row.iter().map(|v| 255 - (v * 255.0).round() as u8).collect();
        GrayImage::from_raw(width, height, inverted).map(DynamicImage::ImageLuma8)
    };
    let centroids: Vec<_> = best.assigner.centers().ok_or("k-means has centroids")?.outer_iter().map(picture).collect();
    let layout = |columns| SheetLayout { columns, cell: width.max(height), ..SheetLayout::default() };
    sheet(&centroids, &layout(5)).save(out.join("centroids.png"))?;
    for cluster in 0..best.n_clusters() {
        let members = (0..pixels.nrows()).filter(|&i| best.labels[i] == Some(cluster)).take(EXAMPLES);
        let members: Vec<_> = members.map(|i| picture(pixels.row(i))).collect();
        sheet(&members, &layout(5)).save(out.join(format!("cluster-{cluster:03}.png")))?;
    }
    println!("pictures in {}", out.display());
    Ok(())
}

/// Rows of values from 0 to 1, and the width and height of an image.
type Images = (Array2<f32>, (u32, u32));

/// All images.
fn pixels(source: &dyn Source) -> Result<Images, Box<dyn std::error::Error>> {
    let mut values = Vec::new();
    let mut size = None;
    for index in 0..source.items().len() {
        let Content::Pixels(DynamicImage::ImageLuma8(image)) = source.read(index)? else {
            return Err("grey pixels are needed, such as an IDX file holds".into());
        };
        size = Some(image.dimensions());
        values.extend(image.as_raw().iter().map(|&v| f32::from(v) / 255.0));
    }
    let size = size.ok_or("no images")?;
    let n_features = size.0 as usize * size.1 as usize;
    Ok((Array2::from_shape_vec((values.len() / n_features, n_features), values)?, size))
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("least {least:.4}, median {:.4}, mean {mean:.4}, most {most:.4}", values[values.len() / 2])
}
