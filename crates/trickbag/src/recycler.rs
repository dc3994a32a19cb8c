//! The program's memory: large blocks that were freed serve the next request of their size.
//!
//! A training step asks for the same sizes again and again. Given back to the system in between, each
//! block would come back as new pages, to be mapped and zeroed one by one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Smaller blocks are the system's business.
const LARGE: usize = 1 << 20;

/// Of every large block, so that no vector register straddles two cache lines.
const ALIGN: usize = 64;

/// Blocks from this size on begin at a huge page.
const HUGE_PAGE: usize = 2 << 20;

/// Idle blocks at most; a step of a deep network leaves some hundreds.
const SLOTS: usize = 1024;

/// An allocator that keeps freed blocks of [`LARGE`] bytes or more.
///
/// Idle blocks never hold more than those in use once did: when a request finds none of its size while
/// more bytes are idle than in use, all idle ones go back to the system first.
pub(crate) struct Recycler(Mutex<Blocks>);

struct Blocks {
    idle: [Block; SLOTS],
    idle_count: usize,
    idle_bytes: usize,
    used_bytes: usize,
}

#[derive(Clone, Copy)]
struct Block {
    address: *mut u8,
    size: usize,
}

// SAFETY: the addresses are those of memory that nobody else knows of any more.
unsafe impl Send for Blocks {}

impl Recycler {
    pub(crate) const fn new() -> Self {
        let none = Block { address: std::ptr::null_mut(), size: 0 };
        let idle = [none; SLOTS];
        Self(Mutex::new(Blocks { idle, idle_count: 0, idle_bytes: 0, used_bytes: 0 }))
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    /// An idle block of this size, for use.
    fn take(&mut self, size: usize) -> Option<*mut u8> {
        self.used_bytes += size;
        let idle = &mut self.idle[..self.idle_count];
        let Some(at) = idle.iter().rposition(|block| block.size == size) else {
            self.trim();
            return None;
        };
        let address = idle[at].address;
        self.idle_count -= 1;
        self.idle_bytes -= size;
        self.idle[at] = self.idle[self.idle_count];
        Some(address)
    }

    /// Keeps a block that is not used any more, or gives it back to the system.
    fn put(&mut self, block: Block) {
        self.used_bytes -= block.size;
        if self.idle_count == SLOTS {
            return block.free();
        }
        self.idle[self.idle_count] = block;
        self.idle_count += 1;
        self.idle_bytes += block.size;
    }

    fn trim(&mut self) {
        if self.idle_bytes > self.used_bytes {
            self.idle[..self.idle_count].iter().for_each(|block| block.free());
            (self.idle_count, self.idle_bytes) = (0, 0);
        }
    }
}

impl Block {
    /// To be called once, when nobody uses the block.
    fn free(self) {
        if let Some(layout) = large(self.size) {
            // SAFETY: every large block was allocated by `System` with the layout of its size, see
            // `Recycler::alloc`, and leaves the list of idle blocks when it is freed.
            unsafe { System.dealloc(self.address, layout) }
        }
    }
}

/// How a block of so many bytes is allocated, if it is large.
fn large(size: usize) -> Option<Layout> {
    let align = if size < HUGE_PAGE { ALIGN } else { HUGE_PAGE };
    Layout::from_size_align(size, align).ok().filter(|layout| layout.size() >= LARGE)
}

/// Asks the system for huge pages, of which a block needs fewer entries in the processor's table of pages.
fn prefer_huge_pages(address: *mut u8, size: usize) {
    if address.is_null() || size < HUGE_PAGE {
        return;
    }
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        // SAFETY: the block was just allocated, begins at a page, and advice changes no content. An error
        // means that the advice is not taken.
        let _ = unsafe { libc::madvise(address.cast(), size, libc::MADV_HUGEPAGE) };
    }
}

/// That layout, where it serves the request.
fn recycled(request: Layout) -> Option<Layout> {
    large(request.size()).filter(|layout| layout.align() >= request.align())
}

