//! A mistake that was found, as people read it.

use std::fmt;

use super::Rule;
use crate::error::Place;

/// What a rule found in a recipe.
///
/// `Display` is for people: the code, the place with its line, why it is a mistake, and what to do.
#[derive(Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found, with numbers.
    pub message: String,
    /// Where.
    pub place: Place,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { code, name, severity, why, source, fix, .. } = self.rule;
        writeln!(f, "{severity}[{code}]: {} ({name})", self.message)?;
        let line = self.place.line();
        let margin = line.map_or(1, |line| line.number.to_string().len());
        write!(f, "{:margin$}--> {}", "", self.place)?;
        if let Some(line) = line {
            write!(f, "\n{:margin$} |", "")?;
            line.excerpt(f, margin, "^")?;
        }
        for (word, text) in [("why", why), ("source", source), ("fix", fix)] {
            write!(f, "\n{:margin$} = {word}: {text}", "")?;
        }
        Ok(())
    }
}
