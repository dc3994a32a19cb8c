//! The gradient of convolution's weight on tiles: rows are source channels of taps, columns are destination
//! channels, and what is summed over are positions of a line.
//!
//! The source is transposed, so that the positions of a channel follow each other. Those that a tap sees are
//! then the same numbers for all taps, read from another place on.

use std::array::from_fn;
use std::ops::Range;

use half::bf16;

use super::axis::{Axis, Walk};
use super::fold::{fold, folded};
use super::line::{Line, Stretch};
use super::tiles::{DEPTH, Operands, ROWS, Row, Shape, Steps, Sums};
use super::{part, tiles_of};
use crate::band::Band;
use crate::element::{Element, weave};
use crate::fresh;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::scratch::Scratch;
use crate::totals::add_to_rows;
use crate::transpose::transpose;
use crate::{Conv, Isa, Write, tasks};

/// Into about how many tasks the work is divided, whatever the number of threads: bands, each in parts.
const TASKS: usize = 16;

/// Numbers of transposed sources and gradients that should stay in a core's second-level cache.
const CHUNK_LEN: usize = 512 * 1024;

/// Positions of a chunk at least and at most.
const CHUNK: [usize; 2] = [384, 2048];

/// Groups of channels, or blocks, that are brought into order at one time: the numbers of two cache lines.
const ORDERED_GROUPS: usize = 4;

/// What does not change from task to task.
struct Pass<'a> {
    isa: Isa,
    line: Line,
    /// In the order of the kernel.
    taps: Vec<Tap>,
    x: &'a [bf16],
    dy: &'a [bf16],
}

/// A tap of the kernel.
struct Tap {
    /// Which of the transposed sources it sees.
    source: usize,
    /// From the position to what it sees there.
    shift: isize,
}

/// Some source channels, from a multiple of sixteen on, and some blocks of destination channels.
#[derive(Clone)]
struct Part {
    channels: Range<usize>,
    blocks: Range<usize>,
}

/// Adds the gradient of the weight to `dweight`, if the instruction set has tiles and the channels are not in
/// groups.
pub(crate) fn weight_gradient<E: Element>(
    isa: Isa,
    conv: &Conv,
    [x, dy]: [&[bf16]; 2],
    dweight: &mut [E],
) -> Option<()> {
    if isa < Isa::Amx || conv.groups() != 1 {
        return None;
    }
    match folded(conv) {
        Some(folded) => Scratch::Columns.with(folded.input().len(), |columns: &mut [bf16]| {
            fold(conv, x, columns);
            run(isa, &folded, [columns, dy], dweight);
        }),
        None => run(isa, conv, [x, dy], dweight),
    }
    Some(())
}

/// The same for a convolution that suits, as it is.
fn run<E: Element>(isa: Isa, conv: &Conv, [x, dy]: [&[bf16]; 2], dweight: &mut [E]) {
    let (window, input, output) = (conv.window(), conv.input(), conv.output());
    let sizes = [[input.height, output.height], [input.width, output.width]];
    let axes = [0, 1].map(|axis| Axis::forward(window, axis, sizes[axis], Walk::Split));
    let line = Line { source: input, destination: output, axes };
    let pass = Pass { isa, taps: taps(&line, window.kernel), line, x, dy };
    // Each band costs sums of the whole weight, which are written, read and added up; each part reads some of what
    // other parts do.
    let band_count = ((x.len() + dy.len()) / dweight.len()).isqrt().clamp(1, TASKS);
    let bands = Band::divide(output, band_count);
    let parts = Part::divide(&pass.line, TASKS.div_ceil(bands.len()));
    pass.run(&bands, &parts, dweight);
}

/// The taps of all positions.
fn taps(line: &Line, kernel: [usize; 2]) -> Vec<Tap> {
    let [rows, columns] = &line.axes;
    let mut taps: Vec<_> = Vec::new();
    for row in &rows.phases[0].taps {
        for column in &columns.phases[0].taps {
            let source = row.source_phase * columns.stride + column.source_phase;
            let shift = row.shift * columns.pitch as isize + column.shift;
            taps.push((row.kernel * kernel[1] + column.kernel, Tap { source, shift }));
        }
    }
    taps.sort_by_key(|(kernel, _)| *kernel);
    taps.into_iter().map(|(_, tap)| tap).collect()
}