// SAFETY: a request goes to `System` or, if it is large, is met with a block that `System` allocated
// for the same size and an alignment that is no smaller. Such a block is handed out again only after
// its owner deallocated it. `recycled` decides by the request's layout alone, and so in the same way
// when the block comes back. No code here panics or allocates.
unsafe impl GlobalAlloc for Recycler {
    unsafe fn alloc(&self, request: Layout) -> *mut u8 {
        let Some(layout) = recycled(request) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(request) };
        };
        let idle = self.blocks().take(layout.size());
        idle.unwrap_or_else(|| {
            // SAFETY: the size is not zero.
            let address = unsafe { System.alloc(layout) };
            prefer_huge_pages(address, layout.size());
            address
        })
    }

    unsafe fn alloc_zeroed(&self, request: Layout) -> *mut u8 {
        let Some(layout) = recycled(request) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(request) };
        };
        // SAFETY: the caller's promise is the same.
        let address = unsafe { self.alloc(request) };
        if !address.is_null() {
            // SAFETY: the block has that many bytes, and is the caller's alone.
            unsafe { address.write_bytes(0, layout.size()) };
        }
        address
    }

    unsafe fn dealloc(&self, address: *mut u8, request: Layout) {
        match recycled(request) {
            Some(layout) => self.blocks().put(Block { address, size: layout.size() }),
            // SAFETY: the caller's promise; a block of this layout came from `System`.
            None => unsafe { System.dealloc(address, request) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn bytes(size: usize) -> Layout {
        Layout::from_size_align(size, 4).unwrap()
    }

    #[test]
    fn a_large_block_serves_the_next_request_of_its_size_alone() {
        for (size, next, same) in
            [(MIB, MIB, true), (3 * MIB + 4, 3 * MIB + 4, true), (MIB, MIB + 4, false)]
        {
            let recycler = Recycler::new();
            // SAFETY: each block is freed once, with its own layout.
            unsafe {
                let kept = recycler.alloc(bytes(8 * MIB)); // so that nothing is trimmed
                let first = recycler.alloc(bytes(size));
                assert_eq!(first.align_offset(ALIGN), 0);
                recycler.dealloc(first, bytes(size));
                let second = recycler.alloc(bytes(next));
                assert_eq!(first == second, same, "{size} {next}");
                recycler.dealloc(second, bytes(next));
                recycler.dealloc(kept, bytes(8 * MIB));
            }
            recycler.blocks().trim();
        }
    }

    #[test]
    fn a_recycled_block_is_zeroed_where_zeros_are_asked_for() {
        let recycler = Recycler::new();
        // SAFETY: each block is freed once, with its own layout, and written within it.
        unsafe {
            let first = recycler.alloc(bytes(MIB));
            first.write_bytes(7, MIB);
            recycler.dealloc(first, bytes(MIB));
            let second = recycler.alloc_zeroed(bytes(MIB));
            assert_eq!(first, second);
            assert!(std::slice::from_raw_parts(second, MIB).iter().all(|byte| *byte == 0));
            recycler.dealloc(second, bytes(MIB));
        }
        recycler.blocks().trim();
    }

    #[test]
    fn idle_blocks_go_back_when_they_outweigh_those_in_use() {
        let recycler = Recycler::new();
        // SAFETY: each block is freed once, with its own layout.
        unsafe {
            let first = recycler.alloc(bytes(4 * MIB));
            recycler.dealloc(first, bytes(4 * MIB));
            assert_eq!(recycler.blocks().idle_bytes, 4 * MIB);
            let second = recycler.alloc(bytes(2 * MIB));
            assert_eq!(recycler.blocks().idle_bytes, 0);
            recycler.dealloc(second, bytes(2 * MIB));
        }
        let mut blocks = recycler.blocks();
        assert_eq!((blocks.idle_bytes, blocks.used_bytes), (2 * MIB, 0));
        blocks.trim();
    }
}
