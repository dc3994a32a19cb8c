//! Where there are no tiles: other processors, and systems that nobody has tried.

use super::tiles::{Operands, Shape, Steps, Sums, Tiles};

/// There is none.
pub(super) enum Processor {}

impl Processor {
    pub(super) fn configure(_: usize) -> Option<Self> {
        None
    }
}

impl Tiles for Processor {
    fn product(&mut self, _: Shape, _: &Steps, _: &Operands<'_>, _: Sums<'_>) {
        match *self {}
    }
}
