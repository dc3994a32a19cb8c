//! Threads that meet: barriers, shared memory, warps, atomic operations.

use crate::device::{Kernel, Words};

/// The address of a thread's own word of the output, over all blocks.
const OWN: &str = "mov.u32 %r17, %ctaid.x; mov.u32 %r18, %ntid.x; mad.lo.u32 %r17, %r17, %r18, %r0;
mul.wide.u32 %rd8, %r17, 4; add.s64 %rd8, %rd8, %rd0;";

fn run(grid: u32, block: u32, body: &str) -> Vec<u32> {
    let out = Words::fresh((grid * block) as usize);
    Kernel::of_body(&format!("{OWN}\n{body}\nst.global.u32 [%rd8], %r10;")).run(
        grid,
        block,
        &[out.pointer()],
    );
    out.read()
}

#[test]
fn a_barrier_lets_all_threads_write_first() {
    // Each thread reads what the last one of its block wrote, twice.
    let body = "
.shared .align 4 .b8 buffer[512];
shl.b32 %r1, %r0, 2; mov.u32 %r2, buffer; add.u32 %r3, %r1, %r2;
st.shared.u32 [%r3], %r17;
bar.sync 0;
sub.u32 %r4, %r18, %r0; sub.u32 %r4, %r4, 1; shl.b32 %r4, %r4, 2; add.u32 %r4, %r4, %r2;
ld.shared.u32 %r5, [%r4];
bar.sync 0;
st.shared.u32 [%r3], %r5;
bar.sync 0;
ld.shared.u32 %r10, [%r4];";
    assert_eq!(run(3, 100, body), (0..300).collect::<Vec<_>>());
}

#[test]
fn threads_that_left_are_not_waited_for() {
    let body = "setp.ge.u32 %p1, %r0, 3; @%p1 bra $away; bar.sync 0; mov.u32 %r10, 1; bra $end;
$away: mov.u32 %r10, 2; $end:";
    assert_eq!(run(1, 5, body), [1, 1, 1, 2, 2]);
}

#[test]
fn barriers_count() {
    let body = "and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 1;
bar.red.popc.u32 %r10, 0, %p1; bar.red.or.pred %p2, 0, %p1; bar.red.and.pred %p3, 0, %p1;
selp.u32 %r2, 100, 0, %p2; selp.u32 %r3, 1000, 0, %p3; add.u32 %r10, %r10, %r2; add.u32 %r10, %r10, %r3;";
    assert_eq!(run(1, 45, body), [122; 45]);
}

#[test]
fn a_warp_sums_by_shuffles() {
    let mut body = String::from("mov.u32 %r10, %r0;");
    for distance in [16, 8, 4, 2, 1] {
        body += &format!(
            "shfl.sync.down.b32 %r1|%p1, %r10, {distance}, 31, -1; add.u32 %r10, %r10, %r1;"
        );
    }
    let sums = run(1, 64, &body);
    assert_eq!((sums[0], sums[32]), ((0..32).sum(), (32..64).sum()));
    let swapped = run(1, 32, "shfl.sync.bfly.b32 %r10, %r0, 1, 31, -1;");
    assert_eq!(swapped[..4], [1, 0, 3, 2]);
    let first = run(1, 64, "shfl.sync.idx.b32 %r10, %r0, 0, 31, -1;");
    assert_eq!((first[31], first[63]), (0, 32));
    assert_eq!(run(1, 40, "setp.lt.u32 %p1, %r0, 34; vote.sync.ballot.b32 %r10, %p1, -1;")[35], 3);
}

#[test]
fn warps_meet_while_others_wait_for_the_block() {
    let body = "
.shared .align 4 .b8 total[4];
mov.u32 %r2, total;
setp.ge.u32 %p1, %r0, 32; @%p1 bra $wait;
shfl.sync.idx.b32 %r1, %r0, 5, 31, -1;
st.shared.u32 [%r2], %r1;
$wait: bar.sync 0;
ld.shared.u32 %r10, [%r2];";
    assert_eq!(run(1, 64, body), [5; 64]);
}

#[test]
fn atomic_operations_see_each_other() {
    let out = Words::of(&[0, 0, u32::MAX, 7]);
    let body = "
atom.global.add.u32 %r1, [%rd0], 1;
mov.f32 %f1, 0f3F800000; red.global.add.f32 [%rd0+4], %f1;
atom.global.min.u32 %r2, [%rd0+8], %r0;
atom.global.cas.b32 %r3, [%rd0+12], 7, %r0;";
    Kernel::of_body(body).run(4, 64, &[out.pointer()]);
    assert_eq!(out.read(), [256, 256_f32.to_bits(), 0, 0]);
}

#[test]
fn large_launches_give_what_small_ones_give() {
    let body = "mad.lo.u32 %r10, %r17, %r17, 3;";
    let expected: Vec<u32> = (0..64_000_u32).map(|i| i.wrapping_mul(i).wrapping_add(3)).collect();
    assert_eq!(run(500, 128, body), expected);
}