impl Part {
    /// Divides the weight into up to so many parts that read few channels and few blocks; of both two tiles at
    /// least, for each to be used twice.
    fn divide(line: &Line, parts: usize) -> Vec<Self> {
        let channels = line.source.channels;
        let (groups, blocks) = (channels.div_ceil(ROWS), line.destination.channels.div_ceil(LANES));
        let shares = |block_shares: usize| {
            [(groups, parts / block_shares), (blocks, block_shares)]
                .map(|(all, shares)| all.div_ceil(shares).next_multiple_of(2))
        };
        let divisors = (1..=parts).filter(|shares| parts.is_multiple_of(*shares));
        let best = divisors.map(shares).min_by_key(|[groups, blocks]| groups + blocks);
        let [groups, block_share] = best.unwrap_or([groups, blocks]);
        let mut parts = Vec::new();
        for channel in (0..channels).step_by(groups * ROWS) {
            for block in (0..blocks).step_by(block_share) {
                let channels = channel..channels.min(channel + groups * ROWS);
                parts.push(Self { channels, blocks: block..blocks.min(block + block_share) });
            }
        }
        parts
    }

    /// Channels, in whole tiles.
    fn rows(&self) -> usize {
        self.channels.len().next_multiple_of(ROWS)
    }

    /// Sums of a channel. An odd number of cache lines, for those of a tile to lie in different sets.
    fn pitch(&self) -> usize {
        self.blocks.len() | 1
    }
}

impl Pass<'_> {
    /// Sums the gradient over bands, in parts.
    fn run<E: Element>(&self, bands: &[Band], parts: &[Part], dweight: &mut [E]) {
        let band_len = parts.iter().map(|part| self.len(part)).sum::<usize>();
        Scratch::Sums.with(bands.len() * band_len, |sums| {
            let bands = bands.iter().zip(sums.chunks_exact_mut(band_len));
            tasks::for_each(bands, |_, (band, sums)| self.sum(*band, parts, sums));
            self.reduce(parts, sums.chunks_exact(band_len), dweight);
        });
    }

    /// Sums, each of sixteen numbers, of all taps.
    fn len(&self, part: &Part) -> usize {
        self.taps.len() * part.rows() * part.pitch()
    }

    /// Overwrites the sums with those of a band.
    fn sum(&self, band: Band, parts: &[Part], sums: &mut [[f32; LANES]]) {
        let stretch = &self.line.stretch(band);
        let numbers = parts[0].channels.len() + parts[0].blocks.len() * LANES;
        for chunk in self.chunks(stretch, numbers) {
            Scratch::Frame.with(chunk.source_len(), |source: &mut [bf16]| {
                Scratch::Gradients.with(chunk.gradient_rows(), |gradients: &mut [Row]| {
                    chunk.order(source, gradients);
                    let ordered = &Ordered { chunk: &chunk, source, gradients };
                    let sums = fresh::split(sums, parts.iter().map(|part| self.len(part)));
                    let parts = parts.iter().zip(sums);
                    tasks::for_each(parts, |_, (part, sums)| ordered.add_products(part, sums));
                });
            });
        }
    }

    /// Adds the sums of all bands to the weight's gradient, in their order.
    fn reduce<'a, E: Element>(
        &self,
        parts: &[Part],
        bands: impl Iterator<Item = &'a [[f32; LANES]]> + Clone + Sync,
        dweight: &mut [E],
    ) {
        let (depth, columns) = (self.line.source.channels, self.line.destination.channels);
        add_to_rows(self.isa, dweight, columns, |row, totals| {
            let (tap, channel) = (row / depth, row % depth);
            for mut rest in bands.clone() {
                for part in parts {
                    let (sums, tail) = rest.split_at(self.len(part));
                    rest = tail;
                    if !part.channels.contains(&channel) {
                        continue;
                    }
                    let row = tap * part.rows() + channel - part.channels.start;
                    let sums = &sums[row * part.pitch()..][..part.blocks.len()];
                    let totals = totals[part.blocks.start * LANES..].iter_mut();
                    totals.zip(sums.as_flattened()).for_each(|(total, sum)| *total += sum);
                }
            }
        });
    }

    /// Divides the positions, of each of which so many numbers are used at one time.
    fn chunks<'a>(&'a self, stretch: &'a Stretch<'a>, numbers: usize) -> Vec<Chunk<'a>> {
        let Self { line, taps, .. } = self;
        let positions = stretch.positions();
        let sources = taps.iter().map(|tap| tap.source + 1).max().unwrap_or_default();
        let channels = line.source.channels.next_multiple_of(ROWS);
        let shifts = || taps.iter().map(|tap| tap.shift);
        let before = shifts().map(|shift| -shift).max().unwrap_or_default().max(0) as usize;
        let after = shifts().max().unwrap_or_default().max(0) as usize;
        let most = (CHUNK_LEN / numbers).clamp(CHUNK[0], CHUNK[1]);
        let len = positions.div_ceil(positions.div_ceil(most)).next_multiple_of(DEPTH);
        let chunk = |first: usize| {
            let positions = first..positions.min(first + len);
            let seen = before + positions.len().next_multiple_of(DEPTH) + after;
            // An odd number of cache lines, for the channels of a tile to lie in different sets.
            let pitch = (seen.div_ceil(DEPTH) | 1) * DEPTH;
            Chunk { pass: self, stretch, positions, before, pitch, sources, channels }
        };
        (0..positions).step_by(len).map(chunk).collect()
    }
}

