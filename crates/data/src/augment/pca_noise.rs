//! PCA noise: light of a random colour along the axes in which ImageNet's pixels vary.

use crate::Change;
use rand::Rng;
use rand_distr::StandardNormal;

/// Principal components of ImageNet's RGB values, one column each, and their standard deviations in
/// grey levels, as Krizhevsky's cuda-convnet, fb.resnet.torch and MXNet have them.
const AXES: [[f64; 3]; 3] =
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]];
const DEVIATIONS: [f64; 3] = [55.46, 4.794, 1.148];

pub(super) fn draw(deviation: f64, rng: &mut impl Rng) -> Change {
    Change::Light(light([(); 3].map(|()| deviation * rng.sample::<f64, _>(StandardNormal))))
}

/// What each channel gains, in grey levels.
fn light(strengths: [f64; 3]) -> [f64; 3] {
    let along = |axis: [f64; 3]| (0..3).map(|k| axis[k] * strengths[k] * DEVIATIONS[k]).sum();
    AXES.map(along)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_is_the_product_of_axes_deviations_and_strengths() {
        // Expected values from numpy 2.4: `AXES @ (strengths * DEVIATIONS)`.
        let cases = [
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
            ([0.1, 0.0, 0.0], [-3.147355, -3.2211168, -3.2366456]),
            ([0.05, -0.2, 0.3], [-2.1251765, -1.8865854, -0.80739724]),
        ];
        for (strengths, expected) in cases {
            for (found, expected) in light(strengths).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-7, "{strengths:?}: {found}");
            }
        }
    }
}
