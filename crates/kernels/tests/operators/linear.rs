//! The fully connected layer against plain loops in f64, in every type and on every
//! instruction set.

use crate::oracle::{Number, assert_close, numbers, widen};
use trickbag_kernels::{Error, Isa, Linear, Write, bf16, f16};

fn check<E: Number>(batch: usize, inputs: usize, outputs: usize) {
    let layer = Linear::new(batch, inputs, outputs).unwrap();
    let [x, dy]: [Vec<E>; 2] = [numbers(1, batch * inputs), numbers(2, batch * outputs)];
    let [weight, bias]: [Vec<E>; 2] = [numbers(3, inputs * outputs), numbers(4, outputs)];
    let [x64, dy64, weight64] = [&x, &dy, &weight].map(|narrow| widen(narrow));
    let mut y: Vec<f64> = (0..batch).flat_map(|_| widen(&bias)).collect();
    let [mut dx, mut dweight, mut dbias] = [&x, &weight, &bias].map(|like| vec![0.5; like.len()]);
    for b in 0..batch {
        for o in 0..outputs {
            dbias[o] += dy64[b * outputs + o];
            for i in 0..inputs {
                y[b * outputs + o] += x64[b * inputs + i] * weight64[i * outputs + o];
                dx[b * inputs + i] += dy64[b * outputs + o] * weight64[i * outputs + o];
                dweight[i * outputs + o] += dy64[b * outputs + o] * x64[b * inputs + i];
            }
        }
    }
    for isa in Isa::available() {
        let mut found = [(&y, f32::NAN), (&dx, 0.5), (&dweight, 0.5), (&dbias, 0.5)]
            .map(|(like, before)| vec![E::from_f32(before); like.len()]);
        let [y_found, dx_found, dweight_found, dbias_found] = &mut found;
        let run = || {
            layer.forward(&x, &weight, &bias, y_found)?;
            layer.backward_input(&dy, &weight, Write::Add, dx_found)?;
            layer.backward_weight(&x, &dy, dweight_found, dbias_found)
        };
        isa.scope(run).unwrap().unwrap();
        for (found, expected) in found.iter().zip([&y, &dx, &dweight, &dbias]) {
            let what = format!("{batch} x {inputs} -> {outputs} in {} on {isa:?}", E::NAME);
            assert_close(&what, found, expected, 3e-5);
        }
    }
}

#[test]
fn matches_plain_loops() {
    for (batch, inputs, outputs) in
        [(1, 1, 1), (5, 64, 10), (128, 64, 10), (33, 70, 17), (3, 512, 100)]
    {
        check::<f32>(batch, inputs, outputs);
        check::<bf16>(batch, inputs, outputs);
        check::<f16>(batch, inputs, outputs);
    }
}

#[test]
fn refuses_slices_that_do_not_fit() {
    assert_eq!(Linear::new(2, 0, 4), Err(Error::Zero { dimension: "the number of channels" }));
    let layer = Linear::new(2, 3, 4).unwrap();
    let wrong = |operator, operand, found, expected| {
        Err(Error::Length { operator, operand, found, expected })
    };
    assert_eq!(
        layer.forward(&[0.0; 6], &[0.0; 12], &[0.0; 3], &mut [0.0; 8]),
        wrong("Linear::forward", "bias", 3, 4)
    );
    assert_eq!(
        layer.forward(&[0.0; 6], &[0.0; 11], &[0.0; 4], &mut [0.0; 8]),
        wrong("Linear::forward", "weight", 11, 12)
    );
    assert_eq!(
        layer.backward_weight(&[0.0; 6], &[0.0; 8], &mut [0.0; 12], &mut [0.0; 5]),
        wrong("Linear::backward_weight", "dbias", 5, 4)
    );
}
