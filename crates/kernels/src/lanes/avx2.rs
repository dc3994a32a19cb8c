//! Sixteen numbers in two registers of AVX2, with F16C.
//!
//! Only the function at the top names the type, and it runs only where the processor has the
//! instructions; so these are there wherever the type's methods are called. Every `SAFETY: as the
//! module says` refers to this.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{Kernel, LANES, Lanes, first_lanes};

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

#[derive(Clone, Copy)]
struct Avx2([__m256; 2]);

impl Avx2 {
    /// The first and the second number of each pair.
    #[inline(always)]
    fn split(self) -> [Self; 2] {
        let [a, b] = self.0;
        // SAFETY: as the module says.
        unsafe {
            let (a, b) = (_mm256_castps_si256(a), _mm256_castps_si256(b));
            let first = [_mm256_slli_epi32::<16>(a), _mm256_slli_epi32::<16>(b)];
            let mask = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
            let second = [_mm256_and_si256(a, mask), _mm256_and_si256(b, mask)];
            [Self::cast(first), Self::cast(second)]
        }
    }

    #[inline(always)]
    fn cast([a, b]: [__m256i; 2]) -> Self {
        // SAFETY: as the module says.
        Self(unsafe { [_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)] })
    }
}

/// The nearest `bf16` of eight numbers, each in the lower half of its 32 bits.
#[inline(always)]
fn round(numbers: __m256) -> __m256i {
    // SAFETY: as the module says.
    unsafe {
        let bits = _mm256_castps_si256(numbers);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
        let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(numbers, numbers));
        let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
        let rounded = _mm256_blendv_epi8(_mm256_add_epi32(bits, half), quiet, nan);
        _mm256_srli_epi32::<16>(rounded)
    }
}

impl Lanes for Avx2 {
    type Mask = [__m256; 2];

    const REGISTERS: usize = 8;

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
    fn load_bf16(from: &[bf16; LANES]) -> Self {
        let from = from.as_ptr().cast::<__m128i>();
        // SAFETY: as the module says; the reference is valid for reading twice eight numbers.
        unsafe {
            let a = _mm256_cvtepu16_epi32(_mm_loadu_si128(from));
            let b = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.add(1)));
            Self::cast([_mm256_slli_epi32::<16>(a), _mm256_slli_epi32::<16>(b)])
        }
    }

    #[inline(always)]
    fn store_bf16(self, to: &mut [bf16; LANES]) {
        let [a, b] = [round(self.0[0]), round(self.0[1])];
        // SAFETY: as the module says; the reference is valid for writing sixteen numbers.
        unsafe {
            // Packing interleaves the quarters of both registers.
            let numbers = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(a, b));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), numbers);
        }
    }

    #[inline(always)]
    fn load_f16(from: &[f16; LANES]) -> Self {
        let from = from.as_ptr().cast::<__m128i>();
        // SAFETY: as the module says; the reference is valid for reading twice eight numbers.
        Self(unsafe {
            [_mm256_cvtph_ps(_mm_loadu_si128(from)), _mm256_cvtph_ps(_mm_loadu_si128(from.add(1)))]
        })
    }

    #[inline(always)]
    fn store_f16(self, to: &mut [f16; LANES]) {
        let to = to.as_mut_ptr().cast::<__m128i>();
        for (half, numbers) in self.0.into_iter().enumerate() {
            // SAFETY: as the module says; the reference is valid for writing twice eight numbers.
            unsafe {
                let numbers = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(numbers);
                _mm_storeu_si128(to.add(half), numbers);
            }
        }
    }

    #[inline(always)]
    fn load_pairs(from: &[[bf16; 2]; LANES]) -> Self {
        let from = from.as_ptr().cast();
        // SAFETY: as the module says; the reference is valid for reading twice eight pairs.
        Self(unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] })
    }

    #[inline(always)]
    fn splat_pair(pair: &[bf16; 2]) -> Self {
        // SAFETY: as the module says; the reference is valid for reading a pair, as 32 bits.
        let pairs = unsafe {
            let pair = pair.as_ptr().cast::<i32>().read_unaligned();
            _mm256_castsi256_ps(_mm256_set1_epi32(pair))
        };
        Self([pairs; 2])
    }

    #[inline(always)]
    fn store_pairs(self, to: &mut [[bf16; 2]; LANES]) {
        let to = to.as_mut_ptr().cast();
        // SAFETY: as the module says; the reference is valid for writing twice eight pairs.
        unsafe {
            _mm256_storeu_ps(to, self.0[0]);
            _mm256_storeu_ps(to.add(8), self.0[1]);
        }
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        let half = |half: usize| {
            let (a, b) = (self.0[half], other.0[half]);
            // SAFETY: as the module says.
            unsafe {
                let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let first = _mm256_permute2f128_ps::<0x20>(low, high);
                Self([first, _mm256_permute2f128_ps::<0x31>(low, high)])
            }
        };
        [half(0), half(1)]
    }

    #[inline(always)]
    fn pair(first: &[bf16; LANES], second: &[bf16; LANES], to: &mut [[bf16; 2]; LANES]) {
        let (first, second) = (first.as_ptr().cast::<__m128i>(), second.as_ptr().cast::<__m128i>());
        let to = to.as_mut_ptr().cast::<__m256i>();
        for half in 0..2 {
            // SAFETY: as the module says; the references are valid for reading twice eight numbers
            // and for writing twice eight pairs.
            unsafe {
                let first = _mm256_cvtepu16_epi32(_mm_loadu_si128(first.add(half)));
                let second = _mm256_cvtepu16_epi32(_mm_loadu_si128(second.add(half)));
                let pairs = _mm256_or_si256(first, _mm256_slli_epi32::<16>(second));
                _mm256_storeu_si256(to.add(half), pairs);
            }
        }
    }

    #[inline(always)]
    fn dot(self, other: Self, addend: Self) -> Self {
        let [[a, b], [c, d]] = [self.split(), other.split()];
        b.mul_add(d, a.mul_add(c, addend))
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
    fn bits([first, second]: [__m256; 2]) -> u16 {
        // SAFETY: as the module says.
        let [first, second] = unsafe { [_mm256_movemask_ps(first), _mm256_movemask_ps(second)] };
        (first | second << 8) as u16
    }

    #[inline(always)]
    fn mask(bits: u16) -> [__m256; 2] {
        // SAFETY: as the module says.
        unsafe {
            let each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            [bits, bits >> 8].map(|bits| {
                let bits = _mm256_and_si256(_mm256_set1_epi32(i32::from(bits)), each);
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(bits, each))
            })
        }
    }

    #[inline(always)]
    fn select(mask: [__m256; 2], yes: Self, no: Self) -> Self {
        let ([a, b], [c, d]) = (yes.0, no.0);
        // SAFETY: as the module says.
        Self(unsafe { [_mm256_blendv_ps(c, a, mask[0]), _mm256_blendv_ps(d, b, mask[1])] })
    }
}
