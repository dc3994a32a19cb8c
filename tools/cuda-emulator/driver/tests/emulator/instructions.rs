//! Each family of instructions: operands in, bits out.

use crate::device::{Argument, Kernel, Words};

const NAN: u32 = 0x7fff_ffff;

/// Runs `code` with `inputs` in `%r1`, `%r2`, ..., and gives what it leaves in `%r10`.
fn word(code: &str, inputs: &[u32]) -> u32 {
    let moves: String = inputs
        .iter()
        .enumerate()
        .map(|(i, bits)| format!("mov.u32 %r{}, {bits};\n", i + 1))
        .collect();
    let kernel = Kernel::of_body(&format!("{moves}{code}\nst.global.u32 [%rd0], %r10;"));
    let out = Words::fresh(1);
    kernel.run(1, 1, &[out.pointer()]);
    out.read()[0]
}

fn check(table: &[(&str, &[u32], u32)]) {
    for &(code, inputs, expected) in table {
        let found = word(code, inputs);
        assert_eq!(found, expected, "{code} of {inputs:x?}: {found:#x} for {expected:#x}");
    }
}

/// The same for `a`, `b` and `c` as f32.
fn float(code: &str, inputs: &[f32]) -> u32 {
    let moves: String = (1..=inputs.len()).map(|i| format!("mov.b32 %f{i}, %r{i};\n")).collect();
    let bits: Vec<u32> = inputs.iter().map(|x| x.to_bits()).collect();
    word(&format!("{moves}{code}\nmov.b32 %r10, %f0;"), &bits)
}

fn check_floats(table: &[(&str, &[f32], f32)]) {
    for &(code, inputs, expected) in table {
        let found = float(code, inputs);
        let bits = if expected.is_nan() { NAN } else { expected.to_bits() };
        assert_eq!(found, bits, "{code} of {inputs:?}: {} for {expected}", f32::from_bits(found));
    }
}

#[test]
fn integers() {
    check(&[
        ("add.s32 %r10, %r1, %r2;", &[u32::MAX, 3], 2),
        ("sub.u32 %r10, %r1, %r2;", &[1, 3], u32::MAX - 1),
        ("mul.lo.s32 %r10, %r1, %r2;", &[0x8000_0001, 2], 2),
        ("mul.hi.u32 %r10, %r1, %r2;", &[0x8000_0001, 2], 1),
        ("mul.hi.s32 %r10, %r1, %r2;", &[u32::MAX, 2], u32::MAX),
        ("mad.lo.s32 %r10, %r1, %r2, %r3;", &[5, 6, 7], 37),
        (
            "mul.wide.s32 %rd1, %r1, %r2; shr.u64 %rd1, %rd1, 32; cvt.u32.u64 %r10, %rd1;",
            &[u32::MAX, 2],
            u32::MAX,
        ),
        (
            "mad.wide.u32 %rd1, %r1, %r2, %rd0; sub.s64 %rd1, %rd1, %rd0; cvt.u32.u64 %r10, %rd1;",
            &[3, 4],
            12,
        ),
        ("div.u32 %r10, %r1, %r2;", &[7, 2], 3),
        ("div.u32 %r10, %r1, %r2;", &[7, 0], u32::MAX),
        ("div.s32 %r10, %r1, %r2;", &[1 << 31, u32::MAX], 1 << 31),
        ("rem.s32 %r10, %r1, %r2;", &[-7_i32 as u32, 2], u32::MAX),
        ("neg.s32 %r10, %r1;", &[5], -5_i32 as u32),
        ("abs.s32 %r10, %r1;", &[-5_i32 as u32], 5),
        ("min.s32 %r10, %r1, %r2;", &[u32::MAX, 2], u32::MAX),
        ("max.u32 %r10, %r1, %r2;", &[u32::MAX, 2], u32::MAX),
    ]);
}

