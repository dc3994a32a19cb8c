//! Plain gradient descent on a line `y = a*x + b`, without any tensor library, where weight decay
//! shrinks the slope but, by a rule, not the bias.
#![allow(clippy::print_stdout)]

use trickbag_param_groups::{Error, Group, Kind, Parameter, Rule, Table, resolve};

const POINTS: [(f64, f64); 4] = [(-2.0, 1.0), (-1.0, 3.0), (1.0, 7.0), (2.0, 9.0)];

fn main() -> Result<(), Error> {
    let decayed = table(&[])?;
    let spared = table(&[Rule::no_decay([Kind::Bias])])?;
    println!("{spared}");
    println!("the points lie on a line of  slope 2.000, bias 5.000");
    for (label, table) in [("decay on both", decayed), ("no decay on bias", spared)] {
        let [slope, bias] = fit(&table);
        println!("{label:27}  slope {slope:.3}, bias {bias:.3}");
    }
    Ok(())
}

fn table(rules: &[Rule]) -> Result<Table, Error> {
    let parameters = [
        Parameter::new("line.weight", Kind::LinearWeight, 0),
        Parameter::new("line.bias", Kind::Bias, 0),
    ];
    resolve(rules, Group::with_decay(0.1), &parameters)
}

/// The slope and bias after 1,000 steps of gradient descent with coupled decay.
fn fit(table: &Table) -> [f64; 2] {
    let mut parameters = [0.0, 0.0];
    for _ in 0..1000 {
        let gradients = gradients(parameters);
        for ((value, gradient), row) in parameters.iter_mut().zip(gradients).zip(table.rows()) {
            let rate = 0.1 * row.group.lr_multiplier;
            *value -= rate * (gradient + row.group.weight_decay * *value);
        }
    }
    parameters
}

/// Of half the mean squared error.
fn gradients([slope, bias]: [f64; 2]) -> [f64; 2] {
    let mut gradients = [0.0, 0.0];
    for (x, y) in POINTS {
        let error = slope * x + bias - y;
        gradients[0] += error * x / POINTS.len() as f64;
        gradients[1] += error / POINTS.len() as f64;
    }
    gradients
}

#[test]
fn only_the_rule_spares_the_bias() {
    let [_, decayed] = fit(&table(&[]).unwrap());
    let [slope, spared] = fit(&table(&[Rule::no_decay([Kind::Bias])]).unwrap());
    assert!((decayed - 5.0 / 1.1).abs() < 1e-9, "{decayed}");
    assert!((spared - 5.0).abs() < 1e-9, "{spared}");
    assert!((slope - 2.0 * 2.5 / 2.6).abs() < 1e-9, "{slope}");
}
