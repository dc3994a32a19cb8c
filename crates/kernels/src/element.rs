//! The types of the numbers in images and weights.

use half::{bf16, f16};

use crate::lanes::{LANES, Lanes, first_lanes};
use crate::plain::Plain;

/// A type of the numbers in images and weights: `f32`, or `bf16` or `f16` from the crate `half`.
///
/// Sums are kept in `f32`, whatever the type, and rounded once when they are stored: to the nearest
/// number, and to the even one of two that are as near. NaN stays NaN. A subnormal `bf16` may become zero, where the
/// processor has an instruction that does so.
///
/// ```
/// use trickbag_kernels::{Element, Linear, bf16};
///
/// fn double<E: Element>(x: E) -> Result<E, trickbag_kernels::Error> {
///     let mut y = [E::default()];
///     Linear::new(1, 1, 1)?.forward(&[x], &[E::from_f32(2.0)], &[E::default()], &mut y)?;
///     Ok(y[0])
/// }
/// assert_eq!(double(1.5), Ok(3.0));
/// assert_eq!(double(bf16::ONE), Ok(bf16::from_f32(2.0)));
/// ```
pub trait Element: Stored {
    /// The nearest number of this type.
    fn from_f32(value: f32) -> Self;
    /// The same number.
    fn to_f32(self) -> f32;
}

/// How numbers of a type lie in memory, and how they get into [`Lanes`]. Sealed: this is in no
/// public module.
pub trait Stored: Makes<<Self as Stored>::Joined> + PartialEq + std::fmt::Debug + 'static {
    /// What is multiplied at once for each sum where the processor multiplies pairs of `bf16`; elsewhere it is
    /// one `f32`.
    type Joined: Factor;

    fn load<L: Lanes>(from: &[Self; LANES]) -> L;
    /// Loads fewer than sixteen numbers, and zeros for the others.
    fn load_short<L: Lanes>(from: &[Self]) -> L;
    fn store<L: Lanes>(lanes: L, to: &mut [Self; LANES]);
    /// The same where subnormal numbers do not matter: they may become zero.
    #[inline(always)]
    fn store_normal<L: Lanes>(lanes: L, to: &mut [Self; LANES]) {
        Self::store(lanes, to);
    }
    /// Stores fewer than sixteen numbers.
    fn store_short<L: Lanes>(lanes: L, to: &mut [Self]);

    /// The numbers, if they are `f32`.
    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }

    /// The numbers, if they are `bf16`.
    fn as_bf16(_: &[Self]) -> Option<&[bf16]> {
        None
    }

    /// The same to write to.
    fn as_bf16_mut(_: &mut [Self]) -> Option<&mut [bf16]> {
        None
    }
}

/// What is multiplied at once for each sum: one `f32`, or two `bf16`.
///
/// Two, because AVX512-BF16 adds the products of two pairs in one instruction. AMD's processors do as many
/// of these per second as of `f32` multiply-adds, which makes `bf16` twice as fast as `f32`. Intel's do a quarter,
/// measured on Emerald Rapids, so there every number is widened once, and then it is `f32` that is multiplied.
pub trait Factor: Plain + Send + Sync {
    /// Numbers in a factor.
    const SPAN: usize;

    fn load<L: Lanes>(from: &[Self; LANES]) -> L;
    fn store<L: Lanes>(lanes: L, to: &mut [Self; LANES]);
    fn splat<L: Lanes>(&self) -> L;
    /// Adds the products of the factors to the sums.
    fn mul_add<L: Lanes>(a: L, b: L, sums: L) -> L;
}

/// How numbers become factors. Where there are too few for a factor, it is filled up with zeros.
pub trait Makes<F: Factor>: Plain + Send + Sync {
    /// The factors of numbers that follow each other, if they lie in memory as such; a rest that does not
    /// fill one is left out. Otherwise factors are single numbers.
    fn in_place(numbers: &[Self]) -> Option<&[F]>;
    /// The factor of up to [`Factor::SPAN`] numbers.
    fn factor(numbers: &[Self]) -> F;
    /// The factors down the columns of the first [`Factor::SPAN`] rows.
    fn weave<L: Lanes>(rows: [&[Self; LANES]; 2], to: &mut [F; LANES]);
}

/// Every number is a factor of its own, widened if it is not an `f32` already.
impl<E: Element> Makes<f32> for E {
    #[inline(always)]
    fn in_place(numbers: &[Self]) -> Option<&[f32]> {
        Self::as_f32(numbers)
    }

    #[inline(always)]
    fn factor(numbers: &[Self]) -> f32 {
        numbers[0].to_f32()
    }

    #[inline(always)]
    fn weave<L: Lanes>([row, _]: [&[Self; LANES]; 2], to: &mut [f32; LANES]) {
        Self::load::<L>(row).store(to);
    }
}

/// The factors of numbers that follow each other, as many as there are or as there is room for.
#[inline(always)]
pub(crate) fn lay<L: Lanes, E: Makes<F>, F: Factor>(numbers: &[E], to: &mut [F]) {
    let mut done = 0;
    if let Some(factors) = E::in_place(numbers) {
        // Of a known length, for which the compiler calls no function.
        for (from, to) in factors.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut().0) {
            *to = *from;
            done += LANES;
        }
    } else {
        for (numbers, to) in numbers.as_chunks().0.iter().zip(to.as_chunks_mut().0) {
            E::weave::<L>([numbers; 2], to);
            done += LANES;
        }
    }
    let rest = numbers[done * F::SPAN..].chunks(F::SPAN);
    to[done..].iter_mut().zip(rest).for_each(|(to, numbers)| *to = E::factor(numbers));
}

