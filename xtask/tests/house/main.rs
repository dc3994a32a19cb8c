//! The house stands: what ARCHITECTURE.md says about the workspace is true of the workspace.
#![allow(clippy::unwrap_used, clippy::panic)]

mod plan;
mod rules;
mod samples;
mod survey;

use plan::House;
use rules::RULES;

#[test]
fn every_rule_holds() {
    let house = survey::workspace();
    let found: Vec<_> = RULES.iter().flat_map(|rule| complaints(rule, &house)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_rule_can_break() {
    let sound: Vec<_> = RULES.iter().flat_map(|rule| complaints(rule, &samples::sound())).collect();
    assert_eq!(sound, [""; 0]);
    for sample in samples::BROKEN {
        let mut house = samples::sound();
        (sample.damage)(&mut house);
        let found: Vec<_> = RULES.iter().flat_map(|rule| complaints(rule, &house)).collect();
        assert_eq!(found, [format!("{}: {}", sample.rule, sample.complaint)]);
    }
    let broken: Vec<_> = samples::BROKEN.iter().map(|sample| sample.rule).collect();
    for rule in RULES {
        assert!(broken.contains(&rule.name), "no sample breaks the rule: {}", rule.name);
    }
}

fn complaints(rule: &rules::Rule, house: &House) -> Vec<String> {
    (rule.broken)(house).iter().map(|complaint| format!("{}: {complaint}", rule.name)).collect()
}
