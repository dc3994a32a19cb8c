//! Transformed tiles or weights, point by point, as the products read them.

use crate::lanes::{LANES, Lanes};
use crate::winograd::transform::{IN, POINTS};

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
        self.numbers.resize(POINTS * self.pitch(), [0.0; LANES]);
    }

    /// Lets go of everything, so that what there is room for next is zeros.
    pub(crate) fn clear(&mut self) {
        self.numbers.clear();
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
    pub(crate) fn load<L: Lanes>(&self, thing: usize) -> [[L; IN]; IN] {
        let mut points = [[L::splat(0.0); IN]; IN];
        let pitch = self.pitch();
        let numbers = &self.numbers[thing..][..(POINTS - 1) * pitch + 1];
        for i in 0..IN {
            for j in 0..IN {
                points[i][j] = L::load(&numbers[(i * IN + j) * pitch]);
            }
        }
        points
    }

    #[inline(always)]
    pub(crate) fn store<L: Lanes>(&mut self, points: [[L; IN]; IN], thing: usize) {
        let pitch = self.pitch();
        let numbers = &mut self.numbers[thing..][..(POINTS - 1) * pitch + 1];
        for i in 0..IN {
            for j in 0..IN {
                points[i][j].store(&mut numbers[(i * IN + j) * pitch]);
            }
        }
    }
}
