//! The same on CUDA, in kernels of our own: a gradient's buffer, unlike a tensor's, is within reach.

use std::sync::Arc;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{
    CudaDevice, CudaFunction, DeviceRepr, DeviceSlice, DriverError, LaunchAsync, LaunchConfig,
};
use cudarc::nvrtc::compile_ptx;
use cudarc::types::CudaTypeName;
use dfdx::dtypes::Dtype;
use dfdx::prelude::*;

use super::Widen;

/// `$T` stands for the narrow format.
const SOURCE: &str = include_str!("kernels.cu");
const WIDEN: &str = "widen";
const ADD_NARROWED: &str = "add_narrowed";

impl<E: Dtype + CudaTypeName + DeviceRepr> Widen<E> for Cuda
where
    Cuda: Device<E>,
{
    fn widen(
        from: &<Self as Storage<E>>::Vec,
        to: &mut <Self as Storage<f32>>::Vec,
    ) -> Result<(), CudaError> {
        launch::<E, E, f32>(WIDEN, from, to)
    }

    fn add_narrowed(
        from: &<Self as Storage<f32>>::Vec,
        to: &mut <Self as Storage<E>>::Vec,
    ) -> Result<(), CudaError> {
        launch::<E, f32, E>(ADD_NARROWED, from, to)
    }
}

/// Launches a kernel for `E`, with a thread for each number.
fn launch<E: CudaTypeName, From: Dtype + DeviceRepr, To: Dtype + DeviceRepr>(
    name: &'static str,
    from: &<Cuda as Storage<From>>::Vec,
    to: &mut <Cuda as Storage<To>>::Vec,
) -> Result<(), CudaError> {
    let len = from.len().min(to.len());
    // The driver refuses to launch no threads.
    if len == 0 {
        return Ok(());
    }
    let function = function::<E>(&from.device(), name)?;
    let config = LaunchConfig::for_num_elems(len as u32);
    // SAFETY: these are the kernel's parameters, and it touches no more numbers than the shorter
    // buffer has.
    Ok(unsafe { function.launch(config, (len, from, to)) }?)
}

/// One of the kernels for `E`, compiled when it is first needed.
fn function<E: CudaTypeName>(
    dev: &Arc<CudaDevice>,
    name: &'static str,
) -> Result<CudaFunction, CudaError> {
    let module = format!("trickbag_widen_{}", E::NAME);
    if !dev.has_func(&module, name) {
        let ptx = compile_ptx(SOURCE.replace("$T", E::NAME));
        let ptx = ptx.map_err(|_| DriverError(CUresult::CUDA_ERROR_INVALID_SOURCE))?;
        dev.load_ptx(ptx, &module, &[WIDEN, ADD_NARROWED])?;
    }
    let found = dev.get_func(&module, name);
    Ok(found.ok_or(DriverError(CUresult::CUDA_ERROR_NOT_FOUND))?)
}
