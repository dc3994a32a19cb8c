//! Ctrl-C and termination: the first asks to stop after the step under way, the second ends at once.

use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::output::say;

/// The exit code of a program that SIGINT ended, by the convention of shells.
pub(crate) const INTERRUPTED: u8 = 130;

/// A flag that the first signal sets.
pub(crate) fn stop_on_signal() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            exit(INTERRUPTED.into());
        }
        say("\nstopping after this step and saving; once more to end at once");
    })?;
    Ok(stop)
}
