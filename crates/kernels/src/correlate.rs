//! Convolution's forward pass and the gradient of its input: the same sum over different stencils.

use crate::band::{self, Band};
use crate::channels::{Block, Channels, Packing};
use crate::correlate_tiles::{Correlate, Weights};
use crate::direction::Direction;
use crate::element::{Element, Factor, Makes, Stored};
use crate::fresh::Destination;
use crate::lanes::LANES;
use crate::packed::Weight;
use crate::plan::{Plan, Plans};
use crate::{Conv, Isa, Write, few_pixels};

/// Source and destination of a band, in numbers, should stay in a core's second-level cache.
const BAND_LEN: usize = 64 * 1024;

/// So many bands at least, whatever the number of threads, for these to share evenly.
const MIN_BANDS: usize = 8;

/// Everything that does not change from band to band.
struct Pass<'a, E, F> {
    isa: Isa,
    write: Write,
    channels: Channels,
    blocks: &'a [Block],
    weights: Weights<'a, F>,
    source: &'a [E],
}

/// Writes the output (forward) or the gradient of the input (backward) into `destination`.
///
/// `finish` gets each band of the destination once it is written, and the number of its first number,
/// from the thread that has it in its cache; its results come in the order of the bands, which depend
/// on the shapes alone.
pub(crate) fn correlate<E: Element, T: Send>(
    conv: &Conv,
    direction: Direction,
    write: Write,
    source: &[E],
    weight: Weight<'_, E>,
    destination: &mut (impl Destination<E> + ?Sized),
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    if Isa::current().multiplies_pairs() && !conv.is_depthwise() {
        multiply::<E, E::Joined, T>(conv, direction, write, source, weight, destination, finish)
    } else {
        multiply::<E, f32, T>(conv, direction, write, source, weight, destination, finish)
    }
}

/// Does so with products of type `F`.
fn multiply<E: Stored + Makes<F>, F: Factor, T: Send>(
    conv: &Conv,
    direction: Direction,
    write: Write,
    source: &[E],
    weight: Weight<'_, E>,
    destination: &mut (impl Destination<E> + ?Sized),
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    let (from, to) = match direction {
        Direction::Forward => (conv.input(), conv.output()),
        Direction::Backward => (conv.output(), conv.input()),
    };
    if few_pixels::suits(conv, direction, weight) {
        return few_pixels::forward::<E, F, T>(conv, write, source, weight, destination, finish);
    }
    let stencils = conv.stencils(direction);
    let channels = Channels::new::<F>(conv, direction);
    let blocks = channels.blocks();
    let isa = Isa::current();
    let taps = Channels::taps(&stencils, conv.window().kernel[1]);
    let band_count = ((from.len() + to.len()) / BAND_LEN).max(MIN_BANDS);
    let bands = Band::divide(to, band_count);
    let plans = Plans::new(&bands, &stencils, from, to, channels.layout::<E, F>());
    let packing = Packing { isa, channels, blocks: &blocks, taps: &taps };
    let depth = packing.depth::<F>();
    let pack = |panels: &mut [[F; LANES]]| packing.pack(weight.values, panels);
    weight.with(packing.form::<F>(), pack, |panels| {
        let weights = Weights { rows: panels, block: depth };
        let pass = Pass { isa, write, channels, blocks: &blocks, weights, source };
        destination.write(band::lengths(&bands, to), |nth, part| {
            let band = &bands[nth];
            pass.run(plans.of(band), band, part);
            finish(band.first(to), part)
        })
    })
}

impl<E: Stored + Makes<F>, F: Factor> Pass<'_, E, F> {
    /// Computes one band, which is `part` of the destination.
    fn run(&self, plan: &Plan, band: &Band, part: &mut [E]) {
        plan.frame.view(self.isa, self.source, band, |source| {
            self.isa.run(Correlate::<_, _, false> {
                mix: self.channels.mix,
                write: self.write,
                weights: self.weights,
                blocks: self.blocks,
                lattices: &plan.lattices,
                images: band.images,
                source,
                destination: part,
            });
        });
    }
}