/// Positions whose sources are transposed at one time.
struct Chunk<'a> {
    pass: &'a Pass<'a>,
    stretch: &'a Stretch<'a>,
    positions: Range<usize>,
    /// Positions before the first one that taps see.
    before: usize,
    /// Numbers of a transposed channel.
    pitch: usize,
    /// Source phases, of rows and columns together, and transposed channels of each.
    sources: usize,
    channels: usize,
}

/// What a chunk reads, in the order in which tiles read it.
struct Ordered<'a> {
    chunk: &'a Chunk<'a>,
    /// For each source phase and each channel, the positions.
    source: &'a [bf16],
    /// For each block, the pairs of positions.
    gradients: &'a [Row],
}

/// Brings a part of it into order.
struct Order<'a> {
    chunk: &'a Chunk<'a>,
    operand: Operand<'a>,
}

enum Operand<'a> {
    /// Channels of this source phase, from this one on.
    Source { source: usize, channel: usize, to: &'a mut [bf16] },
    /// Gradients of blocks from this one on.
    Gradients { block: usize, to: &'a mut [Row] },
}

impl Kernel for Order<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        match self.operand {
            Operand::Source { source, channel, to } => {
                self.chunk.order_source::<L>(source, channel, to);
            }
            Operand::Gradients { block, to } => self.chunk.order_gradients::<L>(block, to),
        }
    }
}

impl Chunk<'_> {
    /// Brings all that it reads into order.
    fn order(&self, source: &mut [bf16], gradients: &mut [Row]) {
        let pairs = ORDERED_GROUPS * self.steps() * ROWS;
        let gradients = gradients.chunks_mut(pairs).enumerate();
        let gradients =
            gradients.map(|(nth, to)| Operand::Gradients { block: nth * ORDERED_GROUPS, to });
        let sources = source.chunks_exact_mut(self.channels * self.pitch).enumerate();
        let sources = sources.flat_map(|(source, to)| {
            let groups = to.chunks_mut(ORDERED_GROUPS * ROWS * self.pitch).enumerate();
            groups.map(move |(nth, to)| Operand::Source {
                source,
                channel: nth * ORDERED_GROUPS * ROWS,
                to,
            })
        });
        let operands = gradients.chain(sources);
        tasks::for_each(operands, |_, operand| self.pass.isa.run(Order { chunk: self, operand }));
    }

    /// Numbers of all source phases.
    fn source_len(&self) -> usize {
        self.sources * self.channels * self.pitch
    }

    /// Pairs of positions of all blocks.
    fn gradient_rows(&self) -> usize {
        self.pass.line.destination.channels.div_ceil(LANES) * self.steps() * ROWS
    }

    /// The first chunk's products need not be added to zeros.
    fn write(&self) -> Write {
        if self.positions.start == 0 { Write::Overwrite } else { Write::Add }
    }

    /// Steps of all positions.
    fn steps(&self) -> usize {
        self.positions.len().div_ceil(DEPTH)
    }

    /// Joins the gradients of two positions each; where there is no destination they are zeros.
    #[inline(always)]
    fn order_gradients<L: Lanes>(&self, block: usize, to: &mut [Row]) {
        let Pass { line, dy, .. } = self.pass;
        let columns = line.destination.channels;
        let dy = self.stretch.band().part(line.destination, dy);
        let pairs = self.steps() * ROWS;
        for step in 0..self.steps() {
            let start = self.positions.start + step * DEPTH;
            let end = self.positions.end.min(start + DEPTH);
            let mut pixels: [&[bf16]; DEPTH] = [&[]; DEPTH];
            for segment in self.stretch.segments([0, 0], start..end) {
                for (pixel, position) in (segment.pixel..).zip(segment.positions) {
                    pixels[position - start] = &dy[pixel * columns..][..columns];
                    expect::<L>(dy, (pixel + DEPTH) * columns + block * LANES);
                }
            }
            for nth in 0..to.len() / pairs {
                let first = (block + nth) * LANES;
                let channels = first..columns.min(first + LANES);
                let to = &mut to[nth * pairs + step * ROWS..][..ROWS];
                for i in 0..ROWS {
                    let [first, second] =
                        [part(pixels[2 * i], &channels), part(pixels[2 * i + 1], &channels)];
                    weave::<L, _, _>([first, second], &mut to[i]);
                }
            }
        }
    }

    /// Transposes what the taps see of a source phase, from this channel on.
    #[inline(always)]
    fn order_source<L: Lanes>(&self, source: usize, channel: usize, to: &mut [bf16]) {
        let Pass { line, x, .. } = self.pass;
        let depth = line.source.channels;
        let first = self.positions.start as isize - self.before as isize;
        let mut positions = self.stretch.source_pixels(first, source);
        for done in (0..self.pitch).step_by(DEPTH) {
            let mut pixels: [&[bf16]; DEPTH] = [&[]; DEPTH];
            for to in &mut pixels {
                if let Some(Some(pixel)) = positions.next() {
                    *to = &x[pixel * depth..][..depth];
                    expect::<L>(x, (pixel + DEPTH) * depth + channel);
                }
            }
            for nth in 0..to.len() / (ROWS * self.pitch) {
                let first = channel + nth * ROWS;
                let channels = first..depth.min(first + ROWS);
                let mut woven = [[[bf16::ZERO; 2]; LANES]; ROWS];
                for i in 0..ROWS {
                    let [first, second] =
                        [part(pixels[2 * i], &channels), part(pixels[2 * i + 1], &channels)];
                    weave::<L, _, _>([first, second], &mut woven[i]);
                }
                let transposed = transpose::<L, _>(&woven);
                let to = &mut to[nth * ROWS * self.pitch + done..];
                for i in 0..ROWS {
                    let to = &mut to[i * self.pitch..][..DEPTH];
                    to.copy_from_slice(transposed[i].as_flattened());
                }
            }
        }
    }
}

