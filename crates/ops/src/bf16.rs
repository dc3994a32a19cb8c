//! The number format `Bf16` as dfdx wants it: conversions, arithmetic, and the traits of a float.

use std::fmt;
use std::num::FpCategory;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, Sub, SubAssign};

use bytemuck::TransparentWrapper;
use dfdx::dtypes::{Dtype, SafeZeros};
use dfdx::prelude::Unit;
use half::bf16;
use num_traits::{AsPrimitive, Float, FromPrimitive, Num, One, ToPrimitive, Zero};

/// A 16-bit float with the exponent of `f32` and 8 bits of significand, for dfdx tensors on the CPU.
///
/// Every operation computes in `f32` and rounds once, to nearest and ties to even. For `+ - * /`
/// and the square root this is the correctly rounded result, because `f32` has more than twice the
/// significand (Figueroa 1995). Kalamkar et al., arXiv 1905.12322, train networks in it.
///
/// In memory it is a [`half::bf16`]; [`TransparentWrapper`] casts slices either way without a copy.
///
/// dfdx's elementwise, indexing and reshaping operators take it. Its `sum` and `mean` do not
/// compile, on purpose: they would add up in 8 bits, where 256 + 1 is 256. Its `matmul` cannot: the
/// trait behind it is private to dfdx. [`Backend`](crate::Backend) has what a network needs of both.
///
/// ```
/// use dfdx::prelude::*;
/// use trickbag_ops::Bf16;
///
/// let third = Bf16::from_f32(1.0 / 3.0);
/// assert_eq!(third.to_f32(), 0.333984375);
///
/// let dev = Cpu::default();
/// let x: Tensor<(usize,), Bf16, Cpu> = dev.tensor_from_vec(vec![third; 4], (4,));
/// assert_eq!((x.clone() + x).as_vec(), [Bf16::from_f32(2.0 / 3.0); 4]);
/// ```
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Bf16(bf16);

// SAFETY: `repr(transparent)` over its only field.
unsafe impl TransparentWrapper<bf16> for Bf16 {}

impl Bf16 {
    /// The nearest value, of two equally near ones the even one; what is too large becomes infinite.
    #[inline]
    pub const fn from_f32(x: f32) -> Self {
        let bits = x.to_bits();
        let round_up = 0x7FFF + (bits >> 16 & 1);
        let rounded = bits.wrapping_add(round_up) >> 16;
        // Rounding could carry a NaN into infinity or zero; a set bit keeps it one.
        let bits = if x.is_nan() { bits >> 16 | 0x40 } else { rounded };
        Self(bf16::from_bits(bits as u16))
    }

    /// The nearest value, rounded once.
    ///
    /// On the way through `f32` an inexact value takes the odd one of its two neighbours, which lies
    /// on the right side of every tie (Boldo and Melquiond 2008). `half` 2.4 drops the low 32 bits.
    #[inline]
    pub fn from_f64(x: f64) -> Self {
        let near = x as f32;
        let bits = near.to_bits();
        let exact = f64::from(near) == x || x.is_nan();
        Self::from_f32(match exact || bits & 1 == 1 {
            true => near,
            false if x.abs() > f64::from(near).abs() => f32::from_bits(bits + 1),
            false => f32::from_bits(bits - 1),
        })
    }

    /// The same value; each is one of `f32`.
    #[inline]
    pub const fn to_f32(self) -> f32 {
        f32::from_bits((self.0.to_bits() as u32) << 16)
    }
}

impl From<bf16> for Bf16 {
    fn from(x: bf16) -> Self {
        Self(x)
    }
}

impl From<Bf16> for bf16 {
    fn from(x: Bf16) -> Self {
        x.0
    }
}

impl From<Bf16> for f32 {
    fn from(x: Bf16) -> Self {
        x.to_f32()
    }
}

impl fmt::Debug for Bf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Bf16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl SafeZeros for Bf16 {}

#[cfg(feature = "cuda")]
// SAFETY: all bits zero is the number 0.
unsafe impl cudarc::driver::ValidAsZeroBits for Bf16 {}

#[cfg(feature = "cuda")]
// SAFETY: `repr(transparent)` over a 16-bit integer, so it is passed by value as one.
unsafe impl cudarc::driver::DeviceRepr for Bf16 {}

impl Unit for Bf16 {
    const ONE: Self = Self(bf16::ONE);
}

impl Dtype for Bf16 {}

macro_rules! arithmetic {
    ($($op:ident $method:ident $assign:ident $assign_method:ident;)*) => {$(
        impl $op for Bf16 {
            type Output = Self;
            #[inline]
            fn $method(self, other: Self) -> Self {
                Self::from_f32(self.to_f32().$method(other.to_f32()))
            }
        }

        impl $assign for Bf16 {
            #[inline]
            fn $assign_method(&mut self, other: Self) {
                *self = self.$method(other);
            }
        }
    )*};
}

arithmetic! {
    Add add AddAssign add_assign;
    Sub sub SubAssign sub_assign;
    Mul mul MulAssign mul_assign;
    Div div DivAssign div_assign;
}

