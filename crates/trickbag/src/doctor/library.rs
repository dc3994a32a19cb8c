//! Shared libraries: whether the loader finds one, and of which version it is.

use std::{ffi::CStr, fmt};

/// A library that can be loaded.
pub(super) struct Library {
    pub(super) name: &'static str,
    /// 13020 for 13.2, say, as CUDA counts.
    pub(super) version: Option<i32>,
}

impl Library {
    /// The first of several names that loads. `version` is the function to ask, if there is one: it
    /// takes a pointer to an int and returns zero.
    pub(super) fn first(names: &[&'static str], version: Option<&CStr>) -> Option<Self> {
        let ask = |name: &&'static str| Some(Self { name, version: load(name, version)? });
        names.iter().find_map(ask)
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.version {
            Some(version) => write!(f, ", version {version}"),
            None => Ok(()),
        }
    }
}

/// None when the library does not load.
#[cfg(target_os = "linux")]
fn load(name: &str, version: Option<&CStr>) -> Option<Option<i32>> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: the name ends in zero. The library's initialisers run, and those of NVIDIA's libraries
    // are made to run in any program. It stays loaded.
    let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
    if library.is_null() {
        return None;
    }
    let Some(function) = version else { return Some(None) };
    // SAFETY: the library is loaded, and the name ends in zero.
    let function = unsafe { libc::dlsym(library, function.as_ptr()) };
    if function.is_null() {
        return Some(None);
    }
    let mut found = 0;
    // SAFETY: the caller says that the function has this type, which it has since its library's
    // first version, and `found` outlives the call.
    let code = unsafe {
        let function: unsafe extern "C" fn(*mut i32) -> i32 = std::mem::transmute(function);
        function(&mut found)
    };
    Some((code == 0).then_some(found))
}

#[cfg(not(target_os = "linux"))]
fn load(_name: &str, _version: Option<&CStr>) -> Option<Option<i32>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_first_library_that_loads_is_found() {
        let found = Library::first(&["libgone.so.1", "libc.so.6"], Some(c"gone")).unwrap();
        assert_eq!(found.to_string(), "libc.so.6");
        assert!(Library::first(&["libgone.so.1"], None).is_none());
    }
}
