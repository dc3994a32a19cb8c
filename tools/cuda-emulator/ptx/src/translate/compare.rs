//! Comparisons and choices.

use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::module::Operand;
use crate::types::Type;

const RELATIONS: &[&str] = &[
    "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu",
    "geu", "num", "nan",
];

pub(super) fn compare(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    match op.name {
        "setp" => set_predicate(writer, op),
        "set" => set(writer, op),
        "selp" => {
            op.allow(&[])?;
            let ty = Type::Bits(op.ty()?.bits());
            let (a, b) = (writer.raw(op, op.operand(1)?)?, writer.raw(op, op.operand(2)?)?);
            let choice = format!("{} ? {a} : {b}", writer.truth(op, op.operand(3)?)?);
            writer.write(op, op.operand(0)?, ty, &choice)
        }
        "slct" => {
            op.allow(&["ftz"])?;
            let &[ty, by] = op.types() else { return Err(op.unknown()) };
            let (a, b) = (writer.raw(op, op.operand(1)?)?, writer.raw(op, op.operand(2)?)?);
            let choice = format!("{} >= 0 ? {a} : {b}", writer.read(op, op.operand(3)?, by)?);
            writer.write(op, op.operand(0)?, Type::Bits(ty.bits()), &choice)
        }
        _ => test(writer, op),
    }
}

fn set_predicate(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    let holds = relation(writer, op, op.ty()?, 1)?;
    let joined = |truth: String| -> Result<String, Refusal> {
        let Some(join) = op.one_of(&["and", "or", "xor"]) else { return Ok(truth) };
        let with = writer.truth(op, op.operand(3)?)?;
        Ok(match join {
            "and" => format!("({truth}) && {with}"),
            "or" => format!("({truth}) || {with}"),
            _ => format!("({truth}) != !!{with}"),
        })
    };
    match op.operand(0)? {
        Operand::Pair(yes, no) => {
            let written = writer.write(op, yes, Type::Pred, "yes")?;
            let refused = writer.write(op, no, Type::Pred, "no")?;
            let (yes, no) = (joined(holds.clone())?, joined(format!("!({holds})"))?);
            Ok(format!("{{ u8 yes = {yes}, no = {no}; {written} {refused} }}"))
        }
        single => writer.write(op, single, Type::Pred, &joined(holds)?),
    }
}

fn set(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    let &[to, from] = op.types() else { return Err(op.unknown()) };
    if op.one_of(&["and", "or", "xor"]).is_some() {
        return Err(op.unknown());
    }
    let holds = relation(writer, op, from, 1)?;
    let bits = match to {
        Type::Float(width @ (16 | 32)) => format!("f{width}_bits({holds})"),
        Type::Unsigned(32) | Type::Signed(32) => format!("({holds}) ? -1 : 0"),
        _ => return Err(op.unknown()),
    };
    writer.write(op, op.operand(0)?, to, &bits)
}

/// Whether the relation in the opcode holds between two operands, the first at `start`.
fn relation(writer: &Writer<'_>, op: &Op<'_>, ty: Type, start: usize) -> Result<String, Refusal> {
    let known: Vec<&str> = RELATIONS.iter().copied().chain(["and", "or", "xor", "ftz"]).collect();
    op.allow(&known)?;
    let read = |index| -> Result<String, Refusal> {
        let value = writer.read(op, op.operand(index)?, ty)?;
        let flush = op.has("ftz") && ty.bits() < 64;
        Ok(if flush { format!("flush_f{}({value})", ty.bits()) } else { value })
    };
    let (a, b) = (read(start)?, read(start + 1)?);
    if ty == Type::HalfPair {
        return Err(op.unknown());
    }
    Ok(match op.one_of(RELATIONS) {
        Some("eq") => format!("{a} == {b}"),
        Some("ne") if ty.is_float() => format!("{a} < {b} || {a} > {b}"),
        Some("ne" | "neu") => format!("{a} != {b}"),
        Some("lt" | "lo") => format!("{a} < {b}"),
        Some("le" | "ls") => format!("{a} <= {b}"),
        Some("gt" | "hi") => format!("{a} > {b}"),
        Some("ge" | "hs") => format!("{a} >= {b}"),
        Some("equ") => format!("!({a} < {b} || {a} > {b})"),
        Some("ltu") => format!("!({a} >= {b})"),
        Some("leu") => format!("!({a} > {b})"),
        Some("gtu") => format!("!({a} <= {b})"),
        Some("geu") => format!("!({a} < {b})"),
        Some("num") => format!("{a} == {a} && {b} == {b}"),
        Some("nan") => format!("{a} != {a} || {b} != {b}"),
        _ => return Err(op.unknown()),
    })
}

fn test(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["finite", "infinite", "number", "notanumber", "normal", "subnormal"])?;
    let a = writer.read(op, op.operand(1)?, op.ty()?)?;
    let holds = match op.one_of(&["finite", "infinite", "number", "notanumber", "normal"]) {
        Some("finite") => format!("isfinite({a})"),
        Some("infinite") => format!("!!isinf({a})"),
        Some("number") => format!("!isnan({a})"),
        Some("notanumber") => format!("!!isnan({a})"),
        Some("normal") => format!("!!isnormal({a})"),
        _ => format!("fpclassify({a}) == FP_SUBNORMAL"),
    };
    writer.write(op, op.operand(0)?, Type::Pred, &holds)
}
