//! Devices: how many there are and what they say of themselves.

use std::ffi::{c_char, c_void};

use super::status::{INVALID_DEVICE, NOT_FOUND, SUCCESS, Status};
use crate::memory;

/// The version of CUDA that the driver claims: 13.0.
const VERSION: i32 = 13000;
/// The compute capability that it claims.
const CAPABILITY: (i32, i32) = (8, 0);

fn count() -> i32 {
    let set = std::env::var("TRICKBAG_CUDA_EMULATOR_DEVICES").ok();
    set.and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// Does nothing: there is nothing to start.
#[unsafe(no_mangle)]
pub extern "C" fn cuInit(_flags: u32) -> Status {
    SUCCESS
}

/// Writes the version.
///
/// # Safety
/// `version` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut i32) -> Status {
    // SAFETY: the caller's promise.
    unsafe { version.write(VERSION) };
    SUCCESS
}

/// Writes the number of devices: `TRICKBAG_CUDA_EMULATOR_DEVICES`, or 1.
///
/// # Safety
/// `devices` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(devices: *mut i32) -> Status {
    // SAFETY: the caller's promise.
    unsafe { devices.write(count()) };
    SUCCESS
}

/// Writes the handle of a device, which is its ordinal.
///
/// # Safety
/// `device` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut i32, ordinal: i32) -> Status {
    if !(0..count()).contains(&ordinal) {
        return INVALID_DEVICE;
    }
    // SAFETY: the caller's promise.
    unsafe { device.write(ordinal) };
    SUCCESS
}

/// Writes the name of a device.
///
/// # Safety
/// `name` holds `length` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, length: i32, _device: i32) -> Status {
    let text = c"Emulated CUDA device (no GPU)".to_bytes_with_nul();
    let kept = text.len().min(length.max(0) as usize);
    // SAFETY: `kept` is within both.
    unsafe { name.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), kept) };
    SUCCESS
}

/// Writes how many bytes of memory a device has.
///
/// # Safety
/// `bytes` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: i32) -> Status {
    // SAFETY: the caller's promise.
    unsafe { bytes.write(memory::read().total()) };
    SUCCESS
}

/// Writes an attribute of a device; those that are not known are 0.
///
/// # Safety
/// `value` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(
    value: *mut i32,
    attribute: u32,
    _device: i32,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { value.write(known(attribute)) };
    SUCCESS
}

/// Numbers as in `CUdevice_attribute`.
fn known(attribute: u32) -> i32 {
    match attribute {
        1..=3 => 1024,
        4 => 64,
        5 => i32::MAX,
        6 | 7 => 65535,
        // Shared memory of a block, and with its consent.
        8 | 97 => 48 << 10,
        9 => 64 << 10,
        // Threads of a warp.
        10 => 32,
        12 => 64 << 10,
        // Processors, and the threads of each.
        16 => 2,
        39 => 2048,
        // Addresses are the same on the host and on the device.
        41 => 1,
        75 => CAPABILITY.0,
        76 => CAPABILITY.1,
        // Memory pools, which `cuMemAllocAsync` needs.
        115 => 1,
        _ => 0,
    }
}

/// Private tables of the driver: there are none. NVRTC asks.
///
/// # Safety
/// `table` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetExportTable(table: *mut *const c_void, _id: *const c_void) -> Status {
    // SAFETY: the caller's promise.
    unsafe { table.write(std::ptr::null()) };
    NOT_FOUND
}
