//! Convex hulls.

use alike::raster::Transform;

/// The cells of the filled convex hull of the cells that points fall into.
pub fn filled(points: &[[f64; 2]], transform: &Transform) -> Vec<u32> {
    let cell = |point: &[f64; 2]| transform.cell(ndarray::ArrayView1::from(&point[..]));
    let mut cells: Vec<usize> = points.iter().filter_map(cell).collect();
    cells.sort_unstable();
    cells.dedup();
    if cells.is_empty() {
        return Vec::new();
    }
    let place = |cell: usize| [(cell / transform.shape[1]) as f64 + 0.5, (cell % transform.shape[1]) as f64 + 0.5];
    let hull = convex(cells.into_iter().map(place).collect());
    let (rows, columns) = (transform.shape[0], transform.shape[1]);
    let mut cells = Vec::new();
    let (low, high) =
        hull.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(p[0]), high.max(p[0])));
    let last = high.floor().clamp(-1.0, rows as f64 - 1.0) as i64;
    for row in low.floor().max(0.0) as i64..=last {
        // Through the middle of the cells, or as near to it as the hull reaches.
        let at = (row as f64 + 0.5).clamp(low, high);
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for (i, a) in hull.iter().enumerate() {
            let b = hull[(i + 1) % hull.len()];
            if (a[0] <= at) == (b[0] <= at) && a[0] != at && b[0] != at {
                continue;
            }
            let cut = if a[0] == b[0] { a[1] } else { a[1] + (at - a[0]) / (b[0] - a[0]) * (b[1] - a[1]) };
            (from, to) = (from.min(cut), to.max(cut));
        }
        if from <= to {
            let columns = from.floor().max(0.0) as i64..=to.floor().min(columns as f64 - 1.0) as i64;
            cells.extend(columns.map(|column| (row * transform.shape[1] as i64 + column) as u32));
        }
    }
    cells
}

/// The corners of the convex hull (A. M. Andrew, 1979).
fn convex(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_unstable_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut corners: Vec<[f64; 2]> = Vec::new();
        for c in points {
            while let [.., a, b] = corners[..] {
                if (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0 {
                    break;
                }
                corners.pop();
            }
            corners.push(c);
        }
        corners.pop();
        corners
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}
