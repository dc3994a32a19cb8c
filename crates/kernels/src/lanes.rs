//! Sixteen `f32` that are computed with at once, and the one place that picks how.

use crate::Isa;

/// Numbers in a [`Lanes`] value.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers in one or more vector registers.
///
/// Functions generic over `Lanes` are `#[inline(always)]`, so that they are compiled anew inside
/// each of [`Isa::run`]'s functions, with that function's instructions.
pub(crate) trait Lanes: Copy {
    const ISA: Isa;

    fn splat(value: f32) -> Self;
    fn load(from: &[f32; LANES]) -> Self;
    fn store(self, to: &mut [f32; LANES]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    /// `self * factor + addend`.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self`, but 0 where `gate` is 0 or less.
    fn gate(self, gate: Self) -> Self;

    /// Loads the first sixteen numbers, or all and then zeros if there are fewer.
    #[inline(always)]
    fn load_padded(from: &[f32]) -> Self {
        match from.first_chunk() {
            Some(whole) => Self::load(whole),
            None => Self::load(&first_lanes(from)),
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
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.0;
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
    fn gate(self, gate: Self) -> Self {
        self.zip(gate, |a, g| if g <= 0.0 { 0.0 } else { a })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! AVX2 and AVX-512. Only the two functions at the top name the two types, and they run only
    //! where the processor has the instructions; so a type's instructions are there wherever its
    //! methods are called. Every `SAFETY: as the module says` refers to this.

    use std::arch::x86_64::*;

    use super::{Kernel, LANES, Lanes};
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
        fn store(self, to: &mut [f32; LANES]) {
            // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
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
        fn gate(self, gate: Self) -> Self {
            // SAFETY: as the module says.
            Self(unsafe {
                let open = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(gate.0, _mm512_setzero_ps());
                _mm512_maskz_mov_ps(open, self.0)
            })
        }
    }

    #[derive(Clone, Copy)]
    struct Avx2([__m256; 2]);

    impl Lanes for Avx2 {
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
        fn store(self, to: &mut [f32; LANES]) {
            let to = to.as_mut_ptr();
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
        fn gate(self, gate: Self) -> Self {
            let ([a, b], [c, d]) = (self.0, gate.0);
            // SAFETY: as the module says.
            Self(unsafe {
                let zero = _mm256_setzero_ps();
                [
                    _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_NLE_UQ>(c, zero)),
                    _mm256_and_ps(b, _mm256_cmp_ps::<_CMP_NLE_UQ>(d, zero)),
                ]
            })
        }
    }
}
