//! PTX text to tokens, each with its line.

use crate::Refusal;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier, a directive, a register or a whole opcode: `ld.global.u32`.
    Word(String),
    /// A number as it is written: `12`, `0x1F`, `0f3F800000`.
    Number(String),
    /// Text between double quotes.
    Text(String),
    /// A single character of punctuation.
    Mark(char),
}

/// A token and the line on which it starts, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) line: u32,
}

/// Splits `source` into tokens and drops comments.
pub(crate) fn tokens(source: &str) -> Result<Vec<Placed>, Refusal> {
    let mut lexer = Lexer { rest: source, line: 1 };
    let mut placed = Vec::new();
    loop {
        lexer.skip_blank()?;
        let line = lexer.line;
        match lexer.token()? {
            Some(token) => placed.push(Placed { token, line }),
            None => return Ok(placed),
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Lexer<'a> {
    fn skip_blank(&mut self) -> Result<(), Refusal> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.take(blank);
            if self.rest.starts_with("//") {
                self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let Some(end) = self.rest.find("*/") else {
                    return Err(Refusal::at(self.line, "a comment without an end"));
                };
                self.take(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Option<Token>, Refusal> {
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        Ok(Some(match first {
            '"' => self.text()?,
            '0'..='9' => {
                Token::Number(self.take(self.run(|c| c.is_ascii_alphanumeric() || c == '.')).into())
            }
            c if starts_word(c) => Token::Word(self.take(self.word_length()).into()),
            c => {
                self.take(c.len_utf8());
                Token::Mark(c)
            }
        }))
    }

    fn text(&mut self) -> Result<Token, Refusal> {
        let Some(length) = self.rest[1..].find('"') else {
            return Err(Refusal::at(self.line, "a text without an end"));
        };
        let text = self.take(length + 2);
        Ok(Token::Text(text[1..=length].into()))
    }

    /// A word may hold `::`, as in `L1::no_allocate`; a single colon ends a label.
    /// Directives may touch: `.reg.b32` is two.
    fn word_length(&self) -> usize {
        if let Some(directive) = self.rest.strip_prefix('.') {
            return 1 + directive.find(|c| !in_word(c) || c == '.').unwrap_or(directive.len());
        }
        let mut length = 0;
        loop {
            length += self.rest[length..].chars().take_while(|&c| in_word(c)).count();
            match self.rest[length..].strip_prefix("::") {
                Some(more) if more.starts_with(in_word) => length += 2,
                _ => return length,
            }
        }
    }

    fn run(&self, belongs: impl Fn(char) -> bool) -> usize {
        self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len())
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count() as u32;
        self.rest = rest;
        taken
    }
}

fn starts_word(c: char) -> bool {
    in_word(c) && !c.is_ascii_digit()
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%' | '.')
}
