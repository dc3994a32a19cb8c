//! Convolution and its input's gradient on tiles: rows are positions of a line, columns are destination
//! channels, and what is summed over are the channels of the taps.

use std::array::from_fn;
use std::ops::Range;

use half::bf16;

use super::axis::{Axis, Tap, Walk};
use super::frame::{Frame, TALLEST};
use super::line::{Line, Stretch};
use super::pack::{Channels, pack};
use super::tiles::{Aligned, DEPTH, Operands, ROWS, Row, Shape, Steps, Sums, Tiles};
use super::tiles_of;
use crate::band::{self, Band};
use crate::direction::Direction;
use crate::element::Stored;
use crate::few_pixels;
use crate::fresh::Destination;
use crate::lanes::{Kernel, LANES, Lanes};
use crate::packed::{Form, Order, Weight};
use crate::scratch::Scratch;
use crate::{Conv, Isa, Write};

/// Source and destination of a band, in numbers, should stay in a core's second-level cache.
const BAND_LEN: usize = 192 * 1024;

/// So many bands at least, whatever the number of threads, for these to share evenly. Each reads all weights,
/// so there are fewer if these are many.
const MIN_BANDS: usize = 8;
const FEW_BANDS: usize = 4;
const MANY_WEIGHTS: usize = 1024 * 1024;

/// Tasks share the columns of so many weights at least, if there are so many for each number of the source, and of
/// the destination. Each has so many columns.
const MIN_SHARED: usize = 128 * 1024;
const WEIGHTS_PER_NUMBER: usize = 4;
const SHARE: usize = 2 * LANES;

/// Tiles pay where a step has at least so many of the 32 products that there is room for.
const MIN_DEPTH: usize = 8;

/// A pixel's channels are filled up with up to so many zeros if this makes the steps fewer.
const MOST_FILLED: usize = 16;

/// A convolution on tiles, or its input's gradient.
pub(crate) struct Correlation {
    isa: Isa,
    direction: Direction,
    line: Line,
    frame: Frame,
    phases: Vec<Phase>,
}

/// Destinations that see the same taps.
struct Phase {
    /// That of the rows, and that of the columns.
    axes: [usize; 2],
    /// The taps' numbers in the kernel.
    kernel: Vec<usize>,
    /// Products of a step.
    depth: usize,
    /// Steps for all taps.
    steps: usize,
}

impl Correlation {
    /// If the instruction set has tiles, and they suit.
    pub(crate) fn new(isa: Isa, conv: &Conv, direction: Direction) -> Option<Self> {
        if isa < Isa::Amx || conv.groups() != 1 {
            return None;
        }
        let (window, input, output) = (conv.window(), conv.input(), conv.output());
        let sizes = [[input.height, output.height], [input.width, output.width]];
        let (source, destination, axes) = match direction {
            Direction::Forward => {
                let rows = Axis::forward(window, 0, sizes[0], Walk::Split);
                (input, output, [rows, Axis::forward(window, 1, sizes[1], Walk::Stride)])
            }
            Direction::Backward => {
                (output, input, [0, 1].map(|axis| Axis::backward(window, axis, sizes[axis])))
            }
        };
        let line = Line { source, destination, axes };
        let channels = source.channels.next_multiple_of(2);
        let depths = (channels..=channels + MOST_FILLED).step_by(2);
        let steps = |depth: &usize| {
            phases(&line, window.kernel[1], *depth).iter().map(|phase| phase.steps).sum::<usize>()
        };
        let depth = depths.min_by_key(steps)?;
        let phases = phases(&line, window.kernel[1], depth);
        let suit = phases.iter().all(|phase| phase.steps == 0 || phase.depth >= MIN_DEPTH);
        let frame = Frame::new(&line, depth);
        suit.then_some(Self { isa, direction, line, frame, phases })
    }

