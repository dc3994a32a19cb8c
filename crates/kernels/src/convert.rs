//! Numbers of one type as numbers of another.

use crate::element::Stored;
use crate::fresh::{chunks, in_parts};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::{Element, Isa};

/// Numbers that one thread converts at a time: few enough for the first-level cache.
const CHUNK_LEN: usize = 8 * 1024;

/// The nearest numbers of another type; of two as near the even one. NaN stays NaN.
///
/// ```
/// use trickbag_kernels::{bf16, convert};
///
/// let halves: Vec<bf16> = convert(&[1.5_f32, 1.0 + 1.0 / 1024.0]);
/// assert_eq!(convert::<_, f32>(&halves), [1.5, 1.0]);
/// ```
#[must_use]
pub fn convert<A: Element, B: Element>(from: &[A]) -> Vec<B> {
    let isa = Isa::current();
    in_parts(chunks(from.len(), CHUNK_LEN), |i, to| {
        isa.run(Convert { from: &from[i * CHUNK_LEN..][..to.len()], to });
    })
}

/// Converts as many numbers as there is room for.
pub(crate) struct Convert<'a, A, B> {
    pub(crate) from: &'a [A],
    pub(crate) to: &'a mut [B],
}

impl<A: Stored, B: Stored> Kernel for Convert<'_, A, B> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (from, to) in self.from.chunks(LANES).zip(self.to.chunks_mut(LANES)) {
            L::load_padded(from).store_part(to);
        }
    }
}
