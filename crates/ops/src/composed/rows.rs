//! Windows as gathers of pixel rows, with one extra row that stands for the padding. What they
//! gather follows from shapes alone, so it is kept on the device for the next step.

use std::any::{Any, TypeId};
use std::cell::RefCell;

use dfdx::dtypes::Dtype;
use dfdx::prelude::*;
use trickbag_kernels::{ImageShape, Window};

use super::flatten;
use crate::blur::{BLUR, reflected};
use crate::{Descent, FeatureMap, Matrix};

/// Which rows a gather takes, one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rows {
    /// For each output pixel, one for each tap of the window.
    Windows { input: ImageShape, output: ImageShape, window: Window },
    /// For each output pixel, that of one tap.
    Tap { input: ImageShape, output: ImageShape, window: Window, tap: usize },
    /// For each output pixel, one for each tap of the blur.
    Blur { input: ImageShape, output: ImageShape },
}

/// An index on a device.
type Index<D> = Tensor<(usize,), usize, D>;

/// An index that may be needed again.
struct Kept {
    kind: TypeId,
    ordinal: usize,
    rows: Rows,
    len: usize,
    index: Box<dyn Any>,
}

/// So many numbers are kept on a device, 8 bytes each, in each thread that computes.
const MOST_KEPT: usize = 1 << 28;

