//! Convolution of few pixels by many weights: the threads share the weights instead of the pixels, and each
//! number of them is read once.

use std::ops::{Range, RangeInclusive};

use crate::band::Band;
use crate::channels::{Block, Channels, PackRows, Packing};
use crate::correlate_tiles::{Correlate, Weights};
use crate::direction::Direction;
use crate::element::{Factor, Makes, Stored};
use crate::fresh::{Destination, chunks};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::packed::Weight;
use crate::plan::{Plan, Plans};
use crate::scratch::Scratch;
use crate::{Conv, ImageShape, Isa, Window, Write, tasks};

/// Which convolutions have few pixels and many weights.
struct Few {
    /// Numbers in the output at most.
    output_len: usize,
    /// Numbers in the weight at least, for each of those.
    weights: usize,
}

/// Those whose weight is packed by the way.
const FRESH: Few = Few { output_len: 128 * 1024, weights: 4 };

/// Those whose weight is kept packed.
const KEPT: Few = Few { output_len: 256 * 1024, weights: 1 };

/// Rows and columns of outputs whose images get borders.
const BORDERED: RangeInclusive<usize> = 2..=4;

/// Into about how many shares the weights are divided, whatever the number of threads.
const SHARES: usize = 16;

/// Blocks of a share, if there are as many: half a kilobyte of each row of the weight in `f32`.
const SHARE_BLOCKS: usize = 8;

/// Rows of a share, if there are as many.
const MIN_ROWS: usize = 64;

/// Output numbers that one task adds up at a time.
const ADDED_LEN: usize = 16 * 1024;

/// Some rows of the weight, counted in factors, and some blocks of its columns.
struct Share<'a> {
    rows: Range<usize>,
    blocks: &'a [Block],
}

/// Everything that does not change from share to share.
struct Pass<'a, E, F> {
    isa: Isa,
    channels: Channels,
    taps: &'a [usize],
    images: usize,
    plan: &'a Plan,
    source: &'a [F],
    weight: &'a [E],
    /// All of it packed, if that is kept.
    packed: Option<Weights<'a, F>>,
}

/// Whether the convolution has few pixels and many weights.
pub(crate) fn suits<E>(conv: &Conv, direction: Direction, weight: Weight<'_, E>) -> bool {
    let len = conv.output().len();
    let few = if weight.packed.is_some() { KEPT } else { FRESH };
    let are_few = len <= few.output_len && conv.weight_len() / few.weights >= len;
    direction == Direction::Forward && conv.groups() == 1 && are_few
}

/// Writes the output into `destination`; `finish` sees each part of it once it is written.
pub(crate) fn forward<E: Stored + Makes<F>, F: Factor, T: Send>(
    conv: &Conv,
    write: Write,
    source: &[E],
    weight: Weight<'_, E>,
    destination: &mut (impl Destination<E> + ?Sized),
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    with_borders(conv, source, |conv, source| {
        let stencils = conv.stencils(Direction::Forward);
        let taps = &Channels::taps(&stencils, conv.window().kernel[1]);
        let channels = Channels::new::<F>(conv, Direction::Forward);
        let blocks = &channels.blocks();
        let output = conv.output();
        let band = Band::whole(output);
        let columns = SHARE_BLOCKS * LANES;
        let of_share = ImageShape { channels: columns, ..output };
        let layout = channels.layout::<E, F>();
        let plans = Plans::new(&[band], &stencils, conv.input(), of_share, layout);
        let plan = plans.of(&band);
        let isa = Isa::current();
        let packing = Packing { isa, channels, blocks, taps };
        let depth = packing.depth::<F>();
        let kept = weight.kept(packing.form::<F>(), |panels: &mut [[F; LANES]]| {
            packing.pack(weight.values, panels);
        });
        let packed = kept
            .as_ref()
            .map(|panels| Weights { rows: panels.values(blocks.len() * depth), block: depth });
        let shares = shares(depth, blocks);
        let len = of_share.len();
        Scratch::Sums.with(shares.len() * len, |numbers| {
            plan.frame.view(isa, source, &band, |source: &[F]| {
                let (images, weight) = (output.batch, weight.values);
                let pass = Pass { isa, channels, taps, images, plan, source, weight, packed };
                let parts = numbers.chunks_mut(len).zip(&shares);
                tasks::for_each(parts, |_, (sums, share)| pass.sum(share, sums));
            });
            let sums = Sums { write, numbers, share_len: len, columns };
            add_up(isa, sums, output, destination, finish)
        })
    })
}

/// Calls `f` with the convolution and its source, or with [the same one inside of borders](inside).
fn with_borders<E: Stored, R>(conv: &Conv, source: &[E], f: impl FnOnce(&Conv, &[E]) -> R) -> R {
    let Some(inside) = inside(conv) else { return f(conv, source) };
    Scratch::Columns.with(inside.input().len(), |images| {
        add_borders(conv, source, images);
        f(&inside, images)
    })
}

/// The same convolution of images with borders of zeros, if most pixels lie at the border and would be computed
/// almost one by one without.
fn inside(conv: &Conv) -> Option<Conv> {
    let (window, input, output) = (conv.window(), conv.input(), conv.output());
    let small = [output.height, output.width].iter().all(|size| BORDERED.contains(size));
    // Wider borders might take more memory than there is.
    let narrow = (0..2).all(|axis| window.padding[axis] < window.kernel[axis]);
    if !small || !narrow || window.padding == [0, 0] {
        return None;
    }
    let [rows, columns] = window.padding;
    let (height, width) = (input.height + 2 * rows, input.width + 2 * columns);
    let window = Window { padding: [0, 0], ..*window };
    Conv::new(ImageShape { height, width, ..input }, output.channels, window, 1).ok()
}

