//! Memory for plain values of any type.

use crate::plain::Plain;

/// A line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Whole lines of the cache.
#[derive(Debug, Default)]
pub(crate) struct Memory(Vec<Line>);

impl Memory {
    /// No room.
    pub(crate) const NONE: Self = Self(Vec::new());

    /// Room for so many values, all zeros.
    pub(crate) fn zeros<T: Plain>(len: usize) -> Self {
        Self(vec![Line([0; 64]); (len * size_of::<T>()).div_ceil(size_of::<Line>())])
    }

    /// Whether there is room for so many values.
    pub(crate) fn holds<T: Plain>(&self, len: usize) -> bool {
        len <= size_of_val(&self.0[..]) / size_of::<T>().max(1)
    }

    /// The first values.
    pub(crate) fn values<T: Plain>(&self, len: usize) -> &[T] {
        self.check::<T>(len);
        // SAFETY: so many values fit into the lines, which are initialised and aligned as `check` says. Any bits are a
        // value, as the trait says.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), len) }
    }

    /// The same, to be changed.
    pub(crate) fn values_mut<T: Plain>(&mut self, len: usize) -> &mut [T] {
        self.check::<T>(len);
        // SAFETY: as above, and values have no bytes between them, so theirs are bytes of lines.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), len) }
    }

    fn check<T: Plain>(&self, len: usize) {
        const { assert!(align_of::<T>() <= align_of::<Line>()) };
        assert!(self.holds::<T>(len), "{len} values do not fit into {} lines", self.0.len());
    }
}
