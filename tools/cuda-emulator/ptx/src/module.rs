//! What a PTX module says, with names resolved to indices.

use crate::types::Type;

/// A parsed module.
#[derive(Debug, Default)]
pub struct Module {
    /// Variables in `.global` and `.const`.
    pub tables: Vec<Table>,
    /// Variables in `.shared` outside functions, with their offsets.
    pub shared: Vec<Window>,
    /// Kernels and device functions in the order of the text.
    pub functions: Vec<Function>,
}

/// A variable in `.global` or `.const`.
#[derive(Debug)]
pub struct Table {
    /// Its name in the text.
    pub name: String,
    /// Its alignment in bytes.
    pub align: usize,
    /// Its bytes at the start.
    pub bytes: Vec<u8>,
}

/// A place in shared or local memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its name in the text.
    pub name: String,
    /// Bytes from the start of the space.
    pub offset: usize,
    /// Bytes; 0 for `.extern` memory, whose size the launch gives.
    pub size: usize,
}

/// A parameter of a function, or a `.param` variable that carries one to a call.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name in the text.
    pub name: String,
    /// What it is to the function.
    pub role: Role,
    /// Bytes.
    pub size: usize,
    /// Bytes from the start of the kernel's block of parameters.
    pub offset: usize,
}

/// What a parameter is to the function that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It comes from the caller.
    Input,
    /// It goes back to the caller.
    Output,
    /// It is a variable of the body.
    Local,
}

/// A kernel or a device function.
#[derive(Debug, Default)]
pub struct Function {
    /// Its name in the text.
    pub name: String,
    /// Whether the host can launch it.
    pub entry: bool,
    /// Whether it has a body.
    pub defined: bool,
    /// Parameters, results and `.param` variables.
    pub params: Vec<Param>,
    /// The type of each register.
    pub registers: Vec<Type>,
    /// Bytes of `.shared` memory that end with the last variable that it names.
    pub shared: usize,
    /// Bytes of `.local` memory.
    pub local: usize,
    /// The instructions and labels.
    pub body: Vec<Statement>,
}

/// A line of a body.
#[derive(Debug)]
pub enum Statement {
    /// A place to jump to.
    Label(String),
    /// The targets of an indirect jump.
    Targets(String, Vec<String>),
    /// An instruction.
    Instruction(Instruction),
}

/// One instruction.
#[derive(Debug)]
pub struct Instruction {
    /// Its line in the text.
    pub line: u32,
    /// It runs only where this holds.
    pub guard: Option<Operand>,
    /// The whole opcode, `mul.wide.u32`.
    pub opcode: String,
    /// The operands, destinations first.
    pub operands: Vec<Operand>,
}

/// One operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// The register of this index.
    Register(usize),
    /// A register that the machine fills: `tid.x`.
    Special(String),
    /// A whole number, as bits.
    Integer(u64),
    /// The bits of an f32.
    Float32(u32),
    /// The bits of an f64.
    Float64(u64),
    /// A variable's address.
    Symbol(Symbol),
    /// A label or a function.
    Word(String),
    /// What lies at a base plus an offset.
    Address(Box<Operand>, i64),
    /// `{a, b}`.
    Vector(Vec<Operand>),
    /// `(a, b)` of a call.
    List(Vec<Operand>),
    /// `p|q`.
    Pair(Box<Operand>, Box<Operand>),
    /// `!p`.
    Not(Box<Operand>),
    /// `_`: a result that nobody wants.
    Nothing,
}

/// A variable that is not a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// The table of this index.
    Table(usize),
    /// This offset in shared memory.
    Shared(usize),
    /// Shared memory that the launch adds, after all other.
    DynamicShared,
    /// This offset in local memory.
    Local(usize),
    /// The parameter of this index.
    Param(usize),
}
