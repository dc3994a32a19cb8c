//! The resolved table: the settings of every parameter, and the groups that they form.

use std::fmt;

use crate::error::Error;
use crate::group::{Group, Settings};
use crate::parameter::Parameter;
use crate::rule::{Matcher, Rule};

/// Gives every parameter its settings.
///
/// The first match wins, property by property: each property comes from the first rule that matches
/// the parameter and sets it, and from `defaults` where none does.
///
/// ```
/// use trickbag_param_groups::{Group, Kind, Parameter, Rule, Settings, resolve};
///
/// let parameters = [
///     Parameter::new("conv1.weight", Kind::ConvWeight, 0),
///     Parameter::new("conv1.bias", Kind::Bias, 0),
///     Parameter::new("fc.bias", Kind::Bias, 1),
/// ];
/// let slow = Settings { lr_multiplier: Some(0.1), ..Settings::default() };
/// let rules = [Rule::no_decay([Kind::Bias]), Rule::new(slow).at_depths(0..=0)];
/// let table = resolve(&rules, Group::with_decay(5e-4), &parameters)?;
///
/// let both = table.get("conv1.bias").unwrap();
/// assert_eq!((both.weight_decay, both.lr_multiplier), (0.0, 0.1));
/// # Ok::<(), trickbag_param_groups::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NoMatch`] for a rule that matches no parameter (one whose every match was decided by
/// earlier rules is fine), [`Error::Glob`] for a name that is no glob, [`Error::Value`] and
/// [`Error::Default`] for a decay or multiplier that is negative or not finite.
pub fn resolve(rules: &[Rule], defaults: Group, parameters: &[Parameter]) -> Result<Table, Error> {
    if let Some((property, value)) = defaults.illegal() {
        return Err(Error::Default { property, value });
    }
    let mut settings = vec![Settings::default(); parameters.len()];
    for (number, rule) in (1..).zip(rules) {
        let matcher = Matcher::new(number, rule, defaults)?;
        let matched: Vec<usize> =
            (0..parameters.len()).filter(|&index| matcher.matches(&parameters[index])).collect();
        if matched.is_empty() {
            return Err(Error::no_match(number, rule, parameters));
        }
        for index in matched {
            settings[index] = settings[index].or(rule.then);
        }
    }
    let row = |(parameter, settings): (&Parameter, Settings)| Row {
        name: parameter.name.clone(),
        group: settings.complete(defaults),
    };
    Ok(Table { rows: parameters.iter().zip(settings).map(row).collect() })
}

/// The settings of every parameter, in the model's order.
///
/// It prints as one line for each distinct group, in order of first appearance, followed by the
/// names of its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: Vec<Row>,
}

/// One parameter's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The parameter's name.
    pub name: String,
    /// How the optimiser treats it.
    pub group: Group,
}

impl Table {
    /// Every parameter's settings, in the order of the parameters that were resolved.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The settings of the parameter called `name`.
    pub fn get(&self, name: &str) -> Option<&Group> {
        self.rows.iter().find(|row| row.name == name).map(|row| &row.group)
    }

    /// The distinct groups in order of first appearance, each with its parameters' names in order.
    pub fn groups(&self) -> Vec<(Group, Vec<&str>)> {
        let mut groups: Vec<(Group, Vec<&str>)> = vec![];
        for row in &self.rows {
            match groups.iter_mut().find(|(group, _)| *group == row.group) {
                Some((_, names)) => names.push(&row.name),
                None => groups.push((row.group, vec![&row.name])),
            }
        }
        groups
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.groups();
        let header = ["weight_decay", "lr_multiplier", "training", "lars"].map(String::from);
        let lines: Vec<[String; 4]> = groups.iter().map(|(group, _)| cells(group)).collect();
        let widths = [0, 1, 2, 3].map(|column| {
            lines.iter().chain([&header]).map(|line| line[column].len()).max().unwrap_or(0)
        });
        writeln!(f, "{}parameters", padded(&header, &widths))?;
        for (line, (_, names)) in lines.iter().zip(&groups) {
            writeln!(f, "{}{}", padded(line, &widths), names.len())?;
            write_wrapped(f, names)?;
        }
        Ok(())
    }
}

fn cells(group: &Group) -> [String; 4] {
    [
        group.weight_decay.to_string(),
        group.lr_multiplier.to_string(),
        format!("{:?}", group.training),
        format!("{:?}", group.lars),
    ]
}

fn padded(line: &[String; 4], widths: &[usize; 4]) -> String {
    line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect()
}

/// Writes `names`, indented, in lines of at most 100 columns where the names allow it.
fn write_wrapped(f: &mut fmt::Formatter<'_>, names: &[&str]) -> fmt::Result {
    const INDENT: &str = "    ";
    const COLUMNS: usize = 100;
    let mut line = String::from(INDENT);
    for (index, name) in names.iter().enumerate() {
        let separator = if index + 1 < names.len() { "," } else { "" };
        let begun = line.len() > INDENT.len();
        if begun && line.len() + 1 + name.len() + separator.len() > COLUMNS {
            writeln!(f, "{line}")?;
            line.truncate(INDENT.len());
        } else if begun {
            line.push(' ');
        }
        line += name;
        line += separator;
    }
    writeln!(f, "{line}")
}
