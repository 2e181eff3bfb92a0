//! Cluster labels and true classes.

/// Number of a cluster, from 0; clusters are numbered by falling size.
pub type ClusterId = usize;

/// How many clusters these are, numbered from 0.
pub(crate) fn n_clusters(labels: &[Option<ClusterId>]) -> usize {
    labels.iter().flatten().max().map_or(0, |most| most + 1)
}

/// The cluster of each image; `None` is noise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// The images.
    pub ids: Vec<String>,
    /// Their clusters, as many as ids.
    pub clusters: Vec<Option<ClusterId>>,
}

/// The true class of each image, by row; `None` where it isn't known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Class names; a class is named by its place here.
    pub names: Vec<String>,
    /// The class of each row.
    pub classes: Vec<Option<usize>>,
}

impl Truth {
    /// Numbers the distinct names of `labels` in their natural order ("2" before "10").
    ///
    /// ```
    /// use alike::collection::Truth;
    /// let t = Truth::from_names([Some("10"), Some("2"), None, Some("2")]);
    /// assert_eq!(t.names, ["2", "10"]);
    /// assert_eq!(t.classes, [Some(1), Some(0), None, Some(0)]);
    /// ```
    pub fn from_names<S: AsRef<str>>(labels: impl IntoIterator<Item = Option<S>>) -> Self {
        let labels: Vec<Option<S>> = labels.into_iter().collect();
        let mut names: Vec<&str> = labels.iter().flatten().map(AsRef::as_ref).collect();
        names.sort_unstable_by(|a, b| natural(a).cmp(&natural(b)).then_with(|| a.cmp(b)));
        names.dedup();
        let place: std::collections::HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (*n, i)).collect();
        let classes = labels.iter().map(|l| l.as_ref().map(|l| place[l.as_ref()])).collect();
        Self { names: names.iter().map(ToString::to_string).collect(), classes }
    }

    /// Number of rows whose class is known.
    pub fn n_known(&self) -> usize {
        self.classes.iter().flatten().count()
    }
}

/// A key under which whole numbers sort by value, before other text.
fn natural(name: &str) -> (bool, u64) {
    name.parse().map_or((true, 0), |number| (false, number))
}