#[test]
fn bits() {
    check(&[
        ("and.b32 %r10, %r1, 0xf0;", &[0x1234], 0x30),
        ("not.b32 %r10, %r1;", &[1], u32::MAX - 1),
        ("shl.b32 %r10, %r1, %r2;", &[1, 32], 0),
        ("shr.u32 %r10, %r1, %r2;", &[1 << 31, 31], 1),
        ("shr.s32 %r10, %r1, %r2;", &[1 << 31, 99], u32::MAX),
        ("shf.l.wrap.b32 %r10, %r1, %r2, %r3;", &[0x8000_0000, 1, 1], 3),
        ("bfi.b32 %r10, %r1, %r2, 4, 8;", &[0xab, 0], 0xab0),
        ("bfe.s32 %r10, %r1, 4, 4;", &[0x80], 0xffff_fff8),
        ("prmt.b32 %r10, %r1, %r2, 0x5410;", &[0x1234_5678, 0x9abc_def0], 0xdef0_5678),
        ("lop3.b32 %r10, %r1, %r2, %r3, 0x96;", &[1, 3, 7], 5),
        ("popc.b32 %r10, %r1;", &[0xff], 8),
        ("clz.b32 %r10, %r1;", &[1], 31),
        ("brev.b32 %r10, %r1;", &[1], 1 << 31),
        ("mov.b64 %rd1, {%r1, %r2}; mov.b64 {_, %r10}, %rd1;", &[5, 6], 6),
    ]);
}

#[test]
fn carries() {
    check(&[
        ("add.cc.u32 %r3, %r1, %r2; addc.u32 %r10, 0, 0;", &[u32::MAX, 1], 1),
        ("sub.cc.u32 %r3, %r1, %r2; subc.u32 %r10, 5, 0;", &[0, 1], 4),
        (
            "mad.lo.cc.u32 %r3, %r1, %r2, 1; madc.hi.u32 %r10, %r1, %r2, 0;",
            &[u32::MAX, u32::MAX],
            u32::MAX - 1,
        ),
        ("mad.lo.cc.u32 %r3, %r1, 1, 1; madc.hi.u32 %r10, %r1, 1, 0;", &[u32::MAX], 1),
    ]);
}

#[test]
fn floats() {
    check_floats(&[
        ("add.f32 %f0, %f1, %f2;", &[1.5, 2.25], 3.75),
        ("add.f32 %f0, %f1, %f2;", &[f32::INFINITY, f32::NEG_INFINITY], f32::NAN),
        (
            "fma.rn.f32 %f0, %f1, %f2, %f3;",
            &[1.0 + f32::EPSILON, 1.0 - f32::EPSILON, -1.0],
            -f32::EPSILON * f32::EPSILON,
        ),
        ("add.rm.f32 %f0, %f1, %f2;", &[1.0, -1e-20], 1.0 - f32::EPSILON / 2.0),
        ("add.rp.f32 %f0, %f1, %f2;", &[1.0, 1e-20], 1.0 + f32::EPSILON),
        (
            "mul.rz.f32 %f0, %f1, %f2;",
            &[1.0 + f32::EPSILON, -1.0 - f32::EPSILON],
            -1.0 - 2.0 * f32::EPSILON,
        ),
        ("fma.rm.f32 %f0, %f1, %f2, %f3;", &[3.0, 4.0, 5.0], 17.0),
        ("mul.ftz.f32 %f0, %f1, %f2;", &[1e-30, 1e-10], 0.0),
        ("mul.f32 %f0, %f1, %f2;", &[1e-30, 1e-10], 1e-40),
        ("div.rn.f32 %f0, %f1, %f2;", &[1.0, 3.0], 1.0 / 3.0),
        ("rcp.rn.f32 %f0, %f1;", &[3.0], 1.0 / 3.0),
        ("sqrt.rn.f32 %f0, %f1;", &[2.0], std::f32::consts::SQRT_2),
        ("rsqrt.approx.f32 %f0, %f1;", &[4.0], 0.5),
        ("ex2.approx.ftz.f32 %f0, %f1;", &[-3.0], 0.125),
        ("lg2.approx.f32 %f0, %f1;", &[8.0], 3.0),
        ("min.f32 %f0, %f1, %f2;", &[f32::NAN, 2.0], 2.0),
        ("max.NaN.f32 %f0, %f1, %f2;", &[f32::NAN, 2.0], f32::NAN),
        ("max.f32 %f0, %f1, %f2;", &[-0.0, 0.0], 0.0),
        ("copysign.f32 %f0, %f1, %f2;", &[-1.0, 2.0], -2.0),
        ("cvt.sat.f32.f32 %f0, %f1;", &[-1.0], 0.0),
        ("mov.f32 %f0, 0f3F800000;", &[], 1.0),
    ]);
}

