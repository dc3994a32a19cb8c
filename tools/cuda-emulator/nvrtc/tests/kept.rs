//! The library in front of one that a test made, which says what it was given and fails on demand.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::process::Command;
use std::ptr::{null, null_mut};
use std::{env, fs, thread};

use nvrtc::api::{
    nvrtcCompileProgram, nvrtcCreateProgram, nvrtcDestroyProgram, nvrtcGetPTX, nvrtcGetPTXSize,
    nvrtcGetProgramLog, nvrtcGetProgramLogSize, nvrtcVersion,
};

/// Counts its calls in the file `calls`, a byte each.
const STAND_IN: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct { char source[999], text[1999]; } Program;
int nvrtcVersion(int *major, int *minor) { *major = 13; *minor = 7; return 0; }
int nvrtcCreateProgram(Program **p, const char *source, const char *name, int n,
                       const char *const *headers, const char *const *names) {
    *p = calloc(1, sizeof **p);
    sprintf((*p)->source, "%s %s", source, n ? headers[0] : "-");
    return 0;
}
int nvrtcCompileProgram(Program *p, int n, const char *const *options) {
    FILE *calls = fopen(getenv("CALLS"), "a");
    fputc('x', calls), fclose(calls);
    sprintf(p->text, "%s of %s", n ? options[0] : "-", p->source);
    return strstr(p->source, "wrong") ? 6 : 0;
}
int nvrtcGetPTXSize(Program *p, size_t *n) { *n = strlen(p->text) + 1; return 0; }
int nvrtcGetPTX(Program *p, char *to) { strcpy(to, p->text); return 0; }
int nvrtcGetProgramLogSize(Program *p, size_t *n) { return nvrtcGetPTXSize(p, n); }
int nvrtcGetProgramLog(Program *p, char *to) { return nvrtcGetPTX(p, to); }
int nvrtcDestroyProgram(Program **p) { free(*p); *p = 0; return 0; }
"#;

#[test]
fn each_program_is_compiled_once() {
    if env::var_os("CALLS").is_some() {
        return in_front_of_the_stand_in();
    }
    let place = tempfile::tempdir().unwrap();
    let [c, so, calls] = ["real.c", "libnvrtc.so.13", "calls"].map(|name| place.path().join(name));
    fs::write(&c, STAND_IN).unwrap();
    let mut cc = Command::new(env::var("CC").unwrap_or_else(|_| "cc".into()));
    assert!(cc.args(["-shared", "-fPIC", "-o"]).args([&so, &c]).status().unwrap().success());
    for _ in 0..2 {
        let mut again = Command::new(env::current_exe().unwrap());
        again.env("LD_LIBRARY_PATH", place.path()).env("CALLS", &calls);
        again.env("TRICKBAG_CUDA_EMULATOR_CACHE", place.path().join("cache"));
        assert!(again.status().unwrap().success());
    }
    // Six programs, one of which fails each of the four times that it is tried.
    assert_eq!(fs::read(calls).unwrap().len(), 5 + 4);
}

fn in_front_of_the_stand_in() {
    let folder = Path::new(&env::var_os("CALLS").unwrap()).with_file_name("include");
    fs::create_dir_all(&folder).unwrap();
    let option = format!("--include-path={}", folder.display());
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both are writable.
    assert_eq!(unsafe { nvrtcVersion(&mut major, &mut minor) }, 0);
    assert_eq!((major, minor), (13, 7));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(compile("source", None, &[]), (0, "- of source -".into())));
        }
    });
    let with_header = compile("source", Some("header"), &[]);
    assert_eq!(with_header, (0, "- of source header".into()));
    let with_option = compile("source", None, &["--ftz=true"]);
    assert_eq!(with_option, (0, "--ftz=true of source -".into()));
    for header in ["old", "new"] {
        fs::write(folder.join("a.h"), header).unwrap();
        let expected = format!("{option} of #include <a.h> -");
        assert_eq!(compile("#include <a.h>", None, &[&option]), (0, expected));
    }
    for _ in 0..2 {
        assert_eq!(compile("wrong", None, &[]), (6, "- of wrong -".into()));
    }
}

/// The status of a compilation, and its PTX or log.
fn compile(source: &str, header: Option<&str>, options: &[&str]) -> (u32, String) {
    let text = |text: &str| CString::new(text).unwrap();
    let (source, header) = (text(source), header.map(text));
    let options: Vec<_> = options.iter().map(|option| text(option)).collect();
    let options: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
    let headers = header.as_ref().map(|header| header.as_ptr());
    let (headers, count) = (headers.as_slice().as_ptr(), headers.iter().len() as i32);
    let mut program = null_mut();
    // SAFETY: all texts end with a zero and outlive the calls, there are as many as is said, and the
    // program is destroyed at the end.
    unsafe {
        let name = null();
        let created =
            nvrtcCreateProgram(&mut program, source.as_ptr(), name, count, headers, headers);
        assert_eq!(created, 0);
        let status = nvrtcCompileProgram(program, options.len() as i32, options.as_ptr());
        let (mut size, mut said): (_, Vec<c_char>) = (0, vec![]);
        if status == 0 {
            nvrtcGetPTXSize(program, &mut size);
            said.resize(size, 0);
            nvrtcGetPTX(program, said.as_mut_ptr());
        } else {
            nvrtcGetProgramLogSize(program, &mut size);
            said.resize(size, 0);
            nvrtcGetProgramLog(program, said.as_mut_ptr());
        }
        nvrtcDestroyProgram(&mut program);
        (status, CStr::from_ptr(said.as_ptr()).to_str().unwrap().into())
    }
}
