//! Names a place in a recipe, as `--set` does: `optimizer.lr`, `tricks[2]`,
//! `tricks[Warmup].epochs`.

use std::fmt;

/// Steps from the whole recipe down to one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field by its name.
    Field(String),
    /// An entry of a list, counted from 0.
    Index(usize),
    /// The entry of a list that starts with this name.
    Entry(String),
}

impl Path {
    /// Reads `a.b[0].c[Name]`; `None` when `text` is not of that form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let (field, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
            steps.push(Step::Field(word(field)?));
            while !rest.is_empty() {
                let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
                steps.push(bracketed(inside)?);
                rest = after;
            }
        }
        Some(Self(steps))
    }

    /// Whether `self` is `other` or lies inside it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if i == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Entry(name) => write!(f, "[{name}]")?,
            }
        }
        Ok(())
    }
}

fn bracketed(text: &str) -> Option<Step> {
    match text.parse() {
        Ok(index) => Some(Step::Index(index)),
        Err(_) => word(text).map(Step::Entry),
    }
}

fn word(text: &str) -> Option<String> {
    let first = text.chars().next()?;
    let whole = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    (whole && !first.is_numeric()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, valid: bool) {
        let path = Path::parse(text);
        assert_eq!(path.is_some(), valid, "{text}");
        if let Some(path) = path {
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn paths_read_as_they_print_and_other_text_is_refused() {
        for text in ["epochs", "optimizer.lr", "tricks[2]", "tricks[Warmup].epochs", "a.b[0][1].c"]
        {
            check(text, true);
        }
        for text in
            ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[1", "a[1]b", "[0]", "a b", "3", "a[-1]"]
        {
            check(text, false);
        }
    }
}
