//! Which variable a name means: inner braces hide outer ones.

use std::collections::HashMap;

use crate::module::{Operand, Symbol};

/// The names that are known at a place of a body.
pub(super) struct Scopes {
    outside: HashMap<String, Symbol>,
    inside: Vec<HashMap<String, Operand>>,
}

impl Scopes {
    pub(super) fn new(outside: HashMap<String, Symbol>) -> Self {
        Self { outside, inside: vec![HashMap::new()] }
    }

    pub(super) fn open(&mut self) {
        self.inside.push(HashMap::new());
    }

    /// Leaves the innermost braces. False when those of the function were left.
    pub(super) fn close(&mut self) -> bool {
        self.inside.pop();
        !self.inside.is_empty()
    }

    pub(super) fn name(&mut self, name: &str, symbol: Symbol) {
        self.bind(name, Operand::Symbol(symbol));
    }

    pub(super) fn register(&mut self, name: &str, index: usize) {
        self.bind(name, Operand::Register(index));
    }

    fn bind(&mut self, name: &str, operand: Operand) {
        if let Some(scope) = self.inside.last_mut() {
            scope.insert(name.into(), operand);
        }
    }

    /// What `name` means; a word that nobody declared is a label or a function.
    pub(super) fn find(&self, name: &str) -> Operand {
        let inside = self.inside.iter().rev().find_map(|scope| scope.get(name)).cloned();
        let outside = || self.outside.get(name).map(|&symbol| Operand::Symbol(symbol));
        inside.or_else(outside).unwrap_or_else(|| match name.strip_prefix('%') {
            Some(special) => Operand::Special(special.into()),
            None if name == "_" => Operand::Nothing,
            None => Operand::Word(name.into()),
        })
    }
}
