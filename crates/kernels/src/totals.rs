//! Sums that join a gradient, each rounded once.

use crate::convert::Convert;
use crate::{Element, Isa, tasks};

/// Lets `add` add to each row of the gradient, given the row's number and what is in it as `f32`.
pub(crate) fn add_to_rows<E: Element>(
    isa: Isa,
    gradient: &mut [E],
    columns: usize,
    add: impl Fn(usize, &mut [f32]) + Sync,
) {
    let rows = tasks::rows(columns);
    tasks::for_each(gradient.chunks_mut(rows * columns), |nth, gradient| {
        let mut totals = vec![0.0; columns];
        for (row, gradient) in gradient.chunks_exact_mut(columns).enumerate() {
            isa.run(Convert { from: gradient, to: &mut totals });
            add(nth * rows + row, &mut totals);
            isa.run(Convert { from: &totals, to: gradient });
        }
    });
}
