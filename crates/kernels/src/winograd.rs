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

use crate::band::{self, Band};
use crate::direction::Direction;
use crate::element::Stored;
use crate::fresh::Destination;
use crate::lanes::LANES;
use crate::packed::{Form, Order, Weight};
use crate::{ImageShape, Isa, Write, few_pixels};

pub(crate) use geometry::Geometry;
use geometry::SHARE;
pub(crate) use gradient::weight_gradient;
use passes::{Correlate, CorrelateTransformed, Transform};
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
    let to = geometry.destination;
    let len = geometry.panel_rows();
    let form = Form { isa, order: Order::Points, taps: vec![], len };
    let pack = |panels: &mut [_]| weights::pack(geometry, isa, direction, weight.values, panels);
    weight.with(form, pack, |panels| {
        if weight.packed.is_some() && geometry.shares_columns() {
            return share_columns(geometry, write, source, panels, destination, finish);
        }
        let bands = geometry.bands();
        destination.write(band::lengths(&bands, to), |nth, part| {
            let (band, destination) = (bands[nth], &mut *part);
            SCRATCH.with_borrow_mut(|scratch| {
                isa.run(Correlate { geometry, band, source, panels, write, destination, scratch });
            });
            finish(band.first(to), part)
        })
    })
}

/// The same for few tiles: tasks share the columns of the weight in place of the tiles, and read it once.
fn share_columns<E: Stored, T: Send>(
    geometry: &Geometry,
    write: Write,
    source: &[E],
    panels: &[[f32; LANES]],
    destination: &mut (impl Destination<E> + ?Sized),
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    let (isa, to) = (Isa::current(), geometry.destination);
    let tiles = &geometry.tiles(&Band::whole(to));
    // Taken, since this thread may compute a share as well.
    let mut chunk = SCRATCH.take();
    isa.run(Transform { geometry, tiles, source, to: &mut chunk.source });
    let of_share = Geometry { destination: ImageShape { channels: SHARE, ..to }, ..*geometry };
    let compute = |nth: usize, destination: &mut [f32]| {
        let panel_rows = of_share.panel_rows();
        SCRATCH.with_borrow_mut(|scratch| {
            isa.run(CorrelateTransformed {
                geometry: &of_share,
                tiles,
                source: &chunk.source,
                panels: &panels[nth * panel_rows..][..panel_rows],
                destination,
                scratch: &mut scratch.destination,
            });
        });
    };
    let finished = few_pixels::share_columns(isa, write, SHARE, to, destination, compute, finish);
    SCRATCH.replace(chunk);
    finished
}
