//! Events: the moment at which they were recorded.

use std::time::Instant;

use super::context::Handle;
use super::status::{INVALID_VALUE, SUCCESS, Status};

type Event = Option<Instant>;

/// Writes a new event.
///
/// # Safety
/// `event` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut Handle, _flags: u32) -> Status {
    // SAFETY: the caller's promise.
    unsafe { event.write(Box::into_raw(Box::new(Event::None)).cast()) };
    SUCCESS
}

/// Frees an event.
///
/// # Safety
/// `event` comes from `cuEventCreate` and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(event: Handle) -> Status {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(event.cast::<Event>()) });
    SUCCESS
}

/// Notes the time.
///
/// # Safety
/// `event` is live, and no other thread uses it now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(event: Handle, _stream: Handle) -> Status {
    // SAFETY: the caller's promise.
    unsafe { event.cast::<Event>().write(Some(Instant::now())) };
    SUCCESS
}

/// Does nothing: all work is done.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventSynchronize(_event: Handle) -> Status {
    SUCCESS
}

/// Says that all work is done.
#[unsafe(no_mangle)]
pub extern "C" fn cuEventQuery(_event: Handle) -> Status {
    SUCCESS
}

/// Writes the milliseconds between two events.
///
/// # Safety
/// Both events are live, and `milliseconds` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime(
    milliseconds: *mut f32,
    start: Handle,
    end: Handle,
) -> Status {
    // SAFETY: the caller's promise.
    let (start, end) = unsafe { (start.cast::<Event>().read(), end.cast::<Event>().read()) };
    let (Some(start), Some(end)) = (start, end) else { return INVALID_VALUE };
    let elapsed = end.saturating_duration_since(start);
    // SAFETY: the caller's promise.
    unsafe { milliseconds.write(elapsed.as_secs_f32() * 1e3) };
    SUCCESS
}
