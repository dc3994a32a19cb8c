//! How a program that misuses the device ends: with a message and an abort.

/// Prints `message` and aborts: the host program must not go on with wrong results.
pub(crate) fn fault(message: &str) -> ! {
    say(message);
    std::process::abort()
}

/// Prints `message` to the standard error.
#[allow(clippy::print_stderr, reason = "a library without a host to report to")]
pub(crate) fn say(message: &str) {
    eprintln!("cuda-emulator: {message}");
}