    /// Writes the output (forward) or the gradient of the input (backward) into `destination`; `finish` sees
    /// each band of it once it is written.
    pub(crate) fn run<E: Stored, T: Send>(
        &self,
        write: Write,
        source: &[bf16],
        weight: Weight<'_, bf16>,
        destination: &mut (impl Destination<E> + ?Sized),
        finish: impl Fn(usize, &mut [E]) -> T + Sync,
    ) -> Vec<T> {
        let taps: Vec<_> =
            self.phases.iter().flat_map(|phase| phase.kernel.iter().copied()).collect();
        let channels = Channels {
            source: self.line.source.channels,
            destination: self.line.destination.channels,
            direction: self.direction,
        };
        let (from, to) = (self.line.source, self.line.destination);
        let depth = self.frame.depth;
        let block_rows = taps.len() * depth / 2;
        let pack = |first, rows: &mut [Row]| {
            pack(self.isa, channels, &taps, depth, weight.values, first, rows);
        };
        let len = channels.destination.div_ceil(LANES) * block_rows;
        let form = Form { isa: self.isa, order: Order::Tiles(depth), taps: taps.clone(), len };
        let all = |rows: &mut [Row]| pack(0, rows);
        if self.shares_columns(weight.values.len()) {
            let kept = weight.kept(form, all);
            let share_rows = SHARE / LANES * block_rows;
            let with_panels = |column: usize, f: &mut dyn FnMut(&[Row])| match &kept {
                Some(panels) => f(&panels.values(len)[column / LANES * block_rows..][..share_rows]),
                None => Scratch::Panels.with(share_rows, |panels| {
                    pack(column, panels);
                    f(panels);
                }),
            };
            return self.run_columns(write, source, with_panels, destination, finish);
        }
        let min = if weight.values.len() < MANY_WEIGHTS { MIN_BANDS } else { FEW_BANDS };
        let bands = Band::divide(to, ((from.len() + to.len()) / BAND_LEN).max(min));
        weight.with(form, all, |panels| {
            destination.write(band::lengths(&bands, to), |nth, part| {
                let band = bands[nth];
                // The operands were `bf16`, so the destination is.
                if let Some(destination) = E::as_bf16_mut(part) {
                    let (correlation, columns) = (self, to.channels);
                    self.view(&self.line.stretch(band), source, |view| {
                        self.isa.run(Work {
                            correlation,
                            view,
                            panels,
                            columns,
                            write,
                            destination,
                        });
                    });
                }
                finish(band.first(to), part)
            })
        })
    }

    /// Whether tasks share the columns of the weight in place of the pixels: then it is read once, and what they
    /// pack stays in their caches.
    fn shares_columns(&self, weight_len: usize) -> bool {
        let (from, to) = (self.line.source, self.line.destination);
        let numbers = from.len().max(to.len());
        weight_len >= MIN_SHARED.max(WEIGHTS_PER_NUMBER * numbers)
            && to.channels.is_multiple_of(SHARE)
    }

    /// Computes some columns for all pixels in each task, which gets their weights from `with_panels`.
    fn run_columns<E: Stored, T: Send>(
        &self,
        write: Write,
        source: &[bf16],
        with_panels: impl Fn(usize, &mut dyn FnMut(&[Row])) + Sync,
        destination: &mut (impl Destination<E> + ?Sized),
        finish: impl Fn(usize, &mut [E]) -> T + Sync,
    ) -> Vec<T> {
        let to = self.line.destination;
        let stretch = &self.line.stretch(Band::whole(to));
        let (correlation, columns) = (self, SHARE);
        self.view(stretch, source, |view| {
            let compute = |nth: usize, destination: &mut [f32]| {
                with_panels(nth * SHARE, &mut |panels| {
                    let (write, destination) = (Write::Overwrite, &mut *destination);
                    self.isa.run(Work { correlation, view, panels, columns, write, destination });
                });
            };
            few_pixels::share_columns(self.isa, write, columns, to, destination, compute, finish)
        })
    }

