//! An opcode in its parts: `mul.wide.u32` is a name, modifiers and types.

use crate::Refusal;
use crate::module::{Instruction, Operand};
use crate::types::Type;

/// An instruction whose opcode was taken apart.
pub(super) struct Op<'a> {
    pub(super) name: &'a str,
    modifiers: Vec<&'a str>,
    types: Vec<Type>,
    instruction: &'a Instruction,
}

impl<'a> Op<'a> {
    pub(super) fn new(instruction: &'a Instruction) -> Self {
        let mut parts = instruction.opcode.split('.');
        let name = parts.next().unwrap_or_default();
        let (mut modifiers, mut types) = (Vec::new(), Vec::new());
        for part in parts {
            match Type::named(part) {
                Some(ty) => types.push(ty),
                None => modifiers.push(part),
            }
        }
        Self { name, modifiers, types, instruction }
    }

    pub(super) fn line(&self) -> u32 {
        self.instruction.line
    }

    /// A refusal of the whole instruction.
    pub(super) fn unknown(&self) -> Refusal {
        Refusal::at(self.line(), format!("the instruction `{}`", self.instruction.opcode))
    }

    /// A refusal of an operand of it.
    pub(super) fn unknown_operand(&self, operand: &Operand) -> Refusal {
        let opcode = &self.instruction.opcode;
        Refusal::at(self.line(), format!("the operand {operand:?} of `{opcode}`"))
    }

    pub(super) fn ty(&self) -> Result<Type, Refusal> {
        self.types.first().copied().ok_or_else(|| self.unknown())
    }

    pub(super) fn types(&self) -> &[Type] {
        &self.types
    }

    pub(super) fn operands(&self) -> &'a [Operand] {
        &self.instruction.operands
    }

    pub(super) fn operand(&self, index: usize) -> Result<&'a Operand, Refusal> {
        self.instruction.operands.get(index).ok_or_else(|| self.unknown())
    }

    pub(super) fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    /// The only one of `choices` that the opcode has.
    pub(super) fn one_of<'b>(&self, choices: &[&'b str]) -> Option<&'b str> {
        choices.iter().copied().find(|choice| self.has(choice))
    }

    /// Refuses the instruction when it has a modifier outside `known`.
    pub(super) fn allow(&self, known: &[&str]) -> Result<(), Refusal> {
        let strange = self.modifiers.iter().any(|modifier| !known.contains(modifier));
        if strange { Err(self.unknown()) } else { Ok(()) }
    }

    pub(super) fn touches_carry(&self) -> bool {
        self.name.ends_with('c') || self.has("cc")
    }
}
