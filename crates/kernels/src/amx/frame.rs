//! The source of a stretch, filled up with zeros so that all taps of all positions lie in it.

use half::bf16;

use super::line::{Line, Stretch};
use super::tiles::{DEPTH, ROWS, SUMS};

/// Positions of the largest tile: a line is filled up to whole ones.
pub(super) const TALLEST: usize = SUMS * ROWS;

/// How the source lies in memory, for each source phase of the rows.
#[derive(Debug)]
pub(super) struct Frame {
    /// Numbers of a pixel, with zeros that fill it up.
    pub(super) depth: usize,
    /// Pixels of a row.
    row: usize,
    /// Pixels before the first position, and behind the last one.
    before: usize,
    after: usize,
    /// Rows before the first position's, and behind the last one's.
    rows_before: usize,
    rows_after: usize,
}

impl Frame {
    pub(super) fn new(line: &Line, depth: usize) -> Self {
        let [rows, columns] = &line.axes;
        let [rows_before, rows_after] = rows.reach();
        let [before, after] = columns.reach();
        let row = columns.pitch * columns.unit;
        let (before, after) = (rows_before * row + before, rows_after * row + after);
        Self { depth, row, before, after, rows_before, rows_after }
    }

    /// Where the pixel lies that a destination at the first position sees.
    pub(super) fn at(
        &self,
        stretch: &Stretch<'_>,
        line: &Line,
        source_phase: usize,
        shifts: [isize; 2],
    ) -> usize {
        let pixel = self.before as isize + shifts[0] * self.row as isize + shifts[1];
        source_phase * self.phase_len(stretch, line) + pixel as usize * self.depth
    }

    /// Numbers of a source phase: whole lines of the cache.
    fn phase_len(&self, stretch: &Stretch<'_>, line: &Line) -> usize {
        let positions = stretch.positions().next_multiple_of(TALLEST);
        let pixels = self.before + positions * line.axes[1].unit + self.after;
        (pixels * self.depth).next_multiple_of(DEPTH)
    }

    /// Numbers of the copy: whole lines of the cache.
    pub(super) fn len(&self, stretch: &Stretch<'_>, line: &Line) -> usize {
        line.axes[0].source_phases() * self.phase_len(stretch, line)
    }

    /// Copies the source.
    pub(super) fn load(
        &self,
        stretch: &Stretch<'_>,
        line: &Line,
        source: &[bf16],
        frame: &mut [bf16],
    ) {
        let phase_len = self.phase_len(stretch, line);
        let row_len = self.row * self.depth;
        let source_row = line.source.width * line.source.channels;
        for (source_phase, frame) in frame.chunks_exact_mut(phase_len).enumerate() {
            let (start, mut rest) =
                frame.split_at_mut(self.before * self.depth - self.rows_before * row_len);
            start.fill(bf16::ZERO);
            let rows = -(self.rows_before as isize)..(stretch.rows() + self.rows_after) as isize;
            for row in rows {
                let (to, after) = rest.split_at_mut(row_len);
                rest = after;
                match stretch.source_row(row, source_phase) {
                    Some(row) => self.load_row(
                        &source[row * source_row..][..source_row],
                        line.source.channels,
                        to,
                    ),
                    None => to.fill(bf16::ZERO),
                }
            }
            rest.fill(bf16::ZERO);
        }
    }

    fn load_row(&self, from: &[bf16], channels: usize, to: &mut [bf16]) {
        if channels == self.depth {
            let (to, rest) = to.split_at_mut(from.len());
            to.copy_from_slice(from);
            return rest.fill(bf16::ZERO);
        }
        let pixels = from.len() / channels;
        let (to, rest) = to.split_at_mut(pixels * self.depth);
        for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(self.depth)) {
            let (to, rest) = to.split_at_mut(channels);
            // Too few for a call of `memcpy` to pay.
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            rest.fill(bf16::ZERO);
        }
        rest.fill(bf16::ZERO);
    }
}
