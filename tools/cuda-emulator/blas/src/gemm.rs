//! Products of matrices: both factors are packed into panels, so that the inner loop is dense.
//! Each element's sum runs over the inner dimension in order, whoever computes it.

use std::ops::Range;

use crate::element::Sum;
use crate::matrix::Matrix;

const ROWS: usize = 16;
const COLUMNS: usize = 4;
/// Products with fewer multiplications than this run on the thread that asks for them.
const WORTH_SHARING: usize = 1 << 20;

/// `c = alpha a b + beta c` for each of a batch, where `a` is m x k and `b` is k x n.
pub(crate) struct Gemm<T> {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    pub(crate) alpha: T,
    pub(crate) beta: T,
    pub(crate) a: Factor,
    pub(crate) b: Factor,
    pub(crate) c: Matrix,
    pub(crate) batches: usize,
}

/// A matrix as it is stored, and whether it is used transposed.
#[derive(Clone, Copy)]
pub(crate) struct Factor {
    pub(crate) stored: Matrix,
    pub(crate) transposed: bool,
}

impl<T: Sum> Gemm<T> {
    /// Computes.
    ///
    /// # Safety
    /// All three matrices were checked, and nobody else writes them.
    pub(crate) unsafe fn run(&self) {
        let work = self.batches * self.m * self.n * self.k;
        let panels = self.batches * self.n.div_ceil(COLUMNS);
        let workers = if work < WORTH_SHARING { 1 } else { processors().min(panels).max(1) };
        let share = |worker| (worker * panels / workers)..((worker + 1) * panels / workers);
        std::thread::scope(|scope| {
            for worker in 1..workers {
                // SAFETY: the caller's promise; the panels of two workers share no column.
                scope.spawn(move || unsafe { self.panels(share(worker)) });
            }
            // SAFETY: as above.
            unsafe { self.panels(share(0)) };
        });
    }

    /// Computes some panels of columns, counted through the whole batch.
    ///
    /// # Safety
    /// As for [`Gemm::run`].
    unsafe fn panels(&self, panels: Range<usize>) {
        let each = self.n.div_ceil(COLUMNS);
        let mut packed = (usize::MAX, Vec::new());
        for panel in panels {
            let (batch, column) = (panel / each, panel % each * COLUMNS);
            // SAFETY: the caller's promise.
            unsafe {
                if packed.0 != batch {
                    packed =
                        (batch, self.a.pack(batch, 0..self.m, self.k, ROWS, self.a.transposed));
                }
                let columns = column..(column + COLUMNS).min(self.n);
                let b = self.b.pack(batch, columns.clone(), self.k, COLUMNS, !self.b.transposed);
                for (index, a) in packed.1.chunks(ROWS * self.k.max(1)).enumerate() {
                    self.tile(batch, index * ROWS, columns.clone(), a, &b);
                }
            }
        }
    }

    /// Computes up to `ROWS` rows of some columns.
    ///
    /// # Safety
    /// As for [`Gemm::run`].
    unsafe fn tile(&self, batch: usize, row: usize, columns: Range<usize>, a: &[T], b: &[T]) {
        let sums = sums(a, b, self.k);
        let rows = (self.m - row).min(ROWS);
        for (column, sums) in columns.zip(&sums) {
            for (offset, &sum) in sums[..rows].iter().enumerate() {
                let at = self.c.at(batch, column * self.c.leading + row + offset);
                let mut value = self.alpha * sum;
                // SAFETY: the caller's promise. With beta 0 the old value is not read: it may
                // be poison.
                unsafe {
                    if self.beta != T::default() {
                        value += self.beta * self.c.kind.read::<T>(at);
                    }
                    self.c.kind.write(at, value);
                }
            }
        }
    }
}

impl Factor {
    /// Copies lines of the factor to panels of `width` lines, in which the inner dimension runs
    /// slowest. `along` says whether a line is contiguous. Missing lines are zero.
    ///
    /// # Safety
    /// The matrix was checked.
    unsafe fn pack<T: Sum>(
        &self,
        batch: usize,
        lines: Range<usize>,
        k: usize,
        width: usize,
        along: bool,
    ) -> Vec<T> {
        let leading = self.stored.leading;
        let (across, inner) = if along { (leading, 1) } else { (1, leading) };
        let mut packed = vec![T::default(); lines.len().div_ceil(width) * width * k.max(1)];
        for (panel, packed) in packed.chunks_mut(width * k.max(1)).enumerate() {
            let first = lines.start + panel * width;
            for (l, packed) in packed.chunks_mut(width).enumerate().take(k) {
                for (line, packed) in (first..lines.end).zip(packed) {
                    let at = self.stored.at(batch, line * across + l * inner);
                    // SAFETY: the caller's promise.
                    *packed = unsafe { self.stored.kind.read(at) };
                }
            }
        }
        packed
    }
}

