//! Results of entry points, and their names.

use std::ffi::{CStr, c_char};

/// What an entry point returns; zero is success.
pub type Status = u32;

/// It worked.
pub const SUCCESS: Status = 0;
/// An argument makes no sense.
pub const INVALID_VALUE: Status = 1;
/// The device's memory is full.
pub const OUT_OF_MEMORY: Status = 2;
/// There is no such device.
pub const INVALID_DEVICE: Status = 101;
/// The PTX is refused.
pub const INVALID_PTX: Status = 218;
/// There is no such file.
pub const FILE_NOT_FOUND: Status = 301;
/// There is no such name.
pub const NOT_FOUND: Status = 500;
/// A thing that the emulator does not do.
pub const NOT_SUPPORTED: Status = 801;

/// Writes the name of `status`.
///
/// # Safety
/// `name` points to a writable pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(status: Status, name: *mut *const c_char) -> Status {
    // SAFETY: the caller's promise.
    unsafe { name.write(describe(status).0.as_ptr()) };
    SUCCESS
}

/// Writes what `status` means.
///
/// # Safety
/// `text` points to a writable pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(status: Status, text: *mut *const c_char) -> Status {
    // SAFETY: the caller's promise.
    unsafe { text.write(describe(status).1.as_ptr()) };
    SUCCESS
}

fn describe(status: Status) -> (&'static CStr, &'static CStr) {
    match status {
        SUCCESS => (c"CUDA_SUCCESS", c"no error"),
        INVALID_VALUE => (c"CUDA_ERROR_INVALID_VALUE", c"invalid argument"),
        OUT_OF_MEMORY => (c"CUDA_ERROR_OUT_OF_MEMORY", c"out of memory"),
        INVALID_DEVICE => (c"CUDA_ERROR_INVALID_DEVICE", c"invalid device ordinal"),
        INVALID_PTX => (c"CUDA_ERROR_INVALID_PTX", c"the emulator refuses the PTX"),
        FILE_NOT_FOUND => (c"CUDA_ERROR_FILE_NOT_FOUND", c"file not found"),
        NOT_FOUND => (c"CUDA_ERROR_NOT_FOUND", c"named symbol not found"),
        NOT_SUPPORTED => (c"CUDA_ERROR_NOT_SUPPORTED", c"the emulator does not do this"),
        _ => (c"CUDA_ERROR_UNKNOWN", c"unknown error"),
    }
}
