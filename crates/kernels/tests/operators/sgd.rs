//! The update of stochastic gradient descent against its formulas in f64, on every instruction set.

use crate::oracle::{assert_close, numbers, widen};
use trickbag_kernels::{Error, Isa, Momentum, SgdStep, sgd};

#[derive(Debug, Clone, Copy)]
enum Velocity {
    Absent,
    Present(Momentum),
}

fn check(len: usize, velocity: Velocity, weight_decay: f32) {
    let [before, gradient, velocity_before]: [Vec<f32>; 3] =
        [1, 2, 3].map(|seed| numbers(seed, len));
    let kind = match velocity {
        Velocity::Absent => Momentum::Classical,
        Velocity::Present(kind) => kind,
    };
    let step = SgdStep { lr: 0.3, momentum: 0.9, kind, weight_decay };
    let [lr, momentum, decay] = [step.lr, step.momentum, step.weight_decay].map(f64::from);
    let (mut p, mut v) = (widen(&before), widen(&velocity_before));
    for (i, g) in widen(&gradient).into_iter().enumerate() {
        let g = g + decay * p[i];
        if let Velocity::Present(_) = velocity {
            v[i] = momentum * v[i] + g;
        }
        p[i] -= lr
            * match velocity {
                Velocity::Absent => g,
                Velocity::Present(Momentum::Classical) => v[i],
                Velocity::Present(Momentum::Nesterov) => g + momentum * v[i],
            };
    }
    for isa in Isa::available() {
        let (mut p_found, mut v_found) = (before.clone(), velocity_before.clone());
        let to = matches!(velocity, Velocity::Present(_)).then_some(&mut v_found[..]);
        isa.scope(|| sgd(&mut p_found, &gradient, to, step)).unwrap().unwrap();
        let what = |name| format!("{name} of {len} with {velocity:?}, {weight_decay} on {isa:?}");
        assert_close(&what("parameter"), &p_found, &p, 1e-6);
        assert_close(&what("velocity"), &v_found, &v, 1e-6);
    }
}

#[test]
fn matches_the_formulas() {
    for len in [0, 1, 16, 37, 40_000] {
        for velocity in [
            Velocity::Absent,
            Velocity::Present(Momentum::Classical),
            Velocity::Present(Momentum::Nesterov),
        ] {
            check(len, velocity, 0.0);
            check(len, velocity, 0.1);
        }
    }
}

#[test]
fn refuses_slices_of_different_lengths() {
    let step = SgdStep { lr: 0.1, momentum: 0.9, kind: Momentum::Nesterov, weight_decay: 0.0 };
    let wrong =
        |operand, found| Err(Error::Length { operator: "sgd", operand, found, expected: 3 });
    assert_eq!(sgd(&mut [0.0; 3], &[0.0; 2], None, step), wrong("gradient", 2));
    let velocity = Some(&mut [0.0; 4][..]);
    assert_eq!(sgd(&mut [0.0; 3], &[0.0; 3], velocity, step), wrong("velocity", 4));
}
