//! How many `f32` operations a second the processor can do at most.

use std::hint::black_box;
use std::time::Instant;

use trickbag_kernels::Isa;

/// Multiply-adds that do not wait for each other: more than any processor's latency times its
/// units, and few enough to stay in registers.
const CHAINS: usize = 12;
/// Multiply-adds of each chain in one burst, about a millisecond: short enough to fit between the
/// turns of other programs.
const ROUNDS: u64 = 200_000;
/// The best burst counts, because others may have lost time to other programs.
const BURSTS: usize = 200;

/// Floating-point operations a second of all of rayon's threads together, in fused multiply-adds
/// of `f32` vectors (a multiplication and an addition where `isa` has none).
pub(crate) fn flops_per_second(isa: Isa) -> f64 {
    let burst = Burst::new(isa);
    rayon::broadcast(|_| burst.flops_per_second()).iter().sum()
}

/// Multiply-adds of vectors with so many lanes.
#[derive(Clone, Copy)]
struct Burst {
    run: fn(),
    lanes: usize,
}

impl Burst {
    #[cfg(target_arch = "x86_64")]
    fn new(isa: Isa) -> Self {
        if isa >= Isa::Avx512 && is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512 F, as was just found.
            Self { run: || unsafe { x86::avx512() }, lanes: 16 }
        } else if isa >= Isa::Avx2
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
        {
            // SAFETY: the processor has AVX2 and FMA, as was just found.
            Self { run: || unsafe { x86::avx2() }, lanes: 8 }
        } else {
            Self { run: portable, lanes: 4 }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn new(_: Isa) -> Self {
        Self { run: portable, lanes: 4 }
    }

    /// Of the thread that calls it.
    fn flops_per_second(self) -> f64 {
        let best = (0..BURSTS).map(|_| self.seconds()).fold(f64::INFINITY, f64::min);
        (CHAINS * self.lanes * 2) as f64 * ROUNDS as f64 / best
    }

    fn seconds(self) -> f64 {
        let clock = Instant::now();
        (self.run)();
        clock.elapsed().as_secs_f64()
    }
}

/// What each chain starts from; different numbers, lest the compiler compute one chain for all.
fn starts() -> [f32; CHAINS] {
    black_box(std::array::from_fn(|chain| chain as f32))
}

/// Factor and addend; with these the sums stay finite.
fn operands() -> (f32, f32) {
    black_box((0.5, 1.0))
}

fn portable() {
    let (factor, addend) = operands();
    let mut sums = starts().map(|start| [start; 4]);
    for _ in 0..ROUNDS {
        for sum in sums.as_flattened_mut() {
            *sum = *sum * factor + addend;
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The same with fused multiply-adds.
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
    use std::hint::black_box;

    use super::{ROUNDS, operands, starts};

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512() {
        let (factor, addend) = operands();
        let (factor, addend) = (_mm512_set1_ps(factor), _mm512_set1_ps(addend));
        let mut sums = starts().map(|start| _mm512_set1_ps(start));
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, addend);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2() {
        let (factor, addend) = operands();
        let (factor, addend) = (_mm256_set1_ps(factor), _mm256_set1_ps(addend));
        let mut sums = starts().map(|start| _mm256_set1_ps(start));
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, addend);
            }
        }
        black_box(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_computes() {
        for isa in Isa::available() {
            let found = flops_per_second(isa);
            assert!(found.is_finite() && found > 0.0, "{isa:?}: {found}");
        }
    }
}
