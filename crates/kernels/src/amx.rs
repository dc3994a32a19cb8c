//! Products of `bf16` on the tiles of AMX: sixteen by sixteen sums of 32 products each in one
//! instruction.
//!
//! [`tiles`] says what is computed; [`processor`] does it with the instructions and [`model`] without.
//! [`mod@correlate`] and [`mod@weight_gradient`] bring a convolution into the form of such products,
//! whoever computes them: so the tests run them on any processor, with the model.
//!
//! One copy of the source serves all taps, or none where it is read in place. For that the pixels of a batch,
//! and zeros between rows and between images, are seen as one [`line`] of positions: what a tap sees lies at
//! the same distance from each of them.

mod axis;
mod correlate;
mod fold;
mod frame;
mod line;
mod model;
mod pack;
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
use std::ops::Range;
use std::sync::OnceLock;

use half::bf16;

use crate::direction::Direction;
use crate::element::{Element, Stored};
use crate::fresh::Destination;
use crate::lanes::LANES;
use crate::packed::Weight;
use crate::{Conv, Isa, Write};
use correlate::Correlation;
use model::Model;
use processor::Processor;
use tiles::{DEPTH, Operands, ROWS, Row, SUMS, Shape, Steps, Sums, Tiles};

/// Whether the processor has tiles, the system lets this process use them, and they compute what the
/// model does.
pub(crate) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE
        .get_or_init(|| Processor::configure(DEPTH).is_some_and(|mut tiles| agrees(&mut tiles)))
}

/// Writes the output (forward) or the gradient of the input (backward) into `destination`, if these are
/// numbers for tiles; `finish` sees each band of it once it is written.
pub(crate) fn correlate<E: Stored, T: Send>(
    conv: &Conv,
    direction: Direction,
    write: Write,
    source: &[E],
    weight: Weight<'_, E>,
    destination: &mut (impl Destination<E> + ?Sized),
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Option<Vec<T>> {
    let source = E::as_bf16(source)?;
    let weight = Weight { values: E::as_bf16(weight.values)?, packed: weight.packed };
    let correlation = Correlation::new(Isa::current(), conv, direction)?;
    Some(correlation.run(write, source, weight, destination, finish))
}

/// Adds the gradient of the weight to `dweight`, if these are numbers for tiles.
pub(crate) fn weight_gradient<E: Element>(
    conv: &Conv,
    x: &[E],
    dy: &[E],
    dweight: &mut [E],
) -> Option<()> {
    let operands = [E::as_bf16(x)?, E::as_bf16(dy)?];
    weight_gradient::weight_gradient(Isa::current(), conv, operands, dweight)
}

/// Whoever computes products of this depth.
fn tiles_of(isa: Isa, depth: usize) -> Option<Box<dyn Tiles>> {
    match isa {
        Isa::Amx => Some(Box::new(Processor::configure(depth)?)),
        #[cfg(test)]
        Isa::AmxModel => Some(Box::new(Model { depth })),
        _ => None,
    }
}

/// These channels of a pixel, or of a row of the weight, sixteen at most; zeros if it does not exist.
#[inline(always)]
fn part<'a>(row: &'a [bf16], channels: &Range<usize>) -> &'a [bf16] {
    if row.is_empty() { &[bf16::ZERO; LANES][..channels.len()] } else { &row[channels.clone()] }
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
    let left: [bf16; SUMS * ROWS * DEPTH * STEPS] = from_fn(|_| next());
    let right: [[Row; ROWS * STEPS]; 2] = from_fn(|_| from_fn(|_| from_fn(|_| [next(), next()])));
    let pitch = DEPTH * STEPS;
    let operands = Operands {
        left: &left,
        pitch,
        firsts: from_fn(|row| row * ROWS * pitch),
        right: right.each_ref().map(|right| &right[..]),
    };
    let steps = Steps::new((0..STEPS).map(|step| [step * DEPTH, step * ROWS]));
    [Shape::Square, Shape::Tall].into_iter().all(|shape| {
        let [mut expected, mut found] = [[[1.0; LANES]; SUMS * ROWS]; 2];
        // Overwritten last, when the tiles are not clear any more.
        for write in [Write::Add, Write::Overwrite] {
            let sums = |rows| Sums { rows, firsts: from_fn(|tile| tile * ROWS), pitch: 1, write };
            Model { depth: DEPTH }.product(shape, &steps, &operands, sums(&mut expected));
            tiles.product(shape, &steps, &operands, sums(&mut found));
        }
        expected == found
    })
}
