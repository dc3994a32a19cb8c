//! Which vector instructions compute.

use std::cell::Cell;

use crate::{Error, amx};

/// An instruction set that the operators are compiled for.
///
/// An operator takes the best one that the processor has. Results differ between instruction sets
/// in their last bits, never between runs or numbers of threads on the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What every processor of the architecture has.
    Portable,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, VL, BW and DQ.
    Avx512,
    /// The same and AVX512-BF16, which multiplies pairs of `bf16`; `f32` gains nothing from it.
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

    fn best() -> Self {
        ALL.into_iter().rfind(|isa| isa.is_available()).unwrap_or(Self::Portable)
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

/// Ends a scope, also when it panics.
struct Restore(Option<Isa>);

impl Drop for Restore {
    fn drop(&mut self) {
        CHOSEN.set(self.0);
    }
}
