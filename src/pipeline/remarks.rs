//! What is odd about the sizes of clusters whose number nobody gave.

use crate::collection::ClusterId;

/// Of fewer rows nothing is said.
const FEW: usize = 20;
/// Share of the rows above which one cluster is a lump.
const LUMP: f64 = 0.9;
/// Share of the rows above which noise is most of them.
const NOISE: f64 = 0.5;
/// Members on average below which clusters are crumbs.
const CRUMB: f64 = 4.0;

/// What a user should know before they trust these clusters: all in one lump, most in none, or broken into crumbs; at most
/// one remark, with what to try.
pub(super) fn remark(labels: &[Option<ClusterId>], n_clusters: usize) -> Option<String> {
    let n_samples = labels.len();
    let mut sizes = vec![0usize; n_clusters];
    labels.iter().flatten().for_each(|&cluster| sizes[cluster] += 1);
    let clustered: usize = sizes.iter().sum();
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let share = |n: usize| n as f64 / n_samples as f64;
    let percent = |n: usize| (100.0 * share(n)).round();
    if n_samples < FEW {
        None
    } else if share(n_samples - clustered) > NOISE {
        Some(format!(
            "{} % of the images are in no cluster: features that tell them apart better (--model), or a number of clusters (-k) \
             to be asked for, may help",
            percent(n_samples - clustered)
        ))
    } else if share(largest) > LUMP {
        Some(format!(
            "{} % of the images are in one cluster: either they are much alike, or these features don't tell them apart; try \
             another --model, or ask for a number of clusters with -k",
            percent(largest)
        ))
    } else if (clustered as f64) < CRUMB * n_clusters as f64 {
        Some(format!(
            "{n_clusters} clusters of {clustered} images are crumbs, {:.1} images each: ask for fewer with -k",
            clustered as f64 / n_clusters as f64
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many labels of each: noise first.
    fn labels(noise: usize, sizes: &[usize]) -> Vec<Option<ClusterId>> {
        let of = |(cluster, &size): (usize, &usize)| std::iter::repeat_n(Some(cluster), size);
        std::iter::repeat_n(None, noise).chain(sizes.iter().enumerate().flat_map(of)).collect()
    }

    #[test]
    fn says_what_is_odd_and_nothing_else() {
        for (noise, sizes, said) in [
            (0, &[60, 30, 10][..], None),
            (40, &[40, 20], None),
            (0, &[10, 5, 1, 1, 1], None),
            (0, &[100], Some("100 % of the images are in one cluster")),
            (0, &[95, 5], Some("95 % of the images are in one cluster")),
            (60, &[40], Some("60 % of the images are in no cluster")),
            (100, &[], Some("100 % of the images are in no cluster")),
            (0, &[3; 30], Some("30 clusters of 90 images are crumbs, 3.0 images each")),
        ] {
            let found = remark(&labels(noise, sizes), sizes.len());
            match said {
                Some(said) => assert!(found.as_deref().is_some_and(|found| found.starts_with(said)), "{found:?}"),
                None => assert_eq!(found, None),
            }
        }
        assert_eq!(remark(&[], 0), None);
        assert_eq!(remark(&labels(0, &[19]), 1), None, "too few to say anything");
    }
}
