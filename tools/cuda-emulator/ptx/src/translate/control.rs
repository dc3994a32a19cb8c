//! Jumps, calls, returns and barriers.

use super::op::Op;
use super::writer::Writer;
use crate::Refusal;
use crate::module::{Function, Operand, Role, Statement, Symbol};
use crate::types::Type;

pub(super) fn control(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    match op.name {
        "bra" => {
            op.allow(&["uni"])?;
            Ok(format!("goto {};", writer.target(op, op.operand(0)?)?))
        }
        "brx" => indirect(writer, op),
        "call" => call(writer, op),
        "ret" | "exit" => {
            op.allow(&["uni"])?;
            match (op.name, writer.function.entry) {
                ("exit", false) => Err(op.unknown()),
                _ => Ok(if writer.phased { "return DONE;" } else { "return;" }.into()),
            }
        }
        "trap" => Ok(format!("L->refuse(L, TRAP, {}, 0, 0);", op.line())),
        // All threads see every access at once, in the order of the program.
        "membar" | "fence" | "nanosleep" => Ok(String::new()),
        "bar" | "barrier" => barrier(writer, op),
        _ => Err(op.unknown()),
    }
}

/// The head of a device function's definition.
pub(super) fn signature(index: usize, function: &Function) -> String {
    let params = function.params.iter().enumerate().filter(|(_, param)| param.role != Role::Local);
    let params: String = params.map(|(index, _)| format!(", u8 *p{index}")).collect();
    format!("static void f{index}(Launch *L, const u32 *tid{params})")
}

fn indirect(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["idx", "uni"])?;
    let Operand::Word(name) = op.operand(1)? else { return Err(op.unknown()) };
    let targets = writer.function.body.iter().find_map(|statement| match statement {
        Statement::Targets(list, targets) if list == name => Some(targets),
        _ => None,
    });
    let by = writer.raw(op, op.operand(0)?)?;
    let mut c = format!("switch ({by}) {{");
    for (index, target) in targets.ok_or_else(|| op.unknown())?.iter().enumerate() {
        let target = writer.target(op, &Operand::Word(target.clone()))?;
        c += &format!(" case {index}: goto {target};");
    }
    Ok(c + &format!(" default: L->refuse(L, TRAP, {}, 0, 0); }}", op.line()))
}

fn call(writer: &Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["uni"])?;
    let mut arguments = String::new();
    let mut name = None;
    for operand in op.operands() {
        match operand {
            Operand::Word(word) => name = Some(word),
            Operand::List(list) => {
                for argument in list {
                    let Operand::Symbol(Symbol::Param(index)) = argument else {
                        return Err(op.unknown_operand(argument));
                    };
                    arguments += &format!(", p{index}");
                }
            }
            _ => return Err(op.unknown_operand(operand)),
        }
    }
    let name = name.ok_or_else(|| op.unknown())?;
    if name == "__assertfail" {
        return Ok(format!("L->refuse(L, ASSERTION, {}, 0, 0);", op.line()));
    }
    match writer.module.functions.iter().position(|f| f.defined && !f.entry && &f.name == name) {
        Some(index) => Ok(format!("f{index}(L, tid{arguments});")),
        None => Err(Refusal::at(op.line(), format!("a call of `{name}`"))),
    }
}

/// All threads of the block meet; `bar.red` counts for which of them a predicate holds.
fn barrier(writer: &mut Writer<'_>, op: &Op<'_>) -> Result<String, Refusal> {
    op.allow(&["sync", "aligned", "cta", "red", "popc", "and", "or", "warp"])?;
    if op.has("warp") {
        return Ok(meet(writer, "WARP", "0"));
    }
    if op.has("sync") {
        return match op.operands() {
            [Operand::Integer(_)] => Ok(meet(writer, "BLOCK", "0")),
            _ => Err(op.unknown()),
        };
    }
    let [to, Operand::Integer(_), predicate] = op.operands() else { return Err(op.unknown()) };
    let given = format!("!!{}", writer.truth(op, predicate)?);
    let met = meet(writer, "BLOCK", &given);
    let (ty, value) = match op.one_of(&["popc", "and", "or"]) {
        Some("popc") => (Type::Unsigned(32), "L->votes"),
        Some("and") => (Type::Pred, "L->votes == L->voters"),
        Some("or") => (Type::Pred, "L->votes != 0"),
        _ => return Err(op.unknown()),
    };
    Ok(format!("{met} {}", writer.write(op, to, ty, value)?))
}

/// Leaves the C function until the others have come, and goes on after that.
pub(super) fn meet(writer: &mut Writer<'_>, with: &str, given: &str) -> String {
    writer.phases += 1;
    let phase = writer.phases;
    format!("T->given = {given}; T->phase = {phase}; return {with}; P{phase}: ;")
}
