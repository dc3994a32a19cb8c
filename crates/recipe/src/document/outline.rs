//! The tree of a RON text with the place of every value, so that `optimizer.lr` leads to its line.

use std::iter::Peekable;
use std::ops::Range;
use std::slice::Iter;

use super::lexer::{Kind, Token, tokens};
use super::path::{Path, Step};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Bytes of the text, from the name or the opening bracket to the closing bracket.
    pub(crate) span: Range<usize>,
    /// The name of a struct or variant: `Sgd` in `Sgd(lr: 0.1)`.
    pub(crate) name: Option<Word>,
    pub(crate) body: Body,
}

/// What a value is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// A number, a string, or a bare name.
    Leaf,
    /// `(field: value, ...)`.
    Fields(Vec<(Word, Node)>),
    /// `(value, ...)`.
    Tuple(Vec<Node>),
    /// `[value, ...]`.
    List(Vec<Node>),
}

/// An identifier and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

impl Node {
    /// The tree of a text; `None` when its brackets, commas and colons do not form one value.
    ///
    /// Maps (`{key: value}`) have no place in a recipe and are not read.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let all = tokens(text);
        let mut reader = Reader { text, tokens: all.iter().peekable() };
        reader.skip_attribute();
        let node = reader.value()?;
        reader.tokens.next().is_none().then_some(node)
    }

    /// The value at `path`, or the deepest value on the way there with the number of steps that
    /// lead to it.
    pub(crate) fn find(&self, path: &Path) -> (&Self, usize) {
        let mut node = self;
        for (taken, step) in path.0.iter().enumerate() {
            match node.child(step) {
                Some(child) => node = child,
                None => return (node, taken),
            }
        }
        (node, path.0.len())
    }

    /// `path` with its entries numbered instead of named.
    pub(crate) fn numbered(&self, path: &Path) -> Path {
        let mut node = self;
        let mut steps = path.0.clone();
        for step in &mut steps {
            if let Step::Entry(name) = step
                && let Some(index) = node.position(name)
            {
                *step = Step::Index(index);
            }
            node = node.child(step).unwrap_or(node);
        }
        Path(steps)
    }

    /// The value inside wrappers around one value, such as `Some(...)`.
    pub(crate) fn innermost(&self) -> &Self {
        match &self.body {
            Body::Tuple(items) if items.len() == 1 => items[0].innermost(),
            _ => self,
        }
    }

    /// The entries of a list.
    pub(crate) fn entries(&self) -> &[Node] {
        match &self.body {
            Body::List(entries) => entries,
            _ => &[],
        }
    }

    /// The part worth underlining: the name where there is one, else the value.
    pub(crate) fn headline(&self) -> Range<usize> {
        self.name.as_ref().map_or(self.span.clone(), |name| name.span.clone())
    }

    fn child(&self, step: &Step) -> Option<&Self> {
        match (step, &self.body) {
            (Step::Field(name), Body::Fields(fields)) => {
                fields.iter().find(|(word, _)| word.text == *name).map(|(_, value)| value)
            }
            (Step::Field(_) | Step::Index(_), Body::Tuple(items)) if items.len() == 1 => {
                self.innermost().child(step)
            }
            (Step::Index(index), Body::List(entries)) => entries.get(*index),
            (Step::Entry(name), Body::List(entries)) => {
                self.position(name).and_then(|index| entries.get(index))
            }
            _ => None,
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        let is_named = |entry: &Node| entry.name.as_ref().is_some_and(|word| word.text == name);
        self.entries().iter().position(is_named)
    }
}

struct Reader<'a> {
    text: &'a str,
    tokens: Peekable<Iter<'a, Token>>,
}

