//! The component tree of the superlevel sets of a density.

use ndarray::ArrayViewD;

use super::super::Connectivity;
use super::super::segment::{Neighbours, root};

/// How the components of {density >= level} are born and joined as the level falls.
#[derive(Clone, Debug, PartialEq)]
pub struct ComponentTree {
    /// By falling birth, equal ones by their peak's cell. None lasts no time.
    pub branches: Vec<Branch>,
}

/// A component, from its peak down to where a higher one takes it in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Branch {
    /// The cell of its peak.
    pub peak: usize,
    /// The density there.
    pub birth: f64,
    /// The density of the pass to the branch above, 0 if there is none.
    pub death: f64,
    /// The branch that takes it in.
    pub parent: Option<usize>,
}

impl ComponentTree {
    /// Number of components at a level above 0.
    pub fn n_components(&self, level: f64) -> usize {
        self.branches.iter().filter(|branch| branch.birth >= level && branch.death < level).count()
    }
}

/// The component tree of the cells with densities above 0, by a union-find over falling density. Of two components that
/// meet, the one of the lower peak ends; of equal peaks that of the higher cell. O(cells log cells).
///
/// ```
/// use alike::raster::{Connectivity, component_tree};
/// let density = ndarray::array![1.0, 5.0, 2.0, 4.0, 0.0, 3.0].into_dyn();
/// let tree = component_tree(density.view(), Connectivity::Faces);
/// let lives: Vec<_> = tree.branches.iter().map(|b| (b.birth, b.death, b.parent)).collect();
/// assert_eq!(lives, [(5.0, 0.0, None), (4.0, 2.0, Some(0)), (3.0, 0.0, None)]);
/// assert_eq!(tree.n_components(2.5), 3);
/// ```
pub fn component_tree(density: ArrayViewD<'_, f64>, connectivity: Connectivity) -> ComponentTree {
    const OUTSIDE: u32 = u32::MAX;
    let neighbours = Neighbours::new(density.shape(), connectivity);
    let density: Vec<f64> = density.iter().copied().collect();
    let mut order: Vec<u32> = (0..density.len() as u32).filter(|&cell| density[cell as usize] > 0.0).collect();
    order.sort_unstable_by(|&a, &b| density[b as usize].total_cmp(&density[a as usize]).then(a.cmp(&b)));
    // Each cell's way up to the first cell of its component, and the branch that begins there.
    let mut above = vec![OUTSIDE; density.len()];
    let mut branch_of = vec![OUTSIDE; density.len()];
    let mut branches: Vec<Branch> = Vec::new();
    for &cell in &order {
        let cell = cell as usize;
        let mut own = None;
        neighbours.visit(cell, |other| {
            if above[other] == OUTSIDE {
                return;
            }
            let root = root(&mut above, other);
            let Some(before) = own.filter(|before| *before != root) else {
                own = Some(root);
                return;
            };
            let (elder, younger) = if branch_of[before] < branch_of[root] { (before, root) } else { (root, before) };
            let ends = &mut branches[branch_of[younger] as usize];
            (ends.death, ends.parent) = (density[cell], Some(branch_of[elder] as usize));
            above[younger] = elder as u32;
            own = Some(elder);
        });
        above[cell] = own.unwrap_or(cell) as u32;
        if own.is_none() {
            branch_of[cell] = branches.len() as u32;
            branches.push(Branch { peak: cell, birth: density[cell], death: 0.0, parent: None });
        }
    }
    ComponentTree { branches: lasting(branches) }
}

/// Without the branches that end where they begin, as plateaus give: only others of that kind end in them.
fn lasting(branches: Vec<Branch>) -> Vec<Branch> {
    let lasts = |branch: &Branch| branch.birth > branch.death;
    let mut place = 0;
    let places: Vec<usize> = branches
        .iter()
        .map(|branch| {
            place += usize::from(lasts(branch));
            place.saturating_sub(1)
        })
        .collect();
    let moved = |branch: Branch| Branch { parent: branch.parent.map(|parent| places[parent]), ..branch };
    branches.into_iter().filter(lasts).map(moved).collect()
}
