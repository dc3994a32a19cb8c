//! Questions to the emulated driver in the same process.

use std::sync::OnceLock;

type GetRange = unsafe extern "C" fn(*mut u64, *mut usize, u64) -> u32;

/// Ends the program unless `bytes` bytes at `address` lie in one live allocation.
pub(crate) fn check(entry: &str, address: u64, bytes: usize) {
    if bytes == 0 {
        return;
    }
    let Some(range) = driver() else {
        fault("NCCL without the emulated driver in the same process");
    };
    let (mut start, mut size) = (address, 0);
    // SAFETY: both are writable. They keep their values when there is no allocation.
    unsafe { range(&mut start, &mut size, address) };
    let left = size as u64 - (address - start);
    if bytes as u64 > left {
        fault(&format!(
            "{entry}: {bytes} bytes at {address:#x}, {left} bytes before the end of the allocation of {size} bytes at {start:#x}"
        ));
    }
}

fn driver() -> Option<GetRange> {
    static DRIVER: OnceLock<Option<GetRange>> = OnceLock::new();
    *DRIVER.get_or_init(|| {
        let name = c"cuMemGetAddressRange_v2";
        // SAFETY: the name ends with a zero.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: the driver's entry point has this type.
        (!symbol.is_null())
            .then(|| unsafe { std::mem::transmute::<*mut libc::c_void, GetRange>(symbol) })
    })
}

/// Prints `message` and aborts.
#[allow(clippy::print_stderr, reason = "a library without a host to report to")]
pub(crate) fn fault(message: &str) -> ! {
    eprintln!("cuda-emulator: {message}");
    std::process::abort()
}
