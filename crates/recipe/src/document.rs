//! The text of a recipe: read with the place of every value, and changed by overrides.

mod lexer;
mod outline;
mod path;
mod syntax;

use std::fs;
use std::ops::Range;

use trickbag_data::{Dataset, Facts, Keep};

use self::outline::{Body, Node};
use self::path::{Path, Step};
use self::syntax::Complaint;
use crate::error::{Error, Line, Place};
use crate::problem::{Fault, Problem};
use crate::recipe::Recipe;

/// A recipe together with its text, so that every later complaint can name a line.
///
/// ```
/// use trickbag_recipe::Document;
///
/// let text = r#"Recipe(
///     name: "mnist",
///     seed: 1,
///     data: Mnist10k,
///     model: ResNet(depth: 8, stem: Cifar),
///     batch_size: 128,
///     epochs: 12,
///     optimizer: Sgd(lr: 0.1),
///     tricks: [Warmup(epochs: 1), CosineAnnealing],
/// )"#;
/// let mut document = Document::new("recipes/mnist.ron", text)?;
/// document.set("optimizer.momentum=0.9")?;
/// document.set("tricks[Warmup].epochs=2")?;
/// assert!(document.text().contains("Sgd(lr: 0.1, momentum: 0.9)"));
/// assert!(document.text().contains("Warmup(epochs: 2)"));
///
/// let error = document.set("batch_sise=64").unwrap_err();
/// let start = "--set batch_sise=64: `Recipe` has no field `batch_sise`; did you mean";
/// assert!(error.to_string().starts_with(start));
/// # Ok::<(), trickbag_recipe::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Document {
    origin: String,
    /// As it was read. Messages show its lines, which overrides do not move.
    original: Version,
    current: Version,
    overrides: Vec<Override>,
}

/// A text that reads as a recipe.
#[derive(Debug, Clone)]
struct Version {
    text: String,
    recipe: Recipe,
    outline: Node,
}

#[derive(Debug, Clone)]
struct Override {
    path: Path,
    assignment: String,
}

impl Document {
    /// Reads the recipe at `path`; messages name the path as it is given here.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, and all of [`Document::new`].
    pub fn read(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        let origin = path.as_ref().display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::new(origin, text),
            Err(error) => Err(Error::new(Problem::Read(error), Place::File(origin), None)),
        }
    }

    /// Reads a recipe from `text`; messages call it `origin`.
    ///
    /// # Errors
    ///
    /// Text that is not RON, unknown and missing names, and values of another type.
    pub fn new(origin: impl Into<String>, text: impl Into<String>) -> Result<Self, Error> {
        let (origin, text) = (origin.into(), text.into());
        match Version::read(text.clone()) {
            Ok(original) => {
                let current = original.clone();
                Ok(Self { origin, original, current, overrides: Vec::new() })
            }
            Err(Complaint { problem, at, also }) => {
                let line = |range| place(&origin, &text, range);
                Err(Error::new(*problem, line(at), also.map(line)))
            }
        }
    }

    /// Replaces a value, or adds a field that the recipe leaves to its default.
    ///
    /// An assignment is `KEY=VALUE`, such as `batch_size=64`, `optimizer.lr=0.05`,
    /// `tricks[Warmup].epochs=2` or `tricks=[]`. The value is RON, so a text is quoted.
    ///
    /// # Errors
    ///
    /// Anything after which the document would not be a recipe; it then stays as it was.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let refused = |problem| Error::new(problem, Place::Override(assignment.to_owned()), None);
        let (path, version) = self.changed(assignment).map_err(refused)?;
        self.current = version;
        self.overrides.push(Override { path, assignment: assignment.to_owned() });
        Ok(())
    }

    /// What the recipe says, overrides applied.
    pub fn recipe(&self) -> &Recipe {
        &self.current.recipe
    }

    /// What messages call the document, usually a path.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The text with overrides applied and everything else, comments too, as it was read.
    pub fn text(&self) -> &str {
        &self.current.text
    }

    /// What a plan needs to know about the recipe's data, from a quick look at it.
    ///
    /// # Errors
    ///
    /// [`Problem::Data`] at the recipe's `data`.
    pub fn facts(&self) -> Result<Facts, Error> {
        self.at_data(self.recipe().data.facts())
    }

    /// The recipe's data set, read, checked and decoded as its `augment` needs it.
    ///
    /// # Errors
    ///
    /// [`Problem::Data`] at the recipe's `data`.
    pub fn open_data(&self) -> Result<Dataset, Error> {
        let Recipe { data, augment, .. } = self.recipe();
        self.at_data(Dataset::open(data, Keep::for_augment(augment)))
    }

    fn at_data<T>(&self, found: Result<T, trickbag_data::Error>) -> Result<T, Error> {
        found.map_err(|error| self.error(Problem::Data(error).at("data")))
    }

    /// The error of a fault whose paths start at the recipe.
    pub(crate) fn error(&self, fault: Fault) -> Error {
        let also = fault.also.map(|path| self.place(&path));
        Error::new(*fault.problem, self.place(&fault.at), also)
    }

    /// Where the value at `path` stands, or what holds it where it is left out.
    pub(crate) fn place(&self, path: &str) -> Place {
        let Some(path) = Path::parse(path) else { return Place::File(self.origin.clone()) };
        match self.overrides.iter().rfind(|set| path.is_within(&set.path)) {
            Some(set) => Place::Override(set.assignment.clone()),
            None => self.line(&path),
        }
    }

    /// Where the text as it was read has the value at `path`, or the deepest one on the way there.
    fn line(&self, path: &Path) -> Place {
        let (node, _) = self.original.outline.find(path);
        place(&self.origin, &self.original.text, node.headline())
    }

    /// The places that say what the value at `path` is; none where it is left to its default.
    pub(crate) fn places(&self, path: &str) -> Vec<Place> {
        let Some(path) = Path::parse(path) else { return Vec::new() };
        let path = self.current.outline.numbered(&path);
        let whole = self.overrides.iter().rposition(|set| path.is_within(&set.path));
        let written = self.original.outline.find(&path).1 == path.0.len();
        let mut places = Vec::new();
        if written && whole.is_none() {
            places.push(self.line(&path));
        }
        let later = &self.overrides[whole.unwrap_or(0)..];
        let touches = |set: &&Override| set.path.is_within(&path) || path.is_within(&set.path);
        let set = later.iter().filter(touches);
        places.extend(set.map(|set| Place::Override(set.assignment.clone())));
        places
    }

    fn changed(&self, assignment: &str) -> Result<(Path, Version), Problem> {
        let (key, value) = assignment.split_once('=').ok_or(Problem::NotAnAssignment)?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || value.is_empty() {
            return Err(Problem::NotAnAssignment);
        }
        let path = Path::parse(key).ok_or_else(|| Problem::NotAKey { key: key.to_owned() })?;
        if !lexer::is_one_value(value) {
            return Err(Problem::NotOneValue { value: value.to_owned() });
        }
        let version = self.current.with(&path, value)?;
        Ok((version.outline.numbered(&path), version))
    }
}

