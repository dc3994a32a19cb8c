//! Transformed tiles or weights, point by point, as the products read them.

use crate::lanes::{LANES, Lanes};
use crate::winograd::transform::{Columns, IN, POINTS, Rows};

/// For each point: sixteen numbers of each thing that was transformed, in the order of the things.
#[derive(Debug, Default)]
pub(crate) struct Points {
    numbers: Vec<[f32; LANES]>,
    len: usize,
}

impl Points {
    /// Makes room for so many things. What was in it is there no more, in no order.
    pub(crate) fn resize(&mut self, len: usize) {
        self.len = len;
        let numbers = POINTS * self.pitch();
        if self.numbers.len() < numbers {
            self.numbers.resize(numbers, [0.0; LANES]);
        }
    }

    /// From one point to the next: one more than there are things, since points that were a power of two
    /// apart would share one set of the first-level cache.
    fn pitch(&self) -> usize {
        self.len + 1
    }

    /// A point of all things.
    #[inline(always)]
    pub(crate) fn of(&self, point: usize) -> &[[f32; LANES]] {
        &self.numbers[point * self.pitch()..][..self.len]
    }

    #[inline(always)]
    pub(crate) fn of_mut(&mut self, point: usize) -> &mut [[f32; LANES]] {
        let (pitch, len) = (self.pitch(), self.len);
        &mut self.numbers[point * pitch..][..len]
    }

    /// All points of one thing.
    #[inline(always)]
    pub(crate) fn thing(&self, thing: usize) -> OfThing<&[[f32; LANES]]> {
        let pitch = self.pitch();
        OfThing { points: &self.numbers[thing..][..(POINTS - 1) * pitch + 1], pitch }
    }

    #[inline(always)]
    pub(crate) fn thing_mut(&mut self, thing: usize) -> OfThing<&mut [[f32; LANES]]> {
        let pitch = self.pitch();
        OfThing { points: &mut self.numbers[thing..][..(POINTS - 1) * pitch + 1], pitch }
    }
}

/// Some tiles, transformed: for each block of channels and each tile.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) source: Points,
    /// What they become, or its gradient.
    pub(crate) destination: Points,
}

/// The points of one thing, so far apart.
pub(crate) struct OfThing<T> {
    points: T,
    pitch: usize,
}

impl Rows<IN> for OfThing<&[[f32; LANES]]> {
    #[inline(always)]
    fn row<L: Lanes>(&self, row: usize) -> [L; IN] {
        let mut numbers = [L::splat(0.0); IN];
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = L::load(&self.points[(row * IN + column) * self.pitch]);
        }
        numbers
    }
}

impl Columns<IN> for OfThing<&mut [[f32; LANES]]> {
    #[inline(always)]
    fn set<L: Lanes>(&mut self, column: usize, numbers: [L; IN]) {
        for (row, number) in numbers.into_iter().enumerate() {
            number.store(&mut self.points[(row * IN + column) * self.pitch]);
        }
    }
}
