//! Rules: which parameters they match, and what they set.

use std::fmt;
use std::ops::RangeInclusive;

use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::group::{Group, Lars, Settings, Training};
use crate::parameter::{Kind, Parameter};

/// Settings for the parameters that meet every condition; a rule without conditions matches all.
///
/// ```
/// use trickbag_param_groups::{Kind, Rule, Settings};
///
/// let slow = Settings { lr_multiplier: Some(0.1), ..Settings::default() };
/// let rule = Rule::new(slow).named("layer?.*").of_kinds([Kind::ConvWeight]).at_depths(0..=3);
/// assert_eq!(rule.to_string(), "kinds [ConvWeight], name `layer?.*`, depths 0 to 3");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Any of these kinds; empty means every kind.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// A case-sensitive glob over the whole dotted name: `*` stands for any characters, dots
    /// included, `?` for one, `[ab]` for one of some, `{a,b}` for either; a dot is a dot. So
    /// `layer1.*` is all of the first stage, and `*.bn?.weight` the `bn1.weight`, `bn2.weight`, ...
    /// of every block.
    #[serde(default)]
    pub name: Option<String>,
    /// A range of depths, both ends included.
    #[serde(default)]
    pub depth: Option<Depths>,
    /// What the parameters get.
    pub then: Settings,
}

/// A range of depths, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depths {
    /// The shallowest.
    pub min: usize,
    /// The deepest.
    pub max: usize,
}

impl Rule {
    /// `then` for every parameter; narrow it down with the methods below.
    pub fn new(then: Settings) -> Self {
        Self { kinds: vec![], name: None, depth: None, then }
    }

    /// No weight decay on parameters of `kinds` (Bag of Tricks, arXiv 1812.01187, section 3.1:
    /// [`Kind::Bias`], [`Kind::NormScale`] and [`Kind::NormShift`]).
    ///
    /// Convention: the set is chosen by kind, never by name. Rules of thumb by shape (timm: at most
    /// one dimension) or by name (FFCV: contains `bn`) catch too much or miss some.
    pub fn no_decay(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self::new(Settings { weight_decay: Some(0.0), ..Settings::default() }).of_kinds(kinds)
    }

    /// No LARS ratio on parameters of `kinds`; see [`Lars`].
    pub fn no_lars(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self::new(Settings { lars: Some(Lars::Excluded), ..Settings::default() }).of_kinds(kinds)
    }

    /// Freezes the parameters whose name matches the glob.
    pub fn frozen(name: impl Into<String>) -> Self {
        Self::new(Settings { training: Some(Training::Frozen), ..Settings::default() }).named(name)
    }

    /// Only parameters of these kinds; none given means every kind.
    pub fn of_kinds(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { kinds: kinds.into_iter().collect(), ..self }
    }

    /// Only parameters whose name matches the glob; see [`Rule::name`].
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Only parameters at these depths.
    pub fn at_depths(self, depths: RangeInclusive<usize>) -> Self {
        let (min, max) = depths.into_inner();
        Self { depth: Some(Depths { min, max }), ..self }
    }
}

/// The rule's conditions.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut conditions = vec![];
        if !self.kinds.is_empty() {
            conditions.push(format!("kinds {:?}", self.kinds));
        }
        if let Some(name) = &self.name {
            conditions.push(format!("name `{name}`"));
        }
        if let Some(Depths { min, max }) = self.depth {
            conditions.push(format!("depths {min} to {max}"));
        }
        if conditions.is_empty() {
            conditions.push("every parameter".into());
        }
        f.write_str(&conditions.join(", "))
    }
}

/// A rule whose values are legal and whose glob is compiled.
pub(crate) struct Matcher<'a> {
    rule: &'a Rule,
    name: Option<GlobMatcher>,
}

impl<'a> Matcher<'a> {
    /// `number` counts rules from 1, for errors; `defaults` are legal.
    pub(crate) fn new(number: usize, rule: &'a Rule, defaults: Group) -> Result<Self, Error> {
        if let Some((property, value)) = rule.then.complete(defaults).illegal() {
            return Err(Error::Value { number, rule: rule.to_string(), property, value });
        }
        let name = match &rule.name {
            Some(pattern) => Some(compile(number, pattern)?),
            None => None,
        };
        Ok(Self { rule, name })
    }

    pub(crate) fn matches(&self, parameter: &Parameter) -> bool {
        let Rule { kinds, depth, .. } = self.rule;
        (kinds.is_empty() || kinds.contains(&parameter.kind))
            && self.name.as_ref().is_none_or(|glob| glob.is_match(&parameter.name))
            && depth.is_none_or(|depths| (depths.min..=depths.max).contains(&parameter.depth))
    }
}

fn compile(number: usize, pattern: &str) -> Result<GlobMatcher, Error> {
    match Glob::new(pattern) {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(source) => {
            Err(Error::Glob { number, reason: source.kind().to_string(), pattern: pattern.into() })
        }
    }
}
