//! Arithmetic of floats.

use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::types::Type;

const MODIFIERS: &[&str] = &["rn", "rz", "rm", "rp", "ftz", "sat", "approx", "full", "NaN"];

pub(super) fn float(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(MODIFIERS)?;
    let ty = op.ty()?;
    let destination = op.operand(0)?;
    let bits = match ty {
        Type::Float(width) => {
            let arguments = arguments(writer, op, |raw| format!("f{width}_of({raw})"), ty)?;
            bits(op, width, &arguments)?
        }
        Type::HalfPair => {
            let low = arguments(writer, op, |raw| format!("f16_of((u16)({raw}))"), ty)?;
            let high = arguments(writer, op, |raw| format!("f16_of((u16)({raw} >> 16))"), ty)?;
            format!("{} | (u32){} << 16", bits(op, 16, &low)?, bits(op, 16, &high)?)
        }
        _ => return Err(op.unknown()),
    };
    writer.write(op, destination, ty, &bits)
}

fn arguments(
    writer: &Writer<'_>,
    op: &Op<'_>,
    value: impl Fn(&str) -> String,
    ty: Type,
) -> Result<Vec<String>, Refusal> {
    let flush = op.has("ftz") && ty.bits() < 64;
    let width = if ty == Type::HalfPair { 16 } else { ty.bits() };
    let read = |operand| {
        if ty != Type::HalfPair {
            writer.read(op, operand, ty)?;
        }
        let value = value(&writer.raw(op, operand)?);
        Ok(if flush { format!("flush_f{width}({value})") } else { value })
    };
    op.operands()[1..].iter().map(read).collect()
}

/// The bits of the result for floats of `width` bits.
fn bits(op: &Op<'_>, width: u32, arguments: &[String]) -> Result<String, Refusal> {
    let argument = |index: usize| arguments.get(index).cloned().ok_or_else(|| op.unknown());
    let a = argument(0)?;
    let suffix = if width == 64 { "" } else { "f" };
    let value = match op.name {
        "add" | "sub" | "mul" | "fma" | "mad" => return sum_or_product(op, width, arguments),
        "div" => format!("{a} / {}", argument(1)?),
        "rcp" if width == 64 && op.has("approx") => format!("short_f64(1 / {a})"),
        "rcp" => format!("1 / {a}"),
        "sqrt" => format!("sqrt{suffix}({a})"),
        "rsqrt" => format!("1 / sqrt((double){a})"),
        "ex2" | "lg2" if width == 32 && !op.has("ftz") => {
            return Ok(format!("{}_approx({a})", op.name));
        }
        "ex2" => format!("exp2((double){a})"),
        "lg2" => format!("log2((double){a})"),
        "sin" | "cos" | "tanh" => format!("{}((double){a})", op.name),
        "min" | "max" => {
            let nan = if op.has("NaN") { "_nan" } else { "" };
            format!("{}{nan}_f{width}({a}, {})", op.name, argument(1)?)
        }
        "abs" => format!("fabs{suffix}({a})"),
        "neg" => format!("-{a}"),
        "copysign" => format!("copysign{suffix}({}, {a})", argument(1)?),
        _ => return Err(op.unknown()),
    };
    let directed = op.one_of(&["rz", "rm", "rp"]).is_some();
    if directed { Err(op.unknown()) } else { Ok(finish(op, width, &value)) }
}

fn sum_or_product(op: &Op<'_>, width: u32, arguments: &[String]) -> Result<String, Refusal> {
    let zero = String::from("-0.0f");
    let (a, b, c) = match (op.name, arguments) {
        ("fma" | "mad", [a, b, c]) => (a, b, c),
        ("mul", [a, b]) => (a, b, &zero),
        ("add" | "sub", [a, b]) => (a, &zero, b),
        _ => return Err(op.unknown()),
    };
    if let Some(way) = op.one_of(&["rz", "rm", "rp"]) {
        if width != 32 {
            return Err(op.unknown());
        }
        let way = &way[1..];
        let value = match op.name {
            "add" => format!("fma_directed({a}, 1, {c}, '{way}')"),
            "sub" => format!("fma_directed({c}, -1, {a}, '{way}')"),
            _ => format!("fma_directed({a}, {b}, {c}, '{way}')"),
        };
        return Ok(finish(op, width, &value));
    }
    let value = match (op.name, width) {
        ("add", _) => format!("{a} + {c}"),
        ("sub", _) => format!("{a} - {c}"),
        ("mul", _) => format!("{a} * {b}"),
        // Exact but for the last rounding, which an f32 between would repeat.
        (_, 16) => format!("(double){a} * {b} + {c}"),
        (_, 32) => format!("fmaf({a}, {b}, {c})"),
        _ => format!("fma({a}, {b}, {c})"),
    };
    Ok(finish(op, width, &value))
}

fn finish(op: &Op<'_>, width: u32, value: &str) -> String {
    let mut value = value.to_string();
    if op.has("ftz") && width < 64 {
        value = format!("flush_f{width}({value})");
    }
    if op.has("sat") {
        value = format!("saturate({value})");
    }
    let wide = width == 16 && matches!(op.name, "fma" | "mad");
    format!("f{width}_bits{}({value})", if wide { "_wide" } else { "" })
}