/// Copies images into others that have the padding around them.
fn add_borders<E: Stored>(conv: &Conv, source: &[E], images: &mut [E]) {
    let (ImageShape { height, width, channels, .. }, [rows, columns]) =
        (conv.input(), conv.window().padding);
    let row_len = width * channels;
    let pitch = row_len + 2 * columns * channels;
    images.fill(E::default());
    let images = images.chunks_exact_mut((height + 2 * rows) * pitch);
    for (image, from) in images.zip(source.chunks_exact(height * row_len)) {
        let to = image[rows * pitch..].chunks_exact_mut(pitch);
        for (to, from) in to.zip(from.chunks_exact(row_len)) {
            to[columns * channels..][..row_len].copy_from_slice(from);
        }
    }
}

/// Has tasks compute so many columns for all pixels each, in the order of the columns; `finish` sees each part of the
/// destination once it is written.
pub(crate) fn share_columns<E: Stored, T: Send>(
    isa: Isa,
    write: Write,
    columns: usize,
    to: ImageShape,
    destination: &mut (impl Destination<E> + ?Sized),
    compute: impl Fn(usize, &mut [f32]) + Sync,
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    let share_len = to.pixels() * columns;
    Scratch::Sums.with(to.len(), |numbers| {
        tasks::for_each(numbers.chunks_exact_mut(share_len), &compute);
        add_up(isa, Sums { write, numbers, share_len, columns }, to, destination, finish)
    })
}

/// Adds up the sums of all shares for each pixel of the destination; `finish` sees each part of it once it is written.
fn add_up<E: Stored, T: Send>(
    isa: Isa,
    sums: Sums<'_>,
    to: ImageShape,
    destination: &mut (impl Destination<E> + ?Sized),
    finish: impl Fn(usize, &mut [E]) -> T + Sync,
) -> Vec<T> {
    let channels = to.channels;
    let pixels = (ADDED_LEN / channels).max(1);
    destination.write(chunks(to.len(), pixels * channels), |nth, part| {
        let pixel = nth * pixels;
        isa.run(AddUp { sums, pixel, channels, part: &mut *part });
        finish(pixel * channels, part)
    })
}

/// All blocks for the first rows, then all blocks for the next ones.
fn shares(rows: usize, blocks: &[Block]) -> Vec<Share<'_>> {
    let across = blocks.len().div_ceil(SHARE_BLOCKS);
    let some = rows.div_ceil(SHARES.div_ceil(across)).max(MIN_ROWS);
    let of_rows = |first: usize| {
        let rows = first..rows.min(first + some);
        blocks.chunks(SHARE_BLOCKS).map(move |blocks| Share { rows: rows.clone(), blocks })
    };
    (0..rows).step_by(some).flat_map(of_rows).collect()
}

impl<E: Makes<F>, F: Factor> Pass<'_, E, F> {
    /// Writes the sums over the share's rows, pixel by pixel.
    fn sum(&self, share: &Share<'_>, sums: &mut [f32]) {
        let Share { rows, blocks } = share;
        let Self { channels, taps, weight, .. } = *self;
        if let Some(packed) = self.packed {
            let weights = packed.from(blocks[0].destination / LANES);
            let rows = &weights.rows[share.rows.start..];
            return self.multiply(share, Weights { rows, ..weights }, sums);
        }
        Scratch::Panels.with(rows.len() * blocks.len(), |panels: &mut [[F; LANES]]| {
            let packed = PackRows { channels, blocks, weight, taps, rows: rows.clone(), panels };
            self.isa.run(packed);
            self.multiply(share, Weights { rows: panels, block: rows.len() }, sums);
        });
    }

    /// The same with weights that begin at the share's.
    fn multiply(&self, share: &Share<'_>, weights: Weights<'_, F>, sums: &mut [f32]) {
        let Share { rows, blocks } = share;
        let first = blocks[0].destination;
        let numbers = rows.start * F::SPAN..rows.end * F::SPAN;
        let lattices = self.plan.lattices.iter().map(|lattice| lattice.within(&numbers));
        self.isa.run(Correlate::<_, _, true> {
            mix: self.channels.mix,
            write: Write::Overwrite,
            weights,
            blocks: &blocks.iter().map(|block| block.of_part(first)).collect::<Vec<_>>(),
            lattices: &lattices.collect::<Vec<_>>(),
            images: self.images,
            source: self.source,
            destination: sums,
        });
    }
}

/// The sums of all shares.
#[derive(Clone, Copy)]
struct Sums<'a> {
    write: Write,
    numbers: &'a [f32],
    /// Numbers of a share, and of a pixel in it.
    share_len: usize,
    columns: usize,
}

/// Adds up the sums over the rows of the weight, in order, for the pixels of a part of the destination.
struct AddUp<'a, E> {
    sums: Sums<'a>,
    /// The part's first pixel.
    pixel: usize,
    channels: usize,
    part: &'a mut [E],
}

impl<E: Stored> Kernel for AddUp<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Sums { write, numbers, share_len, columns } = self.sums;
        let across = self.channels.div_ceil(columns);
        for (pixel, to) in (self.pixel..).zip(self.part.chunks_mut(self.channels)) {
            for (share, to) in to.chunks_mut(columns).enumerate() {
                for (block, to) in to.chunks_mut(LANES).enumerate() {
                    let first = share * share_len + pixel * columns + block * LANES;
                    let of_rows = numbers[first..].chunks(across * share_len);
                    let add = |total: L, sums: &[f32]| total.add(L::load_padded(&sums[..to.len()]));
                    write.store(of_rows.fold(L::splat(0.0), add), to);
                }
            }
        }
    }
}
