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

/// What a kernel does that reads memory that nobody wrote.
fn check_unwritten(name: &str, body: &str, parts: &[&str]) {
    let said = last_words(name, || {
        let memory = Words::fresh(4);
        Kernel::of_body(body).run(1, 1, &[memory.pointer()]);
    });
    check(&said, &[&["kernel k", "that nobody wrote"], parts].concat());
}

#[test]
fn fresh_words() {
    let place = "4 bytes at 0x";
    let end = "12 bytes before the end of the allocation of 16 bytes";
    check_unwritten("fresh_words", "ld.global.u32 %r1, [%rd0+4];", &[place, end]);
}

#[test]
fn fresh_halves() {
    let body = "mov.u32 %r1, 5; cvt.u16.u32 %h1, %r1; st.global.b16 [%rd0+4], %h1;
                ld.global.b16 %h2, [%rd0+4]; ld.global.b16 %h2, [%rd0+6];";
    check_unwritten("fresh_halves", body, &["[%rd0+6]", "2 bytes at 0x"]);
}

#[test]
fn fresh_doubles() {
    let body = "st.global.u32 [%rd0], 5; ld.global.f64 %d1, [%rd0]; ld.f64 %d1, [%rd0+8];";
    check_unwritten("fresh_doubles", body, &["[%rd0+8]", "8 bytes at 0x"]);
}

#[test]
fn one_element_of_a_fresh_vector() {
    let body = "st.global.u32 [%rd0], 5; ld.global.v2.u32 {%r1, %r2}, [%rd0];";
    check_unwritten("one_element_of_a_fresh_vector", body, &["v2", "lie 12 bytes before"]);
}

#[test]
fn a_sum_onto_fresh_memory() {
    let body = "atom.global.exch.b32 %r1, [%rd0], 5; atom.global.add.u32 %r1, [%rd0], 5;
                red.global.add.u32 [%rd0+4], 1;";
    check_unwritten("a_sum_onto_fresh_memory", body, &["red.global.add.u32"]);
}

#[test]
fn fresh_shared_memory() {
    let body = ".shared .align 4 .b8 b[8]; mov.u32 %r1, b; st.shared.u32 [%r1], 5;
                ld.shared.u32 %r2, [%r1]; ld.shared.u32 %r2, [%r1+4];";
    check_unwritten("fresh_shared_memory", body, &["4 bytes at 4 of shared memory"]);
}

#[test]
fn a_copy_of_fresh_memory() {
    let said = last_words("a_copy_of_fresh_memory", || drop(Words::fresh(3).read()));
    check(&said, &["cuMemcpyDtoH", "4 bytes at 0x", "that nobody wrote lie 12 bytes before"]);
}

#[test]
fn empty_allocations_have_addresses_of_their_own() {
    assert_ne!(Words::fresh(0).free(), Words::fresh(0).free());
}