impl Ordered<'_> {
    /// Adds the products of all taps and of a part's channels and blocks to its sums, of which there are some for
    /// each tap, each channel and each block. Those of the first chunk overwrite what is there.
    fn add_products(&self, part: &Part, to: &mut [[f32; LANES]]) {
        let &Self { chunk, source: left, gradients } = self;
        let Pass { isa, taps, .. } = chunk.pass;
        // No instruction set is chosen without its tiles.
        let Some(mut tiles) = tiles_of(*isa, DEPTH) else { return };
        let (channels, blocks, pitch) = (part.rows(), part.blocks.len(), part.pitch());
        let rows: Vec<_> = (0..channels)
            .step_by(ROWS)
            .flat_map(|channel| (0..taps.len()).map(move |tap| (channel, tap)))
            .collect();
        let pairs = chunk.steps() * ROWS;
        let steps = Steps::new((0..chunk.steps()).map(|step| [step * DEPTH, step * ROWS]));
        for block in (0..blocks).step_by(2) {
            let right = [block, (block + 1).min(blocks - 1)]
                .map(|block| &gradients[(part.blocks.start + block) * pairs..][..pairs]);
            let shape = if block + 1 < blocks { Shape::Square } else { Shape::Tall };
            let [height, _] = shape.size();
            for rows in rows.chunks(height) {
                // Tiles beyond the last one are the last again, and their sums are not added.
                let firsts = from_fn(|tile| {
                    let (channel, tap) = rows[tile.min(rows.len() - 1)];
                    let Tap { source, shift } = taps[tap];
                    let row = source * chunk.channels + part.channels.start + channel;
                    row * chunk.pitch + (chunk.before as isize + shift) as usize
                });
                let operands = Operands { left, pitch: chunk.pitch, firsts, right };
                let firsts = from_fn(|tile| {
                    let [row, column] = shape.place(tile);
                    let (channel, tap) = rows[row.min(rows.len() - 1)];
                    (tap * channels + channel) * pitch + (block + column).min(blocks - 1)
                });
                let sums = Sums { rows: &mut *to, firsts, pitch, write: chunk.write() };
                tiles.product(shape, &steps, &operands, sums);
            }
        }
    }
}

/// Asks for the channels of a pixel that are brought into order at one time.
#[inline(always)]
fn expect<L: Lanes>(numbers: &[bf16], first: usize) {
    L::expect(numbers, first);
    L::expect(numbers, first + ORDERED_GROUPS * LANES / 2);
}
