//! Sixteen numbers without vector instructions of their own.

use half::{bf16, f16};

use super::{LANES, Lanes, first_lanes};

/// Plain arrays, for the compiler to vectorise as it can.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Portable {
    /// The first and the second number of each pair.
    #[inline(always)]
    fn split(self) -> [Self; 2] {
        let bits = self.0.map(f32::to_bits);
        [bits.map(|pair| pair << 16), bits.map(|pair| pair & 0xffff_0000)]
            .map(|numbers| Self(numbers.map(f32::from_bits)))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Portable {
    type Mask = [bool; LANES];

    const REGISTERS: usize = 8;

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
    fn load_bf16(from: &[bf16; LANES]) -> Self {
        Self(from.map(bf16::to_f32))
    }

    #[inline(always)]
    fn store_bf16(self, to: &mut [bf16; LANES]) {
        *to = self.0.map(bf16::from_f32);
    }

    #[inline(always)]
    fn load_f16(from: &[f16; LANES]) -> Self {
        Self(from.map(f16::to_f32))
    }

    #[inline(always)]
    fn store_f16(self, to: &mut [f16; LANES]) {
        *to = self.0.map(f16::from_f32);
    }

    #[inline(always)]
    fn load_pairs(from: &[[bf16; 2]; LANES]) -> Self {
        Self(from.map(join))
    }

    #[inline(always)]
    fn splat_pair(pair: &[bf16; 2]) -> Self {
        Self::splat(join(*pair))
    }

    #[inline(always)]
    fn store_pairs(self, to: &mut [[bf16; 2]; LANES]) {
        let [first, second] = [0, 16]
            .map(|shift| self.0.map(|pair| bf16::from_bits((pair.to_bits() >> shift) as u16)));
        Self::pair(&first, &second, to);
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        let both = [self.0, other.0];
        [0, LANES / 2].map(|half| Self(std::array::from_fn(|i| both[i % 2][half + i / 2])))
    }

    #[inline(always)]
    fn pair(first: &[bf16; LANES], second: &[bf16; LANES], to: &mut [[bf16; 2]; LANES]) {
        *to = std::array::from_fn(|i| [first[i], second[i]]);
    }

    #[inline(always)]
    fn dot(self, other: Self, addend: Self) -> Self {
        let [[a, b], [c, d]] = [self.split(), other.split()];
        b.mul_add(d, a.mul_add(c, addend))
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
    fn bits(mask: [bool; LANES]) -> u16 {
        mask.iter().rev().fold(0, |bits, &bit| bits << 1 | u16::from(bit))
    }

    #[inline(always)]
    fn mask(bits: u16) -> [bool; LANES] {
        std::array::from_fn(|i| bits >> i & 1 == 1)
    }

    #[inline(always)]
    fn select(mask: [bool; LANES], yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
    }
}

/// The pair in one number's bits, the first below the second.
#[inline(always)]
fn join([first, second]: [bf16; 2]) -> f32 {
    f32::from_bits(u32::from(second.to_bits()) << 16 | u32::from(first.to_bits()))
}
