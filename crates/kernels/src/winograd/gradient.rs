//! The gradient of the weight. Round by round, source and gradient of some tiles are transformed, and their
//! products summed up for each point; at the end the sums are transformed back.

use std::cell::RefCell;
use std::iter::repeat_n;

use crate::band::Band;
use crate::element::{Element, Stored};
use crate::fresh::{in_parts, split};
use crate::lanes::{Kernel, LANES, Lanes};
use crate::winograd::SCRATCH;
use crate::winograd::geometry::{Geometry, Tile};
use crate::winograd::points::Chunk;
use crate::winograd::product::{Operands, Product, WeightProduct};
use crate::winograd::seen::load;
use crate::winograd::transform::{
    Columns, IN, Linear, POINTS, ResultGradient, Rows, Source, WeightGradient,
};
use crate::{Isa, Write, tasks};

/// Up to so many weights of a tap each task sums up for itself.
const FEW_WEIGHTS: usize = 128 * 128;

/// Into how many tasks that is divided, whatever the number of threads.
const TASKS: usize = 8;

/// Transformed numbers of a round: they stay in the third-level cache.
const ROUND_LEN: usize = 1024 * 1024;

/// More of them where there are so many times more sums, each of which a round reads and writes.
const SUMS_OF_ROUND: usize = 4;

/// Into how many chunks a round is divided, whatever the number of threads, ...
const CHUNKS: usize = 16;

/// ... if each then has so many tiles at least, and at most.
const MIN_CHUNK: usize = 8;
const MAX_CHUNK: usize = 64;

/// So many tiles' numbers of a point stay in the first-level cache while all channels pass over them.
const TILES_AT_ONCE: usize = 128;

/// How many source channels ahead sums are asked for.
const AHEAD: usize = 4;

/// Blocks of columns for which one task computes the products of a point, if there are so many.
const TASK_BLOCKS: usize = 4;

thread_local! {
    /// Some megabytes, which the next gradient needs again.
    static ROOM: RefCell<Vec<Chunk>> = RefCell::default();
}

/// Adds the gradient of the weight to `dweight`.
pub(crate) fn weight_gradient<E: Element>(
    geometry: &Geometry,
    x: &[E],
    dy: &[E],
    dweight: &mut [E],
) {
    let pass = Pass { isa: Isa::current(), geometry, pixels: [x, dy] };
    let tiles = geometry.tiles(&Band::whole(geometry.destination));
    let (depth, columns) = geometry.channels();
    let sums = match depth * columns <= FEW_WEIGHTS {
        true => pass.sum_apart(&tiles),
        false => pass.sum_together(&tiles),
    };
    pass.add_taps(&sums, dweight);
}

/// Everything that does not change from task to task.
struct Pass<'a, E> {
    isa: Isa,
    geometry: &'a Geometry,
    /// The source and the gradient.
    pixels: [&'a [E]; 2],
}

impl<E: Stored> Pass<'_, E> {
    /// For each task, each point, each block and each source channel: the sum over a share of the tiles.
    ///
    /// What a task transforms is for itself, so that nothing moves from core to core but the sums.
    fn sum_apart(&self, tiles: &[Tile]) -> Vec<[f32; LANES]> {
        let (depth, _) = self.geometry.channels();
        let tasks: Vec<_> = tiles.chunks(tiles.len().div_ceil(TASKS)).collect();
        let point_len = point_len(self.geometry);
        in_parts(repeat_n(POINTS * point_len, tasks.len()), |task, sums| {
            SCRATCH.with_borrow_mut(|chunk| {
                for tiles in tasks[task].chunks(self.geometry.chunk()) {
                    self.transform(tiles, chunk);
                    for (point, sums) in sums.chunks_exact_mut(point_len).enumerate() {
                        let chunks = std::slice::from_ref(&*chunk);
                        self.isa.run(Sum { chunks, point, first_block: 0, depth, sums });
                    }
                }
            });
        })
    }

    /// For each point, each block and each source channel: the sum over all tiles.
    ///
    /// All threads transform some tiles, and then sum some points of all of them: sums for so many weights
    /// would outweigh the tiles if each thread had its own.
    fn sum_together(&self, tiles: &[Tile]) -> Vec<[f32; LANES]> {
        let (depth, columns) = self.geometry.channels();
        let blocks = columns / LANES;
        let round_len = ROUND_LEN.max(POINTS * depth * columns / SUMS_OF_ROUND);
        let round = (round_len / (POINTS * (depth + columns))).max(MIN_CHUNK);
        let chunk = (round.min(tiles.len()) / CHUNKS).clamp(MIN_CHUNK, MAX_CHUNK);
        // What each task sums up: for a point and some blocks, one for each source channel.
        let first_blocks = || (0..blocks).step_by(TASK_BLOCKS);
        let tasks: Vec<_> =
            (0..POINTS).flat_map(|point| first_blocks().map(move |block| (point, block))).collect();
        let lengths = tasks.iter().map(|(_, block)| match blocks - block {
            ..=TASK_BLOCKS => point_len(self.geometry) - block * depth,
            _ => TASK_BLOCKS * depth,
        });
        let mut sums = Vec::new();
        let mut room = ROOM.take();
        for tiles in tiles.chunks(round) {
            let parts = tiles.chunks(chunk);
            room.resize_with(parts.len().max(room.len()), Chunk::default);
            let chunks = &mut room[..parts.len()];
            tasks::for_each(parts.zip(&mut *chunks), |_, (tiles, to)| self.transform(tiles, to));
            let add = |task: usize, sums: &mut [_]| {
                let (point, first_block) = tasks[task];
                self.isa.run(Sum { chunks, point, first_block, depth, sums });
            };
            if sums.is_empty() {
                sums = in_parts(lengths.clone(), add);
            } else {
                tasks::for_each(split(&mut sums, lengths.clone()), add);
            }
        }
        ROOM.set(room);
        sums
    }

    fn transform(&self, tiles: &[Tile], to: &mut Chunk) {
        let Self { isa, geometry, pixels } = *self;
        isa.run(Transform { geometry, pixels, tiles, to });
    }

    /// Adds the sums of all tasks, transformed back, to the gradient of the weight.
    fn add_taps(&self, sums: &[[f32; LANES]], dweight: &mut [E]) {
        let geometry = self.geometry;
        let (depth, columns) = geometry.channels();
        // Of each tap the rows of the same channels.
        let taps = dweight.chunks_exact_mut(depth * columns);
        let mut taps: Vec<_> = taps.map(|tap| tap.chunks_exact_mut(LANES * columns)).collect();
        let mut next = || taps.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>();
        let tasks: Vec<_> = (0..depth / LANES).map(|_| next()).collect();
        tasks::for_each(tasks, |nth, taps| {
            self.isa.run(AddTaps { geometry, first: nth * LANES, sums, taps });
        });
    }
}

