//! Rules over the parameters of a small ResNet: the tables they give, and what is refused.
#![allow(clippy::unwrap_used)]

use trickbag_param_groups::{Group, Kind, Lars, Parameter, Rule, Settings, Training, resolve};

const DEFAULTS: Group = Group {
    weight_decay: 5e-4,
    lr_multiplier: 1.0,
    training: Training::Trainable,
    lars: Lars::Included,
};

/// ResNet-8 for CIFAR: a stem, three stages of one basic block, a head.
fn resnet8() -> Vec<Parameter> {
    let mut parameters = vec![Parameter::new("conv1.weight", Kind::ConvWeight, 0)];
    parameters.extend(norm("bn1", 0));
    for stage in 1..=3 {
        let block = format!("layer{stage}.0");
        for half in 1..=2 {
            let conv = format!("{block}.conv{half}.weight");
            parameters.push(Parameter::new(conv, Kind::ConvWeight, stage));
            parameters.extend(norm(&format!("{block}.bn{half}"), stage));
        }
        if stage > 1 {
            let conv = format!("{block}.downsample.0.weight");
            parameters.push(Parameter::new(conv, Kind::ConvWeight, stage));
            parameters.extend(norm(&format!("{block}.downsample.1"), stage));
        }
    }
    parameters.push(Parameter::new("fc.weight", Kind::LinearWeight, 4));
    parameters.push(Parameter::new("fc.bias", Kind::Bias, 4));
    parameters
}

fn norm(layer: &str, depth: usize) -> [Parameter; 2] {
    [
        Parameter::new(format!("{layer}.weight"), Kind::NormScale, depth),
        Parameter::new(format!("{layer}.bias"), Kind::NormShift, depth),
    ]
}

const NOT_WEIGHTS: [Kind; 3] = [Kind::Bias, Kind::NormScale, Kind::NormShift];

/// Each depth's rate is three quarters of the next one's.
fn layer_decay() -> impl Iterator<Item = Rule> {
    (0..=4).map(|depth| {
        let lr_multiplier = Some(0.75_f64.powi(4 - depth as i32));
        Rule::new(Settings { lr_multiplier, ..Settings::default() }).at_depths(depth..=depth)
    })
}

fn decay(weight_decay: f64) -> Settings {
    Settings { weight_decay: Some(weight_decay), ..Settings::default() }
}

#[test]
fn tables() {
    let lars = [Rule::no_decay(NOT_WEIGHTS), Rule::no_lars(NOT_WEIGHTS)];
    let layers = Vec::from_iter([Rule::no_decay(NOT_WEIGHTS)].into_iter().chain(layer_decay()));
    let fine_tuning = [Rule::frozen("{conv1,bn1}.*"), Rule::frozen("layer[12].*")];
    let cases: [(&str, &[Rule]); 5] = [
        ("no_rules", &[]),
        ("no_bias_decay", &[Rule::no_decay(NOT_WEIGHTS)]),
        ("lars", &lars),
        ("layer_decay_composes_with_no_decay", &layers),
        ("fine_tuning", &fine_tuning),
    ];
    for (name, rules) in cases {
        let table = resolve(rules, DEFAULTS, &resnet8()).unwrap();
        insta::assert_snapshot!(name, table.to_string());
    }
}

/// Runs `rules` and compares the names of the parameters that lost their decay.
fn check(rules: &[Rule], expected: &[&str]) {
    let table = resolve(rules, DEFAULTS, &resnet8()).unwrap();
    let spared = table.rows().iter().filter(|row| row.group.weight_decay == 0.0);
    let names: Vec<&str> = spared.map(|row| row.name.as_str()).collect();
    assert_eq!(names, expected, "{rules:?}");
}

#[test]
fn every_condition_must_hold() {
    let rule = || Rule::new(decay(0.0));
    check(&[rule().named("fc.bias")], &["fc.bias"]);
    check(&[rule().named("fc.*")], &["fc.weight", "fc.bias"]);
    check(&[rule().named("bn?.weight")], &["bn1.weight"]);
    check(&[rule().named("layer1*.bn?.bias")], &["layer1.0.bn1.bias", "layer1.0.bn2.bias"]);
    check(&[rule().named("*.downsample.0.*").at_depths(0..=2)], &["layer2.0.downsample.0.weight"]);
    check(&[rule().of_kinds([Kind::NormShift]).at_depths(0..=0)], &["bn1.bias"]);
    check(
        &[rule().of_kinds([Kind::ConvWeight]).named("layer*").at_depths(1..=1)],
        &["layer1.0.conv1.weight", "layer1.0.conv2.weight"],
    );
}

#[test]
fn the_first_match_wins() {
    let bias = || Rule::new(decay(0.0)).named("fc.bias");
    let head = || Rule::new(decay(0.1)).named("fc.*");
    check(&[bias(), head()], &["fc.bias"]);
    check(&[head(), bias()], &[]);
}

#[test]
fn groups_hold_every_parameter_once() {
    let parameters = resnet8();
    let table = resolve(&[Rule::no_decay(NOT_WEIGHTS)], DEFAULTS, &parameters).unwrap();
    let groups = table.groups();
    assert_eq!(groups.len(), 2);
    let mut grouped: Vec<&str> = groups.iter().flat_map(|(_, names)| names.clone()).collect();
    let mut names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    grouped.sort_unstable();
    names.sort_unstable();
    assert_eq!(grouped, names);
    for (group, names) in groups {
        assert!(names.iter().all(|name| table.get(name) == Some(&group)));
    }
    assert_eq!(table.get("fc"), None);
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    let lr_multiplier = Some(f64::NAN);
    let refused = [
        Rule::new(decay(0.0)).named("layr1.*"),
        Rule::new(decay(0.0)).named("conv1"),
        Rule::new(decay(0.0)).of_kinds([Kind::Bias]).named("conv1.*"),
        Rule::new(decay(0.0)).at_depths(5..=9),
        Rule::new(decay(0.0)).named("layer[1.*"),
        Rule::new(decay(-1e-4)),
        Rule::new(Settings { lr_multiplier, ..decay(0.0) }).named("fc.*"),
    ];
    let mut messages: Vec<String> = refused
        .into_iter()
        .map(|rule| refusal(&[Rule::no_decay(NOT_WEIGHTS), rule], DEFAULTS, &resnet8()))
        .collect();
    messages.push(refusal(&[Rule::new(decay(0.0))], DEFAULTS, &[]));
    messages.push(refusal(&[], Group::with_decay(f64::INFINITY), &resnet8()));
    insta::assert_snapshot!(messages.join("\n"));
}

fn refusal(rules: &[Rule], defaults: Group, parameters: &[Parameter]) -> String {
    resolve(rules, defaults, parameters).unwrap_err().to_string()
}

#[test]
fn rules_are_read_as_they_are_written() {
    let rule: Rule = ron::from_str(
        "(kinds: [NormScale], name: Some(\"layer1.*\"), depth: Some((min: 1, max: 3)), \
         then: (weight_decay: Some(0.0)))",
    )
    .unwrap();
    let same = Rule::no_decay([Kind::NormScale]).named("layer1.*").at_depths(1..=3);
    assert_eq!(rule, same);
    assert_eq!(ron::from_str::<Rule>(&ron::to_string(&rule).unwrap()).unwrap(), rule);

    for typo in ["(kind: [Bias], then: ())", "(then: (decay: Some(0.0)))", "(kinds: [Bias])"] {
        assert!(ron::from_str::<Rule>(typo).is_err(), "{typo} was read");
    }
}
