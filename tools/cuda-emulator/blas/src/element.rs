//! The formats of a matrix's elements, and the two in which sums are made.

use std::ops::{AddAssign, Mul};

use half::{bf16, f16};

/// The format of an element, with cuBLAS's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    F32 = 0,
    F64 = 1,
    F16 = 2,
    Bf16 = 14,
}

impl Kind {
    /// The format of this number in `cudaDataType_t`.
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        [Self::F32, Self::F64, Self::F16, Self::Bf16]
            .into_iter()
            .find(|&kind| kind as u32 == number)
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Reads the element at `address`.
    ///
    /// # Safety
    /// An element of this format can be read there.
    pub(crate) unsafe fn read<T: Sum>(self, address: u64) -> T {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => T::from_f32((address as *const f32).read()),
                Self::F64 => T::from_f64((address as *const f64).read()),
                Self::F16 => T::from_f32((address as *const f16).read().to_f32()),
                Self::Bf16 => T::from_f32((address as *const bf16).read().to_f32()),
            }
        }
    }

    /// Rounds `value` to this format and writes it at `address`.
    ///
    /// # Safety
    /// An element of this format can be written there.
    pub(crate) unsafe fn write<T: Sum>(self, address: u64, value: T) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => (address as *mut f32).write(value.to_f32()),
                Self::F64 => (address as *mut f64).write(value.to_f64()),
                Self::F16 => (address as *mut f16).write(f16::from_f32(value.to_f32())),
                Self::Bf16 => (address as *mut bf16).write(bf16::from_f32(value.to_f32())),
            }
        }
    }
}

/// A format in which sums are made.
pub(crate) trait Sum:
    Copy + Default + PartialEq + AddAssign + Mul<Output = Self> + Send + Sync
{
    fn from_f32(value: f32) -> Self;
    fn from_f64(value: f64) -> Self;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
}

impl Sum for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f32(self) -> f32 {
        self
    }
    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Sum for f64 {
    fn from_f32(value: f32) -> Self {
        value.into()
    }
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn to_f64(self) -> f64 {
        self
    }
}
