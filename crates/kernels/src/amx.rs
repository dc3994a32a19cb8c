//! Products of `bf16` on the tiles of AMX: sixteen by sixteen sums of 32 products each in one
//! instruction.
//!
//! [`tiles`] says what is computed; [`processor`] does it with the instructions and [`model`] without.
//! [`mod@correlate`] and [`mod@weight_gradient`] bring a convolution into the form of such products,
//! whoever computes them: so the tests run them on any processor, with the model.

mod correlate;
mod model;
#[cfg_attr(
    not(all(target_arch = "x86_64", target_pointer_width = "64", target_os = "linux", not(miri))),
    path = "amx/missing.rs"
)]
mod processor;
#[cfg(test)]
mod tests;
mod tiles;
mod weight_gradient;

use std::array::from_fn;
use std::cell::RefCell;
use std::sync::OnceLock;

use half::bf16;

use crate::Isa;
use crate::channels::Mix;
use crate::correlate_tiles::Correlate;
use crate::plan::Run;
use crate::weight_tiles::WeightGradient;
use correlate::TileCorrelate;
use model::Model;
use processor::Processor;
use tiles::{Aligned, Left, Row, Scratch, Sums, Tile, Tiles};
use weight_gradient::TileGradient;

/// Tiles pay where runs have at least so many of the 32 numbers that a tile's rows have room for. This
/// is by the count of instructions, not measured.
const MIN_RUN: usize = 12;

thread_local! {
    /// Half a megabyte, which is in the cache when the next kernel needs it.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Whether the processor has tiles, the system lets this process use them, and they compute what the
/// model does.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| Processor::configure().is_some_and(|mut tiles| agrees(&mut tiles)))
}

/// Runs the kernel on tiles, or on vectors where there are none or they would be mostly empty.
pub(crate) fn correlate(isa: Isa, work: Correlate<'_, bf16>) {
    let suits = work.mix == Mix::Group
        && work.weights.step == 1
        && work.lattices.iter().any(|lattice| is_long(&lattice.runs));
    if suits && let Some(mut tiles) = tiles_of(isa) {
        let tiles = &mut *tiles;
        SCRATCH.with_borrow_mut(|scratch| isa.run(TileCorrelate { work, tiles, scratch }));
    } else {
        isa.run(work);
    }
}

/// Does so for the gradient of the weight.
pub(crate) fn weight_gradient(isa: Isa, work: WeightGradient<'_, bf16>) {
    let suits = work.mix == Mix::Group && is_long(work.runs);
    if suits && let Some(mut tiles) = tiles_of(isa) {
        let tiles = &mut *tiles;
        SCRATCH.with_borrow_mut(|scratch| isa.run(TileGradient { work, tiles, scratch }));
    } else {
        isa.run(work);
    }
}

fn is_long(runs: &[Run]) -> bool {
    runs.iter().any(|run| run.len >= MIN_RUN)
}

fn tiles_of(isa: Isa) -> Option<Box<dyn Tiles>> {
    match isa {
        Isa::Amx => Some(Box::new(Processor::configure()?)),
        #[cfg(test)]
        Isa::AmxModel => Some(Box::new(Model)),
        _ => None,
    }
}

/// Whether the tiles compute a product of whole numbers to the bit as the model does. Such sums are
/// exact in any order, so a difference is a mistake.
fn agrees(tiles: &mut dyn Tiles) -> bool {
    const STEPS: usize = 3;
    let mut count = 0_u32;
    let mut next = || {
        count += 1;
        bf16::from_f32((count.wrapping_mul(0x9e37_79b9) >> 28) as f32 - 8.0)
    };
    let mut row = || -> Row { from_fn(|_| [next(), next()]) };
    let left: [Left; STEPS] = from_fn(|_| Aligned(from_fn(|_| row())));
    let panels: [[Tile; 2]; STEPS] = from_fn(|_| from_fn(|_| from_fn(|_| row())));
    let right = panels.each_ref().map(|[first, second]| [first, second]);
    let [mut expected, mut found] = [Sums::default(); 2];
    Model.product(&left, &right, &mut expected);
    // Twice, for the first time the tiles are clear.
    for _ in 0..2 {
        tiles.product(&left, &right, &mut found);
    }
    expected == found
}
