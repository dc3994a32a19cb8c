//! What the lanes of a warp tell each other.

use super::control::meet;
use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::module::Operand;
use crate::types::Type;

pub(super) fn warp(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    match op.name {
        "shfl" => shuffle(writer, op),
        "vote" => vote(writer, op),
        _ => Err(op.unknown()),
    }
}

fn shuffle(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["sync", "up", "down", "bfly", "idx"])?;
    let [to, a, b, c, _members] = op.operands() else { return Err(op.unknown()) };
    let way = op.one_of(&["up", "down", "bfly", "idx"]).ok_or_else(|| op.unknown())?;
    let way = way.chars().next().unwrap_or('i');
    let ty = Type::Bits(32);
    let (a, b, c) = (writer.read(op, a, ty)?, writer.read(op, b, ty)?, writer.read(op, c, ty)?);
    let met = meet(writer, "WARP", &a);
    let mut done = format!(
        "{{ u32 valid; u32 v = shuffle(L, '{way}', lane_of(L, tid), (u32)T->given, {b}, {c}, &valid);"
    );
    match to {
        Operand::Pair(value, valid) => {
            done += &writer.write(op, value, ty, "v")?;
            done += &writer.write(op, valid, Type::Pred, "valid")?;
        }
        single => done += &writer.write(op, single, ty, "v")?,
    }
    Ok(format!("{met} {done} }}"))
}

fn vote(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["sync", "all", "any", "uni", "ballot"])?;
    let [to, predicate, members] = op.operands() else { return Err(op.unknown()) };
    let given = format!("!!{}", writer.truth(op, predicate)?);
    let members = writer.read(op, members, Type::Bits(32))?;
    let met = meet(writer, "WARP", &given);
    let ballot = format!("ballot(L, {members})");
    let (ty, value) = match op.one_of(&["all", "any", "uni", "ballot"]) {
        Some("all") => (Type::Pred, format!("{ballot} == ({members} & L->present)")),
        Some("any") => (Type::Pred, format!("{ballot} != 0")),
        Some("uni") => {
            (Type::Pred, format!("{ballot} == 0 || {ballot} == ({members} & L->present)"))
        }
        Some("ballot") => (Type::Bits(32), ballot),
        _ => return Err(op.unknown()),
    };
    Ok(format!("{met} {}", writer.write(op, to, ty, &value)?))
}
