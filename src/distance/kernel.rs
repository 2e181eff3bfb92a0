//! The loop under every product: four vectors against a panel of sixty-four columns.
//!
//! Places where all four vectors are zero are left out: of pictures of ink on paper that is most of the work. A step is
//! a few loads of the panel, four broadcasts and the multiply-adds in registers, by the widest instructions that `pulp`
//! finds at run time.

use ndarray::LinalgScalar;
use pulp::{Simd, WithSimd};

/// Columns of a panel.
pub(super) const PANEL: usize = 64;
/// Vectors of a bundle.
pub(super) const BUNDLE: usize = 4;
/// Terms summed in their own type at a stretch, which bounds the error of f32.
pub(super) const STRETCH: usize = 512;

/// A value that products are made of: f32 or f64.
pub trait Element: LinalgScalar + std::ops::AddAssign + PartialEq + Default + Send + Sync {
    #[doc(hidden)]
    type Vector<S: Simd>: Copy;
    /// All bits but the sign.
    #[doc(hidden)]
    fn bits(self) -> u64;
    #[doc(hidden)]
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    #[doc(hidden)]
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    #[doc(hidden)]
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    #[doc(hidden)]
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
}

macro_rules! element {
    ($type:ty, $vector:ident, $splat:ident, $mul_add:ident, $vectors:ident, $vectors_mut:ident) => {
        impl Element for $type {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn bits(self) -> u64 {
                u64::from(self.to_bits() << 1)
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[S::$vector] {
                S::$vectors(values).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$vector] {
                S::$vectors_mut(values).0
            }
        }
    };
}

element!(f32, f32s, splat_f32s, mul_add_e_f32s, as_simd_f32s, as_mut_simd_f32s);
element!(f64, f64s, splat_f64s, mul_add_e_f64s, as_simd_f64s, as_mut_simd_f64s);

/// Vectors four by four side by side, each four without the places where all are zero.
#[derive(Default)]
pub(super) struct Bundles<F> {
    /// Room for this many places each.
    size: usize,
    places: Vec<u32>,
    values: Vec<[F; BUNDLE]>,
    /// Number of places of each that count.
    kept: Vec<usize>,
}

/// Four of them.
#[derive(Clone, Copy)]
pub(super) struct Bundle<'a, F> {
    places: &'a [u32],
    values: &'a [[F; BUNDLE]],
}

impl<F: Element> Bundles<F> {
    /// Room for `n` bundles of `size` places.
    pub fn clear(&mut self, n: usize, size: usize) {
        self.size = size;
        self.places.resize(n * size, 0);
        self.values.resize(n * size, [F::zero(); BUNDLE]);
        self.kept.clear();
        self.kept.resize(n, 0);
    }

    /// Sets one bundle to the values of its four vectors at each place.
    #[inline(always)]
    pub fn fill(&mut self, bundle: usize, values: impl Fn(usize) -> [F; BUNDLE]) {
        let range = bundle * self.size..(bundle + 1) * self.size;
        let (places, to) = (&mut self.places[range.clone()], &mut self.values[range]);
        let mut kept = 0;
        for place in 0..self.size {
            kept = push(places, to, kept, place, values(place));
        }
        self.kept[bundle] = kept;
    }

    /// Sets the bundles to the columns of a panel, in one pass over its rows.
    pub fn fill_all(&mut self, panel: &[[F; PANEL]]) {
        const N: usize = PANEL / BUNDLE;
        self.clear(N, panel.len());
        let (places, values) = (&mut self.places[..], &mut self.values[..]);
        let mut next: [usize; N] = std::array::from_fn(|b| b * panel.len());
        for (place, row) in panel.iter().enumerate() {
            let fours = row.as_chunks::<BUNDLE>().0;
            for b in 0..N {
                next[b] = push(places, values, next[b], place, fours[b]);
            }
        }
        for (b, (kept, next)) in self.kept.iter_mut().zip(next).enumerate() {
            *kept = next - b * panel.len();
        }
    }

    pub fn get(&self, bundle: usize) -> Bundle<'_, F> {
        let range = bundle * self.size..bundle * self.size + self.kept[bundle];
        Bundle { places: &self.places[range.clone()], values: &self.values[range] }
    }
}

