//! Winograd's minimal filtering F(4, 3), with the points 0, 1, -1, 2 and -2: four results of a filter of
//! three taps are `Result` of (`Weight` of the taps) * (`Source` of six numbers), and likewise in two
//! dimensions.
//!
//! Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray, "Fast Algorithms for
//! Convolutional Neural Networks" (arXiv 1509.09308), section 4.

use crate::lanes::Lanes;

/// Taps of the filter.
pub(crate) const TAPS: usize = 9;

/// Rows and columns of the destination that are computed at one time.
pub(crate) const OUT: usize = 4;

/// Rows and columns of the source that these see.
pub(crate) const IN: usize = OUT + 2;

/// Products for `OUT` x `OUT` pixels and each pair of channels.
pub(crate) const POINTS: usize = IN * IN;

/// Where the numbers are that a transform reads, row by row.
pub(crate) trait Rows<const A: usize> {
    fn row<L: Lanes>(&self, row: usize) -> [L; A];
}

/// Where the numbers go that a transform writes, column by column.
pub(crate) trait Columns<const B: usize> {
    fn set<L: Lanes>(&mut self, column: usize, numbers: [L; B]);
}

/// A linear function of `A` numbers to `B`.
pub(crate) trait Linear<const A: usize, const B: usize> {
    fn apply<L: Lanes>(x: [L; A]) -> [L; B];

    /// Room for the rows until the columns are complete, to be used again: an array that a loop fills is zeroed first,
    /// which takes a tenth of a tile's time.
    #[inline(always)]
    fn room<L: Lanes>() -> [[L; B]; A] {
        [[L::splat(0.0); B]; A]
    }

    /// Applies it to the rows and then to the columns. What `rows` were does not matter.
    #[inline(always)]
    fn apply_both<L: Lanes>(from: &impl Rows<A>, rows: &mut [[L; B]; A], to: &mut impl Columns<B>) {
        for (i, row) in rows.iter_mut().enumerate() {
            *row = Self::apply(from.row::<L>(i));
        }
        Self::apply_to_columns(rows, to);
    }

    /// Applies it to the columns of rows to which it was applied.
    #[inline(always)]
    fn apply_to_columns<L: Lanes>(rows: &[[L; B]; A], to: &mut impl Columns<B>) {
        for j in 0..B {
            let mut column = [L::splat(0.0); A];
            for (number, row) in column.iter_mut().zip(rows) {
                *number = row[j];
            }
            to.set(j, Self::apply(column));
        }
    }
}

/// Of pixels of the source.
pub(crate) struct Source;

/// Of the filter's taps.
pub(crate) struct Weight;

/// Of the products.
pub(crate) struct Result;

/// The transpose of [`Result`].
pub(crate) struct ResultGradient;

/// The transpose of [`Weight`].
pub(crate) struct WeightGradient;

impl Linear<IN, IN> for Source {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c, d, e, f]: [L; IN]) -> [L; IN] {
        let (two, four, five) = (L::splat(2.0), L::splat(-4.0), L::splat(-5.0));
        let (even, odd) = (c.mul_add(four, e), b.mul_add(four, d));
        let (even2, odd2) = (e.sub(c), d.sub(b));
        [
            c.mul_add(five, a.mul_add(L::splat(4.0), e)),
            even.add(odd),
            even.sub(odd),
            odd2.mul_add(two, even2),
            odd2.mul_add(L::splat(-2.0), even2),
            d.mul_add(five, b.mul_add(L::splat(4.0), f)),
        ]
    }
}

impl Linear<3, IN> for Weight {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c]: [L; 3]) -> [L; IN] {
        let sixth = L::splat(-1.0 / 6.0);
        let near = scale(a.add(c), sixth);
        let far = a.mul_add(L::splat(1.0 / 24.0), scale(c, L::splat(1.0 / 6.0)));
        [
            scale(a, L::splat(0.25)),
            b.mul_add(sixth, near),
            b.mul_add(L::splat(1.0 / 6.0), near),
            b.mul_add(L::splat(1.0 / 12.0), far),
            b.mul_add(L::splat(-1.0 / 12.0), far),
            c,
        ]
    }
}

impl Linear<IN, OUT> for Result {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c, d, e, f]: [L; IN]) -> [L; OUT] {
        let (sum, difference) = (b.add(c), b.sub(c));
        let (far_sum, far_difference) = (d.add(e), d.sub(e));
        [
            a.add(sum).add(far_sum),
            far_difference.mul_add(L::splat(2.0), difference),
            far_sum.mul_add(L::splat(4.0), sum),
            far_difference.mul_add(L::splat(8.0), difference).add(f),
        ]
    }
}

impl Linear<OUT, IN> for ResultGradient {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c, d]: [L; OUT]) -> [L; IN] {
        let (even, odd) = (a.add(c), b.add(d));
        let far_even = c.mul_add(L::splat(4.0), a);
        let far_odd = d.mul_add(L::splat(8.0), b.add(b));
        [a, even.add(odd), even.sub(odd), far_even.add(far_odd), far_even.sub(far_odd), d]
    }
}

impl Linear<IN, 3> for WeightGradient {
    #[inline(always)]
    fn apply<L: Lanes>([a, b, c, d, e, f]: [L; IN]) -> [L; 3] {
        let near = scale(b.add(c), L::splat(-1.0 / 6.0));
        let (far_sum, far_difference) = (d.add(e), d.sub(e));
        [
            far_sum.mul_add(L::splat(1.0 / 24.0), a.mul_add(L::splat(0.25), near)),
            far_difference.mul_add(L::splat(1.0 / 12.0), scale(c.sub(b), L::splat(1.0 / 6.0))),
            far_sum.mul_add(L::splat(1.0 / 6.0), near.add(f)),
        ]
    }
}

#[inline(always)]
fn scale<L: Lanes>(x: L, factor: L) -> L {
    x.mul_add(factor, L::splat(0.0))
}