thread_local! {
    /// The latest used last.
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// The pixels of a feature map as rows, and one more row that stands for the padding.
pub(super) fn padded_rows<E: Dtype, D: Device<E>, T: Tape<E, D>>(
    x: FeatureMap<E, D, T>,
    padding: E,
) -> Result<Matrix<E, D, T>, D::Err> {
    let channels = x.shape().3;
    let row = x.device().try_tensor_from_vec(vec![padding; channels], (1, channels))?;
    (flatten(x)?, row).try_concat_along(Axis::<0>)
}

pub(super) fn gather<E: Dtype, D: Device<E> + Descent, T: Tape<E, D>>(
    from: Matrix<E, D, T>,
    rows: Rows,
) -> Result<Matrix<E, D, T>, D::Err> {
    let index = index(from.device(), rows)?;
    from.try_gather::<(usize, usize), _>(index)
}

fn index<D: Descent>(dev: &D, rows: Rows) -> Result<Index<D>, D::Err> {
    let (kind, ordinal) = (TypeId::of::<D>(), dev.ordinal());
    if let Some(index) = KEPT.with_borrow_mut(|kept| find(kept, kind, ordinal, rows)) {
        return Ok(index);
    }
    let index = rows.index();
    let len = index.len();
    let index: Index<D> = dev.try_tensor_from_vec(index, (len,))?;
    let new = Kept { kind, ordinal, rows, len, index: Box::new(index.clone()) };
    KEPT.with_borrow_mut(|kept| keep(kept, new));
    Ok(index)
}

fn find<D: Descent>(
    kept: &mut Vec<Kept>,
    kind: TypeId,
    ordinal: usize,
    rows: Rows,
) -> Option<Index<D>> {
    let same = |k: &Kept| k.kind == kind && k.ordinal == ordinal && k.rows == rows;
    let place = kept.iter().rposition(same)?;
    let found = kept.remove(place);
    let index = found.index.downcast_ref::<Index<D>>().cloned();
    kept.push(found);
    index
}

/// The longest unused make room.
fn keep(kept: &mut Vec<Kept>, new: Kept) {
    kept.push(new);
    let mut len: usize = kept.iter().map(|k| k.len).sum();
    let surplus = kept.iter().take_while(|k| {
        let over = len > MOST_KEPT;
        len -= k.len;
        over
    });
    let surplus = surplus.count();
    kept.drain(..surplus);
}

impl Rows {
    fn index(self) -> Vec<usize> {
        match self {
            Self::Windows { input, output, window } => {
                let taps: Vec<_> =
                    (0..taps(&window)).map(|tap| tap_rows(input, output, &window, tap)).collect();
                (0..output.pixels()).flat_map(|p| taps.iter().map(move |tap| tap[p])).collect()
            }
            Self::Tap { input, output, window, tap } => tap_rows(input, output, &window, tap),
            Self::Blur { input, output } => blur_rows(input, output),
        }
    }
}

pub(super) fn taps(window: &Window) -> usize {
    window.kernel[0] * window.kernel[1]
}

/// The row that each output pixel reads for this tap; the row after the last pixel where that lies
/// in the padding.
fn tap_rows(input: ImageShape, output: ImageShape, window: &Window, tap: usize) -> Vec<usize> {
    let [kh, kw] = [tap / window.kernel[1], tap % window.kernel[1]];
    let mut rows = Vec::with_capacity(output.pixels());
    for b in 0..output.batch {
        for oh in 0..output.height {
            let ih = seen(window, 0, oh, kh).filter(|&ih| ih < input.height);
            rows.extend((0..output.width).map(|ow| {
                let iw = seen(window, 1, ow, kw).filter(|&iw| iw < input.width);
                ih.zip(iw)
                    .map_or(input.pixels(), |(ih, iw)| (b * input.height + ih) * input.width + iw)
            }));
        }
    }
    rows
}

/// The pixel that a tap sees along an axis, unless it lies before the first; it may lie after the
/// last.
pub(super) fn seen(window: &Window, axis: usize, output: usize, tap: usize) -> Option<usize> {
    (output * window.stride[axis] + tap * window.dilation[axis]).checked_sub(window.padding[axis])
}

fn blur_rows(input: ImageShape, output: ImageShape) -> Vec<usize> {
    let taps = BLUR.len() * BLUR.len();
    let mut index = Vec::with_capacity(output.pixels() * taps);
    for pixel in 0..output.pixels() {
        let (row, ow) = (pixel / output.width, pixel % output.width);
        let (image, oh) = (row / output.height, row % output.height);
        index.extend((0..taps).map(|tap| {
            let ih = reflected(oh, tap / BLUR.len(), input.height);
            let iw = reflected(ow, tap % BLUR.len(), input.width);
            (image * input.height + ih) * input.width + iw
        }));
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(len: usize, tap: usize) -> Kept {
        let shape = ImageShape { batch: 1, height: 1, width: 1, channels: 1 };
        let rows = Rows::Tap { input: shape, output: shape, window: Window::square(1), tap };
        Kept { kind: TypeId::of::<Cpu>(), ordinal: 0, rows, len, index: Box::new(()) }
    }

    #[test]
    fn the_longest_unused_make_room() {
        let mut list = vec![];
        for (len, tap) in [(MOST_KEPT / 2, 0), (MOST_KEPT / 4, 1), (MOST_KEPT / 4, 2)] {
            keep(&mut list, kept(len, tap));
        }
        assert_eq!(list.len(), 3);
        keep(&mut list, kept(1, 3));
        let lens: Vec<_> = list.iter().map(|k| k.len).collect();
        assert_eq!(lens, [MOST_KEPT / 4, MOST_KEPT / 4, 1]);
    }

    #[test]
    fn an_index_is_made_once() {
        let dev = Cpu::default();
        let input = ImageShape { batch: 1, height: 2, width: 2, channels: 1 };
        let rows = Rows::Windows { input, output: input, window: Window::square(1) };
        let first = index(&dev, rows).unwrap();
        assert_eq!(first.as_vec(), [0, 1, 2, 3]);
        let again = find::<Cpu>(&mut vec![], TypeId::of::<Cpu>(), 0, rows);
        assert!(again.is_none());
        let again = KEPT.with_borrow_mut(|kept| find::<Cpu>(kept, TypeId::of::<Cpu>(), 0, rows));
        assert_eq!(again.unwrap().as_vec(), first.as_vec());
        let other = KEPT.with_borrow_mut(|kept| find::<Cpu>(kept, TypeId::of::<Cpu>(), 1, rows));
        assert!(other.is_none());
    }
}