impl Element for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }

    fn to_f32(self) -> f32 {
        self
    }
}

impl Stored for f32 {
    type Joined = Self;

    #[inline(always)]
    fn load<L: Lanes>(from: &[Self; LANES]) -> L {
        L::load(from)
    }

    #[inline(always)]
    fn load_short<L: Lanes>(from: &[Self]) -> L {
        L::load_short(from)
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, to: &mut [Self; LANES]) {
        lanes.store(to);
    }

    #[inline(always)]
    fn store_short<L: Lanes>(lanes: L, to: &mut [Self]) {
        lanes.store_short(to);
    }

    #[inline(always)]
    fn as_f32(numbers: &[Self]) -> Option<&[f32]> {
        Some(numbers)
    }
}

impl Factor for f32 {
    const SPAN: usize = 1;

    #[inline(always)]
    fn load<L: Lanes>(from: &[Self; LANES]) -> L {
        L::load(from)
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, to: &mut [Self; LANES]) {
        lanes.store(to);
    }

    #[inline(always)]
    fn splat<L: Lanes>(&self) -> L {
        L::splat(*self)
    }

    #[inline(always)]
    fn mul_add<L: Lanes>(a: L, b: L, sums: L) -> L {
        a.mul_add(b, sums)
    }
}

impl Element for bf16 {
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn to_f32(self) -> f32 {
        self.to_f32()
    }
}

impl Stored for bf16 {
    type Joined = [Self; 2];

    #[inline(always)]
    fn load<L: Lanes>(from: &[Self; LANES]) -> L {
        L::load_bf16(from)
    }

    #[inline(always)]
    fn load_short<L: Lanes>(from: &[Self]) -> L {
        L::load_bf16_short(from)
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, to: &mut [Self; LANES]) {
        lanes.store_bf16(to);
    }

    #[inline(always)]
    fn store_normal<L: Lanes>(lanes: L, to: &mut [Self; LANES]) {
        lanes.store_normal_bf16(to);
    }

    #[inline(always)]
    fn store_short<L: Lanes>(lanes: L, to: &mut [Self]) {
        lanes.store_bf16_short(to);
    }

    fn as_bf16(numbers: &[Self]) -> Option<&[bf16]> {
        Some(numbers)
    }

    fn as_bf16_mut(numbers: &mut [Self]) -> Option<&mut [bf16]> {
        Some(numbers)
    }
}

impl Makes<[bf16; 2]> for bf16 {
    #[inline(always)]
    fn in_place(numbers: &[Self]) -> Option<&[[bf16; 2]]> {
        Some(numbers.as_chunks().0)
    }

    #[inline(always)]
    fn factor(numbers: &[Self]) -> [bf16; 2] {
        [numbers[0], numbers.get(1).copied().unwrap_or_default()]
    }

    #[inline(always)]
    fn weave<L: Lanes>([first, second]: [&[Self; LANES]; 2], to: &mut [[bf16; 2]; LANES]) {
        L::pair(first, second, to);
    }
}

/// The factors down the first sixteen columns of the first [`Factor::SPAN`] of two rows; what is missing is
/// zero.
#[inline(always)]
pub(crate) fn weave<L: Lanes, E: Makes<F>, F: Factor>(rows: [&[E]; 2], to: &mut [F; LANES]) {
    let rows = [rows[0], rows[F::SPAN - 1]];
    match rows.map(<[E]>::first_chunk) {
        [Some(first), Some(second)] => E::weave::<L>([first, second], to),
        _ => weave_short(rows, to),
    }
}

/// The same, number by number. Apart, so that nothing is copied where nothing is missing.
#[cold]
#[inline(never)]
fn weave_short<E: Makes<F>, F: Factor>(rows: [&[E]; 2], to: &mut [F; LANES]) {
    for (column, to) in to.iter_mut().enumerate() {
        *to = E::factor(&rows.map(|row| row.get(column).copied().unwrap_or_default())[..F::SPAN]);
    }
}

impl Factor for [bf16; 2] {
    const SPAN: usize = 2;

    #[inline(always)]
    fn load<L: Lanes>(from: &[Self; LANES]) -> L {
        L::load_pairs(from)
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, to: &mut [Self; LANES]) {
        lanes.store_pairs(to);
    }

    #[inline(always)]
    fn splat<L: Lanes>(&self) -> L {
        L::splat_pair(self)
    }

    #[inline(always)]
    fn mul_add<L: Lanes>(a: L, b: L, sums: L) -> L {
        a.dot(b, sums)
    }
}

impl Element for f16 {
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn to_f32(self) -> f32 {
        self.to_f32()
    }
}

impl Stored for f16 {
    type Joined = f32;

    #[inline(always)]
    fn load<L: Lanes>(from: &[Self; LANES]) -> L {
        L::load_f16(from)
    }

    #[inline(always)]
    fn load_short<L: Lanes>(from: &[Self]) -> L {
        L::load_f16(&first_lanes(from))
    }

    #[inline(always)]
    fn store<L: Lanes>(lanes: L, to: &mut [Self; LANES]) {
        lanes.store_f16(to);
    }

    #[inline(always)]
    fn store_short<L: Lanes>(lanes: L, to: &mut [Self]) {
        let mut padded = [Self::ZERO; LANES];
        lanes.store_f16(&mut padded);
        to.copy_from_slice(&padded[..to.len()]);
    }
}
