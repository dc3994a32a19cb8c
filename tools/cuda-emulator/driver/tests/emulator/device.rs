//! A small PTX kernel on the emulated device, from a test's point of view.

use std::ffi::{CString, c_void};
use std::ptr::null_mut;

use cuda::api::context::Handle;
use cuda::api::memory::{cuMemAllocAsync, cuMemFree_v2, cuMemcpyDtoH_v2, cuMemcpyHtoD_v2};
use cuda::api::module::{cuLaunchKernel, cuModuleGetFunction, cuModuleLoadData};
use cuda::api::status::{SUCCESS, Status};

/// What stands before every kernel.
const HEAD: &str = ".version 8.0\n.target sm_80\n.address_size 64\n";

/// A loaded kernel named `k`.
pub(crate) struct Kernel(Handle);

/// A pointer parameter, or a number.
pub(crate) enum Argument {
    /// The address of device memory.
    Pointer(u64),
    /// 32 bits.
    Word(u32),
}

impl Kernel {
    /// Loads a module and takes its kernel `k`.
    pub(crate) fn load(module: &str) -> Result<Self, Status> {
        let text = CString::new(format!("{HEAD}{module}")).unwrap();
        let (mut module, mut function) = (null_mut(), null_mut());
        // SAFETY: the text ends with a zero, and both results are writable.
        let status = unsafe { cuModuleLoadData(&mut module, text.as_ptr().cast()) };
        if status != SUCCESS {
            return Err(status);
        }
        // SAFETY: the module is loaded and is never unloaded.
        let status = unsafe { cuModuleGetFunction(&mut function, module, c"k".as_ptr()) };
        assert_eq!(status, SUCCESS);
        Ok(Self(function))
    }

    /// A kernel `k` of one pointer parameter, which the body finds in `%rd0`; `%r0` is the
    /// thread's number in its block.
    pub(crate) fn of_body(body: &str) -> Self {
        let kernel = format!(
            ".visible .entry k(.param .u64 out)\n{{\n.reg .pred %p<9>;\n.reg .b16 %h<9>;\n\
             .reg .b32 %r<19>;\n.reg .b64 %rd<9>;\n.reg .f32 %f<9>;\n.reg .f64 %d<9>;\n\
             ld.param.u64 %rd0, [out];\nmov.u32 %r0, %tid.x;\n{body}\nret;\n}}\n"
        );
        Self::load(&kernel).unwrap()
    }

    /// Runs the kernel and waits.
    pub(crate) fn run(&self, grid: u32, block: u32, arguments: &[Argument]) {
        let pointer = |argument: &Argument| match argument {
            Argument::Pointer(value) => std::ptr::from_ref(value).cast_mut().cast::<c_void>(),
            Argument::Word(value) => std::ptr::from_ref(value).cast_mut().cast::<c_void>(),
        };
        let mut params: Vec<_> = arguments.iter().map(pointer).collect();
        let (params, none) = (params.as_mut_ptr(), null_mut());
        // SAFETY: each parameter has a pointer to a value of its type.
        let status =
            unsafe { cuLaunchKernel(self.0, grid, 1, 1, block, 1, 1, 0, null_mut(), params, none) };
        assert_eq!(status, SUCCESS);
    }
}

/// Device memory of 32 bit words.
pub(crate) struct Words {
    address: u64,
    count: usize,
}

impl Words {
    /// Fresh memory, which holds poison.
    pub(crate) fn fresh(count: usize) -> Self {
        let mut address = 0;
        // SAFETY: the result is writable.
        let status = unsafe { cuMemAllocAsync(&mut address, count * 4, null_mut()) };
        assert_eq!(status, SUCCESS);
        Self { address, count }
    }

    /// Memory that holds `words`.
    pub(crate) fn of(words: &[u32]) -> Self {
        let memory = Self::fresh(words.len());
        // SAFETY: the source is as long as it says.
        let status =
            unsafe { cuMemcpyHtoD_v2(memory.address, words.as_ptr().cast(), words.len() * 4) };
        assert_eq!(status, SUCCESS);
        memory
    }

    /// The address as a parameter.
    pub(crate) fn pointer(&self) -> Argument {
        Argument::Pointer(self.address)
    }

    /// What it holds.
    pub(crate) fn read(&self) -> Vec<u32> {
        let mut words = vec![0; self.count];
        // SAFETY: the target is as long as it says.
        let status =
            unsafe { cuMemcpyDtoH_v2(words.as_mut_ptr().cast(), self.address, self.count * 4) };
        assert_eq!(status, SUCCESS);
        words
    }

    /// Frees it and gives its address.
    pub(crate) fn free(self) -> u64 {
        assert_eq!(cuMemFree_v2(self.address), SUCCESS);
        self.address
    }
}
