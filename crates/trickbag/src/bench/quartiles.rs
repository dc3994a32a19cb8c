//! The middle of a sample and its spread.

use serde::Serialize;

/// The values that a quarter, half and three quarters of a sample lie below.
///
/// Between two samples they are interpolated linearly, as in numpy and R (type 7 of Hyndman and
/// Fan 1996).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    /// Of one sample or more, in any order.
    pub(crate) fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [lower, median, upper] = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
        Self { lower, median, upper }
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_numpy() {
        let check = |samples: &[f64], lower, median, upper| {
            assert_eq!(Quartiles::of(samples), Quartiles { lower, median, upper }, "{samples:?}");
        };
        check(&[7.0], 7.0, 7.0, 7.0);
        check(&[3.0, 1.0], 1.5, 2.0, 2.5);
        check(&[5.0, 1.0, 3.0], 2.0, 3.0, 4.0);
        check(&[1.0, 2.0, 3.0, 4.0], 1.75, 2.5, 3.25);
        check(&[9.0, 1.0, 1.0, 1.0, 1.0], 1.0, 1.0, 1.0);
        check(&[4.0, 8.0, 0.0, 2.0, 6.0], 2.0, 4.0, 6.0);
    }
}
