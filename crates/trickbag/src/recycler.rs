//! The program's memory: a heap of its own for large blocks, which keeps what is freed for what comes next.
//!
//! A training step asks for the same sizes again and again. Given back to the system in between, each
//! block would come back as new pages, to be mapped and zeroed one by one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smaller blocks are the system's business.
const LARGE: usize = 64 << 10;

/// Blocks begin and end at pages.
const PAGE: usize = 4 << 10;

const HUGE_PAGE: usize = 2 << 20;

/// What is asked of the system at once, at least. It becomes memory only where it is written.
const REGION: usize = 256 << 20;

/// Gaps at most; a step of a deep network leaves some tens.
const SLOTS: usize = 4096;

/// An allocator that keeps freed blocks of [`LARGE`] bytes or more.
///
/// A request gets the beginning of the smallest gap that it fits, and freed neighbours become one gap, so
/// that activations, gradients and scratch memory of all sizes follow each other in the same place. When
/// nothing fits while more bytes lie in gaps than are in use, the gaps go back to the system first.
pub(crate) struct Recycler(Mutex<Heap>);

struct Heap {
    /// By address, no two adjacent.
    gaps: [Block; SLOTS],
    gap_count: usize,
    gap_bytes: usize,
    used_bytes: usize,
}

#[derive(Clone, Copy)]
struct Block {
    start: *mut u8,
    size: usize,
}

// SAFETY: the addresses are those of memory that nobody else knows of any more.
unsafe impl Send for Heap {}

impl Recycler {
    pub(crate) const fn new() -> Self {
        let gaps = [Block { start: std::ptr::null_mut(), size: 0 }; SLOTS];
        Self(Mutex::new(Heap { gaps, gap_count: 0, gap_bytes: 0, used_bytes: 0 }))
    }

    fn heap(&self) -> MutexGuard<'_, Heap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heap {
    fn gaps(&self) -> &[Block] {
        &self.gaps[..self.gap_count]
    }

    /// A block of this size, for use; null if the system has no memory.
    fn allocate(&mut self, size: usize) -> *mut u8 {
        let block = self.take(size).or_else(|| {
            self.release();
            self.grow(size);
            self.take(size)
        });
        block.unwrap_or(std::ptr::null_mut())
    }

    fn take(&mut self, size: usize) -> Option<*mut u8> {
        let fitting = self.gaps().iter().enumerate().filter(|(_, gap)| gap.size >= size);
        let (at, &Block { start, .. }) = fitting.min_by_key(|(_, gap)| gap.size)?;
        let gap = &mut self.gaps[at];
        *gap = Block { start: start.wrapping_add(size), size: gap.size - size };
        if gap.size == 0 {
            self.remove(at);
        }
        self.gap_bytes -= size;
        self.used_bytes += size;
        Some(start)
    }

    /// Takes back what [`Heap::allocate`] gave.
    fn free(&mut self, block: Block) {
        self.used_bytes -= block.size;
        self.put(block);
    }

    fn put(&mut self, mut block: Block) {
        self.gap_bytes += block.size;
        let at = self.gaps().partition_point(|gap| gap.start < block.start);
        if let Some(next) = self.gaps().get(at).filter(|next| next.start == block.end()) {
            block.size += next.size;
            self.remove(at);
        }
        match self.gaps[..at].last_mut().filter(|last| last.end() == block.start) {
            Some(last) => last.size += block.size,
            None => self.insert(at, block),
        }
    }

    /// Where there is no slot left, the block is forgotten.
    fn insert(&mut self, at: usize, gap: Block) {
        if self.gap_count == SLOTS {
            self.gap_bytes -= gap.size;
            return;
        }
        self.gaps.copy_within(at..self.gap_count, at + 1);
        self.gaps[at] = gap;
        self.gap_count += 1;
    }

    fn remove(&mut self, at: usize) {
        self.gaps.copy_within(at + 1..self.gap_count, at);
        self.gap_count -= 1;
    }

    /// Asks the system for a region in which a block of this size fits.
    fn grow(&mut self, size: usize) {
        // A page between regions keeps their gaps apart.
        let size = size.saturating_add(PAGE).max(REGION);
        let Ok(layout) = Layout::from_size_align(size, HUGE_PAGE) else { return };
        // SAFETY: the size is not zero.
        let start = unsafe { System.alloc(layout) };
        if !start.is_null() {
            let region = Block { start, size: size - PAGE };
            region.advise(Advice::HugePages);
            self.put(region);
        }
    }

    fn release(&self) {
        if self.gap_bytes > self.used_bytes {
            self.gaps().iter().for_each(|gap| gap.advise(Advice::NotNeeded));
        }
    }
}

/// What the system is told about memory.
#[derive(Clone, Copy)]
enum Advice {
    /// These need fewer entries in the processor's table of pages.
    HugePages,
    /// What it holds may be forgotten.
    NotNeeded,
}

impl Block {
    fn end(self) -> *mut u8 {
        self.start.wrapping_add(self.size)
    }

    /// Of memory that is not in use. An error means that the advice is not taken.
    #[cfg(all(target_os = "linux", not(miri)))]
    fn advise(self, advice: Advice) {
        let advice = match advice {
            Advice::HugePages => libc::MADV_HUGEPAGE,
            Advice::NotNeeded => libc::MADV_DONTNEED,
        };
        // SAFETY: the block begins and ends at pages, was allocated and never returned, and nobody
        // relies on what it holds.
        let _ = unsafe { libc::madvise(self.start.cast(), self.size, advice) };
    }

