//! Modules and launches.

use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

use super::context::Handle;
use super::status::{
    FILE_NOT_FOUND, INVALID_PTX, INVALID_VALUE, NOT_FOUND, NOT_SUPPORTED, SUCCESS, Status,
};
use crate::fault::say;
use crate::launch::{self, Grid};
use crate::module::{Loaded, Module};

const MOST_THREADS: u64 = 1024;
const MOST_SHARED: usize = 48 << 10;

/// Loads PTX that ends with a zero. Anything else is refused.
///
/// # Safety
/// `image` ends with a zero, and `module` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, image: *const c_void) -> Status {
    // SAFETY: the caller's promise.
    let image = unsafe { CStr::from_ptr(image.cast()) };
    let Ok(source) = image.to_str() else {
        say("a module that is not PTX text");
        return INVALID_PTX;
    };
    match Module::load(source) {
        Ok(loaded) => {
            // SAFETY: the caller's promise.
            unsafe { module.write(Box::into_raw(Box::new(loaded)).cast()) };
            SUCCESS
        }
        Err(error) => {
            say(&format!("a module is not loaded: {error}"));
            INVALID_PTX
        }
    }
}

/// Loads a file of PTX.
///
/// # Safety
/// `path` ends with a zero, and `module` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoad(module: *mut Handle, path: *const c_char) -> Status {
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    let Ok(mut text) = std::fs::read(&*path) else { return FILE_NOT_FOUND };
    text.push(0);
    // SAFETY: it ends with a zero; the rest is the caller's promise.
    unsafe { cuModuleLoadData(module, text.as_ptr().cast()) }
}

/// Drops a module. Launches from its functions are no longer allowed.
///
/// # Safety
/// `module` comes from a load and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(module: Handle) -> Status {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(module.cast::<Module>()) });
    SUCCESS
}

/// Writes a kernel of a module.
///
/// # Safety
/// `module` is loaded, `name` ends with a zero, and `function` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(
    function: *mut Handle,
    module: Handle,
    name: *const c_char,
) -> Status {
    // SAFETY: the caller's promise.
    let (module, name) = unsafe { (&*module.cast::<Module>(), CStr::from_ptr(name)) };
    let Some(kernel) = module.kernel(&name.to_string_lossy()) else { return NOT_FOUND };
    let kernel: *const Arc<Loaded> = kernel;
    // SAFETY: the caller's promise. The kernel stays where it is while its module is loaded.
    unsafe { function.write(kernel.cast_mut().cast()) };
    SUCCESS
}

/// Runs a kernel to its end.
///
/// # Safety
/// `function` is a kernel of a loaded module, and `params` points to a pointer to each of its
/// parameters.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "CUDA's own")]
pub unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared: u32,
    _stream: Handle,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Status {
    // SAFETY: the caller's promise.
    let kernel = unsafe { &*function.cast::<Arc<Loaded>>() };
    let grid = Grid {
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared: shared as usize,
    };
    if !extra.is_null() {
        return NOT_SUPPORTED;
    }
    if !possible(grid, kernel) {
        return INVALID_VALUE;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let params = gather(kernel, params);
        launch::run(kernel, grid, &params);
    }
    SUCCESS
}

fn possible(grid: Grid, kernel: &Loaded) -> bool {
    let threads: u64 = grid.block.iter().map(|&n| u64::from(n)).product();
    let shared = kernel.kernel.shared + grid.shared;
    !grid.grid.contains(&0) && (1..=MOST_THREADS).contains(&threads) && shared <= MOST_SHARED
}

/// Copies each parameter to its place.
///
/// # Safety
/// As for [`cuLaunchKernel`].
unsafe fn gather(kernel: &Loaded, params: *mut *mut c_void) -> Vec<u8> {
    let layout = &kernel.kernel.params;
    let end = layout.last().map_or(0, |(offset, size)| offset + size);
    let mut bytes = vec![0; end];
    for (index, &(offset, size)) in layout.iter().enumerate() {
        // SAFETY: the caller's promise: there is a pointer for each parameter.
        let from = unsafe { std::slice::from_raw_parts((*params.add(index)).cast::<u8>(), size) };
        bytes[offset..][..size].copy_from_slice(from);
    }
    bytes
}

/// Writes how many blocks of this many threads a processor holds.
///
/// # Safety
/// `blocks` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    blocks: *mut i32,
    _function: Handle,
    threads: i32,
    _shared: usize,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { blocks.write(2048 / threads.max(1)) };
    SUCCESS
}
