//! Sums that join a gradient, each rounded once.

use rayon::prelude::*;

use crate::convert::Convert;
use crate::{Element, Isa};

/// Lets `add` add to each row of the gradient, given the row's number and what is in it as `f32`.
pub(crate) fn add_to_rows<E: Element>(
    isa: Isa,
    gradient: &mut [E],
    columns: usize,
    add: impl Fn(usize, &mut [f32]) + Sync,
) {
    let rows = gradient.par_chunks_exact_mut(columns).enumerate();
    rows.for_each_init(
        || vec![0.0; columns],
        |totals, (row, gradient)| {
            isa.run(Convert { from: gradient, to: totals });
            add(row, totals);
            isa.run(Convert { from: totals, to: gradient });
        },
    );
}