impl Reader<'_> {
    /// `#![enable(extension)]` may open a text.
    fn skip_attribute(&mut self) {
        while self.take('#').is_some() {
            for token in self.tokens.by_ref() {
                if token.kind == Kind::Mark(']') {
                    break;
                }
            }
        }
    }

    fn value(&mut self) -> Option<Node> {
        let token = self.tokens.peek()?;
        match token.kind {
            Kind::Identifier => self.named(),
            Kind::Mark('(') => self.parenthesised(None),
            Kind::Mark('[') => self.list(),
            Kind::Mark(_) => None,
            Kind::Number | Kind::Quoted => {
                let span = token.span.clone();
                self.tokens.next();
                Some(Node { span, name: None, body: Body::Leaf })
            }
        }
    }

    fn named(&mut self) -> Option<Node> {
        let name = self.word()?;
        match self.tokens.peek() {
            Some(Token { kind: Kind::Mark('('), .. }) => self.parenthesised(Some(name)),
            _ => Some(Node { span: name.span.clone(), name: Some(name), body: Body::Leaf }),
        }
    }

    fn parenthesised(&mut self, name: Option<Word>) -> Option<Node> {
        let open = self.take('(')?;
        let start = name.as_ref().map_or(open.start, |name| name.span.start);
        let mut ahead = self.tokens.clone();
        let word = ahead.next().is_some_and(|token| token.kind == Kind::Identifier);
        let colon = ahead.next().is_some_and(|token| token.kind == Kind::Mark(':'));
        let (body, close) = if word && colon {
            let (fields, close) = self.until(')', Self::field)?;
            (Body::Fields(fields), close)
        } else {
            let (items, close) = self.until(')', Self::value)?;
            (Body::Tuple(items), close)
        };
        Some(Node { span: start..close.end, name, body })
    }

    fn list(&mut self) -> Option<Node> {
        let open = self.take('[')?;
        let (entries, close) = self.until(']', Self::value)?;
        Some(Node { span: open.start..close.end, name: None, body: Body::List(entries) })
    }

    fn field(&mut self) -> Option<(Word, Node)> {
        let name = self.word()?;
        self.take(':')?;
        Some((name, self.value()?))
    }

    /// Comma-separated items up to `close`; a last comma may follow them.
    fn until<T>(
        &mut self,
        close: char,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<(Vec<T>, Range<usize>)> {
        let mut items = Vec::new();
        loop {
            if let Some(end) = self.take(close) {
                return Some((items, end));
            }
            items.push(item(self)?);
            if self.take(',').is_none() {
                return self.take(close).map(|end| (items, end));
            }
        }
    }

    fn word(&mut self) -> Option<Word> {
        let token = self.tokens.next_if(|token| token.kind == Kind::Identifier)?;
        let span = token.span.clone();
        Some(Word { text: self.text[span.clone()].to_owned(), span })
    }

    fn take(&mut self, mark: char) -> Option<Range<usize>> {
        self.tokens.next_if(|token| token.kind == Kind::Mark(mark)).map(|token| token.span.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        // batch_size: 1, (
        Recipe(
            name: "a, (b", /* seed: [ */ seed: 1,
            optimizer: Sgd(lr: 0.1, betas: (0.9, 0.99)),
            normalize: Some((mean: [0.5])),
            tricks: [Bare, Warmup(epochs: 5), Step(every: Epochs(30)), Average(Ema(decay: 0.9))],
        )"#;

    fn check(path: &str, expected: &str) {
        let root = Node::read(TEXT).unwrap();
        let path = Path::parse(path).unwrap();
        let (node, steps) = root.find(&path);
        assert_eq!(steps, path.0.len(), "{path}");
        assert_eq!(&TEXT[node.span.clone()], expected, "{path}");
    }

    #[test]
    fn paths_lead_to_the_text_of_their_values() {
        for (path, expected) in [
            ("name", "\"a, (b\""),
            ("seed", "1"),
            ("optimizer", "Sgd(lr: 0.1, betas: (0.9, 0.99))"),
            ("optimizer.lr", "0.1"),
            ("optimizer.betas", "(0.9, 0.99)"),
            ("normalize.mean", "[0.5]"),
            ("normalize.mean[0]", "0.5"),
            ("tricks[0]", "Bare"),
            ("tricks[1]", "Warmup(epochs: 5)"),
            ("tricks[1].epochs", "5"),
            ("tricks[Warmup].epochs", "5"),
            ("tricks[Step].every", "Epochs(30)"),
            ("tricks[Average].decay", "0.9"),
        ] {
            check(path, expected);
        }
    }

    #[test]
    fn a_path_that_ends_early_gives_the_deepest_value_on_the_way() {
        let root = Node::read(TEXT).unwrap();
        for (path, steps, expected) in [
            ("bogus", 0, "Recipe"),
            ("optimizer.momentum", 1, "Sgd"),
            (
                "tricks[9].epochs",
                1,
                "[Bare, Warmup(epochs: 5), Step(every: Epochs(30)), Average(Ema(decay: 0.9))]",
            ),
            ("tricks[Warmup].from", 2, "Warmup"),
            ("seed.x", 1, "1"),
        ] {
            let (node, taken) = root.find(&Path::parse(path).unwrap());
            assert_eq!((&TEXT[node.headline()], taken), (expected, steps), "{path}");
        }
    }

    #[test]
    fn text_that_is_not_one_value_has_no_tree() {
        for text in ["", "(", "(a: 1", "(a: 1))", "[1 2]", "1, 2", "(a: )", "{1: 2}", "(1, a: 2)"] {
            assert_eq!(Node::read(text), None, "{text}");
        }
        for text in ["1", "()", "[]", "(a: 1,)", "#![enable(implicit_some)] (a: 1)", "A(B(1), [C])"]
        {
            assert!(Node::read(text).is_some(), "{text}");
        }
    }
}
