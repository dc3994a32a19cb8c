//! What the C of a function needs besides its statements: variables, places, operands.

use std::collections::HashMap;
use std::fmt::Write;

use super::op::Op;
use crate::Refusal;
use crate::module::{Function, Module, Operand, Role, Symbol};
use crate::types::Type;

/// Writes one function.
pub(super) struct Writer<'a> {
    pub(super) module: &'a Module,
    pub(super) function: &'a Function,
    /// Whether threads meet in it, so that registers outlive the C function.
    pub(super) phased: bool,
    /// How many places threads resume from.
    pub(super) phases: usize,
    /// Whether it has no atomic operations.
    pub(super) independent: bool,
    calls: bool,
    sites: usize,
    labels: HashMap<&'a str, usize>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(module: &'a Module, function: &'a Function) -> Self {
        use crate::module::Statement::{Instruction, Label, Targets};
        let (mut labels, mut phased, mut calls, mut independent) =
            (HashMap::new(), false, false, true);
        for (index, statement) in function.body.iter().enumerate() {
            match statement {
                Label(name) => {
                    labels.insert(name.as_str(), index);
                }
                Targets(..) => {}
                Instruction(instruction) => {
                    let name = instruction.opcode.split('.').next().unwrap_or_default();
                    phased |= matches!(name, "bar" | "barrier" | "shfl" | "vote");
                    calls |= name == "call";
                    independent &= !matches!(name, "atom" | "red" | "call");
                }
            }
        }
        let (phases, sites) = (0, 0);
        Self { module, function, phased, phases, independent, calls, sites, labels }
    }

    /// A device function keeps its variables on the C stack and cannot be left half done.
    pub(super) fn refuse_phases(&self) -> Result<(), Refusal> {
        if !self.phased {
            return Ok(());
        }
        let name = &self.function.name;
        Err(Refusal::at(0, format!("the device function `{name}`, in which threads meet")))
    }

    pub(super) fn sites(&self) -> usize {
        if self.calls { self.sites.max(1) } else { self.sites }
    }

    /// The next place that accesses global memory. Device functions share the first one.
    pub(super) fn site(&mut self) -> usize {
        if !self.function.entry {
            return 0;
        }
        self.sites += 1;
        self.sites - 1
    }

    pub(super) fn shared(&self) -> usize {
        let called = self.module.functions.iter().filter(|f| self.calls && !f.entry);
        called.map(|f| f.shared).max().unwrap_or(0).max(self.function.shared)
    }

    /// The C label of a place in the body.
    pub(super) fn label(&self, name: &str) -> Option<String> {
        self.labels.get(name).map(|index| format!("L{index}"))
    }

    /// The target of a jump.
    pub(super) fn target(&self, op: &Op<'_>, operand: &Operand) -> Result<String, Refusal> {
        let label = match operand {
            Operand::Word(name) => self.label(name),
            _ => None,
        };
        label.ok_or_else(|| op.unknown_operand(operand))
    }

    /// Declarations at the start of the C function. What nobody wrote is all ones.
    pub(super) fn variables(&self) -> String {
        let mut c = String::from("u32 CC = 0; (void)CC;\n");
        if !self.phased {
            for (index, ty) in self.function.registers.iter().enumerate() {
                let _ = writeln!(c, "u{} r{index} = -1;", ty.bits());
            }
            let local = self.function.local.max(1);
            let _ = writeln!(c, "_Alignas(16) u8 local[{local}]; memset(local, -1, sizeof local);");
        } else {
            c.push_str("u8 *local = T->local;\n");
        }
        for (index, param) in self.function.params.iter().enumerate() {
            let size = param.size.max(1);
            let _ = match (param.role, self.function.entry) {
                (Role::Local, _) => writeln!(c, "_Alignas(16) u8 p{index}[{size}];"),
                (_, true) => writeln!(c, "u8 *p{index} = L->params + {};", param.offset),
                (_, false) => continue,
            };
            let _ = writeln!(c, "(void)p{index};");
        }
        c.push_str("(void)local; (void)tid;\n");
        c
    }

    /// The members of a thread's state.
    pub(super) fn state(&self) -> String {
        let mut c = String::new();
        for (index, ty) in self.function.registers.iter().enumerate() {
            let _ = writeln!(c, "u{} r{index};", ty.bits());
        }
        let _ = writeln!(c, "_Alignas(16) u8 local[{}];", self.function.local.max(1));
        c
    }

    fn register(&self, index: usize) -> String {
        if self.phased { format!("T->r{index}") } else { format!("r{index}") }
    }

    /// The bits of an operand, as a C expression.
    pub(super) fn raw(&self, op: &Op<'_>, operand: &Operand) -> Result<String, Refusal> {
        Ok(match operand {
            Operand::Register(index) => self.register(*index),
            Operand::Integer(bits) => format!("{bits:#x}ull"),
            Operand::Float32(bits) => format!("{bits:#x}u"),
            Operand::Float64(bits) => format!("{bits:#x}ull"),
            Operand::Symbol(symbol) => self.symbol(*symbol),
            Operand::Special(name) => special(name).ok_or_else(|| op.unknown_operand(operand))?,
            Operand::Not(inside) => format!("!{}", self.raw(op, inside)?),
            _ => return Err(op.unknown_operand(operand)),
        })
    }

    fn symbol(&self, symbol: Symbol) -> String {
        match symbol {
            Symbol::Table(index) => format!("L->tables[{index}]"),
            Symbol::Shared(offset) | Symbol::Local(offset) => format!("{offset}ull"),
            Symbol::DynamicShared => "L->dynamic_shared".into(),
            Symbol::Param(index) => format!("(u64)p{index}"),
        }
    }

    /// The value of an operand as `ty` sees it.
    pub(super) fn read(&self, op: &Op<'_>, operand: &Operand, ty: Type) -> Result<String, Refusal> {
        let raw = self.raw(op, operand)?;
        let literal = match operand {
            Operand::Float32(_) => Some(32),
            Operand::Float64(_) => Some(64),
            _ => None,
        };
        match (ty, literal) {
            (Type::Float(bits), Some(width)) if bits != width => Err(op.unknown_operand(operand)),
            (Type::Float(bits), _) => Ok(format!("f{bits}_of({raw})")),
            (Type::Pred, _) => Ok(format!("({raw})")),
            _ => Ok(format!("(({})({raw}))", ty.c())),
        }
    }

    /// A statement that gives `bits`, an expression of `ty`'s C type, to a register.
    pub(super) fn write(
        &self,
        op: &Op<'_>,
        operand: &Operand,
        ty: Type,
        bits: &str,
    ) -> Result<String, Refusal> {
        match operand {
            Operand::Register(index) => {
                Ok(format!("{} = ({})({bits});", self.register(*index), ty.c()))
            }
            Operand::Nothing => Ok(format!("(void)({bits});")),
            _ => Err(op.unknown_operand(operand)),
        }
    }

    /// Whether a guard or predicate holds.
    pub(super) fn truth(&self, op: &Op<'_>, operand: &Operand) -> Result<String, Refusal> {
        self.read(op, operand, Type::Pred)
    }
}

/// The expression for a register that the machine fills.
fn special(name: &str) -> Option<String> {
    let lane = "lane_of(L, tid)";
    Some(match name {
        "laneid" => lane.into(),
        "warpid" => "warp_of(L, tid)".into(),
        "nwarpid" => "32u".into(),
        "WARP_SZ" => "32u".into(),
        "lanemask_eq" => format!("(1u << {lane})"),
        "lanemask_lt" => format!("((1u << {lane}) - 1)"),
        "lanemask_le" => format!("((2u << {lane}) - 1)"),
        "lanemask_ge" => format!("-(1u << {lane})"),
        "lanemask_gt" => format!("-(2u << {lane})"),
        _ => {
            let (vector, axis) = name.split_once('.')?;
            let axis = ["x", "y", "z"].iter().position(|&known| known == axis)?;
            match vector {
                "tid" => format!("tid[{axis}]"),
                "ntid" => format!("L->block[{axis}]"),
                "ctaid" => format!("L->ctaid[{axis}]"),
                "nctaid" => format!("L->grid[{axis}]"),
                _ => return None,
            }
        }
    })
}
