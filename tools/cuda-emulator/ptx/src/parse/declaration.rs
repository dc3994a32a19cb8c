//! Declarations of variables: alignment, type, name, size, bytes at the start.

use super::Parser;
use crate::Refusal;
use crate::lexer::Token;
use crate::module::{Symbol, Window};
use crate::types::Type;

/// What a declaration says, without its space.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) align: usize,
    /// Bytes; 0 where the brackets are empty.
    pub(super) size: usize,
}

impl Parser<'_> {
    /// Reads `.align 8 .b8 name[16]`.
    pub(super) fn declaration(&mut self) -> Result<Variable, Refusal> {
        let mut align = None;
        let mut ty = None;
        let name = loop {
            let word = self.word()?;
            match word.as_str() {
                ".align" => align = Some(self.integer()? as usize),
                // A hint that a pointer parameter carries: `.ptr .global .align 8`.
                ".ptr" | ".global" => {}
                _ if word.starts_with('.') => match Type::named(&word[1..]) {
                    Some(named) => ty = Some(named),
                    None => return Err(self.refusal(format!("the declaration `{word}`"))),
                },
                _ => break word,
            }
        };
        let Some(ty) = ty else { return Err(self.refusal(format!("`{name}` without a type"))) };
        let mut size = ty.bytes();
        while self.eat('[') {
            size *= if self.is(']') { 0 } else { self.integer()? as usize };
            self.expect(']')?;
        }
        Ok(Variable { name, ty, align: align.unwrap_or(ty.bytes()).max(1), size })
    }

    /// Reads a variable in shared or local memory that lies after `end`.
    pub(super) fn window(&mut self, end: usize, shared: bool) -> Result<(Window, Symbol), Refusal> {
        let variable = self.declaration()?;
        self.expect(';')?;
        let offset = end.next_multiple_of(variable.align);
        let symbol = match (shared, variable.size) {
            (true, 0) => Symbol::DynamicShared,
            (true, _) => Symbol::Shared(offset),
            (false, _) => Symbol::Local(offset),
        };
        Ok((Window { name: variable.name, offset, size: variable.size }, symbol))
    }

    /// Reads the bytes after `=`; what is not written is zero.
    pub(super) fn initial(&mut self, variable: &Variable) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::with_capacity(variable.size);
        let listed = self.eat('{');
        loop {
            let bits = match self.peek() {
                Some(Token::Number(digits)) if floating(digits).is_some() => {
                    let bits = floating(digits).map_or(0, |(bits, _)| bits);
                    self.skip(1);
                    bits
                }
                _ => self.integer()?,
            };
            bytes.extend_from_slice(&bits.to_le_bytes()[..variable.ty.bytes()]);
            if !(listed && self.eat(',')) {
                break;
            }
        }
        if listed {
            self.expect('}')?;
        }
        if bytes.len() > variable.size {
            return Err(self.refusal(format!("more values than `{}` holds", variable.name)));
        }
        bytes.resize(variable.size, 0);
        Ok(bytes)
    }
}

/// The bits of `0f3F800000` or `0d3FF0000000000000`, and how many there are.
pub(super) fn floating(digits: &str) -> Option<(u64, u32)> {
    let (_, hex) = digits.split_at_checked(2)?;
    match digits.as_bytes()[1] {
        b'f' | b'F' if hex.len() == 8 => Some((u64::from_str_radix(hex, 16).ok()?, 32)),
        b'd' | b'D' if hex.len() == 16 => Some((u64::from_str_radix(hex, 16).ok()?, 64)),
        _ => None,
    }
}

/// The value of a whole number: decimal, `0x`, `0b` or octal, with or without `U`.
pub(super) fn integer(digits: &str) -> Option<u64> {
    let digits = digits.trim_end_matches('U').to_ascii_lowercase();
    if let Some(hex) = digits.strip_prefix("0x") {
        u64::from_str_radix(hex, 16).ok()
    } else if let Some(binary) = digits.strip_prefix("0b") {
        u64::from_str_radix(binary, 2).ok()
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(&digits, 8).ok()
    } else {
        digits.parse().ok()
    }
}
