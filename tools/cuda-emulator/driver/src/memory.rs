//! The device's memory: what is allocated, and what lies at an address.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::{BTreeMap, VecDeque};
use std::slice;
use std::sync::{LazyLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cuda_emulator_ptx::POISON;

const ALIGN: usize = 256;
/// Freed memory stays unused until this much was freed after it, so that a late access is seen.
const QUARANTINE: usize = 256 << 20;
const DEFAULT_TOTAL: usize = 8 << 30;

static MEMORY: LazyLock<RwLock<Memory>> = LazyLock::new(|| RwLock::new(Memory::new(total())));

/// The device's memory, to look into.
pub(crate) fn read() -> RwLockReadGuard<'static, Memory> {
    MEMORY.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The device's memory, to change.
pub(crate) fn write() -> RwLockWriteGuard<'static, Memory> {
    MEMORY.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn total() -> usize {
    let set = std::env::var("TRICKBAG_CUDA_EMULATOR_MEMORY").ok();
    set.and_then(|bytes| bytes.parse().ok()).unwrap_or(DEFAULT_TOTAL)
}

/// A run of addresses that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

/// Why an access is wrong, or an allocation impossible.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum MemoryError {
    #[error("out of memory: {bytes} bytes asked for, {free} free")]
    Full { bytes: usize, free: usize },
    #[error("{bytes} bytes at {address:#x} {place}")]
    Outside { address: u64, bytes: u64, place: String },
    #[error("{bytes} bytes at {address:#x} that nobody wrote {place}")]
    Unwritten { address: u64, bytes: u64, place: String },
    #[error("{address:#x} is freed but is not an allocation's start: it {place}")]
    NotAnAllocation { address: u64, place: String },
}

/// All allocations, live and lately freed, by address.
pub(crate) struct Memory {
    blocks: BTreeMap<u64, Block>,
    freed: VecDeque<u64>,
    freed_bytes: usize,
    used: usize,
    total: usize,
}

struct Block {
    bytes: usize,
    live: bool,
}

impl Memory {
    pub(crate) fn new(total: usize) -> Self {
        let (blocks, freed) = (BTreeMap::new(), VecDeque::new());
        Self { blocks, freed, freed_bytes: 0, used: 0, total }
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn free_bytes(&self) -> usize {
        self.total - self.used
    }

    /// Allocates `bytes` bytes of poison.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<u64, MemoryError> {
        let full = MemoryError::Full { bytes, free: self.free_bytes() };
        if bytes > self.free_bytes() {
            return Err(full);
        }
        // SAFETY: the layout has a size above zero.
        let pointer = unsafe { alloc(layout(bytes)) };
        if pointer.is_null() {
            return Err(full);
        }
        poison(pointer, bytes);
        self.used += bytes;
        let address = pointer as u64;
        self.blocks.insert(address, Block { bytes, live: true });
        Ok(address)
    }

    /// Frees an allocation. Its bytes turn to poison and are kept for a while.
    pub(crate) fn free(&mut self, address: u64) -> Result<(), MemoryError> {
        let place = self.describe(address);
        let Some(block) = self.blocks.get_mut(&address).filter(|block| block.live) else {
            return Err(MemoryError::NotAnAllocation { address, place });
        };
        block.live = false;
        poison(address as *mut u8, block.bytes);
        self.used -= block.bytes;
        self.freed_bytes += block.bytes;
        self.freed.push_back(address);
        while self.freed_bytes > QUARANTINE {
            self.release_oldest();
        }
        Ok(())
    }

    fn release_oldest(&mut self) {
        let Some(address) = self.freed.pop_front() else { return };
        if let Some(block) = self.blocks.remove(&address) {
            self.freed_bytes -= block.bytes;
            // SAFETY: `allocate` got the pointer from this layout, and only the queue of freed
            // blocks, from which it was taken, leads here.
            unsafe { dealloc(address as *mut u8, layout(block.bytes)) };
        }
    }

    /// The live allocation that holds all of `bytes` bytes at `address`.
    pub(crate) fn find(&self, address: u64, bytes: u64) -> Result<Range, MemoryError> {
        let holds = |&(&start, block): &(&u64, &Block)| {
            let size = block.bytes as u64;
            block.live && bytes <= size && address - start <= size - bytes
        };
        match self.blocks.range(..=address).next_back().filter(holds) {
            Some((&start, block)) => Ok(Range { start, bytes: block.bytes as u64 }),
            None => Err(MemoryError::Outside { address, bytes, place: self.describe(address) }),
        }
    }

    /// As [`Memory::find`], for elements of 2, 4 or 8 bytes, each of which was written.
    pub(crate) fn find_written(
        &self,
        address: u64,
        bytes: u64,
        width: u64,
    ) -> Result<Range, MemoryError> {
        let range = self.find(address, bytes)?;
        // SAFETY: they lie in a live allocation.
        match unsafe { unwritten(address, bytes, width) } {
            None => Ok(range),
            Some(address) => Err(self.unwritten(address, width)),
        }
    }

