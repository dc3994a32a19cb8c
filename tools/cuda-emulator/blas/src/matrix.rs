//! A matrix in device memory, or a batch of them.

use std::ffi::{CStr, c_void};
use std::mem::transmute;
use std::sync::OnceLock;

use crate::element::Kind;

/// A column-major matrix of `rows` by `columns`, or a batch of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix {
    pub(crate) address: u64,
    pub(crate) kind: Kind,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Elements from one column to the next.
    pub(crate) leading: usize,
    /// Elements from one matrix of the batch to the next.
    pub(crate) stride: usize,
}

impl Matrix {
    /// The address of an element of the batch's matrix `batch`.
    pub(crate) fn at(&self, batch: usize, offset: usize) -> u64 {
        self.address + ((batch * self.stride + offset) * self.kind.bytes()) as u64
    }

    /// Ends the program unless the driver knows one live allocation that holds all `batches`.
    pub(crate) fn check(&self, entry: &str, name: &str, batches: usize) {
        if self.rows == 0 || self.columns == 0 || batches == 0 {
            return;
        }
        let last = (batches - 1) * self.stride + (self.columns - 1) * self.leading + self.rows;
        let bytes = (last * self.kind.bytes()) as u64;
        let (start, size) = allocation(self.address);
        if self.address - start > size || bytes > size - (self.address - start) {
            fault(&format!(
                "{entry}: matrix {name} of {} x {}, leading dimension {}, {batches} in the batch, takes {bytes} bytes at {:#x}, of the allocation of {size} bytes at {start:#x}",
                self.rows, self.columns, self.leading, self.address,
            ));
        }
        if !self.address.is_multiple_of(self.kind.bytes() as u64) {
            fault(&format!("{entry}: matrix {name} at {:#x} is not aligned", self.address));
        }
    }

    /// Ends the program unless all elements of all `batches`, which were checked, were written.
    pub(crate) fn check_written(&self, entry: &str, name: &str, batches: usize) {
        let width = self.kind.bytes() as u64;
        for (batch, column) in (0..batches).flat_map(|b| (0..self.columns).map(move |c| (b, c))) {
            let first = self.at(batch, column * self.leading);
            let unwritten = (driver().unwritten)(first, self.rows as u64 * width, width);
            if unwritten != 0 {
                let (start, size) = allocation(unwritten);
                fault(&format!(
                    "{entry}: matrix {name} of {} x {} has an element at {unwritten:#x} that nobody wrote, of the allocation of {size} bytes at {start:#x}",
                    self.rows, self.columns,
                ));
            }
        }
    }
}

/// Start and size of the live allocation at `address`; both 0 and the address when there is none.
fn allocation(address: u64) -> (u64, u64) {
    let (mut start, mut bytes) = (address, 0);
    // SAFETY: both are writable. They keep their values when there is no allocation.
    unsafe { (driver().get_range)(&mut start, &mut bytes, address) };
    (start, bytes as u64)
}

type GetRange = unsafe extern "C" fn(*mut u64, *mut usize, u64) -> u32;
type Unwritten = extern "C" fn(u64, u64, u64) -> u64;

/// Questions to the emulated driver in the same process.
struct Driver {
    get_range: GetRange,
    unwritten: Unwritten,
}

fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    let find = |name: &CStr| {
        // SAFETY: the name ends with a zero.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        if symbol.is_null() {
            fault("cuBLAS without the emulated driver in the same process");
        }
        symbol
    };
    // SAFETY: the driver's entry points have these types.
    DRIVER.get_or_init(|| unsafe {
        Driver {
            get_range: transmute::<*mut c_void, GetRange>(find(c"cuMemGetAddressRange_v2")),
            unwritten: transmute::<*mut c_void, Unwritten>(find(c"cuEmulatorUnwritten")),
        }
    })
}

/// Prints `message` and aborts.
#[allow(clippy::print_stderr, reason = "a library without a host to report to")]
pub(crate) fn fault(message: &str) -> ! {
    eprintln!("cuda-emulator: {message}");
    std::process::abort()
}
