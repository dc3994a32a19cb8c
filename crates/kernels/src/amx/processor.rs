//! The processor's tiles: whether this process may use them, and the instructions.

use std::arch::asm;
use std::arch::x86_64::CpuidResult;
use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;

use half::bf16;

use super::tiles::{Aligned, DEPTH, Operands, ROWS, Row, SUMS, Shape, Steps, Sums, Tiles};
use crate::isa::cpuid;
use crate::lanes::LANES;
use crate::{Isa, Write};

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

/// Bytes of a row of a whole tile.
const ROW_BYTES: usize = 64;

/// The tiles of the processor that this thread runs on: they are configured as long as it lives.
///
/// Tiles 0 to 3 hold sums. The others hold operands: in a square 4 and 5 left ones, 6 and 7 right ones; in
/// a tall shape 4 and 5 left ones in turn and 6 the right one.
pub(super) struct Processor {
    depth: usize,
    /// Another thread's tiles are not configured.
    of_this_thread: PhantomData<*const ()>,
}

impl Processor {
    /// Configures the tiles of this thread, if it has any, for steps of so many products.
    pub(super) fn configure(depth: usize) -> Option<Self> {
        static MAY_USE: OnceLock<bool> = OnceLock::new();
        if !*MAY_USE.get_or_init(may_use) {
            return None;
        }
        let configuration = configuration(depth);
        // SAFETY: the processor has the instruction and the palette, the system has enabled tiles and
        // permitted their use. The configuration is 64 bytes, as the instruction reads, and valid: no
        // tile is empty or larger than the palette allows, and all else is zero. It clears all tiles,
        // and no compiler keeps anything in these unless told to, but they are named all the same.
        unsafe {
            asm!(
                "ldtilecfg [{configuration}]",
                configuration = in(reg) ptr::from_ref(&configuration),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, readonly),
            );
        }
        Some(Self { depth, of_this_thread: PhantomData })
    }
}