    #[cfg(not(all(target_os = "linux", not(miri))))]
    fn advise(self, _: Advice) {}
}

/// The bytes that serve the request, if it is for a large block.
fn large(request: Layout) -> Option<usize> {
    let fits = request.size() >= LARGE && request.align() <= PAGE;
    fits.then(|| request.size().next_multiple_of(PAGE))
}

// SAFETY: a request goes to `System` or, if it is large, is met with a part of a gap, which begins at a
// page and has at least that size. That part is in no gap until its owner deallocates it, and gaps lie in
// regions that `System` allocated and that are never given back. `large` decides by the request's layout
// alone, and so in the same way when the block comes back. No code here panics or allocates.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, request: Layout) -> *mut u8 {
        match large(request) {
            Some(size) => self.heap().allocate(size),
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(request) },
        }
    }

    unsafe fn alloc_zeroed(&self, request: Layout) -> *mut u8 {
        if large(request).is_none() {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(request) };
        }
        // SAFETY: the caller's promise is the same.
        let start = unsafe { self.alloc(request) };
        if !start.is_null() {
            // SAFETY: the block has that many bytes, and is the caller's alone.
            unsafe { start.write_bytes(0, request.size()) };
        }
        start
    }

    unsafe fn dealloc(&self, start: *mut u8, request: Layout) {
        match large(request) {
            Some(size) => self.heap().free(Block { start, size }),
            // SAFETY: the caller's promise; a block of this layout came from `System`.
            None => unsafe { System.dealloc(start, request) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn mebibytes(count: usize) -> Layout {
        Layout::from_size_align(count * MIB, 64).unwrap()
    }

    /// Allocates blocks of so many MiB in turn and frees some of them. Their places, and the place and
    /// size of each gap before the last block, in MiB from the first block on.
    fn gaps(sizes: &[usize], freed: &[usize]) -> (Recycler, Vec<*mut u8>, Vec<(usize, usize)>) {
        let recycler = Recycler::new();
        // SAFETY: the size is not zero.
        let allocate = |&size: &usize| unsafe { recycler.alloc(mebibytes(size)) };
        let blocks: Vec<_> = sizes.iter().map(allocate).collect();
        for &block in freed {
            // SAFETY: each block is freed once, with its own layout.
            unsafe { recycler.dealloc(blocks[block], mebibytes(sizes[block])) };
        }
        let place = |gap: &Block| (gap.start as usize - blocks[0] as usize) / MIB;
        let size: usize = sizes.iter().sum();
        let gaps = recycler.heap().gaps().to_vec();
        let gaps = gaps.iter().filter(|gap| place(gap) < size);
        let gaps = gaps.map(|gap| (place(gap), gap.size / MIB)).collect();
        (recycler, blocks, gaps)
    }

    #[test]
    fn freed_neighbours_become_one_gap() {
        let check = |freed: &[usize], expected: &[(usize, usize)]| {
            assert_eq!(gaps(&[1, 2, 3, 4, 1], freed).2, expected, "{freed:?}");
        };
        check(&[], &[]);
        check(&[1], &[(1, 2)]);
        check(&[1, 2], &[(1, 5)]);
        check(&[2, 1], &[(1, 5)]);
        check(&[3, 1], &[(1, 2), (6, 4)]);
        check(&[3, 1, 2], &[(1, 9)]);
        check(&[0, 2], &[(0, 1), (3, 3)]);
    }

    #[test]
    fn a_request_gets_the_beginning_of_the_smallest_gap_that_it_fits() {
        let check = |size, block: usize| {
            let (recycler, blocks, _) = gaps(&[3, 1, 2, 1], &[0, 2]);
            // SAFETY: the size is not zero.
            let start = unsafe { recycler.alloc(mebibytes(size)) };
            assert_eq!(start, blocks[block], "{size}");
        };
        check(1, 2);
        check(2, 2);
        check(3, 0);
    }

    #[test]
    fn a_block_is_zeroed_where_zeros_are_asked_for() {
        let recycler = Recycler::new();
        // SAFETY: each block is freed once, with its own layout, and written within it.
        unsafe {
            let first = recycler.alloc(mebibytes(1));
            first.write_bytes(7, MIB);
            recycler.dealloc(first, mebibytes(1));
            let second = recycler.alloc_zeroed(mebibytes(1));
            assert_eq!(first, second);
            assert!(std::slice::from_raw_parts(second, MIB).iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn gaps_are_forgotten_when_nothing_fits_and_they_outweigh_what_is_used() {
        let recycler = Recycler::new();
        let more_than_a_region = Layout::from_size_align(REGION, 64).unwrap();
        // SAFETY: each block is freed once, with its own layout, and written and read within it.
        unsafe {
            let first = recycler.alloc_zeroed(mebibytes(1));
            first.write(7);
            recycler.dealloc(first, mebibytes(1));
            assert!(!recycler.alloc(more_than_a_region).is_null());
            let second = recycler.alloc(mebibytes(1));
            assert_eq!((first, second.read()), (second, 0));
        }
    }
}
