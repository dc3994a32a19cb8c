//! Sixteen `f32` that are computed with at once, and the one place that picks how.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

use half::{bf16, f16};

use crate::Isa;
use crate::element::Stored;
use portable::Portable;

/// Numbers in a [`Lanes`] value.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers in one or more vector registers.
///
/// Functions generic over `Lanes` are `#[inline(always)]`, so that they are compiled anew inside
/// each of [`Isa::run`]'s functions, with that function's instructions.
pub trait Lanes: Copy {
    /// A yes or no for each number.
    type Mask: Copy;

    /// How many of these values the processor's registers hold.
    const REGISTERS: usize;
    /// How many vectors of gradients are multiplied with what is loaded of the source at once, for the gradient of a weight: two
    /// where loads are what products wait for, one where instructions are.
    const JOINED_GRADIENTS: usize = 1;

    fn splat(value: f32) -> Self;
    fn load(from: &[f32; LANES]) -> Self;
    /// Asks for the cache line of a number that is to be read or written soon, which need not exist.
    #[inline(always)]
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    fn expect<T>(numbers: &[T], at: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every processor of this architecture has the instruction, which may name any address.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(numbers.as_ptr().wrapping_add(at).cast());
        }
    }
    /// The same for what is to be read later, and only then to come nearer than the second-level cache: many
    /// at once would keep what is needed now waiting for the first.
    #[inline(always)]
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables))]
    fn expect_later<T>(numbers: &[T], at: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(numbers.as_ptr().wrapping_add(at).cast());
        }
    }
    /// Loads fewer than sixteen numbers, and zeros for the others.
    fn load_short(from: &[f32]) -> Self;
    fn store(self, to: &mut [f32; LANES]);
    /// Stores fewer than sixteen numbers.
    #[inline(always)]
    fn store_short(self, to: &mut [f32]) {
        let mut padded = [0.0; LANES];
        self.store(&mut padded);
        to.copy_from_slice(&padded[..to.len()]);
    }
    fn load_bf16(from: &[bf16; LANES]) -> Self;
    /// Loads fewer than sixteen numbers, and zeros for the others.
    #[inline(always)]
    fn load_bf16_short(from: &[bf16]) -> Self {
        Self::load_bf16(&first_lanes(from))
    }
    /// Rounds to the nearest, and to the even one of two that are as near; NaN stays NaN.
    fn store_bf16(self, to: &mut [bf16; LANES]);
    /// The same where subnormal numbers do not matter: they may become zero.
    #[inline(always)]
    fn store_normal_bf16(self, to: &mut [bf16; LANES]) {
        self.store_bf16(to);
    }
    /// Stores fewer than sixteen numbers, rounded in the same way.
    #[inline(always)]
    fn store_bf16_short(self, to: &mut [bf16]) {
        let mut padded = [bf16::ZERO; LANES];
        self.store_bf16(&mut padded);
        to.copy_from_slice(&padded[..to.len()]);
    }
    fn load_f16(from: &[f16; LANES]) -> Self;
    /// Rounds to the nearest, and to the even one of two that are as near; NaN stays NaN.
    fn store_f16(self, to: &mut [f16; LANES]);
    /// Loads pairs, which only [`Lanes::dot`] may touch.
    fn load_pairs(from: &[[bf16; 2]; LANES]) -> Self;
    fn splat_pair(pair: &[bf16; 2]) -> Self;
    fn store_pairs(self, to: &mut [[bf16; 2]; LANES]);
    /// The values of both, numbers or pairs, in turn: first those of their first halves.
    fn interleave(self, other: Self) -> [Self; 2];
    fn pair(first: &[bf16; LANES], second: &[bf16; LANES], to: &mut [[bf16; 2]; LANES]);
    /// Adds the products of two pairs to the addend. Where the processor has an instruction for it,
    /// that takes subnormal numbers as zero.
    fn dot(self, other: Self, addend: Self) -> Self;
    /// Loads integers, which only [`Lanes::has_bits`] and [`Lanes::select`] may touch.
    fn load_bits(from: &[u32; LANES]) -> Self;
    fn store_bits(self, to: &mut [u32; LANES]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    /// `self * factor + addend`.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// Where `self` is not 0 or less: also where it is NaN.
    fn passes_relu(self) -> Self::Mask;
    /// Where `self` is larger than `other`, or NaN.
    fn exceeds(self, other: Self) -> Self::Mask;
    /// Where `self`, as an integer, is `other`.
    fn has_bits(self, other: u32) -> Self::Mask;
    /// A bit for each number, the lowest for the first.
    fn bits(mask: Self::Mask) -> u16;
    /// The mask of such bits.
    fn mask(bits: u16) -> Self::Mask;
    /// `yes` where the mask says so, else `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Loads the first sixteen numbers, or all and then zeros if there are fewer.
    #[inline(always)]
    fn load_padded<E: Stored>(from: &[E]) -> Self {
        match from.first_chunk() {
            Some(whole) => E::load(whole),
            None => E::load_short(from),
        }
    }

    /// Stores as many numbers as there is room for.
    #[inline(always)]
    fn store_part<E: Stored>(self, to: &mut [E]) {
        match to.first_chunk_mut() {
            Some(whole) => E::store(self, whole),
            None => E::store_short(self, to),
        }
    }
}

/// The first sixteen values, or all and then zeros if there are fewer.
#[inline(always)]
pub(crate) fn first_lanes<T: Copy + Default>(from: &[T]) -> [T; LANES] {
    if let Some(whole) = from.first_chunk() {
        return *whole;
    }
    let mut padded = [T::default(); LANES];
    padded[..from.len()].copy_from_slice(from);
    padded
}

/// A computation that [`Isa::run`] compiles for every instruction set.
pub(crate) trait Kernel {
    type Output;

    /// Must be `#[inline(always)]`, see [`Lanes`].
    fn run<L: Lanes>(self) -> Self::Output;
}

impl Isa {
    /// Runs the kernel with this instruction set, or with the portable one where it is missing.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found every feature that the function enables.
            Self::Avx512Bf16 | Self::Amx if self.is_available() => unsafe {
                avx512::run_with_dot(kernel)
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512 if self.is_available() => unsafe { avx512::run(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx2 if self.is_available() => unsafe { avx2::run(kernel) },
            _ => kernel.run::<Portable>(),
        }
    }
}
