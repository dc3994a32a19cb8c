//! The toolkit's own NVRTC: the next one that the loader would find.

use std::env;
use std::ffi::{CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use libloading::{Library, Symbol};

use crate::api::{self, Status};
use crate::program::{Failure, Source};

const NAME: &str = "libnvrtc.so.13";

type Handle = *mut c_void;
type Create = unsafe extern "C" fn(
    *mut Handle,
    *const c_char,
    *const c_char,
    i32,
    *const *const c_char,
    *const *const c_char,
) -> Status;
type Compile = unsafe extern "C" fn(Handle, i32, *const *const c_char) -> Status;
type Destroy = unsafe extern "C" fn(*mut Handle) -> Status;
type Size = unsafe extern "C" fn(Handle, *mut usize) -> Status;
type Text = unsafe extern "C" fn(Handle, *mut c_char) -> Status;
type Version = unsafe extern "C" fn(*mut i32, *mut i32) -> Status;

/// The library.
pub(crate) struct Nvrtc(Library);

impl Nvrtc {
    /// Looks through `LD_LIBRARY_PATH`, once.
    pub(crate) fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Nvrtc>> = OnceLock::new();
        FOUND.get_or_init(Self::search).as_ref()
    }

    fn search() -> Option<Self> {
        let folders = env::var_os("LD_LIBRARY_PATH")?;
        env::split_paths(&folders).find_map(|folder| {
            // SAFETY: NVRTC may be loaded at any time.
            let library = Self(unsafe { Library::new(folder.join(NAME)) }.ok()?);
            // SAFETY: only its address is used.
            let version = unsafe { library.symbol::<Version>("nvrtcVersion") }.ok()?;
            (*version as *const () != api::nvrtcVersion as *const ()).then_some(library)
        })
    }

    /// # Safety
    /// The symbol is of this type.
    unsafe fn symbol<T>(&self, name: &str) -> Result<Symbol<'_, T>, Failure> {
        // SAFETY: the caller's promise.
        let symbol = unsafe { self.0.get(name.as_bytes()) };
        symbol.map_err(|error| Failure::internal(&error.to_string()))
    }

    /// Major and minor.
    pub(crate) fn version(&self) -> Result<(i32, i32), Failure> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: this is its type, and both are writable.
        let status = unsafe { self.symbol::<Version>("nvrtcVersion")?(&mut major, &mut minor) };
        if status == api::SUCCESS { Ok((major, minor)) } else { Err(status.into()) }
    }

    /// The PTX of a source.
    pub(crate) fn compile(&self, source: &Source, options: &[CString]) -> Result<CString, Failure> {
        let mut handle = null_mut();
        let pointers = |texts: &mut dyn Iterator<Item = &CString>| {
            texts.map(|text| text.as_ptr()).collect::<Vec<_>>()
        };
        let contents = pointers(&mut source.headers.iter().map(|(_, text)| text));
        let names = pointers(&mut source.headers.iter().map(|(name, _)| name));
        let options = pointers(&mut options.iter());
        // SAFETY: these are the functions' types; all texts end with a zero and outlive the calls,
        // there are as many as is said, and the program is destroyed once.
        unsafe {
            let status = self.symbol::<Create>("nvrtcCreateProgram")?(
                &mut handle,
                source.text.as_ptr(),
                source.name.as_ref().map_or(null(), |name| name.as_ptr()),
                names.len() as i32,
                contents.as_ptr(),
                names.as_ptr(),
            );
            if status != api::SUCCESS {
                return Err(status.into());
            }
            let compile = self.symbol::<Compile>("nvrtcCompileProgram")?;
            let made = match compile(handle, options.len() as i32, options.as_ptr()) {
                api::SUCCESS => self.text(handle, "nvrtcGetPTX"),
                status => {
                    let log = self.text(handle, "nvrtcGetProgramLog")?;
                    Err(Failure { status, log })
                }
            };
            self.symbol::<Destroy>("nvrtcDestroyProgram")?(&mut handle);
            made
        }
    }

    /// A text that the library has of a program: `name` writes it, and `{name}Size` its size.
    ///
    /// # Safety
    /// The program is live, and the functions of this name are of these types.
    unsafe fn text(&self, handle: Handle, name: &str) -> Result<CString, Failure> {
        let mut size = 0;
        // SAFETY: the caller's promise; the text is as long as it says, with the zero at its end.
        let bytes = unsafe {
            self.symbol::<Size>(&format!("{name}Size"))?(handle, &mut size);
            let mut bytes = vec![0_u8; size.max(1)];
            self.symbol::<Text>(name)?(handle, bytes.as_mut_ptr().cast());
            bytes
        };
        CString::from_vec_with_nul(bytes).map_err(|error| Failure::internal(&error.to_string()))
    }
}