/// Always written, kept only if it counts: no branch to be mispredicted.
#[inline(always)]
fn push<F: Element>(
    places: &mut [u32],
    values: &mut [[F; BUNDLE]],
    at: usize,
    place: usize,
    four: [F; BUNDLE],
) -> usize {
    places[at] = place as u32;
    values[at] = four;
    at + usize::from(four[0].bits() | four[1].bits() | four[2].bits() | four[3].bits() != 0)
}

/// Adds to `sums`, row by row of [`PANEL`], the products of a bundle with the first `n_columns` columns of a panel.
pub(super) struct Multiply<'a, F, T> {
    pub bundle: Bundle<'a, F>,
    /// One row for each place.
    pub panel: &'a [[F; PANEL]],
    pub n_columns: usize,
    pub sums: &'a mut [T],
}

impl<F: Element, T: From<F> + std::ops::AddAssign> WithSimd for Multiply<'_, F, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.bundle.places.is_empty() {
            return;
        }
        let mut products = [[F::zero(); PANEL]; BUNDLE];
        let lanes = PANEL / F::vectors::<S>(&products[0]).len();
        let n_vectors = self.n_columns.div_ceil(lanes);
        // As many vectors at a time as the machine's registers hold.
        let mut v = 0;
        if S::F32_LANES >= 16 {
            while v + 4 <= n_vectors {
                self.step::<S, 4>(simd, v, &mut products);
                v += 4;
            }
        }
        while v + 2 <= n_vectors {
            self.step::<S, 2>(simd, v, &mut products);
            v += 2;
        }
        if v < n_vectors {
            self.step::<S, 1>(simd, v, &mut products);
        }
        for (sums, products) in self.sums.chunks_exact_mut(PANEL).zip(&products) {
            for j in 0..PANEL {
                sums[j] += T::from(products[j]);
            }
        }
    }
}

impl<F: Element, T> Multiply<'_, F, T> {
    // Plain loops: products that an iterator hands out, or that are copied as a slice, don't stay in registers.
    #[allow(clippy::needless_range_loop, clippy::manual_memcpy)]
    #[inline(always)]
    fn step<S: Simd, const N: usize>(&self, simd: S, first: usize, products: &mut [[F; PANEL]; BUNDLE]) {
        let mut sums = [[F::splat(simd, F::zero()); N]; BUNDLE];
        let places = self.bundle.places;
        let bundle = &self.bundle.values[..places.len()];
        for i in 0..places.len() {
            let row = &F::vectors::<S>(&self.panel[places[i] as usize])[first..first + N];
            let values = bundle[i];
            for r in 0..BUNDLE {
                let value = F::splat(simd, values[r]);
                for v in 0..N {
                    sums[r][v] = F::mul_add(simd, value, row[v], sums[r][v]);
                }
            }
        }
        for r in 0..BUNDLE {
            let products = F::vectors_mut::<S>(&mut products[r]);
            for v in 0..N {
                products[first + v] = sums[r][v];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_a_plain_loop_with_any_instructions() {
        for (n, n_columns) in [(0, 1), (1, 64), (7, 10), (100, 50), (300, 33)] {
            let value = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f32 / 8.0 - 1.0;
            let vectors: Vec<[f32; 4]> =
                (0..n).map(|i| std::array::from_fn(|r| if i % 3 == 0 { 0.0 } else { value(i, r) })).collect();
            let panel: Vec<[f32; PANEL]> = (0..n).map(|i| std::array::from_fn(|j| value(j, 2 * i))).collect();
            let mut bundles = Bundles::default();
            bundles.clear(1, n);
            bundles.fill(0, |place| vectors[place]);
            let run = |wide: bool| {
                let mut sums = vec![1f64; BUNDLE * PANEL];
                let work = Multiply { bundle: bundles.get(0), panel: &panel, n_columns, sums: &mut sums };
                if wide {
                    pulp::Arch::new().dispatch(work)
                } else {
                    work.with_simd(pulp::Scalar)
                }
                sums
            };
            for sums in [run(true), run(false)] {
                for r in 0..BUNDLE {
                    for j in 0..n_columns {
                        let expected: f32 = vectors.iter().zip(&panel).map(|(v, p)| v[r] * p[j]).sum();
                        let sum = sums[r * PANEL + j] as f32 - 1.0;
                        assert!((sum - expected).abs() < 1e-3, "{sum} {expected}");
                    }
                }
            }
        }
    }
}