/// Palette 1, and for each tile its rows and the bytes of one.
///
/// # Panics
///
/// If the depth is odd, zero, or more than a tile has room for.
fn configuration(depth: usize) -> Aligned<[u8; 64]> {
    assert!(depth.is_multiple_of(2) && (2..=DEPTH).contains(&depth));
    let (pairs, row_bytes) = (depth as u8 / 2, depth as u8 * 2);
    let (rows, whole_bytes) = (ROWS as u8, ROW_BYTES as u8);
    let mut bytes = [0; 64];
    bytes[0] = 1;
    for tile in 0..8 {
        let [tile_rows, tile_row_bytes] = match tile {
            0..4 => [rows, whole_bytes],
            4..6 => [rows, row_bytes],
            _ => [pairs, whole_bytes],
        };
        bytes[16 + 2 * tile] = tile_row_bytes;
        bytes[48 + tile] = tile_rows;
    }
    Aligned(bytes)
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

/// Where the operands and the sums begin.
#[repr(C)]
struct Pointers {
    left: [*const bf16; SUMS],
    right: [*const Row; 2],
    sums: [*mut [f32; LANES]; SUMS],
}

impl Tiles for Processor {
    fn product(&mut self, shape: Shape, steps: &Steps, operands: &Operands<'_>, sums: Sums<'_>) {
        steps.check(shape, self.depth, operands, &sums);
        let rows = sums.rows.as_mut_ptr();
        let pointers = Pointers {
            left: operands.firsts.map(|first| operands.left.as_ptr().wrapping_add(first)),
            right: operands.right.map(<[_]>::as_ptr),
            sums: sums.firsts.map(|first| rows.wrapping_add(first)),
        };
        let row = operands.pitch * size_of::<bf16>();
        let sums_row = sums.pitch * ROW_BYTES;
        let add = usize::from(sums.write == Write::Add);
        // All steps of a product: the tiles of sums are cleared or loaded, each step's instructions follow, and the
        // tiles are stored.
        macro_rules! multiply {
            ($($step:literal),* $(,)?) => {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "test {add}, {add}",
                    "jz 2f",
                    "mov {at}, [{pointers} + 48]",
                    "tileloadd tmm0, [{at} + {sums_row}*1]",
                    "mov {at}, [{pointers} + 56]",
                    "tileloadd tmm1, [{at} + {sums_row}*1]",
                    "mov {at}, [{pointers} + 64]",
                    "tileloadd tmm2, [{at} + {sums_row}*1]",
                    "mov {at}, [{pointers} + 72]",
                    "tileloadd tmm3, [{at} + {sums_row}*1]",
                    "2:",
                    "test {count}, {count}",
                    "jz 3f",
                    "mov {to_left}, [{steps}]",
                    "mov {to_right}, [{steps} + 8]",
                    $($step,)*
                    "add {steps}, 16",
                    "dec {count}",
                    "jmp 2b",
                    "3:",
                    "mov {at}, [{pointers} + 48]",
                    "tilestored [{at} + {sums_row}*1], tmm0",
                    "mov {at}, [{pointers} + 56]",
                    "tilestored [{at} + {sums_row}*1], tmm1",
                    "mov {at}, [{pointers} + 64]",
                    "tilestored [{at} + {sums_row}*1], tmm2",
                    "mov {at}, [{pointers} + 72]",
                    "tilestored [{at} + {sums_row}*1], tmm3",
                    count = inout(reg) steps.offsets().len() => _,
                    steps = inout(reg) steps.offsets().as_ptr() => _,
                    pointers = in(reg) ptr::from_ref(&pointers),
                    to_left = out(reg) _,
                    to_right = out(reg) _,
                    at = out(reg) _,
                    row = in(reg) row,
                    whole = in(reg) ROW_BYTES,
                    sums_row = in(reg) sums_row,
                    add = in(reg) add,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                )
            };
        }
        // SAFETY: the tiles are configured on this thread, or there would be no `self`, and `check` has
        // found that each step's operands lie within the slices: sixteen rows of `depth` numbers, a
        // `row` of bytes apart, from each pointer to the left that the shape has, and half as many rows
        // of 64 bytes from each to the right. It has also found that sixteen rows of sums, a `sums_row`
        // of bytes apart, lie in their slice from each pointer on. The labels are local, the stack is left
        // alone, and all registers that change are named.
        unsafe {
            match shape {
                Shape::Square => multiply!(
                    "mov {at}, [{pointers} + 0]",
                    "add {at}, {to_left}",
                    "tileloadd tmm4, [{at} + {row}*1]",
                    "mov {at}, [{pointers} + 32]",
                    "add {at}, {to_right}",
                    "tileloadd tmm6, [{at} + {whole}*1]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "mov {at}, [{pointers} + 40]",
                    "add {at}, {to_right}",
                    "tileloadd tmm7, [{at} + {whole}*1]",
                    "tdpbf16ps tmm1, tmm4, tmm7",
                    "mov {at}, [{pointers} + 8]",
                    "add {at}, {to_left}",
                    "tileloadd tmm5, [{at} + {row}*1]",
                    "tdpbf16ps tmm2, tmm5, tmm6",
                    "tdpbf16ps tmm3, tmm5, tmm7",
                ),
                Shape::Tall => multiply!(
                    "mov {at}, [{pointers} + 32]",
                    "add {at}, {to_right}",
                    "tileloadd tmm6, [{at} + {whole}*1]",
                    "mov {at}, [{pointers} + 0]",
                    "add {at}, {to_left}",
                    "tileloadd tmm4, [{at} + {row}*1]",
                    "tdpbf16ps tmm0, tmm4, tmm6",
                    "mov {at}, [{pointers} + 8]",
                    "add {at}, {to_left}",
                    "tileloadd tmm5, [{at} + {row}*1]",
                    "tdpbf16ps tmm1, tmm5, tmm6",
                    "mov {at}, [{pointers} + 16]",
                    "add {at}, {to_left}",
                    "tileloadd tmm4, [{at} + {row}*1]",
                    "tdpbf16ps tmm2, tmm4, tmm6",
                    "mov {at}, [{pointers} + 24]",
                    "add {at}, {to_left}",
                    "tileloadd tmm5, [{at} + {row}*1]",
                    "tdpbf16ps tmm3, tmm5, tmm6",
                ),
            }
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
