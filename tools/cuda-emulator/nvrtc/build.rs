//! Gives the library the name by which the loader looks for it.

#![allow(clippy::print_stdout, reason = "how a build script speaks")]

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libnvrtc.so.13");
}
