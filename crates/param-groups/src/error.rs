//! What can be wrong with rules.

use std::collections::BTreeSet;

use crate::parameter::{Kind, Parameter};
use crate::rule::Rule;

/// Why rules were refused, and what to do about it. Rules are numbered from 1.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rule matches nothing: most likely a slip, which would otherwise stay unseen.
    #[error(
        "rule {number} ({rule}) matches no parameter; {present}; correct the rule or remove it"
    )]
    NoMatch {
        /// The rule's place in the list.
        number: usize,
        /// Its conditions.
        rule: String,
        /// What the model has in their place.
        present: String,
    },
    /// A rule sets a number that is negative or not finite.
    #[error(
        "rule {number} ({rule}) sets {property} to {value}; give a finite number that is not \
         negative"
    )]
    Value {
        /// The rule's place in the list.
        number: usize,
        /// Its conditions.
        rule: String,
        /// The property.
        property: &'static str,
        /// What was found.
        value: f64,
    },
    /// A default is negative or not finite.
    #[error("the default {property} is {value}; give a finite number that is not negative")]
    Default {
        /// The property.
        property: &'static str,
        /// What was found.
        value: f64,
    },
    /// A name is no glob.
    #[error(
        "rule {number}: the name `{pattern}` is no glob: {reason}; write a parameter's name, with \
         `*` for any characters, `?` for one, [ab] for one of some, {{a,b}} for either"
    )]
    Glob {
        /// The rule's place in the list.
        number: usize,
        /// What was found.
        pattern: String,
        /// Where it fails.
        reason: String,
    },
}

impl Error {
    pub(crate) fn no_match(number: usize, rule: &Rule, parameters: &[Parameter]) -> Self {
        Self::NoMatch { number, rule: rule.to_string(), present: present(rule, parameters) }
    }
}

/// What `parameters` have to offer for each condition of `rule`.
fn present(rule: &Rule, parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return "the model has no parameters".into();
    }
    let mut present = vec![];
    if !rule.kinds.is_empty() {
        let kinds: BTreeSet<Kind> = parameters.iter().map(|parameter| parameter.kind).collect();
        present.push(format!("the kinds present are {:?}", Vec::from_iter(kinds)));
    }
    if let Some(pattern) = &rule.name {
        present.push(format!("the nearest names are {}", nearest(pattern, parameters).join(", ")));
    }
    if rule.depth.is_some() {
        let deepest = parameters.iter().map(|parameter| parameter.depth).max();
        present.push(format!("the deepest parameter is at {}", deepest.unwrap_or(0)));
    }
    present.join(", ")
}

fn nearest<'a>(pattern: &str, parameters: &'a [Parameter]) -> Vec<&'a str> {
    const SHOWN: usize = 3;
    let stem = pattern.replace('*', "");
    let likeness = |name: &str| strsim::jaro_winkler(&stem, name);
    let mut names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    names.truncate(SHOWN);
    names
}
