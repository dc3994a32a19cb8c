//! The entry points that dfdx calls, as NVRTC describes them.

// Their names are NVRTC's.
#![allow(non_snake_case)]

use std::ffi::{CStr, CString, c_char};

pub use crate::program::Program;
use crate::program::Source;
use crate::real::Nvrtc;

/// What an entry point returns; zero is success.
pub type Status = u32;
pub(crate) const SUCCESS: Status = 0;
pub(crate) const INTERNAL_ERROR: Status = 11;

/// Writes the version of the NVRTC that compiles.
///
/// # Safety
/// Both are writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcVersion(major: *mut i32, minor: *mut i32) -> Status {
    match Nvrtc::find().map(Nvrtc::version) {
        Some(Ok(version)) => {
            // SAFETY: the caller's promise.
            unsafe { (major.write(version.0), minor.write(version.1)) };
            SUCCESS
        }
        _ => INTERNAL_ERROR,
    }
}

/// Writes a program.
///
/// # Safety
/// `program` is writable, `name` may be null, all other texts end with a zero, and there are
/// `count` headers and names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcCreateProgram(
    program: *mut *mut Program,
    source: *const c_char,
    name: *const c_char,
    count: i32,
    headers: *const *const c_char,
    names: *const *const c_char,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe {
        let name = (!name.is_null()).then(|| CStr::from_ptr(name).to_owned());
        let headers = texts(count, names).into_iter().zip(texts(count, headers)).collect();
        let source = Source { text: CStr::from_ptr(source).to_owned(), name, headers };
        let (ptx, log) = (CString::default(), CString::default());
        program.write(Box::into_raw(Box::new(Program { source, ptx, log })));
    }
    SUCCESS
}

/// Copies `count` texts.
///
/// # Safety
/// There are so many, and each ends with a zero.
unsafe fn texts(count: i32, texts: *const *const c_char) -> Vec<CString> {
    // SAFETY: the caller's promise.
    (0..count as usize).map(|i| unsafe { CStr::from_ptr(*texts.add(i)).to_owned() }).collect()
}

/// Compiles.
///
/// # Safety
/// `program` is live, and there are `count` options that end with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcCompileProgram(
    program: *mut Program,
    count: i32,
    options: *const *const c_char,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { (*program).compile(&texts(count, options)) }
}

/// Drops a program.
///
/// # Safety
/// It is live, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvrtcDestroyProgram(program: *mut *mut Program) -> Status {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(*program) });
    SUCCESS
}

macro_rules! texts {
    ($($size:ident $text:ident $field:ident)*) => {$(
        /// Writes how long the text is, with the zero at its end.
        ///
        /// # Safety
        /// `program` is live, and `size` writable.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $size(program: *const Program, size: *mut usize) -> Status {
            // SAFETY: the caller's promise.
            unsafe { size.write((&(*program).$field).as_bytes_with_nul().len()) };
            SUCCESS
        }

        /// Writes the text.
        ///
        /// # Safety
        /// `program` is live, and `text` holds as many bytes as its size says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $text(program: *const Program, text: *mut c_char) -> Status {
            // SAFETY: the caller's promise.
            unsafe {
                let bytes = (&(*program).$field).as_bytes_with_nul();
                text.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
            SUCCESS
        }
    )*};
}

texts! {
    nvrtcGetPTXSize nvrtcGetPTX ptx
    nvrtcGetProgramLogSize nvrtcGetProgramLog log
}
