//! Clusters of other granularities: what clusters make as they are joined.

use super::density_tree::Forest;
use super::settle::{by_size, renumber};
use crate::collection::{ClusterId, n_clusters};

/// The clusters of rows as pairs of them are joined, step by step: when there are at most half as many, when there are half
/// of those, and so on, two at least. Numbered by falling size.
pub(super) fn levels<Step: IntoIterator<Item = (ClusterId, ClusterId)>>(
    labels: &[Option<ClusterId>],
    steps: impl IntoIterator<Item = Step>,
) -> Vec<Vec<Option<ClusterId>>> {
    let n_clusters = n_clusters(labels);
    let (mut groups, mut n_groups, mut most) = (Forest::new(n_clusters), n_clusters, n_clusters / 2);
    let mut levels = Vec::new();
    for step in steps {
        n_groups -= step.into_iter().filter(|&(a, b)| groups.join(a, b)).count();
        if (2..=most).contains(&n_groups) {
            levels.push(level(labels.iter().map(|label| label.map(|cluster| groups.root(cluster))).collect()));
            most = n_groups / 2;
        }
    }
    levels
}

/// The labels of another granularity, clusters numbered by falling size.
pub(super) fn level(mut labels: Vec<Option<ClusterId>>) -> Vec<Option<ClusterId>> {
    let n_clusters = n_clusters(&labels);
    let order = by_size(&labels, n_clusters);
    renumber(&mut labels, &order);
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_at_most_half_of_those_before() {
        let labels = [0, 1, 2, 3, 4, 5, 6, 6].map(Some).into_iter().chain([None]).collect::<Vec<_>>();
        let steps = [vec![(5, 6), (4, 5)], vec![(0, 1)], vec![(6, 4)], vec![(2, 3)], vec![(0, 2)], vec![(0, 6)]];
        // Of seven clusters 5, 4, 4, 3, 2 and 1 are left.
        let three = [Some(1), Some(1), Some(2), Some(2), Some(0), Some(0), Some(0), Some(0), None];
        assert_eq!(levels(&labels, steps.clone()), [three], "two are more than half of three");
        assert_eq!(levels(&labels, steps[..3].to_vec()), Vec::<Vec<_>>::new());
        let eight: Vec<_> = (0..8).map(Some).collect();
        let pairs = (0..7).map(|cluster| [(cluster, cluster + 1)]);
        let sizes: Vec<usize> = levels(&eight, pairs).iter().map(|level| n_clusters(level)).collect();
        assert_eq!(sizes, [4, 2]);
    }
}
