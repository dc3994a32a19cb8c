//! Vectors whose parts are written in parallel, each first zeroed by the thread that then has it in its
//! cache.

use std::mem::MaybeUninit;

use crate::plain::Plain;
use crate::tasks;

/// A vector of parts of these lengths, which follow each other. `write` is told which part it gets, and
/// finds default values in it.
pub(crate) fn in_parts<T: Plain + Send>(
    lengths: impl IntoIterator<Item = usize>,
    write: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let lengths = lengths.into_iter().map(|len| (len, ()));
    in_parts_with(lengths, |i, part, ()| write(i, part)).0
}

/// The same where `write` also gets what comes with the length of each part, and where what it returns is kept.
pub(crate) fn in_parts_with<T: Plain + Send, U: Send, R: Send>(
    parts: impl IntoIterator<Item = (usize, U)>,
    write: impl Fn(usize, &mut [T], U) -> R + Sync,
) -> (Vec<T>, Vec<R>) {
    let (lengths, others): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let len = lengths.iter().sum();
    let mut values = Vec::with_capacity(len);
    let parts = split(&mut values.spare_capacity_mut()[..len], lengths);
    let parts = parts.into_iter().zip(others);
    let results = tasks::map(parts, |i, (part, other)| write(i, initialised(part), other));
    // SAFETY: the parts are the first `len` values, and each was initialised before it was written.
    unsafe { values.set_len(len) };
    (values, results)
}

/// Where the output of an operator goes.
pub(crate) trait Destination<E> {
    /// Has parts of these lengths written in parallel. They follow each other and are all that there is. What `write`
    /// returns comes in their order.
    fn write<R: Send>(
        &mut self,
        lengths: impl Iterator<Item = usize>,
        write: impl Fn(usize, &mut [E]) -> R + Sync,
    ) -> Vec<R>;
}

impl<E: Send> Destination<E> for [E] {
    fn write<R: Send>(
        &mut self,
        lengths: impl Iterator<Item = usize>,
        write: impl Fn(usize, &mut [E]) -> R + Sync,
    ) -> Vec<R> {
        tasks::map(split(self, lengths), write)
    }
}

/// A vector that begins when it is written.
#[derive(Debug, Default)]
pub(crate) struct New<E>(pub(crate) Vec<E>);

impl<E: Plain + Send> Destination<E> for New<E> {
    fn write<R: Send>(
        &mut self,
        lengths: impl Iterator<Item = usize>,
        write: impl Fn(usize, &mut [E]) -> R + Sync,
    ) -> Vec<R> {
        let parts = lengths.map(|len| (len, ()));
        let (values, results) = in_parts_with(parts, |i, part, ()| write(i, part));
        self.0 = values;
        results
    }
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
    fn a_new_vector_is_written_as_an_old_one() {
        let (mut new, mut old) = (New::default(), [7_usize; 6]);
        let write = |i: usize, part: &mut [usize]| {
            part.fill(i);
            10 * i
        };
        for found in
            [new.write([1, 2, 3].into_iter(), write), old[..].write([1, 2, 3].into_iter(), write)]
        {
            assert_eq!(found, [0, 10, 20]);
        }
        assert_eq!(new.0, [0, 1, 1, 2, 2, 2]);
        assert_eq!(new.0, old);
    }

    #[test]
    fn the_last_chunk_is_what_is_left() {
        for (len, expected) in [(0, vec![]), (3, vec![3]), (4, vec![3, 1])] {
            assert_eq!(chunks(len, 3).collect::<Vec<_>>(), expected, "{len}");
        }
    }
}