    /// Calls `f` with what the stretch sees: a part of `source`, or a copy of it.
    fn view<R>(&self, stretch: &Stretch<'_>, source: &[bf16], f: impl FnOnce(View<'_>) -> R) -> R {
        match self.in_place(stretch, source) {
            Some(source) => f(View { stretch, source, in_place: true }),
            None => {
                let len = self.frame.len(stretch, &self.line);
                Scratch::Frame.with(len, |frame: &mut [bf16]| {
                    self.frame.load(stretch, &self.line, source, frame);
                    f(View { stretch, source: frame, in_place: false })
                })
            }
        }
    }

    /// The band's part of the source, if it need not be copied.
    fn in_place<'a>(&self, stretch: &Stretch<'_>, source: &'a [bf16]) -> Option<&'a [bf16]> {
        let channels = self.line.source.channels;
        let identity = self.line.axes.iter().all(Axis::is_identity) && channels == self.frame.depth;
        let row =
            stretch.source_row(0, 0).filter(|_| identity && stretch.positions() >= TALLEST)?;
        let first = row * self.line.source.width * channels;
        Some(&source[first..][..stretch.positions() * channels])
    }
}

/// The phases of the destination, if the pixels of the source have so many numbers.
fn phases(line: &Line, kernel_width: usize, depth: usize) -> Vec<Phase> {
    let [rows, columns] = &line.axes;
    let mut phases = Vec::new();
    for (row, row_phase) in rows.phases.iter().enumerate() {
        for (column, column_phase) in columns.phases.iter().enumerate() {
            let taps = row_phase.taps.iter().flat_map(|row| {
                let number = |column: &Tap| row.kernel * kernel_width + column.kernel;
                column_phase.taps.iter().map(number)
            });
            let kernel: Vec<_> = taps.collect();
            let run = run_taps(&column_phase.taps) * depth;
            let (step, steps) =
                if run == 0 { (2, 0) } else { (step_depth(run), kernel.len() * depth) };
            phases.push(Phase { axes: [row, column], kernel, depth: step, steps: steps / step });
        }
    }
    phases
}

/// How many taps next to each other lie next to each other in the source, too: all, or none.
fn run_taps(taps: &[Tap]) -> usize {
    match taps {
        [a, b, ..] if b.shift - a.shift != 1 => 1,
        _ => taps.len(),
    }
}

/// The products of each step, if as few steps as possible go through a run of so many numbers.
fn step_depth(run: usize) -> usize {
    let fits = |depth: &usize| run.is_multiple_of(*depth);
    (1..=DEPTH / 2).rev().map(|pairs| 2 * pairs).find(fits).unwrap_or(2)
}

/// Positions, and what they see.
#[derive(Clone, Copy)]
struct View<'a> {
    stretch: &'a Stretch<'a>,
    source: &'a [bf16],
    /// Whether that is the source itself, without zeros around it.
    in_place: bool,
}

/// What a task computes: some columns of a band, or all.
struct Work<'a, E> {
    correlation: &'a Correlation,
    view: View<'a>,
    /// The weights of these columns.
    panels: &'a [Row],
    columns: usize,
    write: Write,
    /// So many numbers for each pixel.
    destination: &'a mut [E],
}

impl<E: Stored> Kernel for Work<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let correlation = self.correlation;
        let blocks = self.columns.div_ceil(LANES);
        let block_rows = self.panels.len() / blocks;
        let mut first_row = 0;
        for phase in &correlation.phases {
            // No instruction set is chosen without its tiles.
            let Some(mut tiles) = tiles_of(correlation.isa, phase.depth) else { return };
            let steps = self.steps(phase);
            let rows = phase.kernel.len() * correlation.frame.depth / 2;
            for first in (0..blocks).step_by(2) {
                let panels = [first, (first + 1).min(blocks - 1)]
                    .map(|block| &self.panels[block * block_rows + first_row..][..rows]);
                let shape = if first + 1 < blocks { Shape::Square } else { Shape::Tall };
                self.columns::<L>(&mut *tiles, phase, &steps, shape, first * LANES, panels);
            }
            first_row += rows;
        }
    }
}

