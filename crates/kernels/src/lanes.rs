//! Sixteen `f32` that are computed with at once, and the one place that picks how.

use crate::Isa;

/// Numbers in a [`Lanes`] value.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers in one or more vector registers.
///
/// Functions generic over `Lanes` are `#[inline(always)]`, so that they are compiled anew inside
/// each of [`Isa::run`]'s functions, with that function's instructions.
pub(crate) trait Lanes: Copy {
    /// A yes or no for each number.
    type Mask: Copy;

    const ISA: Isa;

    fn splat(value: f32) -> Self;
    fn load(from: &[f32; LANES]) -> Self;
    /// Loads fewer than sixteen numbers, and zeros for the others.
    fn load_short(from: &[f32]) -> Self;
    fn store(self, to: &mut [f32; LANES]);
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
    /// `yes` where the mask says so, else `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Loads the first sixteen numbers, or all and then zeros if there are fewer.
    #[inline(always)]
    fn load_padded(from: &[f32]) -> Self {
        match from.first_chunk() {
            Some(whole) => Self::load(whole),
            None => Self::load_short(from),
        }
    }

    /// Stores as many numbers as there is room for.
    #[inline(always)]
    fn store_part(self, to: &mut [f32]) {
        if let Some(whole) = to.first_chunk_mut() {
            return self.store(whole);
        }
        let mut padded = [0.0; LANES];
        self.store(&mut padded);
        to.copy_from_slice(&padded[..to.len()]);
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
            Self::Avx512 if self.is_available() => unsafe { x86::run_avx512(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the guard has just found every feature that the function enables.
            Self::Avx2 if self.is_available() => unsafe { x86::run_avx2(kernel) },
            _ => kernel.run::<Portable>(),
        }
    }
}

/// Plain arrays, for the compiler to vectorise as it can.
#[derive(Clone, Copy)]
struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Portable {
    type Mask = [bool; LANES];

    const ISA: Isa = Isa::Portable;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        Self(*from)
    }

    #[inline(always)]
    fn load_short(from: &[f32]) -> Self {
        Self(first_lanes(from))
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.0;
    }

    #[inline(always)]
    fn load_bits(from: &[u32; LANES]) -> Self {
        Self(from.map(f32::from_bits))
    }

    #[inline(always)]
    fn store_bits(self, to: &mut [u32; LANES]) {
        *to = self.0.map(f32::to_bits);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    // Two roundings: without the instruction, `f32::mul_add` would be a call per number.
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.zip(factor, |a, b| a * b).add(addend)
    }

    #[inline(always)]
    fn passes_relu(self) -> [bool; LANES] {
        self.0.map(|a| a > 0.0 || a.is_nan())
    }

    #[inline(always)]
    fn exceeds(self, other: Self) -> [bool; LANES] {
        std::array::from_fn(|i| self.0[i] > other.0[i] || self.0[i].is_nan())
    }

    #[inline(always)]
    fn has_bits(self, other: u32) -> [bool; LANES] {
        self.0.map(|a| a.to_bits() == other)
    }

    #[inline(always)]
    fn select(mask: [bool; LANES], yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! AVX2 and AVX-512. Only the two functions at the top name the two types, and they run only
    //! where the processor has the instructions; so a type's instructions are there wherever its
    //! methods are called. Every `SAFETY: as the module says` refers to this.

    use std::arch::x86_64::*;

    use super::{Kernel, LANES, Lanes, first_lanes};
    use crate::Isa;

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    pub(super) fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx512>()
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    #[derive(Clone, Copy)]
    struct Avx512(__m512);

    impl Lanes for Avx512 {
        type Mask = __mmask16;

        const ISA: Isa = Isa::Avx512;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: as the module says.
            Self(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: as the module says; the reference is valid for reading sixteen numbers.
            Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
        }

        #[inline(always)]
        fn load_short(from: &[f32]) -> Self {
            let mask = (1 << from.len().min(LANES - 1)) - 1;
            // SAFETY: as the module says; the mask has one bit for each number of the slice.
            Self(unsafe { _mm512_maskz_loadu_ps(mask, from.as_ptr()) })
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; LANES]) {
            // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn load_bits(from: &[u32; LANES]) -> Self {
            // SAFETY: as the module says; the reference is valid for reading sixteen numbers.
            Self(unsafe { _mm512_loadu_ps(from.as_ptr().cast()) })
        }

        #[inline(always)]
        fn store_bits(self, to: &mut [u32; LANES]) {
            // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr().cast(), self.0) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: as the module says.
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: as the module says.
            Self(unsafe { _mm512_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            // SAFETY: as the module says.
            Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
        }

        #[inline(always)]
        fn passes_relu(self) -> __mmask16 {
            // SAFETY: as the module says.
            unsafe { _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(self.0, _mm512_setzero_ps()) }
        }

        #[inline(always)]
        fn exceeds(self, other: Self) -> __mmask16 {
            // SAFETY: as the module says.
            unsafe {
                _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0)
                    | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0)
            }
        }

        #[inline(always)]
        fn has_bits(self, other: u32) -> __mmask16 {
            // SAFETY: as the module says.
            unsafe {
                let other = _mm512_set1_epi32(other.cast_signed());
                _mm512_cmpeq_epi32_mask(_mm512_castps_si512(self.0), other)
            }
        }

        #[inline(always)]
        fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
            // SAFETY: as the module says.
            Self(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
        }
    }

