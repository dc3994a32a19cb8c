//! How a learning rate follows the batch size.

use crate::error::Error;

/// The learning rate for a batch of `batch` images, given one that suits `base_batch` images:
/// `base_lr * batch / base_batch` (Goyal et al., arXiv 1706.02677; Bag of Tricks, arXiv 1812.01187,
/// section 3.1).
///
/// Convention: `batch` is the global batch, images per worker times workers times accumulated
/// micro-batches. (timm scales adaptive optimisers by the square root: [`sqrt_scaling`].)
///
/// ```
/// use trickbag_schedules::linear_scaling;
///
/// assert_eq!(linear_scaling(0.1, 1024, 256)?, 0.4);
/// # Ok::<(), trickbag_schedules::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::BaseLr`] when `base_lr` is negative or not finite, [`Error::BaseBatch`] when
/// `base_batch` is 0.
pub fn linear_scaling(base_lr: f64, batch: u64, base_batch: u64) -> Result<f64, Error> {
    Ok(base_lr * ratio(base_lr, batch, base_batch)?)
}

/// The same with the square root of the ratio, for optimisers that divide by the size of the
/// gradients: `base_lr * sqrt(batch / base_batch)` (Krizhevsky 2014, arXiv 1404.5997;
/// timm's rule for its adaptive optimisers).
///
/// ```
/// use trickbag_schedules::sqrt_scaling;
///
/// assert_eq!(sqrt_scaling(0.001, 1024, 256)?, 0.002);
/// # Ok::<(), trickbag_schedules::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`linear_scaling`].
pub fn sqrt_scaling(base_lr: f64, batch: u64, base_batch: u64) -> Result<f64, Error> {
    Ok(base_lr * ratio(base_lr, batch, base_batch)?.sqrt())
}

fn ratio(base_lr: f64, batch: u64, base_batch: u64) -> Result<f64, Error> {
    if !base_lr.is_finite() || base_lr < 0.0 {
        return Err(Error::BaseLr { base_lr });
    }
    if base_batch == 0 {
        return Err(Error::BaseBatch);
    }
    Ok(batch as f64 / base_batch as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_batch() {
        let cases = [
            ((0.1, 256, 256), Ok(0.1)),
            ((0.1, 1024, 256), Ok(0.4)),
            ((0.1, 128, 256), Ok(0.05)),
            ((0.0, 128, 256), Ok(0.0)),
            ((-0.1, 128, 256), Err(Error::BaseLr { base_lr: -0.1 })),
            ((f64::INFINITY, 128, 256), Err(Error::BaseLr { base_lr: f64::INFINITY })),
            ((0.1, 128, 0), Err(Error::BaseBatch)),
        ];
        for ((base_lr, batch, base_batch), expected) in cases {
            assert_eq!(linear_scaling(base_lr, batch, base_batch), expected);
        }
    }

    #[test]
    fn adaptive_rates_follow_its_square_root() {
        let cases = [
            ((0.1, 256, 256), Ok(0.1)),
            ((0.1, 1024, 256), Ok(0.2)),
            ((0.1, 64, 256), Ok(0.05)),
            ((0.1, 64, 0), Err(Error::BaseBatch)),
        ];
        for ((base_lr, batch, base_batch), expected) in cases {
            assert_eq!(sqrt_scaling(base_lr, batch, base_batch), expected);
        }
    }
}
