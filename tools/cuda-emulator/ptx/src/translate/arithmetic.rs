//! Arithmetic of integers, bits and predicates.

use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::types::Type;

pub(super) fn integer(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["lo", "hi", "wide", "l", "r", "wrap", "clamp", "sat"])?;
    if op.has("sat") && !(matches!(op.name, "add" | "sub") && op.ty()? == Type::Signed(32)) {
        return Err(op.unknown());
    }
    let ty = op.ty()?;
    let (result, value) = match op.name {
        "popc" | "clz" => (Type::Unsigned(32), bits(writer, op, ty)?),
        "mul" | "mad" if op.has("wide") => (widened(op, ty)?, value(writer, op, ty)?),
        "and" | "or" | "xor" | "not" | "cnot" | "bfi" | "bfe" | "prmt" | "lop3" | "brev"
        | "shf" => (ty, bits(writer, op, ty)?),
        _ => (ty, value(writer, op, ty)?),
    };
    writer.write(op, op.operand(0)?, result, &value)
}

fn widened(op: &Op<'_>, ty: Type) -> Result<Type, Refusal> {
    match ty {
        Type::Unsigned(bits @ (16 | 32)) => Ok(Type::Unsigned(2 * bits)),
        Type::Signed(bits @ (16 | 32)) => Ok(Type::Signed(2 * bits)),
        _ => Err(op.unknown()),
    }
}

/// Operators for which the sign of the type matters, or might.
fn value(writer: &Writer<'_>, op: &Op<'_>, ty: Type) -> Result<String, Refusal> {
    let read = |index| writer.read(op, op.operand(index)?, ty);
    // Sums and products wrap: unsigned arithmetic in C.
    let unsigned = |index| writer.read(op, op.operand(index)?, Type::Unsigned(ty.bits()));
    let a = read(1)?;
    Ok(match op.name {
        "add" | "sub" if op.has("sat") => {
            let sign = if op.name == "add" { '+' } else { '-' };
            format!("to_s32((double)((s64){a} {sign} (s64){}))", read(2)?)
        }
        "add" => format!("{} + {}", unsigned(1)?, unsigned(2)?),
        "sub" => format!("{} - {}", unsigned(1)?, unsigned(2)?),
        "mul" => product(op, ty, &a, &read(2)?)?,
        "mad" => {
            let result = if op.has("wide") { widened(op, ty)? } else { ty };
            let unsigned = Type::Unsigned(result.bits());
            let c = writer.read(op, op.operand(3)?, unsigned)?;
            format!("({})({}) + {c}", unsigned.c(), product(op, ty, &a, &read(2)?)?)
        }
        "div" | "rem" if ty.bits() > 8 => format!("{}_{}({a}, {})", op.name, ty.c(), read(2)?),
        "neg" => format!("0 - {}", unsigned(1)?),
        "abs" => format!("{a} < 0 ? 0 - {} : {}", unsigned(1)?, unsigned(1)?),
        "min" => format!("{a} < {b} ? {a} : {b}", b = read(2)?),
        "max" => format!("{a} > {b} ? {a} : {b}", b = read(2)?),
        "shl" | "shr" => {
            let by = writer.read(op, op.operand(2)?, Type::Unsigned(32))?;
            let name = if op.name == "shl" { String::new() } else { shift_kind(ty) };
            format!("{}_{name}{}({a}, {by})", op.name, ty.bits())
        }
        _ => return Err(op.unknown()),
    })
}

fn shift_kind(ty: Type) -> String {
    if matches!(ty, Type::Signed(_)) { "s".into() } else { "u".into() }
}

fn product(op: &Op<'_>, ty: Type, a: &str, b: &str) -> Result<String, Refusal> {
    let sign = if matches!(ty, Type::Signed(_)) { 's' } else { 'u' };
    let double = 2 * ty.bits();
    Ok(match op.one_of(&["lo", "hi", "wide"]) {
        Some("lo") => format!("(u{0})({a} * (u128){b})", ty.bits()),
        Some("hi") => format!("({sign}{double})({a}) * {b} >> {}", ty.bits()),
        Some("wide") => format!("({sign}{double})({a}) * {b}"),
        _ => return Err(op.unknown()),
    })
}

/// Operators on plain bits.
fn bits(writer: &Writer<'_>, op: &Op<'_>, ty: Type) -> Result<String, Refusal> {
    if ty == Type::Pred {
        return predicates(writer, op);
    }
    let width = ty.bits();
    let read = |index| writer.read(op, op.operand(index)?, Type::Unsigned(width));
    let count = |index| writer.read(op, op.operand(index)?, Type::Unsigned(32));
    let a = read(1)?;
    Ok(match op.name {
        "and" => format!("{a} & {}", read(2)?),
        "or" => format!("{a} | {}", read(2)?),
        "xor" => format!("{a} ^ {}", read(2)?),
        "not" => format!("~{a}"),
        "cnot" => format!("{a} == 0"),
        "popc" => format!("__builtin_popcountll({a})"),
        "clz" => format!("clz_{width}({a})"),
        "brev" => format!("brev({a}, {width})"),
        "bfi" => format!("bfi({a}, {}, {}, {}, {width})", read(2)?, count(3)?, count(4)?),
        "bfe" => {
            let sign = u8::from(matches!(ty, Type::Signed(_)));
            format!("bfe({a}, {}, {}, {width}, {sign})", count(2)?, count(3)?)
        }
        "prmt" if op.operands().len() == 4 => format!("prmt({a}, {}, {})", read(2)?, read(3)?),
        "lop3" => format!("lop3({a}, {}, {}, {})", read(2)?, read(3)?, count(4)?),
        "shf" => {
            let pair = format!("((u64){} << 32 | {a})", read(2)?);
            let by = if op.has("wrap") {
                format!("({} & 31)", count(3)?)
            } else {
                format!("({0} < 32 ? {0} : 32)", count(3)?)
            };
            if op.has("l") { format!("{pair} << {by} >> 32") } else { format!("{pair} >> {by}") }
        }
        _ => return Err(op.unknown()),
    })
}

fn predicates(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    let read = |index| writer.truth(op, op.operand(index)?);
    Ok(match op.name {
        "and" => format!("{} && {}", read(1)?, read(2)?),
        "or" => format!("{} || {}", read(1)?, read(2)?),
        "xor" => format!("!{} != !{}", read(1)?, read(2)?),
        "not" => format!("!{}", read(1)?),
        _ => return Err(op.unknown()),
    })
}