fn sums<T: Sum>(a: &[T], b: &[T], k: usize) -> [[T; ROWS]; COLUMNS] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2. It changes no result: products are still rounded.
        return unsafe { sums_avx2(a, b, k) };
    }
    sums_plain(a, b, k)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sums_avx2<T: Sum>(a: &[T], b: &[T], k: usize) -> [[T; ROWS]; COLUMNS] {
    sums_plain(a, b, k)
}

#[inline(always)]
fn sums_plain<T: Sum>(a: &[T], b: &[T], k: usize) -> [[T; ROWS]; COLUMNS] {
    let mut sums = [[T::default(); ROWS]; COLUMNS];
    for (a, b) in a.as_chunks::<ROWS>().0.iter().zip(b.as_chunks::<COLUMNS>().0).take(k) {
        for (sums, &b) in sums.iter_mut().zip(b) {
            for (sum, &a) in sums.iter_mut().zip(a) {
                *sum += a * b;
            }
        }
    }
    sums
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Kind;

    /// A batch of matrices in host memory, filled with small numbers.
    fn matrix(
        kind: Kind,
        rows: usize,
        columns: usize,
        leading: usize,
        store: &mut Vec<u64>,
    ) -> Matrix {
        let stride = leading * columns;
        store.resize((2 * stride * kind.bytes()).div_ceil(8), u64::MAX);
        let address = store.as_mut_ptr() as u64;
        let matrix = Matrix { address, kind, rows, columns, leading, stride };
        for (batch, column) in (0..2).flat_map(|batch| (0..columns).map(move |c| (batch, c))) {
            for row in 0..rows {
                let value = ((row * 7 + column * 5 + batch) % 11) as f64 - 5.0;
                // SAFETY: the element lies in `store`.
                unsafe { kind.write(matrix.at(batch, column * leading + row), value) };
            }
        }
        matrix
    }

    fn factor(
        kind: Kind,
        rows: usize,
        columns: usize,
        transposed: bool,
        store: &mut Vec<u64>,
    ) -> Factor {
        let (r, c) = if transposed { (columns, rows) } else { (rows, columns) };
        Factor { stored: matrix(kind, r, c, r + 3, store), transposed }
    }

    fn element(factor: &Factor, batch: usize, row: usize, column: usize) -> f64 {
        let (row, column) = if factor.transposed { (column, row) } else { (row, column) };
        // SAFETY: the element lies in the factor's store.
        unsafe {
            factor.stored.kind.read(factor.stored.at(batch, column * factor.stored.leading + row))
        }
    }

    /// Small whole numbers: every order of the sum is exact.
    fn check<T: Sum>(kind: Kind, (m, n, k): (usize, usize, usize), turned: [bool; 2], beta: f32) {
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        let (a, b) = (factor(kind, m, k, turned[0], &mut a), factor(kind, k, n, turned[1], &mut b));
        let c = matrix(kind, m, n, m, &mut c);
        let old = Factor { stored: c, transposed: false };
        let value = |batch, row, column| {
            let sum: f64 =
                (0..k).map(|l| element(&a, batch, row, l) * element(&b, batch, l, column)).sum();
            2.0 * sum + if beta == 0.0 { 0.0 } else { element(&old, batch, row, column) }
        };
        let places =
            || (0..2).flat_map(|i| (0..m).flat_map(move |j| (0..n).map(move |k| (i, j, k))));
        let expected: Vec<f64> =
            places().map(|(batch, row, column)| value(batch, row, column)).collect();
        if beta == 0.0 {
            // SAFETY: the store of `c` is this long. Poison must not be read.
            unsafe { (c.address as *mut u8).write_bytes(0xFF, 2 * m * n * kind.bytes()) };
        }
        let (alpha, beta) = (T::from_f32(2.0), T::from_f32(beta));
        // SAFETY: all three lie in their stores.
        unsafe { Gemm { m, n, k, alpha, beta, a, b, c, batches: 2 }.run() };
        for ((batch, row, column), expected) in places().zip(expected) {
            assert_eq!(element(&old, batch, row, column), expected, "{batch} {row} {column}");
        }
    }

    #[test]
    fn products_are_what_the_definition_says() {
        for size in [(1, 1, 1), (5, 3, 0), (16, 4, 7), (37, 9, 20), (100, 70, 90)] {
            for turned in [[false, false], [true, false], [false, true], [true, true]] {
                for beta in [0.0, 1.0] {
                    check::<f32>(Kind::F32, size, turned, beta);
                    check::<f64>(Kind::F64, size, turned, beta);
                }
            }
        }
        check::<f32>(Kind::F16, (37, 9, 20), [false, true], 0.0);
        check::<f32>(Kind::F16, (37, 9, 20), [true, false], 1.0);
    }
}
