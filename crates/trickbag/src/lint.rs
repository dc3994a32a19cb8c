//! `trickbag lint`: looks at a recipe, its plan, its images and their disk, and reports known
//! mistakes.

pub(crate) mod storage;

use std::process::ExitCode;

use serde_json::{Value, json};
use trickbag_data::Source;
use trickbag_recipe::lint::{Evidence, Finding, Samples, Severity, lint as look, reference};
use trickbag_recipe::{Document, Place, Plan};

use crate::command::{Deny, Lint};
use crate::failure::{Failure, Input};
use crate::output::{print, say};

/// What ends with this code was denied.
const DENIED: u8 = 1;

pub(crate) fn lint(options: &Lint) -> Result<ExitCode, Failure> {
    let Some(file) = &options.recipe else {
        print(reference().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    };
    let document = file.read()?;
    let facts = document.facts().input()?;
    let plan = Plan::new(&document, &facts).input()?;
    let findings = look(&document, &plan, &evidence(&document, &plan)?);
    match options.json {
        true => print(format_args!("{:#}", Value::from_iter(findings.iter().map(as_json))))?,
        false => print_all(&findings, &document)?,
    }
    let warned = findings.iter().any(|finding| finding.rule.severity == Severity::Warning);
    match (options.deny, warned) {
        (Some(Deny::Warnings), true) => Ok(ExitCode::from(DENIED)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn evidence(document: &Document, plan: &Plan) -> Result<Evidence, Failure> {
    if let Source::ImageFolder(folder) = &document.recipe().data {
        if !folder.path.exists() {
            let path = folder.path.display();
            say(format_args!(
                "note: {path} is not there, so rules that look at images find nothing"
            ));
            return Ok(Evidence::default());
        }
        let samples = samples(document, plan)?;
        return Ok(Evidence { samples: Some(samples), storage: storage::look(&folder.path) });
    }
    // All other sources are read into memory at once.
    Ok(Evidence { samples: Some(samples(document, plan)?), storage: None })
}

/// Of the images that are trained on.
fn samples(document: &Document, plan: &Plan) -> Result<Samples, Failure> {
    let all = document.open_data().input()?;
    let used = match &plan.subset {
        Some(subset) => all.subset(subset).input()?,
        None => all,
    };
    Samples::look(&used).input()
}

fn print_all(findings: &[Finding], document: &Document) -> anyhow::Result<()> {
    for finding in findings {
        print(format_args!("{finding}\n"))?;
    }
    let name = &document.recipe().name;
    match findings.len() {
        0 => print(format_args!("{name}: nothing found")),
        _ => print(format_args!("{name}: {}", summary(findings))),
    }
}

/// `2 warnings, 1 note`.
fn summary(findings: &[Finding]) -> String {
    let counted = [Severity::Warning, Severity::Note].map(|severity| {
        let count = findings.iter().filter(|finding| finding.rule.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count, format!("{count} {severity}{plural}"))
    });
    let there = counted.into_iter().filter(|(count, _)| *count > 0);
    there.map(|(_, text)| text).collect::<Vec<_>>().join(", ")
}

fn as_json(finding: &Finding) -> Value {
    let rule = finding.rule;
    json!({
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity.to_string(),
        "message": finding.message,
        "why": rule.why,
        "source": rule.source,
        "fix": rule.fix,
        "place": place(&finding.place),
    })
}

fn place(place: &Place) -> Value {
    match place {
        Place::File(file) => json!({ "file": file }),
        Place::Line(line) => {
            json!({ "file": line.origin, "line": line.number, "column": line.column })
        }
        Place::Override(assignment) => json!({ "set": assignment }),
    }
}
