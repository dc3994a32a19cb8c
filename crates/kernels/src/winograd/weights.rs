//! The transformed weight of a convolution.

use std::iter::repeat_n;

use crate::Isa;
use crate::direction::Direction;
use crate::element::Stored;
use crate::fresh::in_parts;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::winograd::geometry::Geometry;
use crate::winograd::transform::{self, Linear, POINTS};

/// The transformed weight: for each block of destination channels, each point and each source channel.
pub(crate) fn panels<E: Stored>(
    geometry: &Geometry,
    isa: Isa,
    direction: Direction,
    weight: &[E],
) -> Vec<[f32; LANES]> {
    let (depth, columns) = (geometry.source.channels, geometry.destination.channels);
    let turned;
    let weight = match direction {
        Direction::Forward => weight,
        Direction::Backward => {
            turned = turn(weight, columns, depth);
            &turned
        }
    };
    let panel_len = POINTS * depth;
    in_parts(repeat_n(panel_len, columns / LANES), |block, panel| {
        isa.run(Pack { columns, weight: &weight[block * LANES..], panel });
    })
}

/// For each tap, in reverse order: the transposed matrix of the weight.
fn turn<E: Stored>(weight: &[E], rows: usize, columns: usize) -> Vec<E> {
    let tap_len = rows * columns;
    in_parts(repeat_n(tap_len, weight.len() / tap_len), |tap, turned: &mut [E]| {
        let tap = &weight[weight.len() - (tap + 1) * tap_len..][..tap_len];
        for (row, values) in tap.chunks_exact(columns).enumerate() {
            for (value, to) in values.iter().zip(turned[row..].iter_mut().step_by(rows)) {
                *to = *value;
            }
        }
    })
}

struct Pack<'a, E> {
    columns: usize,
    /// Begins at the block's first channel.
    weight: &'a [E],
    panel: &'a mut [[f32; LANES]],
}

impl<E: Stored> Kernel for Pack<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let depth = self.panel.len() / POINTS;
        for k in 0..depth {
            let mut w = [[L::splat(0.0); 3]; 3];
            for (tap, w) in w.as_flattened_mut().iter_mut().enumerate() {
                *w = L::load_padded(&self.weight[(tap * depth + k) * self.columns..]);
            }
            let u = transform::Weight::apply_both(w);
            for (panel, u) in self.panel.chunks_exact_mut(depth).zip(u.as_flattened()) {
                u.store(&mut panel[k]);
            }
        }
    }
}
