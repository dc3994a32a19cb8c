//! Sixteen numbers in a register of AVX-512, with or without the instructions for `bf16`.
//!
//! Only the two functions at the top name the type, and they run only where the processor has the
//! instructions; so these are there wherever the type's methods are called. Every `SAFETY: as the
//! module says` refers to this.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use half::{bf16, f16};

use super::{Kernel, LANES, Lanes};

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512<Widening>>()
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")]
pub(super) fn run_with_dot<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512<Instruction>>()
}

/// How products of pairs are added, and how sums are rounded to `bf16` where subnormal numbers do not matter.
trait Dot: Copy {
    const JOINED_GRADIENTS: usize;

    fn dot(a: __m512, b: __m512, addend: __m512) -> __m512;
    fn narrow(numbers: __m512) -> __m256i;
}

/// Both numbers of each pair are widened and multiplied.
#[derive(Clone, Copy)]
struct Widening;

/// There is an instruction for it.
#[derive(Clone, Copy)]
struct Instruction;

impl Dot for Widening {
    const JOINED_GRADIENTS: usize = 1;

    #[inline(always)]
    fn dot(a: __m512, b: __m512, addend: __m512) -> __m512 {
        let [[a, b], [c, d]] = [split(a), split(b)];
        // SAFETY: as the module says.
        unsafe { _mm512_fmadd_ps(b, d, _mm512_fmadd_ps(a, c, addend)) }
    }

    #[inline(always)]
    fn narrow(numbers: __m512) -> __m256i {
        narrow(numbers)
    }
}

impl Dot for Instruction {
    const JOINED_GRADIENTS: usize = 2;

    #[inline(always)]
    fn dot(a: __m512, b: __m512, addend: __m512) -> __m512 {
        // SAFETY: as the module says; both types are registers of 512 bits of any content.
        unsafe {
            let a = std::mem::transmute::<__m512, __m512bh>(a);
            let b = std::mem::transmute::<__m512, __m512bh>(b);
            // In this order the compiler broadcasts `a` from memory within the instruction.
            _mm512_dpbf16_ps(addend, b, a)
        }
    }

    #[inline(always)]
    fn narrow(numbers: __m512) -> __m256i {
        // SAFETY: as the module says; both types are registers of 256 bits of any content.
        unsafe { std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(numbers)) }
    }
}

/// The first and the second number of each pair.
#[inline(always)]
fn split(pairs: __m512) -> [__m512; 2] {
    // SAFETY: as the module says.
    unsafe {
        let bits = _mm512_castps_si512(pairs);
        let first = _mm512_slli_epi32::<16>(bits);
        let second = _mm512_and_si512(bits, _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
        [_mm512_castsi512_ps(first), _mm512_castsi512_ps(second)]
    }
}

/// The `f32` that are these `bf16`.
#[inline(always)]
fn widen<D>(numbers: __m256i) -> Avx512<D> {
    // SAFETY: as the module says.
    Avx512::new(unsafe {
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(numbers)))
    })
}

/// The nearest `bf16`.
#[inline(always)]
fn narrow(numbers: __m512) -> __m256i {
    // SAFETY: as the module says.
    unsafe {
        let bits = _mm512_castps_si512(numbers);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
        let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(numbers, numbers);
        let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
        let rounded = _mm512_mask_mov_epi32(_mm512_add_epi32(bits, half), nan, quiet);
        _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded))
    }
}

/// One bit for each of fewer than sixteen values.
#[inline(always)]
fn short<T>(values: &[T]) -> __mmask16 {
    (1 << values.len().min(LANES - 1)) - 1
}

#[derive(Clone, Copy)]
struct Avx512<D>(__m512, PhantomData<D>);

impl<D> Avx512<D> {
    #[inline(always)]
    fn new(register: __m512) -> Self {
        Self(register, PhantomData)
    }
}

impl<D: Dot> Lanes for Avx512<D> {
    type Mask = __mmask16;

