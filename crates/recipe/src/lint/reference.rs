//! The rules as a page of Markdown.

use super::{LooksAt, RULES, Rule};

const INTRODUCTION: &str = "# Lint rules

`cargo xtask lint RECIPE` warns of known mistakes; `--deny warnings` makes a warning an error, for CI. What can never be
trained is refused before, by `run`, `explain` and `lint` alike. This page is what `cargo xtask lint --rules` prints.

A recipe silences a rule with a reason, which changes neither its hash nor its training:

```ron
allow: [(rule: \"TB607\", reason: \"all the photographs there are\")],
```

Rules that look at the images read a sample of them, and find nothing where the data is not there.

";

/// All rules as a page of Markdown: `docs/lint.md`.
pub fn reference() -> String {
    let rows = RULES.iter().map(|Rule { code, severity, finds, .. }| {
        format!("| [{code}](#{}) | {severity} | {finds} |\n", code.to_lowercase())
    });
    let table = format!("| code | severity | finds |\n|---|---|---|\n{}", rows.collect::<String>());
    let sections = RULES.iter().map(section).collect::<String>();
    format!("{INTRODUCTION}{table}{sections}")
}

fn section(rule: &Rule) -> String {
    let Rule { code, name, severity, finds, why, source, fix, looks_at, .. } = rule;
    let looks_at = match looks_at {
        LooksAt::Recipe => "the recipe",
        LooksAt::Images => "the recipe and its images",
        LooksAt::Machine => "the recipe, its images and the machine",
    };
    format!(
        "\n## {code}\n\n`{name}`, {severity}: {finds}.\n\n- why: {why}\n- source: {source}\n\
         - fix: {fix}\n- looks at: {looks_at}\n"
    )
}
