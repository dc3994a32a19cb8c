//! A module to C: one function per kernel, which runs a block or a thread's next phase.

mod arithmetic;
mod carry;
mod compare;
mod control;
mod convert;
mod float;
mod memory;
mod op;
mod warp;
mod writer;

use std::fmt::Write;

use self::op::Op;
use self::writer::Writer;
use crate::module::{Function, Module, Role, Statement};
use crate::{POISON, Refusal};

/// The C text of a module, and what one must know to run it.
#[derive(Debug)]
pub struct Translation {
    /// The text.
    pub c: String,
    /// The kernels.
    pub kernels: Vec<Kernel>,
}

/// How to launch a kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Its name in the PTX.
    pub name: String,
    /// Its name in the C.
    pub symbol: String,
    /// How it is run.
    pub style: Style,
    /// Offset and size of each parameter.
    pub params: Vec<(usize, usize)>,
    /// Bytes of shared memory before what the launch adds.
    pub shared: usize,
    /// How many places access global memory.
    pub sites: usize,
    /// Whether its blocks may run at the same time: no atomic operations.
    pub independent: bool,
}

/// How a kernel's C function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `void k(Launch *)` runs a block.
    Block,
    /// `u32 k(Launch *, State *)` runs a thread to its next meeting with others;
    /// `{symbol}_state` holds the size of its state.
    Phased,
}

/// Writes the C of `module`.
pub fn translate(module: &Module) -> Result<Translation, Refusal> {
    let mut c = format!("#define POISON {POISON:#x}u\n{}", include_str!("prelude.c"));
    let mut kernels = Vec::new();
    for (index, function) in module.functions.iter().enumerate().filter(|(_, f)| !f.entry) {
        let _ = writeln!(c, "{};", control::signature(index, function));
    }
    for (index, function) in module.functions.iter().enumerate().filter(|(_, f)| f.defined) {
        let mut writer = Writer::new(module, function);
        let body = statements(&mut writer, function)?;
        if function.entry {
            kernels.push(kernel(index, function, &writer));
            c.push_str(&frame_of_kernel(index, &writer, &body));
        } else {
            writer.refuse_phases()?;
            let variables = writer.variables();
            let signature = control::signature(index, function);
            let _ = writeln!(c, "{signature} {{\n{variables}{body}}}");
        }
    }
    Ok(Translation { c, kernels })
}

fn kernel(index: usize, function: &Function, writer: &Writer<'_>) -> Kernel {
    let inputs = function.params.iter().filter(|param| param.role == Role::Input);
    Kernel {
        name: function.name.clone(),
        symbol: format!("k{index}"),
        style: if writer.phased { Style::Phased } else { Style::Block },
        params: inputs.map(|param| (param.offset, param.size)).collect(),
        shared: writer.shared(),
        sites: writer.sites(),
        independent: writer.independent,
    }
}

fn statements(writer: &mut Writer<'_>, function: &Function) -> Result<String, Refusal> {
    let mut body = String::new();
    for statement in &function.body {
        match statement {
            Statement::Label(name) => {
                let _ = writeln!(body, "{}: ;", writer.label(name).unwrap_or_default());
            }
            Statement::Targets(..) => {}
            Statement::Instruction(instruction) => {
                let op = Op::new(instruction);
                let done = one(writer, &op)?;
                let _ = match &instruction.guard {
                    Some(guard) => {
                        writeln!(body, "if ({}) {{ {done} }}", writer.truth(&op, guard)?)
                    }
                    None => writeln!(body, "{done}"),
                };
            }
        }
    }
    Ok(body)
}

/// One instruction, by the first word of its opcode.
fn one(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    match op.name {
        "add" | "sub" | "mad" | "madc" | "addc" | "subc" if op.touches_carry() => {
            carry::carry(writer, op)
        }
        "add" | "sub" | "mul" | "mad" | "fma" | "div" | "neg" | "abs" | "min" | "max"
            if op.ty()?.is_float() =>
        {
            float::float(writer, op)
        }
        "rcp" | "sqrt" | "rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh" | "copysign" => {
            float::float(writer, op)
        }
        "add" | "sub" | "mul" | "mad" | "div" | "rem" | "neg" | "abs" | "min" | "max" | "and"
        | "or" | "xor" | "not" | "cnot" | "shl" | "shr" | "shf" | "bfi" | "bfe" | "prmt"
        | "lop3" | "popc" | "clz" | "brev" => arithmetic::integer(writer, op),
        "setp" | "set" | "selp" | "slct" | "testp" => compare::compare(writer, op),
        "mov" | "cvt" | "cvta" => convert::convert(writer, op),
        "ld" | "ldu" | "st" | "atom" | "red" => memory::memory(writer, op),
        "shfl" | "vote" | "activemask" => warp::warp(writer, op),
        _ => control::control(writer, op),
    }
}

fn frame_of_kernel(index: usize, writer: &Writer<'_>, body: &str) -> String {
    let variables = writer.variables();
    if !writer.phased {
        return format!(
            "INLINE void t{index}(Launch *L, const u32 *tid) {{\n{variables}{body}}}\n\
             void k{index}(Launch *L) {{\n\
             u32 *tid = L->tid;\n\
             for (tid[2] = 0; tid[2] < L->block[2]; tid[2]++)\n\
             for (tid[1] = 0; tid[1] < L->block[1]; tid[1]++)\n\
             for (tid[0] = 0; tid[0] < L->block[0]; tid[0]++) t{index}(L, tid);\n}}\n"
        );
    }
    let state = writer.state();
    let phases: String = (1..=writer.phases).map(|n| format!("case {n}: goto P{n};\n")).collect();
    format!(
        "typedef struct {{ u32 phase, tid[3]; u64 given;\n{state}}} S{index};\n\
         const u32 k{index}_state = sizeof(S{index});\n\
         u32 k{index}(Launch *L, S{index} *T) {{\nconst u32 *tid = T->tid;\n{variables}\
         switch (T->phase) {{\n{phases}}}\n{body}return DONE;\n}}\n"
    )
}