impl<E: Stored> Work<'_, E> {
    /// Where the taps of a phase lie, and their weights.
    fn steps(&self, phase: &Phase) -> Steps {
        let Correlation { line, frame, .. } = self.correlation;
        let [rows, columns] = [0, 1].map(|axis| &line.axes[axis].phases[phase.axes[axis]].taps);
        let run = run_taps(columns);
        let runs = rows
            .iter()
            .flat_map(|row| columns.chunks(run.max(1)).map(move |columns| (row, &columns[0])));
        let depth = phase.depth;
        let run_len = run * frame.depth;
        let steps = runs.enumerate().flat_map(|(nth, (row, column))| {
            let first = if self.view.in_place {
                0
            } else {
                frame.at(self.view.stretch, line, row.source_phase, [row.shift, column.shift])
            };
            (0..run_len).step_by(depth).map(move |done| [first + done, (nth * run_len + done) / 2])
        });
        Steps::new(steps)
    }

    /// Computes one block of columns or two, of which this is the first, at all positions.
    #[inline(always)]
    fn columns<L: Lanes>(
        &mut self,
        tiles: &mut dyn Tiles,
        phase: &Phase,
        steps: &Steps,
        shape: Shape,
        column: usize,
        right: [&[Row]; 2],
    ) {
        let Correlation { line, frame, .. } = self.correlation;
        let pitch = line.axes[1].unit * frame.depth;
        let height = shape.size()[0] * ROWS;
        let positions = self.view.stretch.positions();
        let mut sums = Aligned([[0.0; LANES]; TALLEST]);
        for first in (0..positions).step_by(height) {
            let range = first..positions.min(first + height);
            if self.view.stretch.segments(phase.axes, range.clone()).next().is_none() {
                continue;
            }
            // The last tile in place begins before its first position, as to read no further than the source.
            let start = if self.view.in_place { first.min(positions - height) } else { first };
            let firsts = from_fn(|row| (start + row * ROWS) * pitch);
            let operands = Operands { left: self.view.source, pitch, firsts, right };
            let to = Sums {
                rows: &mut sums.0,
                firsts: from_fn(|tile| tile * ROWS),
                pitch: 1,
                write: Write::Overwrite,
            };
            tiles.product(shape, steps, &operands, to);
            // What the next tile reads. Later columns find it in the cache.
            if self.view.in_place && column == 0 {
                let len = height * frame.depth;
                for line in (0..len).step_by(DEPTH) {
                    L::expect(self.view.source, start * frame.depth + len + line);
                }
            }
            self.store::<L>(phase, shape, column, start, range, &sums.0);
        }
    }

    /// Stores the sums of these positions, of which those from `start` on were computed.
    #[inline(always)]
    fn store<L: Lanes>(
        &mut self,
        phase: &Phase,
        shape: Shape,
        column: usize,
        start: usize,
        positions: Range<usize>,
        sums: &[[f32; LANES]; TALLEST],
    ) {
        let channels = self.columns;
        let width = shape.size()[1];
        let step = self.correlation.line.axes[1].step * channels;
        for segment in self.view.stretch.segments(phase.axes, positions) {
            let mut to = segment.pixel * channels + column;
            for position in segment.positions {
                let row = position - start;
                // About where the next tile writes.
                let next = to + shape.size()[0] * ROWS * step;
                L::expect(&*self.destination, next);
                for block in 0..width {
                    let sums = &sums[(row / ROWS * width + block) * ROWS + row % ROWS];
                    let first = to + block * LANES;
                    let columns = LANES.min(channels - column - block * LANES);
                    let to = &mut self.destination[first..first + columns];
                    self.write.store(L::load(sums), to);
                }
                to += step;
            }
        }
    }
}