    const REGISTERS: usize = 32;
    const JOINED_GRADIENTS: usize = D::JOINED_GRADIENTS;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: as the module says.
        Self::new(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        // SAFETY: as the module says; the reference is valid for reading sixteen numbers.
        Self::new(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    fn load_short(from: &[f32]) -> Self {
        // SAFETY: as the module says; the mask has bits for numbers of the slice only.
        Self::new(unsafe { _mm512_maskz_loadu_ps(short(from), from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn store_short(self, to: &mut [f32]) {
        // SAFETY: as the module says; the mask has bits for numbers of the slice only.
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), short(to), self.0) }
    }

    #[inline(always)]
    fn load_bf16(from: &[bf16; LANES]) -> Self {
        // SAFETY: as the module says; the reference is valid for reading sixteen numbers.
        widen(unsafe { _mm256_loadu_si256(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn load_bf16_short(from: &[bf16]) -> Self {
        // SAFETY: as the module says; the mask has bits for numbers of the slice only.
        widen(unsafe { _mm256_maskz_loadu_epi16(short(from), from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store_bf16(self, to: &mut [bf16; LANES]) {
        // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), narrow(self.0)) }
    }

    #[inline(always)]
    fn store_normal_bf16(self, to: &mut [bf16; LANES]) {
        // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), D::narrow(self.0)) }
    }

    #[inline(always)]
    fn store_bf16_short(self, to: &mut [bf16]) {
        // SAFETY: as the module says; the mask has bits for numbers of the slice only.
        unsafe { _mm256_mask_storeu_epi16(to.as_mut_ptr().cast(), short(to), narrow(self.0)) }
    }

    #[inline(always)]
    fn load_f16(from: &[f16; LANES]) -> Self {
        // SAFETY: as the module says; the reference is valid for reading sixteen numbers.
        Self::new(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) })
    }

    #[inline(always)]
    fn store_f16(self, to: &mut [f16; LANES]) {
        // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
        unsafe {
            let numbers = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), numbers);
        }
    }

    #[inline(always)]
    fn load_pairs(from: &[[bf16; 2]; LANES]) -> Self {
        // SAFETY: as the module says; the reference is valid for reading sixteen pairs.
        Self::new(unsafe { _mm512_loadu_ps(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn splat_pair(pair: &[bf16; 2]) -> Self {
        // SAFETY: as the module says; the reference is valid for reading a pair, as 32 bits.
        Self::new(unsafe {
            let pair = pair.as_ptr().cast::<i32>().read_unaligned();
            _mm512_castsi512_ps(_mm512_set1_epi32(pair))
        })
    }

    #[inline(always)]
    fn store_pairs(self, to: &mut [[bf16; 2]; LANES]) {
        // SAFETY: as the module says; the reference is valid for writing sixteen pairs.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        let (a, b) = (self.0, other.0);
        // SAFETY: as the module says.
        unsafe {
            // Indices from 16 on are those of `b`.
            let first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
            // Without a closure, which would not be compiled with these instructions.
            let first = _mm512_permutex2var_ps(a, first, b);
            let second = _mm512_permutex2var_ps(a, second, b);
            [Self::new(first), Self::new(second)]
        }
    }

    #[inline(always)]
    fn pair(first: &[bf16; LANES], second: &[bf16; LANES], to: &mut [[bf16; 2]; LANES]) {
        // SAFETY: as the module says; the references are valid for reading sixteen numbers and for
        // writing sixteen pairs.
        unsafe {
            let first = _mm512_cvtepu16_epi32(_mm256_loadu_si256(first.as_ptr().cast()));
            let second = _mm512_cvtepu16_epi32(_mm256_loadu_si256(second.as_ptr().cast()));
            let pairs = _mm512_or_si512(first, _mm512_slli_epi32::<16>(second));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), pairs);
        }
    }

    #[inline(always)]
    fn dot(self, other: Self, addend: Self) -> Self {
        Self::new(D::dot(self.0, other.0, addend.0))
    }

    #[inline(always)]
    fn load_bits(from: &[u32; LANES]) -> Self {
        // SAFETY: as the module says; the reference is valid for reading sixteen numbers.
        Self::new(unsafe { _mm512_loadu_ps(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store_bits(self, to: &mut [u32; LANES]) {
        // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as the module says.
        Self::new(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: as the module says.
        Self::new(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as the module says.
        Self::new(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
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
    fn bits(mask: __mmask16) -> u16 {
        mask
    }

    #[inline(always)]
    fn mask(bits: u16) -> __mmask16 {
        bits
    }

    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        // SAFETY: as the module says.
        Self::new(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }
}
