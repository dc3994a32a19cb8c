//! Which vector instructions compute.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__cpuid_count, CpuidResult};
use std::cell::Cell;
use std::sync::OnceLock;

use crate::{Error, amx};

/// An instruction set that the operators are compiled for.
///
/// An operator takes [the best one](Isa::best) that the processor has. Results differ between instruction sets
/// in their last bits, never between runs or numbers of threads on the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What every processor of the architecture has.
    Portable,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, VL, BW and DQ.
    Avx512,
    /// The same and AVX512-BF16, which multiplies pairs of `bf16`; `f32` gains nothing from it, and nor does
    /// `bf16` on Intel's processors, which take four times as long for it as for products of `f32`.
    Avx512Bf16,
    /// The same and AMX-TILE and AMX-BF16, which multiply tiles of `bf16`, on Linux 5.16 or later.
    ///
    /// They are there if the system lets this process use them, which is asked for once, and if they
    /// then compute a small product right. Their sums take subnormal numbers as zero, and add up to 32
    /// products at a time, those at even positions and those at odd ones apart.
    Amx,
    /// The same in software, on any processor.
    #[cfg(test)]
    AmxModel,
}

/// Worst first.
const ALL: [Isa; 5] = [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Amx];

thread_local! {
    static CHOSEN: Cell<Option<Isa>> = const { Cell::new(None) };
}

impl Isa {
    /// The instruction sets that this processor has, worst first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// Calls `f`; the operators that it calls on this thread use this instruction set.
    ///
    /// ```
    /// use trickbag_kernels::Isa;
    ///
    /// assert_eq!(Isa::Portable.scope(|| 6 * 7), Ok(42));
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::MissingIsa`] if the processor does not have it.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> Result<R, Error> {
        if !self.is_available() {
            return Err(Error::MissingIsa(self));
        }
        let _restore = Restore(CHOSEN.replace(Some(self)));
        Ok(f())
    }

    /// The instruction set for the operators called on this thread.
    pub(crate) fn current() -> Self {
        CHOSEN.get().unwrap_or_else(Self::best)
    }

    /// The fastest one that this processor has: what operators use outside of every [`Isa::scope`].
    ///
    /// ```
    /// use trickbag_kernels::Isa;
    ///
    /// assert!(Isa::available().contains(&Isa::best()));
    /// ```
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        let suits = |isa: &Self| isa.is_available() && !(isa.multiplies_pairs() && is_intels());
        *BEST.get_or_init(|| ALL.into_iter().rfind(suits).unwrap_or(Self::Portable))
    }

    /// Whether vectors of pairs of `bf16` are multiplied, in place of `f32`: not beside AMX, whose processors are
    /// Intel's, for what AMX cannot do.
    pub(crate) fn multiplies_pairs(self) -> bool {
        self == Self::Avx512Bf16
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && Self::Avx2.is_available()
            }
            Self::Avx512Bf16 => {
                is_x86_feature_detected!("avx512bf16") && Self::Avx512.is_available()
            }
            Self::Amx => amx::is_available(),
            #[cfg(test)]
            Self::AmxModel => true,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn is_available(self) -> bool {
        match self {
            Self::Amx => amx::is_available(),
            #[cfg(test)]
            Self::AmxModel => true,
            _ => self == Self::Portable,
        }
    }
}

/// What the processor says of itself.
#[cfg(target_arch = "x86_64")]
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    #[allow(unused_unsafe, reason = "the function is unsafe in older compilers only")]
    // SAFETY: every processor of this architecture has the instruction, and it only reads.
    unsafe {
        __cpuid_count(leaf, subleaf)
    }
}

/// Whether Intel has made the processor.
#[cfg(target_arch = "x86_64")]
fn is_intels() -> bool {
    let CpuidResult { ebx, edx, ecx, .. } = cpuid(0, 0);
    [ebx, edx, ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_intels() -> bool {
    false
}

/// Ends a scope, also when it panics.
struct Restore(Option<Isa>);

impl Drop for Restore {
    fn drop(&mut self) {
        CHOSEN.set(self.0);
    }
}
