//! Loads, stores and atomic operations.

use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::module::{Operand, Symbol};
use crate::types::Type;

/// Modifiers that say how caches and other threads see an access: here all see it at once.
const ORDER: &[&str] = &[
    "volatile",
    "relaxed",
    "acquire",
    "release",
    "acq_rel",
    "weak",
    "cta",
    "gpu",
    "sys",
    "cluster",
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "wb",
    "wt",
    "nc",
    "L1::no_allocate",
    "L1::evict_last",
    "L1::evict_first",
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L2::64B",
    "L2::128B",
    "L2::256B",
];
const SPACES: &[&str] = &["global", "const", "shared", "local", "param", "shared::cta"];

pub(super) fn memory(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    match op.name {
        "ld" | "ldu" => load(writer, op),
        "st" => store(writer, op),
        _ => atomic(writer, op),
    }
}

fn allow(op: &Op<'_>, more: &[&str]) -> Result<(), Refusal> {
    let known: Vec<&str> = [ORDER, SPACES, more].concat();
    op.allow(&known)
}

fn load(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    allow(op, &["v2", "v4"])?;
    let ty = op.ty()?;
    let to = elements(op, op.operand(0)?)?;
    let at = address(writer, op, op.operand(1)?, ty.bytes() * to.len())?;
    let mut c = format!("{{ {0} *at = ({0} *){at};", ty.c());
    for (index, to) in to.iter().enumerate() {
        c += &format!(" {0} v{index} = at[{index}];", ty.c());
        c += &written(op, ty, &format!("at + {index}"), &format!("v{index}"));
        c += &writer.write(op, to, ty, &format!("v{index}"))?;
    }
    Ok(c + " }")
}

/// Refuses a value that was loaded from memory that nobody wrote. Single bytes are too few to tell;
/// parameters are always written, and compilers load what they do not use from local memory.
fn written(op: &Op<'_>, ty: Type, at: &str, value: &str) -> String {
    let exempt = op.one_of(&["param", "local", "const"]).is_some() || ty.bytes() == 1;
    match ty.bits() {
        _ if exempt => String::new(),
        bits => format!(" written(L, {}, {at}, (u{bits}){value}, {});", op.line(), ty.bytes()),
    }
}

fn store(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    allow(op, &["v2", "v4"])?;
    let ty = op.ty()?;
    let from = elements(op, op.operand(1)?)?;
    let at = address(writer, op, op.operand(0)?, ty.bytes() * from.len())?;
    let mut c = format!("{{ {0} *at = ({0} *){at};", ty.c());
    for (index, from) in from.iter().enumerate() {
        c += &format!(" at[{index}] = ({})({});", ty.c(), writer.raw(op, from)?);
    }
    Ok(c + " }")
}

fn elements<'a>(op: &Op<'_>, operand: &'a Operand) -> Result<&'a [Operand], Refusal> {
    let count = if op.has("v2") { 2 } else { 1 + 3 * usize::from(op.has("v4")) };
    let elements = match operand {
        Operand::Vector(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    if elements.len() == count { Ok(elements) } else { Err(op.unknown()) }
}

/// A C pointer to `bytes` bytes that were found to lie in one variable.
fn address(
    writer: &mut Writer<'_>,
    op: &Op<'_>,
    operand: &Operand,
    bytes: usize,
) -> Result<String, Refusal> {
    let Operand::Address(base, offset) = operand else { return Err(op.unknown_operand(operand)) };
    let raw = writer.raw(op, base)?;
    let line = op.line();
    if let Operand::Symbol(Symbol::Param(index)) = **base {
        let fits = (0..=writer.function.params[index].size as i64 - bytes as i64).contains(offset);
        let place = format!("(p{index} + {offset})");
        return if fits { Ok(place) } else { Err(op.unknown_operand(operand)) };
    }
    let at = match offset {
        0 => format!("(u64)({raw})"),
        _ => format!("(u64)({raw}) + ({offset}ll)"),
    };
    let window = |name: &str, size: &str, why: &str| {
        format!("at_window(L, {why}, {name}, {size}, {line}, {at}, {bytes})")
    };
    Ok(match op.one_of(SPACES) {
        Some("global" | "const") => {
            format!("at_global(L, {}, {line}, {at}, {bytes})", writer.site())
        }
        Some("shared" | "shared::cta") => window("L->shared", "L->shared_bytes", "SHARED"),
        Some("local") => window("local", &writer.function.local.to_string(), "LOCAL"),
        Some("param") => {
            format!(
                "at_window(L, PARAM, L->params, L->params_bytes, {line}, {at} - (u64)L->params, {bytes})"
            )
        }
        _ => {
            let (local, site) = (writer.function.local, writer.site());
            format!("at_generic(L, local, {local}, {site}, {line}, {at}, {bytes})")
        }
    })
}

fn atomic(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    let operations = ["add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"];
    allow(op, &[&operations[..], &["noftz"]].concat())?;
    let ty = op.ty()?;
    let first = usize::from(op.name == "atom");
    let at = address(writer, op, op.operand(first)?, ty.bytes())?;
    let b = op.operand(first + 1)?;
    let operation = op.one_of(&operations).ok_or_else(|| op.unknown())?;
    let new = match (operation, ty) {
        ("add", Type::HalfPair) => {
            let b = writer.raw(op, b)?;
            let half =
                |by| format!("f16_bits(f16_of((u16)(old >> {by})) + f16_of((u16)({b} >> {by})))");
            format!("{} | (u32){} << 16", half(0), half(16))
        }
        ("add", Type::Float(bits)) => {
            format!("f{bits}_bits(f{bits}_of(old) + {})", writer.read(op, b, ty)?)
        }
        (_, Type::Float(_) | Type::HalfPair | Type::Pred) => return Err(op.unknown()),
        _ => whole(operation, &writer.read(op, b, ty)?, || {
            writer.read(op, op.operand(first + 2)?, ty)
        })?,
    };
    let c_type = ty.c();
    let given = match op.name {
        "atom" => writer.write(op, op.operand(0)?, ty, "old")?,
        _ => String::new(),
    };
    let check = if operation == "exch" { String::new() } else { written(op, ty, "at", "old") };
    Ok(format!(
        "{{ {c_type} *at = ({c_type} *){at}; {c_type} old = *at;{check} *at = {new}; {given} }}"
    ))
}

fn whole(
    operation: &str,
    b: &str,
    c: impl Fn() -> Result<String, Refusal>,
) -> Result<String, Refusal> {
    Ok(match operation {
        "add" => format!("old + {b}"),
        "min" => format!("old < {b} ? old : {b}"),
        "max" => format!("old > {b} ? old : {b}"),
        "and" => format!("old & {b}"),
        "or" => format!("old | {b}"),
        "xor" => format!("old ^ {b}"),
        "exch" => b.into(),
        "cas" => format!("old == {b} ? {} : old", c()?),
        "inc" => format!("old >= {b} ? 0 : old + 1"),
        _ => format!("old == 0 || old > {b} ? {b} : old - 1"),
    })
}
