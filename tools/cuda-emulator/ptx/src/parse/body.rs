//! The body of a function: declarations, labels, instructions.

use super::declaration::floating;
use super::scope::Scopes;
use super::{Parser, Token};
use crate::Refusal;
use crate::module::{Function, Instruction, Operand, Param, Role, Statement, Symbol};
use crate::types::Type;

impl Parser<'_> {
    pub(super) fn body(
        &mut self,
        function: &mut Function,
        mut scopes: Scopes,
    ) -> Result<(), Refusal> {
        self.expect('{')?;
        let mut shared = self.module.shared.last().map_or(0, |last| last.offset + last.size);
        loop {
            if self.eat('{') {
                scopes.open();
            } else if self.eat('}') {
                if !scopes.close() {
                    return Ok(());
                }
            } else if !self.eat(';') {
                self.statement(function, &mut scopes, &mut shared)?;
            }
        }
    }

    fn statement(
        &mut self,
        function: &mut Function,
        scopes: &mut Scopes,
        shared: &mut usize,
    ) -> Result<(), Refusal> {
        let line = self.line();
        if self.is('@') {
            return self.instruction(line, function, scopes);
        }
        let word = self.word()?;
        match word.as_str() {
            ".reg" => self.registers(function, scopes),
            ".param" => self.call_param(function, scopes),
            ".shared" if function.entry => {
                let (window, symbol) = self.window(*shared, true)?;
                *shared = window.offset + window.size;
                scopes.name(&window.name, symbol);
                function.shared = function.shared.max(*shared);
                Ok(())
            }
            ".local" => {
                let (window, symbol) = self.window(function.local, false)?;
                function.local = window.offset + window.size;
                scopes.name(&window.name, symbol);
                Ok(())
            }
            ".pragma" => {
                self.skip(1);
                self.expect(';')
            }
            ".loc" => {
                self.skip(3);
                Ok(())
            }
            _ if word.starts_with('.') => Err(self.refusal(format!("the directive `{word}`"))),
            _ if self.eat(':') => self.label(word, function),
            _ => {
                self.next -= 1;
                self.instruction(line, function, scopes)
            }
        }
    }

    fn label(&mut self, name: String, function: &mut Function) -> Result<(), Refusal> {
        if self.peek() != Some(&Token::Word(".branchtargets".into())) {
            function.body.push(Statement::Label(name));
            return Ok(());
        }
        self.skip(1);
        let mut targets = vec![self.word()?];
        while self.eat(',') {
            targets.push(self.word()?);
        }
        function.body.push(Statement::Targets(name, targets));
        self.expect(';')
    }

    /// Reads `.reg .b32 %r<10>, a, b;`.
    fn registers(&mut self, function: &mut Function, scopes: &mut Scopes) -> Result<(), Refusal> {
        let word = self.word()?;
        let Some(ty) = word.strip_prefix('.').and_then(Type::named) else {
            return Err(self.refusal(format!("registers of type `{word}`")));
        };
        loop {
            let name = self.word()?;
            if self.eat('<') {
                for number in 0..self.integer()? {
                    scopes.register(&format!("{name}{number}"), function.registers.len());
                    function.registers.push(ty);
                }
                self.expect('>')?;
            } else {
                scopes.register(&name, function.registers.len());
                function.registers.push(ty);
            }
            if !self.eat(',') {
                return self.expect(';');
            }
        }
    }

    fn call_param(&mut self, function: &mut Function, scopes: &mut Scopes) -> Result<(), Refusal> {
        let variable = self.declaration()?;
        self.expect(';')?;
        scopes.name(&variable.name, Symbol::Param(function.params.len()));
        let (name, size) = (variable.name, variable.size);
        function.params.push(Param { name, role: Role::Local, size, offset: 0 });
        Ok(())
    }

    fn instruction(
        &mut self,
        line: u32,
        function: &mut Function,
        scopes: &Scopes,
    ) -> Result<(), Refusal> {
        let guard = if self.eat('@') { Some(self.operand(function, scopes)?) } else { None };
        let opcode = self.word()?;
        let mut operands = Vec::new();
        while !self.eat(';') {
            let operand = self.operand(function, scopes)?;
            operands.push(if self.eat('|') {
                Operand::Pair(Box::new(operand), Box::new(self.operand(function, scopes)?))
            } else {
                operand
            });
            if !self.eat(',') {
                self.expect(';')?;
                break;
            }
        }
        let instruction = Instruction { line, guard, opcode, operands };
        function.body.push(Statement::Instruction(instruction));
        Ok(())
    }

    fn operand(&mut self, function: &mut Function, scopes: &Scopes) -> Result<Operand, Refusal> {
        if self.eat('!') {
            return Ok(Operand::Not(Box::new(self.operand(function, scopes)?)));
        }
        if self.eat('{') {
            return Ok(Operand::Vector(self.list('}', function, scopes)?));
        }
        if self.eat('(') {
            return Ok(Operand::List(self.list(')', function, scopes)?));
        }
        if self.eat('[') {
            let base = self.operand(function, scopes)?;
            let offset = if self.eat('+') { self.integer()? } else { 0 };
            self.expect(']')?;
            return Ok(Operand::Address(Box::new(base), offset as i64));
        }
        match self.peek() {
            Some(Token::Word(_)) => self.named(function, scopes),
            Some(Token::Number(digits)) => {
                let operand = match floating(digits) {
                    Some((bits, 32)) => Operand::Float32(bits as u32),
                    Some((bits, _)) => Operand::Float64(bits),
                    None => return Ok(Operand::Integer(self.integer()?)),
                };
                self.skip(1);
                Ok(operand)
            }
            _ => Ok(Operand::Integer(self.integer()?)),
        }
    }

    fn named(&mut self, function: &mut Function, scopes: &Scopes) -> Result<Operand, Refusal> {
        let name = self.word()?;
        let operand = scopes.find(&name);
        if let Operand::Symbol(Symbol::Shared(offset)) = operand {
            // A variable outside the function counts only where the function names it.
            let outside = self.module.shared.iter().find(|window| window.offset == offset);
            let end = outside.map_or(0, |window| window.offset + window.size);
            function.shared = function.shared.max(end);
        }
        Ok(operand)
    }

    fn list(
        &mut self,
        end: char,
        function: &mut Function,
        scopes: &Scopes,
    ) -> Result<Vec<Operand>, Refusal> {
        let mut operands = Vec::new();
        while !self.eat(end) {
            operands.push(self.operand(function, scopes)?);
            self.eat(',');
        }
        Ok(operands)
    }
}
