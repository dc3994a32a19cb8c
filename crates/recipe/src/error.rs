//! A refused recipe: the problem with its place, as people read it.

use std::fmt;

use crate::problem::Problem;

/// A recipe that was refused.
///
/// `Display` is for people: the place, the problem, the line with the culprit underlined, and help.
///
/// ```
/// use trickbag_recipe::Document;
///
/// let text = "Recipe(\n    name: \"typo\",\n    sede: 1,\n)";
/// let error = Document::new("recipes/typo.ron", text).unwrap_err();
/// let first = "recipes/typo.ron:3:5: `Recipe` has no field `sede`; did you mean `seed`?";
/// assert_eq!(error.to_string().lines().next(), Some(first));
/// ```
#[derive(Debug)]
pub struct Error(Box<Report>);

#[derive(Debug)]
struct Report {
    problem: Problem,
    place: Place,
    also: Option<Place>,
}

impl Error {
    pub(crate) fn new(problem: Problem, place: Place, also: Option<Place>) -> Self {
        Self(Box::new(Report { problem, place, also }))
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.0.place
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { problem, place, also } = &*self.0;
        write!(f, "{place}: {problem}")?;
        let lines = [Some(place), also.as_ref()].into_iter().flatten().filter_map(Place::line);
        let margin = lines.map(|line| line.number.to_string().len()).max().unwrap_or(1);
        if let Place::Line(line) = place {
            write!(f, "\n{:margin$} |", "")?;
            line.excerpt(f, margin, "^")?;
        }
        if let Some(also) = also {
            write!(f, "\n{:margin$}::: {also}", "")?;
            also.line().map_or(Ok(()), |line| line.excerpt(f, margin, "-"))?;
        }
        match problem.help() {
            Some(help) => write!(f, "\n{:margin$} = help: {help}", ""),
            None => Ok(()),
        }
    }
}

/// Where a problem lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The whole of a file.
    File(String),
    /// Part of a line.
    Line(Line),
    /// An assignment given to [`Document::set`](crate::Document::set).
    Override(String),
}

/// Part of a line of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The name of the document, usually a path.
    pub origin: String,
    /// The line, counted from 1.
    pub number: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
    /// The whole line.
    pub text: String,
}

impl Place {
    pub(crate) fn line(&self) -> Option<&Line> {
        match self {
            Self::Line(line) => Some(line),
            Self::File(_) | Self::Override(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(origin) => write!(f, "{origin}"),
            Self::Line(Line { origin, number, column, .. }) => {
                write!(f, "{origin}:{number}:{column}")
            }
            Self::Override(assignment) => write!(f, "--set {assignment}"),
        }
    }
}

impl Line {
    /// The line with `mark` under the part, and its number in a margin of so many characters.
    pub(crate) fn excerpt(
        &self,
        f: &mut fmt::Formatter<'_>,
        margin: usize,
        mark: &str,
    ) -> fmt::Result {
        let before = self.text.chars().take(self.column - 1);
        let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
        write!(f, "\n{:margin$} | {}", self.number, self.text)?;
        write!(f, "\n{:margin$} | {indent}{}", "", mark.repeat(self.width.max(1)))
    }
}
