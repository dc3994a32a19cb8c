//! The transformed weight of a convolution.

use crate::direction::Direction;
use crate::element::Stored;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::transpose::transpose;
use crate::winograd::geometry::Geometry;
use crate::winograd::transform::{self, Columns, IN, Linear, POINTS, Rows, TAPS};
use crate::{Isa, tasks};

/// One tap of sixteen source channels: sixteen numbers of each.
type Tap = [[f32; LANES]; LANES];

/// Transforms the weight: for each block of destination channels, each point and each source channel.
pub(crate) fn pack<E: Stored>(
    geometry: &Geometry,
    isa: Isa,
    direction: Direction,
    weight: &[E],
    panels: &mut [[f32; LANES]],
) {
    let (depth, columns) = geometry.channels();
    tasks::for_each(panels.chunks_mut(POINTS * depth), |block, panel| {
        isa.run(Pack { direction, depth, columns, first: block * LANES, weight, panel });
    });
}

struct Pack<'a, E> {
    direction: Direction,
    /// Channels of the source and of the destination.
    depth: usize,
    columns: usize,
    /// The block's first channel.
    first: usize,
    weight: &'a [E],
    panel: &'a mut [[f32; LANES]],
}

impl<E: Stored> Kernel for Pack<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut rows = transform::Weight::room::<L>();
        for first in (0..self.depth).step_by(LANES) {
            let mut taps = [[[0.0; LANES]; LANES]; TAPS];
            for (nth, tap) in taps.iter_mut().enumerate() {
                *tap = self.tap::<L>(nth, first);
            }
            for channel in 0..LANES {
                let panel = &mut self.panel[first + channel..];
                let mut points = OfPoints { panel, pitch: self.depth };
                let taps = OfTaps { taps: &taps, channel };
                transform::Weight::apply_both(&taps, &mut rows, &mut points);
            }
        }
    }
}

impl<E: Stored> Pack<'_, E> {
    /// A tap of the source channels from this one on.
    #[inline(always)]
    fn tap<L: Lanes>(&self, tap: usize, first: usize) -> Tap {
        match self.direction {
            Direction::Forward => {
                let row = (tap * self.depth + first) * self.columns;
                load::<L, E>(&self.weight[row + self.first..], self.columns)
            }
            // The taps in reverse order, rows and columns of each swapped.
            Direction::Backward => {
                let row = ((TAPS - 1 - tap) * self.columns + self.first) * self.depth;
                transpose::<L, f32>(&load::<L, E>(&self.weight[row + first..], self.depth))
            }
        }
    }
}

/// Sixteen numbers of each of sixteen rows, so far apart. Asks for those of the sixteen rows after them.
#[inline(always)]
fn load<L: Lanes, E: Stored>(from: &[E], pitch: usize) -> Tap {
    let mut rows = [[0.0; LANES]; LANES];
    for (nth, row) in rows.iter_mut().enumerate() {
        L::expect(from, (LANES + nth) * pitch);
        L::load_padded(&from[nth * pitch..]).store(row);
    }
    rows
}

/// The taps of one source channel.
struct OfTaps<'a> {
    taps: &'a [Tap; TAPS],
    channel: usize,
}

impl Rows<3> for OfTaps<'_> {
    #[inline(always)]
    fn row<L: Lanes>(&self, row: usize) -> [L; 3] {
        let mut numbers = [L::splat(0.0); 3];
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = L::load(&self.taps[row * 3 + column][self.channel]);
        }
        numbers
    }
}

/// The points of one source channel, so far apart.
struct OfPoints<'a> {
    panel: &'a mut [[f32; LANES]],
    pitch: usize,
}

impl Columns<IN> for OfPoints<'_> {
    #[inline(always)]
    fn set<L: Lanes>(&mut self, column: usize, numbers: [L; IN]) {
        for (row, number) in numbers.into_iter().enumerate() {
            number.store(&mut self.panel[(row * IN + column) * self.pitch]);
        }
    }
}
