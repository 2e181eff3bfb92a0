//! What the contrastive encoder is to make small.

use candle_core::{D, DType, Result, Tensor};

/// How much two views' cosine counts: the smaller, the more the nearest others repel. At 0.5 pictures of a kind may stay
/// together.
const TEMPERATURE: f64 = 0.5;
/// How much the evenness of clusters counts beside their agreement.
const EVENNESS: f64 = 1.5;

/// The normalised, temperature-scaled cross entropy between views (Chen et al. 2020): rows i and i + n of `seen`, shape
/// (2 n, features), are two of one picture.
pub(super) fn contrast(seen: &Tensor) -> Result<Tensor> {
    let z = seen.broadcast_div(&(seen.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?)?;
    let (rows, n) = (z.dim(0)?, z.dim(0)? / 2);
    let others = (1.0 - Tensor::eye(rows, DType::F32, z.device())?)?;
    let scores = (z.matmul(&z.t()?)? / TEMPERATURE)?;
    let all = (scores.exp()? * others)?.sum(1)?.log()?.mean_all()?;
    let own = (z.narrow(0, 0, n)? * z.narrow(0, n, n)?)?.sum(1)?.mean_all()?;
    all - (own / TEMPERATURE)?
}

/// What the soft cluster of one view fails to tell of the other's (Ji, Henriques & Vedaldi 2019, "Invariant Information
/// Clustering"), mean over several `shares`, shape (2 n, clusters) each: rows i and i + n are two views of one picture.
pub(super) fn disagreement(shares: &[Tensor]) -> Result<Tensor> {
    let lost = shares.iter().map(|shares| {
        let n = shares.dim(0)? / 2;
        let joint = shares.narrow(0, 0, n)?.t()?.matmul(&shares.narrow(0, n, n)?)?;
        let joint = (((&joint + joint.t()?)? / (2 * n) as f64)? + 1e-9)?;
        let own = joint.sum(1)?;
        let spread = ((&own * own.log()?)?.sum_all()? * (2.0 * EVENNESS))?;
        spread - (&joint * joint.log()?)?.sum_all()?
    });
    Tensor::stack(&lost.collect::<Result<Vec<_>>>()?, 0)?.mean_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn tensor<const N: usize, const M: usize>(rows: [[f32; M]; N]) -> Tensor {
        Tensor::new(&rows, &Device::Cpu).unwrap()
    }

    fn value(loss: Result<Tensor>) -> f32 {
        loss.unwrap().to_scalar().unwrap()
    }

    #[test]
    fn contrast_is_worked_by_hand() {
        // Each view sees its other one at cosine 1 and two strangers at 0; lengths don't count.
        let apart = contrast(&tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]]));
        assert!((value(apart) - ((2f32.exp() + 2.0).ln() - 2.0)).abs() < 1e-5);
        // Its other one at 0, one of the strangers at 1.
        let crossed = contrast(&tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]));
        assert!((value(crossed) - (2f32.exp() + 2.0).ln()).abs() < 1e-5);
    }

    #[test]
    fn disagreement_is_worked_by_hand() {
        let [a, b] = [[1.0, 0.0], [0.0, 1.0]];
        // Two even clusters on which views agree: ln 2 is known of the other, and evenness adds twice half of ln 2.
        assert!((value(disagreement(&[tensor([a, b, a, b])])) + 2.0 * 2f32.ln()).abs() < 1e-4);
        // Nothing is known where all are in one, or shares are even.
        assert!(value(disagreement(&[tensor([a, a, a, a])])).abs() < 1e-4);
        assert!((value(disagreement(&[tensor([[0.5, 0.5]; 4])])) + 2f32.ln()).abs() < 1e-4);
        // Several are a mean.
        let both = [tensor([a, b, a, b]), tensor([a, a, a, a])];
        assert!((value(disagreement(&both)) + 2f32.ln()).abs() < 1e-4);
    }

    #[test]
    fn gradients_are_finite_where_rows_vanish_and_shares_are_sure() {
        let seen = Var::from_tensor(&tensor([[0.0, 0.0], [0.0, 1e-20], [1.0, 0.0], [1e10, 1.0]])).unwrap();
        let shares = Var::from_tensor(&tensor([[1.0, 0.0]; 4])).unwrap();
        for (variable, loss) in [(&seen, contrast(&seen)), (&shares, disagreement(&[shares.as_tensor().clone()]))] {
            let gradients = loss.unwrap().backward().unwrap();
            let values = gradients.get(variable.as_tensor()).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(values.iter().all(|v| v.is_finite()), "{values:?}");
        }
    }
}
