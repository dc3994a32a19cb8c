//! Memory: allocation, copies, fills.

use std::ffi::c_void;

use super::context::Handle;
use super::status::{INVALID_VALUE, NOT_FOUND, OUT_OF_MEMORY, SUCCESS, Status};
use crate::fault::{fault, say};
use crate::memory::{self, MemoryError};

/// Allocates; a size of 0 is refused, as CUDA does.
///
/// # Safety
/// `address` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> Status {
    if bytes == 0 {
        return INVALID_VALUE;
    }
    // SAFETY: the caller's promise.
    unsafe { cuMemAllocAsync(address, bytes, std::ptr::null_mut()) }
}

/// Allocates; a size of 0 gives an address at which nothing lies.
///
/// # Safety
/// `address` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(
    address: *mut u64,
    bytes: usize,
    _stream: Handle,
) -> Status {
    match memory::write().allocate(bytes) {
        Ok(found) => {
            // SAFETY: the caller's promise.
            unsafe { address.write(found) };
            SUCCESS
        }
        Err(error) => {
            say(&error.to_string());
            OUT_OF_MEMORY
        }
    }
}

/// Frees.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree_v2(address: u64) -> Status {
    if address != 0
        && let Err(error) = memory::write().free(address)
    {
        fault(&format!("cuMemFree: {error}"));
    }
    SUCCESS
}

/// Frees.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeAsync(address: u64, _stream: Handle) -> Status {
    cuMemFree_v2(address)
}

/// Writes how many bytes are free, and how many there are.
///
/// # Safety
/// Both are writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    let memory = memory::read();
    // SAFETY: the caller's promise.
    unsafe {
        free.write(memory.free_bytes());
        total.write(memory.total());
    }
    SUCCESS
}

/// Writes the start and size of the live allocation that holds `address`.
///
/// # Safety
/// `start` and `bytes` are null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetAddressRange_v2(
    start: *mut u64,
    bytes: *mut usize,
    address: u64,
) -> Status {
    let Ok(range) = memory::read().find(address, 1) else { return NOT_FOUND };
    // SAFETY: the caller's promise.
    unsafe {
        if !start.is_null() {
            start.write(range.start);
        }
        if !bytes.is_null() {
            bytes.write(range.bytes as usize);
        }
    }
    SUCCESS
}

/// Gives the first of some elements of 2, 4 or 8 bytes that nobody wrote, or 0: for the emulator's
/// other libraries.
#[unsafe(no_mangle)]
pub extern "C" fn cuEmulatorUnwritten(address: u64, bytes: u64, width: u64) -> u64 {
    match memory::read().find_written(address, bytes, width) {
        Err(MemoryError::Unwritten { address, .. }) => address,
        _ => 0,
    }
}

/// Ends the program unless `bytes` bytes at `address` lie in one allocation.
fn check(entry: &str, address: u64, bytes: usize) {
    if bytes > 0
        && let Err(error) = memory::read().find(address, bytes as u64)
    {
        fault(&format!("{entry}: {error}"));
    }
}

/// Copies to the device.
///
/// # Safety
/// `from` holds `bytes` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> Status {
    check("cuMemcpyHtoD", to, bytes);
    // SAFETY: the caller's promise, and the target was checked.
    unsafe { std::ptr::copy(from.cast(), to as *mut u8, bytes) };
    SUCCESS
}

/// Copies to the device.
///
/// # Safety
/// As for [`cuMemcpyHtoD_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    _stream: Handle,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { cuMemcpyHtoD_v2(to, from, bytes) }
}

/// Copies to the host what was written, which is told by words of 32 bits.
///
/// # Safety
/// `to` holds `bytes` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> Status {
    if bytes > 0
        && let Err(error) = memory::read().find_written(from, bytes as u64, 4)
    {
        fault(&format!("cuMemcpyDtoH: {error}"));
    }
    // SAFETY: the caller's promise, and the source was checked.
    unsafe { std::ptr::copy(from as *const u8, to.cast(), bytes) };
    SUCCESS
}

/// Copies to the host.
///
/// # Safety
/// As for [`cuMemcpyDtoH_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    _stream: Handle,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { cuMemcpyDtoH_v2(to, from, bytes) }
}

/// Copies within the device.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> Status {
    check("cuMemcpyDtoD", from, bytes);
    check("cuMemcpyDtoD", to, bytes);
    // SAFETY: both were checked, and they may overlap.
    unsafe { std::ptr::copy(from as *const u8, to as *mut u8, bytes) };
    SUCCESS
}

/// Copies within the device.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoDAsync_v2(
    to: u64,
    from: u64,
    bytes: usize,
    _stream: Handle,
) -> Status {
    cuMemcpyDtoD_v2(to, from, bytes)
}

/// Fills bytes.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8_v2(to: u64, value: u8, bytes: usize) -> Status {
    check("cuMemsetD8", to, bytes);
    // SAFETY: it was checked.
    unsafe { (to as *mut u8).write_bytes(value, bytes) };
    SUCCESS
}

/// Fills bytes.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8Async(to: u64, value: u8, bytes: usize, _stream: Handle) -> Status {
    cuMemsetD8_v2(to, value, bytes)
}
