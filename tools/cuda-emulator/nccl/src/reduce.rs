//! What a collective does once all ranks are there.

use half::{bf16, f16};

/// A collective, with all that its ranks must agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Collective {
    pub(crate) kind: Kind,
    pub(crate) count: usize,
    pub(crate) element: Element,
    pub(crate) operation: Operation,
    pub(crate) root: usize,
}

/// Which collective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    AllReduce,
    Reduce,
    Broadcast,
    AllGather,
    ReduceScatter,
}

/// How elements are joined, numbered as NCCL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Operation {
    Sum = 0,
    Product = 1,
    Max = 2,
    Min = 3,
    Average = 4,
}

/// The type of an element, numbered as NCCL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Element {
    I8 = 0,
    U8 = 1,
    I32 = 2,
    U32 = 3,
    I64 = 4,
    U64 = 5,
    F16 = 6,
    F32 = 7,
    F64 = 8,
    Bf16 = 9,
}

/// A rank's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Operation {
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        let all = [Self::Sum, Self::Product, Self::Max, Self::Min, Self::Average];
        all.into_iter().find(|&operation| operation as u32 == number)
    }
}

impl Element {
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        use Element::{Bf16, F16, F32, F64, I8, I32, I64, U8, U32, U64};
        let all = [I8, U8, I32, U32, I64, U64, F16, F32, F64, Bf16];
        all.into_iter().find(|&element| element as u32 == number)
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }
}

impl Collective {
    /// How many bytes a rank reads and writes, of `size` ranks.
    pub(crate) fn bytes(&self, size: usize) -> (usize, usize) {
        let bytes = self.count * self.element.bytes();
        match self.kind {
            Kind::AllGather => (bytes, bytes * size),
            Kind::ReduceScatter => (bytes * size, bytes),
            _ => (bytes, bytes),
        }
    }

    /// Does the work of all ranks.
    ///
    /// # Safety
    /// Each place has as many bytes to read and to write as [`Collective::bytes`] says, and
    /// nobody else uses them now.
    pub(crate) unsafe fn run(&self, places: &[Place]) {
        // SAFETY: the caller's promise; the element says what the bytes are.
        unsafe {
            match self.element {
                Element::I8 => self.typed::<i8>(places),
                Element::U8 => self.typed::<u8>(places),
                Element::I32 => self.typed::<i32>(places),
                Element::U32 => self.typed::<u32>(places),
                Element::I64 => self.typed::<i64>(places),
                Element::U64 => self.typed::<u64>(places),
                Element::F16 => self.typed::<f16>(places),
                Element::F32 => self.typed::<f32>(places),
                Element::F64 => self.typed::<f64>(places),
                Element::Bf16 => self.typed::<bf16>(places),
            }
        }
    }

    /// # Safety
    /// As for [`Collective::run`], and `T` is the element.
    unsafe fn typed<T: Value>(&self, places: &[Place]) {
        let (count, ranks) = (self.count, places.len());
        // SAFETY: the caller's promise.
        let read = |place: &Place, count| unsafe { read::<T>(place.from, count) };
        let results: Vec<Vec<T>> = match self.kind {
            Kind::Broadcast => vec![read(&places[self.root], count); ranks],
            Kind::AllGather => {
                vec![places.iter().flat_map(|place| read(place, count)).collect(); ranks]
            }
            Kind::AllReduce | Kind::Reduce => {
                let inputs = places.iter().map(|place| read(place, count));
                vec![self.join(inputs, ranks); ranks]
            }
            Kind::ReduceScatter => {
                let joined =
                    self.join(places.iter().map(|place| read(place, count * ranks)), ranks);
                (0..ranks).map(|rank| joined[rank * count..][..count].to_vec()).collect()
            }
        };
        for (rank, (place, result)) in places.iter().zip(results).enumerate() {
            if self.kind != Kind::Reduce || rank == self.root {
                // SAFETY: the caller's promise.
                unsafe { std::ptr::copy(result.as_ptr(), place.to as *mut T, result.len()) };
            }
        }
    }

    /// Joins the ranks' elements in the order of the ranks.
    fn join<T: Value>(&self, mut inputs: impl Iterator<Item = Vec<T>>, ranks: usize) -> Vec<T> {
        let mut joined = inputs.next().unwrap_or_default();
        for input in inputs {
            for (a, b) in joined.iter_mut().zip(input) {
                *a = a.join(b, self.operation);
            }
        }
        if self.operation == Operation::Average {
            joined.iter_mut().for_each(|value| *value = value.over(ranks));
        }
        joined
    }
}

/// # Safety
/// `count` values can be read at `address`.
unsafe fn read<T: Copy>(address: u64, count: usize) -> Vec<T> {
    // SAFETY: the caller's promise; without elements the address may be null.
    (0..count).map(|index| unsafe { (address as *const T).add(index).read() }).collect()
}

/// An element that can be joined with others.
trait Value: Copy {
    fn join(self, other: Self, operation: Operation) -> Self;
    fn over(self, ranks: usize) -> Self;
}

macro_rules! whole {
    ($($value:ty)*) => {$(
        impl Value for $value {
            fn join(self, other: Self, operation: Operation) -> Self {
                match operation {
                    Operation::Sum | Operation::Average => self.wrapping_add(other),
                    Operation::Product => self.wrapping_mul(other),
                    Operation::Max => self.max(other),
                    Operation::Min => self.min(other),
                }
            }

            fn over(self, ranks: usize) -> Self {
                self / ranks as Self
            }
        }
    )*};
}

whole!(i8 u8 i32 u32 i64 u64);

/// A sum or product of two narrower floats that is made in f64 is rounded as if made in theirs.
macro_rules! float {
    ($($value:ty: $wide:expr, $narrow:expr;)*) => {$(
        impl Value for $value {
            fn join(self, other: Self, operation: Operation) -> Self {
                let (a, b) = ($wide(self), $wide(other));
                $narrow(match operation {
                    Operation::Sum | Operation::Average => a + b,
                    Operation::Product => a * b,
                    Operation::Max => a.max(b),
                    Operation::Min => a.min(b),
                })
            }

            fn over(self, ranks: usize) -> Self {
                $narrow($wide(self) / ranks as f64)
            }
        }
    )*};
}

float! {
    f16: f16::to_f64, f16::from_f64;
    bf16: bf16::to_f64, bf16::from_f64;
    f32: f64::from, |value| value as f32;
    f64: f64::from, f64::from;
}
