//! Sums and products that leave or take a carry.

use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::types::Type;

pub(super) fn carry(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["cc", "lo", "hi"])?;
    let ty = op.ty()?;
    let width = ty.bits();
    let read = |index| writer.read(op, op.operand(index)?, Type::Unsigned(width));
    let taken = if op.name.ends_with('c') { "CC" } else { "0" };
    let sum = match op.name {
        "add" | "addc" => format!("(u128){} + {} + {taken}", read(1)?, read(2)?),
        "sub" | "subc" => format!("(u128){} - {} - {taken}", read(1)?, read(2)?),
        _ => {
            let sign = if matches!(ty, Type::Signed(_)) { 's' } else { 'u' };
            let factor = |index| writer.read(op, op.operand(index)?, ty);
            let down = if op.has("hi") { width } else { 0 };
            let product = format!("(({sign}128){} * {} >> {down})", factor(1)?, factor(2)?);
            format!("(u128)(u{width}){product} + {} + {taken}", read(3)?)
        }
    };
    let written = writer.write(op, op.operand(0)?, Type::Unsigned(width), "sum")?;
    let left = if op.has("cc") { format!(" CC = sum >> {width} & 1;") } else { String::new() };
    Ok(format!("{{ u128 sum = {sum}; {written}{left} }}"))
}
