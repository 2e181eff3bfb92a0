//! Accuracy under the best one-to-one assignment of clusters to classes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Contingency;

/// Share of rows whose cluster is the one assigned to their class, under the assignment that makes this largest;
/// each cluster gets at most one class and the reverse, so surplus clusters or classes count as wrong.
///
/// In (0, 1], symmetric. `None` without rows. Found exactly on the table's non-empty cells by shortest augmenting
/// paths (Kuhn, "The Hungarian method", 1955; Jonker and Volgenant, 1987); at worst O(min(K, L) * cells * log).
///
/// ```
/// use alike::evaluate::{Contingency, accuracy};
/// let table = Contingency::from_pairs([(Some(0), 1), (Some(0), 1), (Some(1), 1), (Some(1), 0), (Some(2), 0)]);
/// assert_eq!(accuracy(&table), Some(0.6));
/// ```
pub fn accuracy(table: &Contingency) -> Option<f64> {
    if table.n_samples == 0 {
        return None;
    }
    let (k, l) = (table.n_clusters(), table.n_classes());
    let matched = if k <= l {
        heaviest_matching(k, l, table.cells.iter().map(|c| (c.cluster, c.class, c.count as i64)))
    } else {
        heaviest_matching(l, k, table.cells.iter().map(|c| (c.class, c.cluster, c.count as i64)))
    };
    Some(matched as f64 / table.n_samples as f64)
}

/// Total weight of the heaviest matching between rows and columns; `edges` are (row, column, weight > 0).
fn heaviest_matching(n_rows: usize, n_columns: usize, edges: impl Iterator<Item = (usize, usize, i64)>) -> i64 {
    let mut edges_of = vec![Vec::new(); n_rows];
    for (row, column, weight) in edges {
        edges_of[row].push((column, weight));
    }
    let mut matching = Matching {
        edges_of,
        row_price: vec![0; n_rows],
        column_price: vec![0; n_columns],
        column_of: vec![None; n_rows],
        row_of: vec![None; n_columns],
        reached: vec![(i64::MAX, 0); n_columns],
    };
    for row in 0..n_rows {
        matching.insert(row);
    }
    // Prices and matching have the same total: the proof that it is the heaviest.
    matching.row_price.iter().sum::<i64>() + matching.column_price.iter().sum::<i64>()
}

/// A matching of the rows inserted so far, heaviest among them, with the prices that prove it: no price is
/// negative, the prices of an edge's ends sum to its weight at least, and exactly so if it is matched; what is
/// unmatched costs nothing.
struct Matching {
    edges_of: Vec<Vec<(usize, i64)>>,
    row_price: Vec<i64>,
    column_price: Vec<i64>,
    column_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    /// Scratch: each column's distance from the row being inserted, and the row it was reached from.
    reached: Vec<(i64, usize)>,
}

/// Where a row's search for a place ends.
enum End {
    /// In a column that was free.
    Column(usize),
    /// By putting this row out, perhaps the new one itself.
    Row(usize),
}

impl Matching {
    fn insert(&mut self, new: usize) {
        let gain = self.edges_of[new].iter().map(|&(column, weight)| weight - self.column_price[column]);
        self.row_price[new] = gain.max().unwrap_or(0).max(0);

        // Dijkstra over the slack of the edges. `shortest` is the length of the best way to end so far.
        let (mut shortest, mut end) = (self.row_price[new], End::Row(new));
        let mut queue = BinaryHeap::new();
        let mut touched = Vec::new();
        let mut rows = vec![(0, new)];
        let mut columns = Vec::new();
        let (mut distance, mut row) = (0, new);
        loop {
            for &(column, weight) in &self.edges_of[row] {
                let there = distance + self.row_price[row] + self.column_price[column] - weight;
                if there < shortest && there < self.reached[column].0 {
                    if self.reached[column].0 == i64::MAX {
                        touched.push(column);
                    }
                    self.reached[column] = (there, row);
                    queue.push(Reverse((there, column)));
                }
            }
            let Some(column) = self.next_column(&mut queue, shortest) else { break };
            distance = self.reached[column].0;
            let Some(owner) = self.row_of[column] else {
                (shortest, end) = (distance, End::Column(column));
                break;
            };
            row = owner;
            rows.push((distance, row));
            columns.push((distance, column));
            if distance + self.row_price[row] < shortest {
                (shortest, end) = (distance + self.row_price[row], End::Row(row));
            }
        }
        for (distance, row) in rows {
            self.row_price[row] -= shortest - distance;
        }
        for (distance, column) in columns {
            self.column_price[column] += shortest - distance;
        }
        self.augment(end);
        for column in touched {
            self.reached[column].0 = i64::MAX;
        }
    }

    /// The nearest column not visited yet, if it is nearer than `shortest`.
    fn next_column(&self, queue: &mut BinaryHeap<Reverse<(i64, usize)>>, shortest: i64) -> Option<usize> {
        while let Some(Reverse((distance, column))) = queue.pop() {
            if distance >= shortest {
                return None;
            }
            // An older, longer entry of a column that was reached again.
            if distance == self.reached[column].0 {
                return Some(column);
            }
        }
        None
    }

    /// Moves every row on the way to `end` on to the next column; the new row has none to leave, which ends it.
    fn augment(&mut self, end: End) {
        let mut column = match end {
            End::Column(column) => Some(column),
            End::Row(row) => self.column_of[row].take(),
        };
        while let Some(place) = column {
            let row = self.reached[place].1;
            column = self.column_of[row].replace(place);
            self.row_of[place] = Some(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The heaviest matching by trying everything, row by row.
    fn exhaustive(table: &[Vec<i64>], row: usize, taken: &mut Vec<bool>) -> i64 {
        if row == table.len() {
            return 0;
        }
        let mut best = exhaustive(table, row + 1, taken);
        for column in 0..taken.len() {
            if table[row][column] > 0 && !taken[column] {
                taken[column] = true;
                best = best.max(table[row][column] + exhaustive(table, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }

    #[test]
    fn matching_is_the_heaviest_of_all() {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for case in 0..2000 {
            let (n_rows, n_columns) = (rng.random_range(1..6), rng.random_range(1..7));
            let density = rng.random_range(0.2..1.0);
            let table: Vec<Vec<i64>> = (0..n_rows)
                .map(|_| {
                    (0..n_columns).map(|_| if rng.random_bool(density) { rng.random_range(0..9) } else { 0 }).collect()
                })
                .collect();
            let edges = (0..n_rows).flat_map(|r| (0..n_columns).map(move |c| (r, c)));
            let edges = edges.map(|(r, c)| (r, c, table[r][c])).filter(|e| e.2 > 0);
            let expected = exhaustive(&table, 0, &mut vec![false; n_columns]);
            assert_eq!(heaviest_matching(n_rows, n_columns, edges), expected, "case {case}: {table:?}");
        }
    }
}
