//! Convolution's forward pass and the gradient of its input: the same sum over different stencils.

use rayon::prelude::*;

use crate::band::{self, Band};
use crate::channels::{Block, Channels, Pack};
use crate::correlate_tiles::Correlate;
use crate::direction::Direction;
use crate::element::Stored;
use crate::frame::Aliasing;
use crate::lanes::LANES;
use crate::plan::{Plan, Plans};
use crate::stencil::Stencil;
use crate::{Conv, Isa, Write};

/// Source and destination of a band, in numbers, should stay in a core's second-level cache.
const BAND_LEN: usize = 64 * 1024;

/// So many bands at least, whatever the number of threads, for these to share evenly.
const MIN_BANDS: usize = 8;

/// From so many blocks on it pays to copy sources that would alias in the cache.
const MANY_BLOCKS: usize = 8;

/// Everything that does not change from band to band.
struct Pass<'a, E: Stored> {
    isa: Isa,
    write: Write,
    channels: Channels,
    blocks: Vec<Block>,
    /// The weights of all blocks, one panel after the other.
    panels: Vec<[E::Factor; LANES]>,
    source: &'a [E],
}

/// Writes the output (forward) or the gradient of the input (backward) into `destination`.
///
/// `finish` sees each band of the destination once it is written, by the thread that has it in its
/// cache; its results come in the order of the bands, which depend on the shapes alone.
pub(crate) fn correlate<E: Stored, T: Send>(
    conv: &Conv,
    direction: Direction,
    write: Write,
    source: &[E],
    weight: &[E],
    destination: &mut [E],
    finish: impl Fn(&[E]) -> T + Sync,
) -> Vec<T> {
    let (from, to) = match direction {
        Direction::Forward => (conv.input(), conv.output()),
        Direction::Backward => (conv.output(), conv.input()),
    };
    let stencils = conv.stencils(direction);
    let channels = Channels::new::<E>(conv, direction);
    let blocks = channels.blocks();
    let bands = Band::divide(to, ((from.len() + to.len()) / BAND_LEN).max(MIN_BANDS));
    let aliasing = if blocks.len() < MANY_BLOCKS { Aliasing::Accept } else { Aliasing::Avoid };
    let plans = Plans::new(&bands, &stencils, from, to, channels.layout(aliasing));
    let isa = Isa::current();
    let panels = pack(isa, &stencils, conv.window().kernel[1], channels, &blocks, weight);
    let pass = Pass { isa, write, channels, blocks, panels, source };
    let parts = band::split(&bands, to, destination);
    let parts = parts.into_par_iter().map_init(Vec::new, |copy, (band, part)| {
        pass.run(plans.of(&band), &band, part, copy);
        finish(part)
    });
    parts.collect()
}

/// The weights of all blocks, in the order of the stencils' kernels.
fn pack<E: Stored>(
    isa: Isa,
    [rows, columns]: &[Stencil; 2],
    kernel_width: usize,
    channels: Channels,
    blocks: &[Block],
    weight: &[E],
) -> Vec<[E::Factor; LANES]> {
    // There are no taps if every window lies in the padding and nothing flows back.
    let depth = rows.kernel.len() * columns.kernel.len() * channels.factors::<E>();
    let mut panels = vec![[E::Factor::default(); LANES]; blocks.len() * depth];
    panels.par_chunks_exact_mut(depth.max(1)).zip(blocks).for_each(|(panel, block)| {
        let taps = rows
            .kernel
            .iter()
            .flat_map(|&row| columns.kernel.iter().map(move |column| row * kernel_width + column));
        isa.run(Pack { channels, block, weight, taps, panel });
    });
    panels
}

impl<E: Stored> Pass<'_, E> {
    /// Computes one band, which is `part` of the destination.
    fn run(&self, plan: &Plan, band: &Band, part: &mut [E], copy: &mut Vec<E>) {
        plan.frame.load(self.source, band, copy);
        self.isa.run(Correlate {
            mix: self.channels.mix,
            write: self.write,
            blocks: &self.blocks,
            panels: &self.panels,
            lattices: &plan.lattices,
            images: band.images,
            source: plan.frame.view(self.source, band, copy),
            destination: part,
        });
    }
}