    /// The error for an element that was read and that nobody wrote.
    pub(crate) fn unwritten(&self, address: u64, bytes: u64) -> MemoryError {
        MemoryError::Unwritten { address, bytes, place: self.describe(address) }
    }

    /// Where `address` lies, in words.
    fn describe(&self, address: u64) -> String {
        let below = self.blocks.range(..=address).next_back();
        let above = self.blocks.range(address.saturating_add(1)..).find(|(_, block)| block.live);
        let near = |start: u64, block: &Block| {
            let freed = if block.live { "the" } else { "the freed" };
            format!("{freed} allocation of {} bytes at {start:#x}", block.bytes)
        };
        match (below, above) {
            (Some((&start, block)), _) if address - start < block.bytes as u64 => {
                let left = block.bytes as u64 - (address - start);
                format!("lie {left} bytes before the end of {}", near(start, block))
            }
            (None, None) => "lie in no allocation: there is none".into(),
            (None, Some((&start, block))) => {
                format!("lie {} bytes before {}", start - address, near(start, block))
            }
            (Some((&start, block)), _) => {
                let past = address - start - block.bytes as u64;
                format!("lie {past} bytes past the end of {}", near(start, block))
            }
        }
    }
}

/// At least one byte, so that every allocation has an address of its own.
fn layout(bytes: usize) -> Layout {
    let size = bytes.max(1).next_multiple_of(ALIGN);
    Layout::from_size_align(size, ALIGN).unwrap_or(Layout::new::<u8>())
}

fn poison(pointer: *mut u8, bytes: usize) {
    // SAFETY: both callers pass an allocation and its size, and it is of this layout.
    let words = unsafe { slice::from_raw_parts_mut(pointer.cast(), layout(bytes).size() / 4) };
    words.fill(POISON);
}

/// The first of some elements of 2, 4 or 8 bytes that nobody wrote. Where the first one is not
/// aligned, those that are aligned are looked at.
///
/// # Safety
/// The bytes can be read.
unsafe fn unwritten(address: u64, bytes: u64, width: u64) -> Option<u64> {
    let pair = u64::from(POISON) << 32 | u64::from(POISON);
    let end = address + bytes;
    (address.next_multiple_of(width)..end).step_by(width as usize).find(|&at| {
        // SAFETY: the caller's promise, and the address is aligned.
        let (found, poison) = unsafe {
            match width {
                _ if at + width > end => return false,
                2 => ((at as *const u16).read().into(), pair >> (at % 4 * 8) & 0xFFFF),
                4 => ((at as *const u32).read().into(), u64::from(POISON)),
                _ => ((at as *const u64).read(), pair),
            }
        };
        found == poison
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_lies_in_one_live_allocation() {
        let mut memory = Memory::new(100);
        let start = memory.allocate(40).unwrap();
        let whole = Range { start, bytes: 40 };
        assert_eq!(memory.find(start, 40), Ok(whole));
        assert_eq!(memory.find(start + 36, 4), Ok(whole));
        for (offset, bytes, said) in [
            (37, 4, "lie 3 bytes before the end of the allocation of 40 bytes"),
            (40, 1, "lie 0 bytes past the end of the allocation of 40 bytes"),
            (0, u64::MAX, "lie 40 bytes before the end"),
        ] {
            let error = memory.find(start + offset, bytes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        memory.free(start).unwrap();
        let error = memory.find(start, 4).unwrap_err().to_string();
        assert!(error.contains("the freed allocation of 40 bytes"), "{error}");
        assert!(memory.free(start).is_err());
    }

    #[test]
    fn what_is_read_was_written() {
        let mut memory = Memory::new(100);
        let start = memory.allocate(24).unwrap();
        for (value, offset) in [(1_u16, 0), (0, 4), (0, 6), (2, 10)] {
            // SAFETY: it lies in the allocation.
            unsafe { ((start + offset) as *mut u16).write(value) };
        }
        for (offset, bytes, width, first) in [
            (0, 2, 2, None),
            (0, 8, 2, Some(2)),
            (4, 8, 2, Some(8)),
            (10, 2, 2, None),
            (0, 12, 4, None),
            (0, 24, 4, Some(12)),
            (10, 8, 4, Some(12)),
            (0, 24, 8, Some(16)),
            (20, 4, 8, None),
        ] {
            let expected = first.map(|offset| memory.unwritten(start + offset, width));
            let found = memory.find_written(start + offset, bytes, width).err();
            assert_eq!(found, expected, "{offset} {bytes} {width}");
        }
        let error = memory.find_written(start + 12, 4, 4).unwrap_err().to_string();
        let said = "that nobody wrote lie 12 bytes before the end of the allocation of 24 bytes";
        assert!(error.contains(said), "{error}");
    }

    #[test]
    fn memory_ends() {
        let mut memory = Memory::new(100);
        let first = memory.allocate(60).unwrap();
        assert_eq!(memory.allocate(41), Err(MemoryError::Full { bytes: 41, free: 40 }));
        memory.free(first).unwrap();
        assert_eq!((memory.free_bytes(), memory.total()), (100, 100));
        assert!(memory.allocate(100).is_ok());
    }
}