/// Sums of a point, and one more, since points that were a power of two apart would share few sets of the
/// caches.
fn point_len(geometry: &Geometry) -> usize {
    let (depth, columns) = geometry.channels();
    depth * columns / LANES + 1
}

/// Transforms some tiles of the source and of the gradient.
struct Transform<'a, E> {
    geometry: &'a Geometry,
    pixels: [&'a [E]; 2],
    tiles: &'a [Tile],
    to: &'a mut Chunk,
}

impl<E: Stored> Kernel for Transform<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { geometry, pixels: [x, dy], tiles, to } = self;
        let Chunk { source, destination: gradient } = to;
        let shapes = [geometry.source, geometry.destination];
        let [source_blocks, blocks] = shapes.map(|shape| shape.channels / LANES);
        source.resize(source_blocks * tiles.len());
        gradient.resize(blocks * tiles.len());
        let Geometry { source: seen, destination: covered, padding } = *geometry;
        let pitch = tiles.len();
        load::<L, E, Source, _>(seen, padding, tiles, pitch, x, source);
        load::<L, E, ResultGradient, _>(covered, [0, 0], tiles, pitch, dy, gradient);
    }
}

/// Adds the products of a point, summed over all tiles.
struct Sum<'a> {
    chunks: &'a [Chunk],
    point: usize,
    first_block: usize,
    depth: usize,
    /// For each block and each source channel.
    sums: &'a mut [[f32; LANES]],
}

impl Kernel for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { chunks, point, first_block, depth, sums } = self;
        let blocks = sums.len() / depth;
        let operands = chunks.iter().map(|Chunk { source, destination: gradient }| {
            let source = source.of(point);
            let tiles = source.len() * LANES / depth;
            Operands { tiles, source, gradient: &gradient.of(point)[first_block * tiles..] }
        });
        let operands: Vec<_> = operands.collect();
        let at_once = (TILES_AT_ONCE / operands[0].tiles).max(1);
        for operands in operands.chunks(at_once) {
            let to = &mut *sums;
            WeightProduct { operands, channels: depth, to }.run::<L>(depth, blocks);
        }
    }
}

/// Adds the sums of all tasks for sixteen source channels, transformed back.
struct AddTaps<'a, E> {
    geometry: &'a Geometry,
    /// The first of the channels.
    first: usize,
    sums: &'a [[f32; LANES]],
    taps: Vec<&'a mut [E]>,
}

impl<E: Stored> Kernel for AddTaps<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let (depth, columns) = self.geometry.channels();
        let pitch = point_len(self.geometry);
        let mut rows = WeightGradient::room::<L>();
        for first_column in (0..columns).step_by(LANES) {
            let first = first_column / LANES * depth + self.first;
            for channel in 0..LANES {
                let of_tasks = self.sums.chunks_exact(POINTS * pitch);
                let of_tasks = of_tasks.map(|sums| &sums[first + channel..]);
                let start = channel * columns + first_column;
                let mut taps = OfTaps { start, taps: &mut self.taps };
                let sums = OfTasks { of_tasks, pitch };
                WeightGradient::apply_both(&sums, &mut rows, &mut taps);
            }
        }
    }
}

/// The sums of each task for a block and a source channel, whose points are so far apart.
struct OfTasks<T> {
    of_tasks: T,
    pitch: usize,
}

impl<'a, T: Iterator<Item = &'a [[f32; LANES]]> + Clone> Rows<IN> for OfTasks<T> {
    #[inline(always)]
    fn row<L: Lanes>(&self, row: usize) -> [L; IN] {
        let mut numbers = [L::splat(0.0); IN];
        for sums in self.of_tasks.clone() {
            for (column, number) in numbers.iter_mut().enumerate() {
                let at = (row * IN + column) * self.pitch;
                L::expect(sums, at + AHEAD);
                *number = number.add(L::load(&sums[at]));
            }
        }
        numbers
    }
}

/// A vector of each tap.
struct OfTaps<'a, 'b, E> {
    start: usize,
    taps: &'a mut [&'b mut [E]],
}

impl<E: Stored> Columns<3> for OfTaps<'_, '_, E> {
    #[inline(always)]
    fn set<L: Lanes>(&mut self, column: usize, numbers: [L; 3]) {
        for (row, number) in numbers.into_iter().enumerate() {
            let to = &mut self.taps[row * 3 + column][self.start..];
            // The same channel's next.
            L::expect(to, LANES);
            Write::Add.store(number, &mut to[..LANES]);
        }
    }
}