#[test]
fn halves() {
    let half = |code: &str| {
        format!(
            "mov.b32 {{%h1, %h2}}, %r1;\n{code}\nmov.b32 %r10, {{%h0, %h0}};\nand.b32 %r10, %r10, 0xffff;"
        )
    };
    for (code, inputs, expected) in [
        // 1 + 2 = 3; 1 / 2048 more than 1 rounds to even.
        ("add.f16 %h0, %h1, %h2;", 0x4000_3c00, 0x4200),
        ("add.f16 %h0, %h1, %h2;", 0x1000_3c00, 0x3c00),
        ("mul.f16 %h0, %h1, %h2;", 0x7bff_7bff, 0x7c00),
        ("sub.f16 %h0, %h1, %h2;", 0x7c00_7c00, 0x7fff),
        // (1 + 3 e) squared, less 1: 6 e + 9 e e, of which a rounded product keeps 6 e.
        ("mov.b16 %h3, 0xbc00; fma.rn.f16 %h0, %h1, %h2, %h3;", 0x3c03_3c03, 0x1e02),
        ("neg.f16 %h0, %h1;", 0x3c00, 0xbc00),
        ("abs.f16 %h0, %h1;", 0xbc00, 0x3c00),
        ("max.f16 %h0, %h1, %h2;", 0x7fff_3c00, 0x3c00),
        ("setp.lt.f16 %p1, %h1, %h2; selp.b16 %h0, 1, 2, %p1;", 0x4000_3c00, 1),
        ("cvt.f32.f16 %f1, %h1; cvt.rn.f16.f32 %h0, %f1;", 0x0001, 0x0001),
        ("set.eq.f16.f16 %h0, %h1, %h2;", 0x3c00_3c00, 0x3c00),
    ] {
        assert_eq!(word(&half(code), &[inputs]), expected, "{code} of {inputs:#x}");
    }
    check(&[
        ("add.f16x2 %r10, %r1, %r2;", &[0x3c00_4000, 0x3c00_3c00], 0x4000_4200),
        ("fma.rn.f16x2 %r10, %r1, %r2, %r1;", &[0x3c00_4000, 0x3c00_3c00], 0x4000_4400),
        (
            "mov.b32 %f1, %r1; mov.b32 %f2, %r2; cvt.rn.f16x2.f32 %r10, %f1, %f2;",
            &[0x3f80_0000, 0x4000_0000],
            0x3c00_4000,
        ),
    ]);
}

#[test]
fn conversions() {
    let from_float = |cvt: &str| format!("mov.b32 %f1, %r1; {cvt}");
    for (code, input, expected) in [
        ("cvt.rzi.s32.f32 %r10, %f1;", -2.7, -2_i32 as u32),
        ("cvt.rni.s32.f32 %r10, %f1;", 2.5, 2),
        ("cvt.rmi.s32.f32 %r10, %f1;", -2.1, -3_i32 as u32),
        ("cvt.rpi.u32.f32 %r10, %f1;", 2.1, 3),
        ("cvt.rzi.u32.f32 %r10, %f1;", -2.7, 0),
        ("cvt.rzi.u32.f32 %r10, %f1;", 1e20, u32::MAX),
        ("cvt.rzi.s32.f32 %r10, %f1;", f32::NAN, 0),
        ("cvt.rni.f32.f32 %f2, %f1; mov.b32 %r10, %f2;", 3.5, 4.0_f32.to_bits()),
        (
            "cvt.f64.f32 %d1, %f1; add.f64 %d1, %d1, %d1; cvt.rn.f32.f64 %f2, %d1; mov.b32 %r10, %f2;",
            1.5,
            3.0_f32.to_bits(),
        ),
        (
            "cvt.f64.f32 %d1, %f1; div.rn.f64 %d1, %d1, 0d4008000000000000; cvt.rz.f32.f64 %f2, %d1; mov.b32 %r10, %f2;",
            2.0,
            0x3f2a_aaaa,
        ),
    ] {
        assert_eq!(word(&from_float(code), &[f32::to_bits(input)]), expected, "{code} of {input}");
    }
    check(&[
        (
            "cvt.s64.s32 %rd1, %r1; shr.u64 %rd1, %rd1, 32; cvt.u32.u64 %r10, %rd1;",
            &[u32::MAX],
            u32::MAX,
        ),
        ("cvt.rn.f32.u32 %f1, %r1; mov.b32 %r10, %f1;", &[16_777_217], 16_777_216_f32.to_bits()),
        ("cvt.u16.u32 %h1, %r1; cvt.s32.s16 %r10, %h1;", &[0x1_8000], 0xffff_8000),
        ("cvt.sat.u8.s32 %r10, %r1;", &[300], 255),
    ]);
}

