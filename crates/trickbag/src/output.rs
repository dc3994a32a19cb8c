//! What the program writes to its two outputs. Neither may be there any more when it does: a reader such as
//! `head` ends when it has seen enough, and a terminal may be closed while a run goes on.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

use anyhow::Context;

/// Writes a line, or more, to the standard output. That nobody reads it is no error; a full disk is.
pub(crate) fn print(text: impl Display) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to the standard output"),
    }
}

/// Writes a line to the standard error. A run goes on if that cannot be done: there is nowhere left to say so.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}
