//! Opens a CUDA device, and says how much memory it has.

use std::sync::Arc;

use cudarc::driver::{CudaDevice, result};
use dfdx::prelude::{Cache, Cuda, Storage};

use crate::Error;

/// The CUDA device of this number, from 0. Buffers that it frees are kept for tensors of the same
/// size: a training step needs those of the last one.
///
/// # Errors
///
/// [`Error::NoDevice`] where there is no driver or no device of the number; [`Error::Device`].
pub fn cuda(ordinal: usize) -> Result<Cuda, Error> {
    let count = result::init().and_then(|()| result::device::get_count());
    let count = count.map_err(|reason| Error::NoDevice(format!("the driver says {reason}")))?;
    if ordinal >= count as usize {
        let found = match count {
            0 => "none was found".to_owned(),
            1 => "only cuda:0 was found".to_owned(),
            _ => format!("only cuda:0 to cuda:{} were found", count - 1),
        };
        return Err(Error::NoDevice(found));
    }
    let dev = Cuda::try_build(ordinal, 0).map_err(Error::device)?;
    dev.try_enable_cache().map_err(Error::device)?;
    Ok(dev)
}

/// All memory of a device, in bytes.
///
/// # Errors
///
/// [`Error::Device`].
pub fn cuda_memory(dev: &Cuda) -> Result<u64, Error> {
    driver(dev)?.bind_to_thread().map_err(Error::device)?;
    let (_free, total) = result::mem_get_info().map_err(Error::device)?;
    Ok(total as u64)
}

/// The device as the driver knows it: dfdx keeps it to itself, but a buffer tells.
pub(crate) fn driver(dev: &Cuda) -> Result<Arc<CudaDevice>, Error> {
    let buffer = Storage::<u8>::try_alloc_len(dev, 0).map_err(Error::device)?;
    Ok(buffer.device())
}
