//! Cuts RON text into tokens with their places, so that a message can point at a word of a recipe.

use std::ops::Range;

/// A word of RON; white space and comments lie between tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Bytes of the text.
    pub(crate) span: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Identifier,
    Number,
    /// A string, raw string, byte string, character or byte.
    Quoted,
    /// Any other single character: brackets, colons, commas.
    Mark(char),
}

/// The tokens of `text`. Never fails: text that is not RON gives tokens too, and RON's own parser
/// reports it.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0 };
    std::iter::from_fn(|| lexer.next()).collect()
}

/// Whether `text` can stand for one value inside a recipe: no comment, comma or colon reaches
/// around it, and its brackets match.
pub(crate) fn is_one_value(text: &str) -> bool {
    let tokens = tokens(text);
    let mut open = Vec::new();
    let contained = tokens.iter().all(|token| match token.kind {
        Kind::Mark(mark @ ('(' | '[' | '{')) => {
            open.push(mark);
            true
        }
        Kind::Mark(')') => open.pop() == Some('('),
        Kind::Mark(']') => open.pop() == Some('['),
        Kind::Mark('}') => open.pop() == Some('{'),
        Kind::Mark(',' | ':') => !open.is_empty(),
        _ => true,
    });
    let whole = tokens.first().is_some_and(|first| first.span.start == 0)
        && tokens.last().is_some_and(|last| last.span.end == text.len());
    contained && open.is_empty() && whole
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Token> {
        self.skip_trivia();
        let start = self.at;
        let first = self.rest().chars().next()?;
        let kind = match first {
            _ if self.quoted() => Kind::Quoted,
            '0'..='9' | '+' | '-' | '.' => self.number(),
            'r' if self.rest().starts_with("r#") => self.raw_identifier(),
            _ if is_word(first) => self.identifier(),
            _ => {
                self.at += first.len_utf8();
                Kind::Mark(first)
            }
        };
        Some(Token { kind, span: start..self.at })
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn skip_trivia(&mut self) {
        loop {
            self.skip_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.skip_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                self.skip_block_comment();
            } else {
                return;
            }
        }
    }

    /// Block comments nest in RON.
    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.rest().chars().next() {
            let rest = self.rest();
            let (step, change) = match rest.get(..2) {
                Some("/*") => (2, 1),
                Some("*/") => (2, -1),
                _ => (c.len_utf8(), 0),
            };
            self.at += step;
            depth += change;
            if depth == 0 {
                return;
            }
        }
    }

    /// Takes a quoted token when one starts here.
    fn quoted(&mut self) -> bool {
        let rest = self.rest();
        let rest = rest.strip_prefix('b').unwrap_or(rest);
        let prefix = self.rest().len() - rest.len();
        if rest.starts_with(['"', '\'']) {
            self.at += prefix;
            self.escaped();
            return true;
        }
        let Some(raw) = rest.strip_prefix('r') else { return false };
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if !raw[hashes..].starts_with('"') {
            return false;
        }
        let close = format!("\"{}", "#".repeat(hashes));
        let body = prefix + 1 + hashes + 1;
        let length = self.rest()[body..].find(&close).map(|end| body + end + close.len());
        self.at += length.unwrap_or(self.rest().len());
        true
    }

    /// Moves behind a string or character with escapes, up to its closing quote or the end of the
    /// text.
    fn escaped(&mut self) {
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map(|(_, c)| c);
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                chars.next();
            } else if Some(c) == quote {
                self.at += at + 1;
                return;
            }
        }
        self.at = self.text.len();
    }

    fn number(&mut self) -> Kind {
        let mut last = ' ';
        let mut end = self.text.len();
        for (at, c) in self.rest().char_indices() {
            let sign = matches!(c, '+' | '-') && (at == 0 || matches!(last, 'e' | 'E'));
            if !(sign || c == '.' || is_word(c)) {
                end = self.at + at;
                break;
            }
            last = c;
        }
        self.at = end;
        Kind::Number
    }

    fn raw_identifier(&mut self) -> Kind {
        self.at += "r#".len();
        self.skip_while(|c| is_word(c) || matches!(c, '.' | '+' | '-'));
        Kind::Identifier
    }

    fn identifier(&mut self) -> Kind {
        self.skip_while(is_word);
        Kind::Identifier
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, Kind)]) {
        let found: Vec<_> =
            tokens(text).into_iter().map(|token| (&text[token.span], token.kind)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn every_kind_of_token_is_cut_at_its_ends() {
        use Kind::{Identifier, Mark, Number, Quoted};
        let cases: &[(&str, &[(&str, Kind)])] = &[
            ("", &[]),
            (" \t\r\n", &[]),
            ("a: 1", &[("a", Identifier), (":", Mark(':')), ("1", Number)]),
            ("-1.5e-3,", &[("-1.5e-3", Number), (",", Mark(','))]),
            ("+1_000", &[("+1_000", Number)]),
            (".5", &[(".5", Number)]),
            ("1e-3-4", &[("1e-3", Number), ("-4", Number)]),
            ("0xFF 0b1", &[("0xFF", Number), ("0b1", Number)]),
            ("-inf", &[("-inf", Number)]),
            ("1// ) no\n2", &[("1", Number), ("2", Number)]),
            ("1/* a /* b */ ) */2", &[("1", Number), ("2", Number)]),
            ("1/* a /* b */ 2", &[("1", Number)]),
            (r#""a, \"b\" (" x"#, &[(r#""a, \"b\" (""#, Quoted), ("x", Identifier)]),
            (r#""\\" x"#, &[(r#""\\""#, Quoted), ("x", Identifier)]),
            ("\"// no\"", &[("\"// no\"", Quoted)]),
            ("\"open", &[("\"open", Quoted)]),
            (r##"r"\" x"##, &[(r##"r"\""##, Quoted), ("x", Identifier)]),
            (r##"r#"a " b"# x"##, &[(r##"r#"a " b"#"##, Quoted), ("x", Identifier)]),
            (
                r##"br#"a"# b"c" b'd'"##,
                &[(r##"br#"a"#"##, Quoted), ("b\"c\"", Quoted), ("b'd'", Quoted)],
            ),
            (r"')' '\'' x", &[("')'", Quoted), (r"'\''", Quoted), ("x", Identifier)]),
            ("r#type-a.b x", &[("r#type-a.b", Identifier), ("x", Identifier)]),
            ("rate b br", &[("rate", Identifier), ("b", Identifier), ("br", Identifier)]),
            ("größe: \"é\"", &[("größe", Identifier), (":", Mark(':')), ("\"é\"", Quoted)]),
            (
                "#![x]",
                &[
                    ("#", Mark('#')),
                    ("!", Mark('!')),
                    ("[", Mark('[')),
                    ("x", Identifier),
                    ("]", Mark(']')),
                ],
            ),
        ];
        cases.iter().for_each(|(text, expected)| check(text, expected));
    }

    #[test]
    fn one_value_reaches_no_further_than_itself() {
        for text in ["1", "-1e-3", "\"a, b: (\"", "[1, 2]", "Sgd(lr: 0.1)", "(a: [{1: 2}])", "Name"]
        {
            assert!(is_one_value(text), "{text}");
        }
        for text in [
            "",
            "1, 2",
            "1, a: 2",
            "a: 1",
            "(1",
            "1)",
            ")(",
            "([)]",
            "1 // one",
            "/* one */ 1",
            "/* 1",
        ] {
            assert!(!is_one_value(text), "{text}");
        }
    }
}
