//! Vectors whose parts are written in parallel, each first zeroed by the thread that then has it in its
//! cache.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::plain::Plain;

/// A vector of parts of these lengths, which follow each other. `write` is told which part it gets, and
/// finds default values in it.
pub(crate) fn in_parts<T: Plain + Send>(
    lengths: impl IntoIterator<Item = usize>,
    write: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let lengths = lengths.into_iter().map(|len| (len, ()));
    in_parts_with(lengths, |i, part, ()| write(i, part))
}

/// The same where `write` also gets what comes with the length of each part.
pub(crate) fn in_parts_with<T: Plain + Send, U: Send>(
    parts: impl IntoIterator<Item = (usize, U)>,
    write: impl Fn(usize, &mut [T], U) + Sync,
) -> Vec<T> {
    let (lengths, others): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let len = lengths.iter().sum();
    let mut values = Vec::with_capacity(len);
    let parts = split(&mut values.spare_capacity_mut()[..len], lengths);
    let parts = parts.into_par_iter().zip(others).enumerate();
    parts.for_each(|(i, (part, other))| write(i, initialised(part), other));
    // SAFETY: the parts are the first `len` values, and each was initialised before it was written.
    unsafe { values.set_len(len) };
    values
}

/// The parts of these lengths, which follow each other.
pub(crate) fn split<T>(
    values: &mut [T],
    lengths: impl IntoIterator<Item = usize>,
) -> Vec<&mut [T]> {
    let mut rest = values;
    let next = |len| {
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(len);
        rest = tail;
        part
    };
    lengths.into_iter().map(next).collect()
}

/// The lengths of the parts into which `len` divides if each has this length, and the last what is left.
pub(crate) fn chunks(len: usize, chunk: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(chunk).map(move |start| chunk.min(len - start))
}

fn initialised<T: Plain>(part: &mut [MaybeUninit<T>]) -> &mut [T] {
    // SAFETY: the part is writable, and to be of zeros only initialises a value, as the trait says.
    // `MaybeUninit<T>` has the layout of `T`.
    unsafe {
        part.as_mut_ptr().write_bytes(0, part.len());
        &mut *(std::ptr::from_mut(part) as *mut [T])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other() {
        let values = in_parts([2, 0, 3], |i, part: &mut [usize]| {
            assert!(part.iter().all(|value| *value == 0));
            part.iter_mut().skip(1).for_each(|value| *value = i);
        });
        assert_eq!(values, [0, 0, 0, 2, 2]);
    }

    #[test]
    fn the_last_chunk_is_what_is_left() {
        for (len, expected) in [(0, vec![]), (3, vec![3]), (4, vec![3, 1])] {
            assert_eq!(chunks(len, 3).collect::<Vec<_>>(), expected, "{len}");
        }
    }
}