impl Rem for Bf16 {
    type Output = Self;
    fn rem(self, other: Self) -> Self {
        Self::from_f32(self.to_f32() % other.to_f32())
    }
}

impl Neg for Bf16 {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl FromPrimitive for Bf16 {
    fn from_i64(n: i64) -> Option<Self> {
        Some(n.as_())
    }

    fn from_u64(n: u64) -> Option<Self> {
        Some(n.as_())
    }

    fn from_f32(x: f32) -> Option<Self> {
        Some(x.as_())
    }

    fn from_f64(x: f64) -> Option<Self> {
        Some(x.as_())
    }
}

impl ToPrimitive for Bf16 {
    fn to_i64(&self) -> Option<i64> {
        Self::to_f32(*self).to_i64()
    }

    fn to_u64(&self) -> Option<u64> {
        Self::to_f32(*self).to_u64()
    }

    fn to_f32(&self) -> Option<f32> {
        Some(Self::to_f32(*self))
    }

    fn to_f64(&self) -> Option<f64> {
        Some(Self::to_f32(*self).into())
    }
}

/// As `f32` converts.
impl<T: 'static + Copy> AsPrimitive<T> for Bf16
where
    f32: AsPrimitive<T>,
{
    #[inline]
    fn as_(self) -> T {
        self.to_f32().as_()
    }
}

impl AsPrimitive<Bf16> for f32 {
    #[inline]
    fn as_(self) -> Bf16 {
        Bf16::from_f32(self)
    }
}

macro_rules! as_bf16 {
    ($($number:ty)*) => {$(
        impl AsPrimitive<Bf16> for $number {
            #[inline]
            fn as_(self) -> Bf16 {
                Bf16::from_f64(self as f64)
            }
        }
    )*};
}

as_bf16! { f64 i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

impl num_traits::NumCast for Bf16 {
    fn from<T: ToPrimitive>(n: T) -> Option<Self> {
        n.to_f64().map(Self::from_f64)
    }
}

impl Zero for Bf16 {
    fn zero() -> Self {
        Self(bf16::ZERO)
    }

    fn is_zero(&self) -> bool {
        self.0 == bf16::ZERO
    }
}

impl One for Bf16 {
    fn one() -> Self {
        Self::ONE
    }
}

impl Num for Bf16 {
    type FromStrRadixErr = <f32 as Num>::FromStrRadixErr;

    fn from_str_radix(text: &str, radix: u32) -> Result<Self, Self::FromStrRadixErr> {
        f32::from_str_radix(text, radix).map(Self::from_f32)
    }
}

macro_rules! through_f32 {
    ($($function:ident($($argument:ident: $format:ty),*))*) => {$(
        #[inline]
        fn $function(self, $($argument: $format),*) -> Self {
            Self::from_f32(self.to_f32().$function($($argument.as_()),*))
        }
    )*};
}

impl Float for Bf16 {
    through_f32! {
        floor() ceil() round() trunc() fract() signum() recip() sqrt() cbrt()
        exp() exp2() exp_m1() ln() ln_1p() log2() log10()
        sin() cos() tan() asin() acos() atan()
        sinh() cosh() tanh() asinh() acosh() atanh()
        log(base: Self) powf(exponent: Self) powi(exponent: i32) max(other: Self) min(other: Self)
        hypot(other: Self) atan2(other: Self) mul_add(factor: Self, addend: Self)
    }

    fn nan() -> Self {
        Self(bf16::NAN)
    }

    fn infinity() -> Self {
        Self(bf16::INFINITY)
    }

    fn neg_infinity() -> Self {
        Self(bf16::NEG_INFINITY)
    }

    fn neg_zero() -> Self {
        Self(bf16::NEG_ZERO)
    }

    fn min_value() -> Self {
        Self(bf16::MIN)
    }

    fn min_positive_value() -> Self {
        Self(bf16::MIN_POSITIVE)
    }

    fn epsilon() -> Self {
        Self(bf16::EPSILON)
    }

    fn max_value() -> Self {
        Self(bf16::MAX)
    }

    fn is_nan(self) -> bool {
        self.0.is_nan()
    }

    fn is_infinite(self) -> bool {
        self.0.is_infinite()
    }

    fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    fn is_normal(self) -> bool {
        self.0.is_normal()
    }

    fn classify(self) -> FpCategory {
        self.0.classify()
    }

    fn is_sign_positive(self) -> bool {
        self.0.is_sign_positive()
    }

    fn is_sign_negative(self) -> bool {
        self.0.is_sign_negative()
    }

    fn abs(self) -> Self {
        Self::from_f32(self.to_f32().abs())
    }

    fn abs_sub(self, other: Self) -> Self {
        (self - other).max(Self::zero())
    }

    fn sin_cos(self) -> (Self, Self) {
        (self.sin(), self.cos())
    }

    fn integer_decode(self) -> (u64, i16, i8) {
        Float::integer_decode(self.to_f32())
    }
}
