//! What the emulator refuses: each misuse runs in a process of its own, which must abort with
//! a message that names it.

use std::process::Command;

use crate::device::{Argument, Kernel, Words};
use cuda::api::status::INVALID_PTX;

const STORE: &str = "st.global.u32 [%rd0+16], 1;";

/// Runs the test `name` again with `misuse` switched on, and gives what it says as it aborts.
fn last_words(name: &str, misuse: impl FnOnce()) -> String {
    if std::env::var("MISUSE").is_ok_and(|asked| asked == name) {
        misuse();
        return String::new();
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", &format!("refusals::{name}"), "--nocapture"]).env("MISUSE", name);
    let output = again.output().unwrap();
    assert!(!output.status.success(), "{name} went on");
    String::from_utf8(output.stderr).unwrap()
}

fn check(words: &str, parts: &[&str]) {
    for part in parts {
        assert!(words.is_empty() || words.contains(part), "`{part}` is not in:\n{words}");
    }
}

#[test]
fn past_the_end() {
    let said = last_words("past_the_end", || {
        Kernel::of_body(STORE).run(1, 1, &[Words::fresh(4).pointer()]);
    });
    check(
        &said,
        &[
            "kernel k",
            "`st.global.u32 [%rd0+16], 1;`",
            "4 bytes",
            "0 bytes past the end of the allocation of 16 bytes",
        ],
    );
}

#[test]
fn freed() {
    let said = last_words("freed", || {
        let address = Words::fresh(8).free();
        Kernel::of_body(STORE).run(1, 1, &[Argument::Pointer(address)]);
    });
    check(&said, &["kernel k", "the freed allocation of 32 bytes"]);
}

#[test]
fn unaligned() {
    let said = last_words("unaligned", || {
        Kernel::of_body("ld.global.u32 %r1, [%rd0+2];").run(1, 1, &[Words::fresh(4).pointer()]);
    });
    check(&said, &["which is not a multiple of 4"]);
}

#[test]
fn shared_memory_ends() {
    let said = last_words("shared_memory_ends", || {
        let body = ".shared .align 4 .b8 b[8]; mov.u32 %r1, b; ld.shared.u32 %r2, [%r1+8];";
        Kernel::of_body(body).run(1, 1, &[Words::fresh(4).pointer()]);
    });
    check(&said, &["4 bytes at 8 of 8 bytes of shared memory"]);
}

#[test]
fn freed_twice() {
    let said = last_words("freed_twice", || {
        let words = Words::fresh(8);
        let again = Words::fresh(8);
        let address = words.free();
        cuda::api::memory::cuMemFree_v2(address);
        again.free();
    });
    check(&said, &["cuMemFree", "the freed allocation"]);
}

#[test]
fn copies_are_checked() {
    let said = last_words("copies_are_checked", || {
        let address = Words::fresh(8).free();
        cuda::api::memory::cuMemsetD8_v2(address, 0, 4);
    });
    check(&said, &["cuMemsetD8"]);
}

#[test]
fn unknown_instructions_and_modifiers() {
    for instruction in ["dp4a.u32.u32 %r1, %r2, %r3, %r4;", "add.rn.strange.f32 %f1, %f2, %f3;"] {
        let text = format!(
            ".visible .entry k() {{ .reg .b32 %r<9>; .reg .f32 %f<9>; {instruction} ret; }}"
        );
        assert!(matches!(Kernel::load(&text), Err(INVALID_PTX)), "{instruction}");
    }
}

#[test]
fn fresh_memory_is_not_a_number() {
    let words = Words::fresh(3).read();
    assert!(words.iter().all(|&bits| f32::from_bits(bits).is_nan()));
    assert_ne!(Words::fresh(0).free(), Words::fresh(0).free());
}
