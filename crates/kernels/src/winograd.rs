//! Convolutions of 3x3 with stride 1 by Winograd's minimal filtering: a fraction of the products, and
//! sums that are transformed before and after.

mod geometry;
mod gradient;
mod passes;
mod points;
mod product;
mod seen;
mod transform;
mod weights;

use std::cell::RefCell;

use crate::band;
use crate::direction::Direction;
use crate::element::Stored;
use crate::fresh::Destination;
use crate::packed::{Form, Order, Weight};
use crate::{Isa, Write};

pub(crate) use geometry::Geometry;
pub(crate) use gradient::weight_gradient;
use passes::Correlate;
use points::Chunk;

thread_local! {
    /// Some megabytes, which are in the cache when the next task needs them.
    static SCRATCH: RefCell<Chunk> = RefCell::default();
}

/// Writes the output (forward) or the gradient of the input (backward) into `destination`; `finish` sees
/// each band of it once it is written.
pub(crate) fn correlate<E: Stored, T: Send>(
    geometry: &Geometry,
    direction: Direction,
    write: Write,
    source: &[E],
    weight: Weight<'_, E>,
    destination: &mut (impl Destination<E> + ?Sized),
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    let isa = Isa::current();
    let bands = geometry.bands();
    let to = geometry.destination;
    let len = geometry.panel_rows();
    let form = Form { isa, order: Order::Points, taps: vec![], len };
    let pack = |panels: &mut [_]| weights::pack(geometry, isa, direction, weight.values, panels);
    weight.with(form, pack, |panels| {
        destination.write(band::lengths(&bands, to), |nth, part| {
            let (band, destination) = (bands[nth], &mut *part);
            SCRATCH.with_borrow_mut(|scratch| {
                isa.run(Correlate { geometry, band, source, panels, write, destination, scratch });
            });
            finish(band.first(to), part)
        })
    })
}
