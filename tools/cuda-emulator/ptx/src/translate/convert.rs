//! Moves and conversions.

use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::module::{Operand, Symbol};
use crate::types::Type;

pub(super) fn convert(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    match op.name {
        "mov" => mov(writer, op),
        "cvta" => cvta(writer, op),
        _ => cvt(writer, op),
    }
}

fn mov(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&[])?;
    let ty = op.ty()?;
    let (to, from) = (op.operand(0)?, op.operand(1)?);
    match (to, from) {
        (Operand::Vector(parts), _) => {
            let width = part(op, ty, parts.len())?;
            let raw = writer.raw(op, from)?;
            let mut c = format!("{{ u{0} whole = (u{0}){raw};", ty.bits());
            for (index, to) in parts.iter().enumerate() {
                let bits = format!("whole >> {}", index as u32 * width);
                c += &writer.write(op, to, Type::Bits(width), &bits)?;
            }
            Ok(c + " }")
        }
        (_, Operand::Vector(parts)) => {
            let width = part(op, ty, parts.len())?;
            let mut bits = Vec::new();
            for (index, from) in parts.iter().enumerate() {
                let raw = writer.raw(op, from)?;
                bits.push(format!("(u64)(u{width})({raw}) << {}", index as u32 * width));
            }
            writer.write(op, to, Type::Bits(ty.bits()), &bits.join(" | "))
        }
        _ => writer.write(op, to, Type::Bits(ty.bits()), &writer.raw(op, from)?),
    }
}

fn part(op: &Op<'_>, ty: Type, count: usize) -> Result<u32, Refusal> {
    match (ty.bits(), count) {
        (bits @ (16 | 32 | 64), 2) => Ok(bits / 2),
        (bits @ (32 | 64), 4) => Ok(bits / 4),
        _ => Err(op.unknown()),
    }
}

/// Addresses in shared and local memory count from the start of the space.
fn cvta(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["to", "global", "const", "shared", "local", "param"])?;
    let from = op.operand(1)?;
    let raw = writer.raw(op, from)?;
    let sign = if op.has("to") { '-' } else { '+' };
    let value = match (op.one_of(&["global", "const", "shared", "local", "param"]), from) {
        (Some("shared"), _) => format!("{raw} {sign} (u64)L->shared"),
        (Some("local"), _) => format!("{raw} {sign} (u64)local"),
        (Some(_), Operand::Register(_) | Operand::Symbol(Symbol::Table(_) | Symbol::Param(_))) => {
            raw
        }
        _ => return Err(op.unknown()),
    };
    writer.write(op, op.operand(0)?, Type::Bits(64), &value)
}

fn cvt(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi", "ftz", "sat"])?;
    let &[to, from] = op.types() else { return Err(op.unknown()) };
    if to == Type::HalfPair && from == Type::Float(32) && op.operands().len() == 3 {
        // The first source is the upper half.
        let (high, low) = (op.operand(1)?, op.operand(2)?);
        let half = |operand| Ok(format!("f16_bits({})", writer.read(op, operand, from)?));
        op.allow(&["rn"])?;
        let bits = format!("(u32){} << 16 | {}", half(high)?, half(low)?);
        return writer.write(op, op.operand(0)?, to, &bits);
    }
    let mut value = writer.read(op, op.operand(1)?, from)?;
    if op.has("ftz") && from == Type::Float(32) {
        value = format!("flush_f32({value})");
    }
    let bits = match (from.is_float(), to.is_float()) {
        (false, false) => whole_to_whole(op, to, from, value)?,
        (false, true) => float_of_whole(op, to, value)?,
        (true, false) => whole_of_float(op, to, &value)?,
        (true, true) => float_to_float(op, to, from, value)?,
    };
    writer.write(op, op.operand(0)?, to, &bits)
}

fn whole_to_whole(op: &Op<'_>, to: Type, from: Type, value: String) -> Result<String, Refusal> {
    if !op.has("sat") {
        return Ok(value);
    }
    let (low, high): (i128, i128) = match to {
        Type::Unsigned(bits) => (0, (1 << bits) - 1),
        Type::Signed(bits) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        _ => return Err(op.unknown()),
    };
    if from.bits() == 64 && to.bits() == 64 {
        return Err(op.unknown());
    }
    // Limits of 64 bits are never reached from fewer.
    let (low, high) = (low.max(i64::MIN.into()), high.min(i64::MAX.into()));
    Ok(format!(
        "(s128){value} < (s128){low}ll ? (s128){low}ll : (s128){value} > (s128){high}ll ? (s128){high}ll : (s128){value}"
    ))
}

fn float_of_whole(op: &Op<'_>, to: Type, value: String) -> Result<String, Refusal> {
    match (op.one_of(&["rn", "rz", "rm", "rp"]), to) {
        (Some("rn"), Type::Float(16)) => Ok(format!("f16_bits_wide((double){value})")),
        (Some("rn"), Type::Float(32)) => Ok(format!("f32_bits((float){value})")),
        (Some("rn"), Type::Float(64)) => Ok(format!("f64_bits((double){value})")),
        _ => Err(op.unknown()),
    }
}

fn whole_of_float(op: &Op<'_>, to: Type, value: &str) -> Result<String, Refusal> {
    match to {
        Type::Unsigned(_) | Type::Signed(_) => {}
        _ => return Err(op.unknown()),
    }
    Ok(format!("to_{}({})", to.c(), to_whole(op, value).ok_or_else(|| op.unknown())?))
}

/// The float without its fraction. The processor rounds to even, as `.rni` does.
fn to_whole(op: &Op<'_>, value: &str) -> Option<String> {
    let function = match op.one_of(&["rni", "rzi", "rmi", "rpi"])? {
        "rni" => "nearbyint",
        "rzi" => "trunc",
        "rmi" => "floor",
        _ => "ceil",
    };
    Some(format!("{function}((double){value})"))
}

fn float_to_float(op: &Op<'_>, to: Type, from: Type, value: String) -> Result<String, Refusal> {
    let (Type::Float(to), Type::Float(from)) = (to, from) else { return Err(op.unknown()) };
    let mut value = match to_whole(op, &value) {
        Some(whole) => whole,
        None => value,
    };
    match op.one_of(&["rz", "rm", "rp"]) {
        Some(way) if (to, from) == (32, 64) => {
            value = format!("directed({value}, 0, '{}')", &way[1..]);
        }
        Some(_) => return Err(op.unknown()),
        None => {}
    }
    if op.has("sat") {
        value = format!("saturate({value})");
    }
    if op.has("ftz") && to == 32 {
        value = format!("flush_f32((float){value})");
    }
    Ok(match (to, from) {
        (16, 64) => format!("f16_bits_wide({value})"),
        (32, _) => format!("f32_bits((float)({value}))"),
        (16 | 64, _) => format!("f{to}_bits({value})"),
        _ => return Err(op.unknown()),
    })
}