    #[derive(Clone, Copy)]
    struct Avx2([__m256; 2]);

    impl Lanes for Avx2 {
        type Mask = [__m256; 2];

        const ISA: Isa = Isa::Avx2;

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: as the module says.
            Self([unsafe { _mm256_set1_ps(value) }; 2])
        }

        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            let from = from.as_ptr();
            // SAFETY: as the module says; the reference is valid for reading twice eight numbers.
            Self(unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] })
        }

        #[inline(always)]
        fn load_short(from: &[f32]) -> Self {
            Self::load(&first_lanes(from))
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; LANES]) {
            let to = to.as_mut_ptr();
            // SAFETY: as the module says; the reference is valid for writing twice eight numbers.
            unsafe {
                _mm256_storeu_ps(to, self.0[0]);
                _mm256_storeu_ps(to.add(8), self.0[1]);
            }
        }

        #[inline(always)]
        fn load_bits(from: &[u32; LANES]) -> Self {
            let from = from.as_ptr().cast();
            // SAFETY: as the module says; the reference is valid for reading twice eight numbers.
            Self(unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] })
        }

        #[inline(always)]
        fn store_bits(self, to: &mut [u32; LANES]) {
            let to = to.as_mut_ptr().cast::<f32>();
            // SAFETY: as the module says; the reference is valid for writing twice eight numbers.
            unsafe {
                _mm256_storeu_ps(to, self.0[0]);
                _mm256_storeu_ps(to.add(8), self.0[1]);
            }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            let ([a, b], [c, d]) = (self.0, other.0);
            // SAFETY: as the module says.
            Self(unsafe { [_mm256_add_ps(a, c), _mm256_add_ps(b, d)] })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            let ([a, b], [c, d]) = (self.0, other.0);
            // SAFETY: as the module says.
            Self(unsafe { [_mm256_sub_ps(a, c), _mm256_sub_ps(b, d)] })
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            let ([a, b], [c, d], [e, f]) = (self.0, factor.0, addend.0);
            // SAFETY: as the module says.
            Self(unsafe { [_mm256_fmadd_ps(a, c, e), _mm256_fmadd_ps(b, d, f)] })
        }

        #[inline(always)]
        fn passes_relu(self) -> [__m256; 2] {
            let [a, b] = self.0;
            // SAFETY: as the module says.
            unsafe {
                let zero = _mm256_setzero_ps();
                [_mm256_cmp_ps::<_CMP_NLE_UQ>(a, zero), _mm256_cmp_ps::<_CMP_NLE_UQ>(b, zero)]
            }
        }

        #[inline(always)]
        fn exceeds(self, other: Self) -> [__m256; 2] {
            let ([a, b], [c, d]) = (self.0, other.0);
            // SAFETY: as the module says.
            unsafe {
                let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
                let first = _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, c), nan);
                let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(b, b);
                [first, _mm256_or_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(b, d), nan)]
            }
        }

        #[inline(always)]
        fn has_bits(self, other: u32) -> [__m256; 2] {
            let [a, b] = self.0;
            // SAFETY: as the module says.
            unsafe {
                let other = _mm256_set1_epi32(other.cast_signed());
                [
                    _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_castps_si256(a), other)),
                    _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_castps_si256(b), other)),
                ]
            }
        }

        #[inline(always)]
        fn select(mask: [__m256; 2], yes: Self, no: Self) -> Self {
            let ([a, b], [c, d]) = (yes.0, no.0);
            // SAFETY: as the module says.
            Self(unsafe { [_mm256_blendv_ps(c, a, mask[0]), _mm256_blendv_ps(d, b, mask[1])] })
        }
    }
}
