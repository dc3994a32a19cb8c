//! The processor's tiles: whether this process may use them, and the instructions.

use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, CpuidResult};
use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;

use super::tiles::{Aligned, Left, Right, Sums, Tiles};
use crate::Isa;

/// Bits of CPUID's leaf 7, register EDX.
const AMX_BF16: u32 = 1 << 22;
const AMX_TILE: u32 = 1 << 24;

/// CPUID's leaf about tiles. What it has to say of palette 1: bytes of all tiles and of one, bytes of a
/// row and number of tiles, rows.
const TILE_LEAF: u32 = 0x1d;
const PALETTE: [u32; 3] = [8192 | 1024 << 16, 64 | 8 << 16, 16];

/// Bits of XCR0: the system saves the configuration of the tiles, and their content.
const TILE_STATE: u32 = 1 << 17 | 1 << 18;

/// Linux's system call `arch_prctl`, the request for permission to use a part of the state, and which.
const ARCH_PRCTL: usize = 158;
const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
const XFEATURE_XTILEDATA: usize = 18;

/// Palette 1, and eight tiles of 16 rows of 64 bytes.
static CONFIGURATION: Aligned<[u8; 64]> = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Aligned(bytes)
};

/// The tiles of the processor that this thread runs on: they are configured as long as it lives.
pub(super) struct Processor {
    /// Another thread's tiles are not configured.
    of_this_thread: PhantomData<*const ()>,
}

impl Processor {
    /// Configures the tiles of this thread, if it has any.
    pub(super) fn configure() -> Option<Self> {
        static MAY_USE: OnceLock<bool> = OnceLock::new();
        if !*MAY_USE.get_or_init(may_use) {
            return None;
        }
        // SAFETY: the processor has the instruction and the palette, the system has enabled tiles and
        // permitted their use. The configuration is 64 bytes, as the instruction reads, and valid: no
        // tile is larger than the palette allows, and all else is zero. It clears all tiles, and no
        // compiler keeps anything in these unless told to, but they are named all the same.
        unsafe {
            asm!(
                "ldtilecfg [{configuration}]",
                configuration = in(reg) ptr::from_ref(&CONFIGURATION),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, readonly),
            );
        }
        Some(Self { of_this_thread: PhantomData })
    }
}

impl Drop for Processor {
    /// Lets the system save less when it switches threads.
    fn drop(&mut self) {
        // SAFETY: the processor has the instruction, or there would be no value to drop.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, nomem),
            );
        }
    }
}

impl Tiles for Processor {
    fn product(&mut self, left: &[Left], right: &[Right<'_>], sums: &mut Sums) {
        assert_eq!(left.len(), right.len());
        // SAFETY: the tiles are configured on this thread as 16 rows of 64 bytes, or there would be no
        // `self`. Each round reads two of them from a left operand, which is 2048 bytes long, and one
        // from each of the two references of a right operand, which is 16 bytes long; the pointers then
        // move on to the next operands, of which there are as many as rounds. The sums are 32 rows of
        // 128 bytes, and each of their quarters is written once. The labels are local, the stack is left
        // alone, and all registers that change are named.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "test {steps}, {steps}",
                "jz 3f",
                "mov {first}, [{right}]",
                "mov {second}, [{right} + 8]",
                "tileloadd tmm4, [{left} + {row}*1]",
                "tileloadd tmm6, [{first} + {row}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{second} + {row}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{left} + {row}*1 + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {left}, 2048",
                "add {right}, 16",
                "dec {steps}",
                "jmp 2b",
                "3:",
                "tilestored [{sums} + {sums_row}*1], tmm0",
                "tilestored [{sums} + {sums_row}*1 + 64], tmm1",
                "tilestored [{sums} + {sums_row}*1 + 2048], tmm2",
                "tilestored [{sums} + {sums_row}*1 + 2112], tmm3",
                steps = inout(reg) left.len() => _,
                left = inout(reg) left.as_ptr() => _,
                right = inout(reg) right.as_ptr() => _,
                first = out(reg) _,
                second = out(reg) _,
                sums = in(reg) ptr::from_mut(sums),
                row = in(reg) 64_usize,
                sums_row = in(reg) 128_usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// Whether this process may use tiles, which it asks for.
fn may_use() -> bool {
    Isa::Avx512Bf16.is_available() && has_tiles() && is_enabled() && is_permitted()
}

/// Whether the processor multiplies tiles of `bf16`, and in the sizes that are used here.
fn has_tiles() -> bool {
    if cpuid(0, 0).eax < TILE_LEAF {
        return false;
    }
    let CpuidResult { eax, ebx, ecx, .. } = cpuid(TILE_LEAF, 1);
    let features = AMX_BF16 | AMX_TILE;
    cpuid(7, 0).edx & features == features && [eax, ebx, ecx & 0xffff] == PALETTE
}

fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    #[allow(unused_unsafe, reason = "the function is unsafe in older compilers only")]
    // SAFETY: every processor of this architecture has the instruction, and it only reads.
    unsafe {
        __cpuid_count(leaf, subleaf)
    }
}

/// Whether the system saves tiles when it switches threads.
fn is_enabled() -> bool {
    let state: u32;
    // SAFETY: the instruction exists wherever the system has enabled AVX-512, and only reads.
    unsafe {
        asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") state,
            out("edx") _,
            options(nostack, preserves_flags, nomem),
        );
    }
    state & TILE_STATE == TILE_STATE
}

/// Whether the system lets this process use tiles. Linux does so for all threads, from 5.16 on.
fn is_permitted() -> bool {
    let result: usize;
    // SAFETY: this system call takes two numbers and touches no memory of the process. It preserves all
    // registers but the three that are named.
    unsafe {
        asm!(
            "syscall",
            inout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}
