//! Rules that a recipe silences.

use serde::{Deserialize, Serialize};

use super::case::{Case, Hit};
use super::{LooksAt, RULES, Rule, Severity};
use crate::nearest::quoted;
use crate::problem::{Fault, Problem};

/// A rule that a recipe silences, and why: `(rule: "TB501", reason: "...")`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The rule's code.
    pub rule: String,
    /// Why it does not apply here; not empty.
    pub reason: String,
}

const CODES: &[&str] = &{
    let mut codes = [""; RULES.len()];
    let mut i = 0;
    while i < codes.len() {
        codes[i] = RULES[i].code;
        i += 1;
    }
    codes
};

/// Refuses what silences no rule there is, and what gives no reason.
pub(crate) fn check(allowed: &[Allow]) -> Result<(), Fault> {
    for (i, Allow { rule, reason }) in allowed.iter().enumerate() {
        if !CODES.contains(&rule.as_str()) {
            let (noun, found) = ("rule".to_owned(), rule.clone());
            let problem = Problem::UnknownName { noun, found, legal: CODES };
            return Err(problem.at(format!("allow[{i}].rule")));
        }
        if reason.trim().is_empty() {
            let problem =
                Problem::impossible("reason", "empty", "why the rule does not apply here");
            return Err(problem.at(format!("allow[{i}].reason")));
        }
    }
    Ok(())
}

pub(super) const NEEDLESS: Rule = Rule {
    code: "TB001",
    name: "needless-allow",
    severity: Severity::Note,
    looks_at: LooksAt::Recipe,
    finds: "an entry of `allow` whose rule finds nothing",
    why: "it would hide the mistake if it came back",
    source: "as `unfulfilled_lint_expectations` of rustc",
    fix: "remove the entry",
    check: needless,
};

fn needless(case: &Case<'_>) -> Option<Hit> {
    let silent =
        |allow: &&Allow| RULES.iter().any(|rule| rule.code == allow.rule && rule.is_silent(case));
    let codes: Vec<_> = case.recipe.allow.iter().filter(silent).map(|allow| &allow.rule).collect();
    let message = format!("`allow` silences {}, which finds nothing", quoted(&codes));
    (!codes.is_empty()).then(|| Hit::new("allow", message))
}

impl Rule {
    /// Whether the rule could look, and found nothing. Another machine may say otherwise, so rules
    /// that look at the machine are not asked, and neither is [`NEEDLESS`] itself.
    fn is_silent(&self, case: &Case<'_>) -> bool {
        let could_look = match self.looks_at {
            LooksAt::Recipe => self.code != NEEDLESS.code,
            LooksAt::Images => case.evidence.samples.is_some(),
            LooksAt::Machine => false,
        };
        could_look && (self.check)(case).is_none()
    }
}