impl Version {
    fn read(text: String) -> Result<Self, Complaint> {
        let recipe = syntax::parse(&text)?;
        let outline = Node::read(&text).ok_or_else(|| {
            // Only maps are RON that has no outline, and no part of a recipe is a map.
            let problem = Box::new(Problem::Ron(ron::Error::ExpectedStructLike));
            Complaint { problem, at: 0..text.len(), also: None }
        })?;
        Ok(Self { text, recipe, outline })
    }

    /// This version with `value` at `path`.
    fn with(&self, path: &Path, value: &str) -> Result<Self, Problem> {
        let (node, taken) = self.outline.find(path);
        match &path.0[taken..] {
            [] => self.spliced(node.span.clone(), value),
            [Step::Field(name)] => self.inserted(node, path, name, value),
            [Step::Field(name), ..] => Err(self.left_out(node, path, taken, name)),
            [Step::Index(_) | Step::Entry(_), ..] => Err(no_such_entry(node, path, taken)),
        }
    }

    fn spliced(&self, span: Range<usize>, value: &str) -> Result<Self, Problem> {
        let text = [&self.text[..span.start], value, &self.text[span.end..]].concat();
        Self::read(text).map_err(|complaint| *complaint.problem)
    }

    fn inserted(&self, node: &Node, path: &Path, name: &str, value: &str) -> Result<Self, Problem> {
        let node = node.innermost();
        let (end, text) = match &node.body {
            Body::Fields(fields) => match fields.last() {
                Some((_, last)) => (last.span.end, format!(", {name}: {value}")),
                None => (node.span.end - 1, format!("{name}: {value}")),
            },
            Body::Tuple(items) if items.is_empty() => {
                (node.span.end - 1, format!("{name}: {value}"))
            }
            Body::Leaf if node.name.is_some() => (node.span.end, format!("({name}: {value})")),
            Body::Leaf | Body::Tuple(_) | Body::List(_) => {
                let parent = path.0[..path.0.len() - 1].to_vec();
                return Err(Problem::NoFields { path: Path(parent).to_string() });
            }
        };
        self.spliced(end..end, &text)
    }

    /// Why `path` cannot go on from `node` into its absent field `name`: a slip, or a field that is
    /// legal.
    fn left_out(&self, node: &Node, path: &Path, taken: usize, name: &str) -> Problem {
        let parent = Path(path.0[..=taken].to_vec());
        match self.inserted(node, &parent, name, "()") {
            Err(problem @ (Problem::UnknownField { .. } | Problem::NoFields { .. })) => problem,
            _ => Problem::NotWritten { parent: parent.to_string() },
        }
    }
}

fn no_such_entry(node: &Node, path: &Path, taken: usize) -> Problem {
    let entry = match &path.0[taken] {
        Step::Index(index) => index.to_string(),
        Step::Field(name) | Step::Entry(name) => name.clone(),
    };
    let names = node.entries().iter().filter_map(|entry| entry.name.as_ref());
    Problem::NoSuchEntry {
        list: Path(path.0[..taken].to_vec()).to_string(),
        entry,
        names: names.map(|name| name.text.clone()).collect(),
    }
}

/// The first line of `range`.
fn place(origin: &str, text: &str, range: Range<usize>) -> Place {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let end = range.end.min(start + line.len());
    Place::Line(Line {
        origin: origin.to_owned(),
        number: text[..start].matches('\n').count() + 1,
        column: text[start..range.start].chars().count() + 1,
        width: text[range.start..end.max(range.start)].chars().count(),
        text: line.to_owned(),
    })
}
