//! What is not known is refused with its text and line.

#![allow(clippy::unwrap_used, reason = "a test")]

use cuda_emulator_ptx::{parse, translate};

fn refusal(body: &str) -> String {
    let text = format!(
        ".version 8.0\n.target sm_80\n.visible .entry k()\n{{\n.reg .b32 %r<9>;\n{body}\nret;\n}}"
    );
    let refused = parse(&text).and_then(|module| translate(&module).map(|_| ()));
    refused.unwrap_err().to_string()
}

#[test]
fn refusals_name_what_they_found() {
    for (body, said) in [
        (
            "mma.sync.aligned.m16n8k8 %r1, %r2;",
            "PTX line 6: the instruction `mma.sync.aligned.m16n8k8`",
        ),
        ("add.strange.s32 %r1, %r2, %r3;", "PTX line 6: the instruction `add.strange.s32`"),
        ("\nmov.u32 %r1, %clock;", "PTX line 7: the operand Special(\"clock\") of `mov.u32`"),
        ("call.uni far;", "PTX line 6: a call of `far`"),
        ("bra $nowhere;", "PTX line 6: the operand Word(\"$nowhere\") of `bra`"),
        (".strange 5;", "PTX line 6: the directive `.strange`"),
        ("add.s32 %r1, %r2", "PTX line 7: `ret` in place of `;`"),
        (
            "ld.param.u32 %r1, [nothing];",
            "PTX line 6: the operand Word(\"nothing\") of `ld.param.u32`",
        ),
    ] {
        assert_eq!(refusal(body), said, "{body}");
    }
}
