//! A matrix in device memory, or a batch of them.

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
}

/// Start and size of the live allocation at `address`; both 0 and the address when there is none.
fn allocation(address: u64) -> (u64, u64) {
    type GetRange = unsafe extern "C" fn(*mut u64, *mut usize, u64) -> u32;
    static DRIVER: OnceLock<Option<GetRange>> = OnceLock::new();
    let find = || {
        let name = c"cuMemGetAddressRange_v2";
        // SAFETY: the name ends with a zero.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: the driver's entry point has this type.
        (!symbol.is_null())
            .then(|| unsafe { std::mem::transmute::<*mut libc::c_void, GetRange>(symbol) })
    };
    let Some(range) = DRIVER.get_or_init(find) else {
        fault("cuBLAS without the emulated driver in the same process");
    };
    let (mut start, mut bytes) = (address, 0);
    // SAFETY: both are writable. They keep their values when there is no allocation.
    unsafe { range(&mut start, &mut bytes, address) };
    (start, bytes as u64)
}

/// Prints `message` and aborts.
#[allow(clippy::print_stderr, reason = "a library without a host to report to")]
pub(crate) fn fault(message: &str) -> ! {
    eprintln!("cuda-emulator: {message}");
    std::process::abort()
}
