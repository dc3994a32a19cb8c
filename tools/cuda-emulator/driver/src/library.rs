//! A shared library that was opened by its path.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An open library; closed when dropped.
pub(crate) struct Library(*mut c_void);

// SAFETY: `dlsym` and `dlclose` may be called from any thread.
unsafe impl Send for Library {}
// SAFETY: as above; the handle itself is never written.
unsafe impl Sync for Library {}

impl Library {
    /// Opens `path`, or says what the loader said.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        // SAFETY: `name` ends with a zero, and the library is one that `compile` made: it has
        // no initialisers.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() { Err(last_error()) } else { Ok(Self(handle)) }
    }

    /// The address of `symbol`.
    pub(crate) fn symbol(&self, symbol: &str) -> Result<*mut c_void, String> {
        let name = CString::new(symbol).map_err(|error| error.to_string())?;
        // SAFETY: the handle is open and `name` ends with a zero.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        if address.is_null() { Err(last_error()) } else { Ok(address) }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and whoever holds one of its symbols holds the library.
        unsafe { libc::dlclose(self.0) };
    }
}

fn last_error() -> String {
    // SAFETY: `dlerror` gives null or a text that lives until the thread's next call.
    let error = unsafe { libc::dlerror() };
    if error.is_null() {
        return "the loader gave no reason".into();
    }
    // SAFETY: as above, and it is not null.
    unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned()
}
