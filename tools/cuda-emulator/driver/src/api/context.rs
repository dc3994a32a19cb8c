//! Contexts and streams. All work is done when its entry point returns, so that they are names.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;

use super::status::{SUCCESS, Status};

/// A context or stream: an address that is never followed.
pub type Handle = *mut c_void;

thread_local! {
    static CURRENT: Cell<Handle> = const { Cell::new(null_mut()) };
}

/// Writes the context of a device.
///
/// # Safety
/// `context` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: i32) -> Status {
    // SAFETY: the caller's promise.
    unsafe { context.write((0x1000 + device as usize) as Handle) };
    SUCCESS
}

/// Does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: i32) -> Status {
    SUCCESS
}

/// Makes `context` the thread's own.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSetCurrent(context: Handle) -> Status {
    CURRENT.set(context);
    SUCCESS
}

/// Writes the thread's context.
///
/// # Safety
/// `context` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> Status {
    // SAFETY: the caller's promise.
    unsafe { context.write(CURRENT.get()) };
    SUCCESS
}

/// Does nothing: all work is done.
#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize() -> Status {
    SUCCESS
}

/// Writes a stream.
///
/// # Safety
/// `stream` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, _flags: u32) -> Status {
    // SAFETY: the caller's promise.
    unsafe { stream.write(0x2000 as Handle) };
    SUCCESS
}

/// Does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamDestroy_v2(_stream: Handle) -> Status {
    SUCCESS
}

/// Does nothing: all work is done.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamSynchronize(_stream: Handle) -> Status {
    SUCCESS
}

/// Says that all work is done.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamQuery(_stream: Handle) -> Status {
    SUCCESS
}

/// Does nothing: what the event waits for is done.
#[unsafe(no_mangle)]
pub extern "C" fn cuStreamWaitEvent(_stream: Handle, _event: Handle, _flags: u32) -> Status {
    SUCCESS
}

/// Does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn cuProfilerStart() -> Status {
    SUCCESS
}

/// Does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn cuProfilerStop() -> Status {
    SUCCESS
}
