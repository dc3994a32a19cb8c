//! Tokens to a module.

mod body;
mod declaration;
mod scope;

use std::collections::HashMap;

use self::scope::Scopes;
use crate::Refusal;
use crate::lexer::{Placed, Token};
use crate::module::{Function, Module, Param, Role, Symbol, Table};

/// Reads the tokens of a whole module.
pub(crate) fn module(tokens: &[Placed]) -> Result<Module, Refusal> {
    let mut parser = Parser { tokens, next: 0, module: Module::default(), names: HashMap::new() };
    while parser.peek().is_some() {
        parser.item()?;
    }
    Ok(parser.module)
}

struct Parser<'a> {
    tokens: &'a [Placed],
    next: usize,
    module: Module,
    /// Variables outside functions.
    names: HashMap<String, Symbol>,
}

impl Parser<'_> {
    fn item(&mut self) -> Result<(), Refusal> {
        match self.word()?.as_str() {
            ".version" | ".address_size" => self.skip(1),
            ".target" => {
                self.skip(1);
                while self.eat(',') {
                    self.skip(1);
                }
            }
            ".visible" | ".extern" | ".weak" | ".common" => {}
            ".global" | ".const" => self.table()?,
            ".shared" => {
                let shared = self.module.shared.last().map_or(0, |last| last.offset + last.size);
                let (window, symbol) = self.window(shared, true)?;
                self.names.insert(window.name.clone(), symbol);
                self.module.shared.push(window);
            }
            ".entry" => self.function(true)?,
            ".func" => self.function(false)?,
            other => return Err(self.refusal(format!("the directive `{other}`"))),
        }
        Ok(())
    }

    fn table(&mut self) -> Result<(), Refusal> {
        let variable = self.declaration()?;
        let bytes = if self.eat('=') { self.initial(&variable)? } else { vec![0; variable.size] };
        self.expect(';')?;
        self.names.insert(variable.name.clone(), Symbol::Table(self.module.tables.len()));
        self.module.tables.push(Table { name: variable.name, align: variable.align, bytes });
        Ok(())
    }

    fn function(&mut self, entry: bool) -> Result<(), Refusal> {
        let mut function = Function { entry, ..Function::default() };
        if !entry && self.is('(') {
            self.params(&mut function, Role::Output)?;
        }
        function.name = self.word()?;
        if self.is('(') {
            self.params(&mut function, Role::Input)?;
        }
        while let Some(Token::Word(directive)) = self.peek() {
            match directive.as_str() {
                ".noreturn" => self.skip(1),
                ".maxntid" | ".reqntid" | ".minnctapersm" | ".maxnreg" => {
                    self.skip(2);
                    while self.eat(',') {
                        self.skip(1);
                    }
                }
                other => return Err(self.refusal(format!("the directive `{other}`"))),
            }
        }
        if !self.eat(';') {
            function.defined = true;
            let mut scopes = Scopes::new(self.names.clone());
            for (index, param) in function.params.iter().enumerate() {
                scopes.name(&param.name, Symbol::Param(index));
            }
            self.body(&mut function, scopes)?;
        }
        self.module.functions.push(function);
        Ok(())
    }

    /// Reads parameters in parentheses. Each one lies at the next offset that suits it.
    fn params(&mut self, function: &mut Function, role: Role) -> Result<(), Refusal> {
        self.expect('(')?;
        let mut end: usize = 0;
        while !self.eat(')') {
            let space = self.word()?;
            if space != ".param" {
                return Err(self.refusal(format!("a parameter in `{space}`")));
            }
            let variable = self.declaration()?;
            let offset = end.next_multiple_of(variable.align);
            end = offset + variable.size;
            function.params.push(Param { name: variable.name, role, size: variable.size, offset });
            self.eat(',');
        }
        Ok(())
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    fn line(&self) -> u32 {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(1, |placed| placed.line)
    }

    fn refusal(&self, found: impl Into<String>) -> Refusal {
        let before = self.next.saturating_sub(1);
        let line = self.tokens.get(before).map_or(1, |placed| placed.line);
        Refusal::at(line, found)
    }

    fn skip(&mut self, count: usize) {
        self.next += count;
    }

    fn is(&self, mark: char) -> bool {
        self.peek() == Some(&Token::Mark(mark))
    }

    fn eat(&mut self, mark: char) -> bool {
        let found = self.is(mark);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), Refusal> {
        if self.eat(mark) { Ok(()) } else { Err(self.unexpected(&format!("`{mark}`"))) }
    }

    fn word(&mut self) -> Result<String, Refusal> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.unexpected("a name")) };
        let word = word.clone();
        self.skip(1);
        Ok(word)
    }

    /// A whole number with its sign, as bits.
    fn integer(&mut self) -> Result<u64, Refusal> {
        let negative = self.eat('-');
        let Some(Token::Number(digits)) = self.peek() else {
            return Err(self.unexpected("a number"));
        };
        let Some(value) = declaration::integer(digits) else {
            return Err(self.unexpected("a whole number"));
        };
        self.skip(1);
        Ok(if negative { value.wrapping_neg() } else { value })
    }

    fn unexpected(&self, expected: &str) -> Refusal {
        let found = match self.peek() {
            Some(Token::Word(word)) => format!("`{word}`"),
            Some(Token::Number(number)) => format!("`{number}`"),
            Some(Token::Text(text)) => format!("{text:?}"),
            Some(Token::Mark(mark)) => format!("`{mark}`"),
            None => "the end".into(),
        };
        Refusal::at(self.line(), format!("{found} in place of {expected}"))
    }
}