#[test]
fn comparisons() {
    let chosen = |setp: &str| {
        format!("mov.b32 %f1, %r1; mov.b32 %f2, %r2; {setp} selp.u32 %r10, 1, 0, %p1;")
    };
    let (one, nan) = (1.0_f32.to_bits(), NAN);
    for (setp, inputs, expected) in [
        ("setp.lt.s32 %p1, %r1, %r2;", [u32::MAX, 0], 1),
        ("setp.lt.u32 %p1, %r1, %r2;", [u32::MAX, 0], 0),
        ("setp.eq.f32 %p1, %f1, %f2;", [one, nan], 0),
        ("setp.neu.f32 %p1, %f1, %f2;", [one, nan], 1),
        ("setp.ne.f32 %p1, %f1, %f2;", [one, nan], 0),
        ("setp.gtu.f32 %p1, %f1, %f2;", [one, nan], 1),
        ("setp.nan.f32 %p1, %f1, %f2;", [one, nan], 1),
        ("setp.eq.s32 %p2|%p1, %r1, %r2;", [1, 2], 1),
        ("setp.eq.s32 %p2, %r1, %r2; setp.lt.or.s32 %p1, %r1, %r2, !%p2;", [2, 1], 1),
        ("setp.eq.s32 %p2, %r1, %r2; not.pred %p3, %p2; and.pred %p1, %p3, %p3;", [2, 1], 1),
        ("testp.subnormal.f32 %p1, %f1;", [1, 0], 1),
    ] {
        assert_eq!(word(&chosen(setp), &inputs), expected, "{setp} of {inputs:x?}");
    }
}

#[test]
fn jumps_calls_and_tables() {
    let module = "
.global .align 4 .u32 table[4] = {10, 20, 30, 40};
.func (.param .b32 result) twice(.param .b32 value)
{
  .reg .b32 %r<3>;
  ld.param.u32 %r1, [value];
  add.u32 %r2, %r1, %r1;
  st.param.b32 [result+0], %r2;
  ret;
}
.visible .entry k(.param .u64 out, .param .u32 count)
{
  .reg .pred %p<2>; .reg .b32 %r<9>; .reg .b64 %rd<9>;
  .local .align 4 .b8 depot[16];
  ld.param.u64 %rd1, [out]; ld.param.u32 %r1, [count];
  mov.u32 %r2, 0; mov.u64 %rd5, depot;
$again:
  and.b32 %r3, %r2, 3;
  mul.wide.u32 %rd2, %r3, 4; mov.u64 %rd3, table; add.s64 %rd2, %rd2, %rd3;
  ld.global.u32 %r4, [%rd2];
  { .param .b32 a; st.param.b32 [a+0], %r4; .param .b32 b; call.uni (b), twice, (a); ld.param.b32 %r4, [b+0]; }
  st.local.u32 [%rd5+4], %r4; cvta.local.u64 %rd6, %rd5; ld.u32 %r5, [%rd6+4];
  mul.wide.u32 %rd2, %r2, 4; add.s64 %rd2, %rd1, %rd2; st.global.u32 [%rd2], %r5;
  add.u32 %r2, %r2, 1; setp.lt.u32 %p1, %r2, %r1; @%p1 bra $again;
  brx.idx %r2, $list;
$list: .branchtargets $end, $end, $end, $end, $end, $more;
$more:
  st.global.u32 [%rd1], 7;
$end:
  ret;
}";
    let out = Words::fresh(5);
    Kernel::load(module).unwrap().run(1, 1, &[out.pointer(), Argument::Word(5)]);
    assert_eq!(out.read(), [7, 40, 60, 80, 20]);
}
