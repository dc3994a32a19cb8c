//! Batches that a background thread prepares ahead of their use.

use crate::{Batch, Error};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Batches that are ready or in the making while one is in use.
const AHEAD: usize = 2;

/// Iterates over batches that a background thread prepares. After an error it ends.
///
/// Dropping it stops the thread and waits until it has finished the batch that it is at.
#[derive(Debug)]
pub struct Batches {
    /// `None` after the end.
    receiver: Option<Receiver<Result<Batch, Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl Batches {
    /// Runs `batches` on a thread of its own.
    pub(crate) fn start(
        mut batches: impl Iterator<Item = Result<Batch, Error>> + Send + 'static,
    ) -> Result<Self, Error> {
        // One more waits inside `send`.
        let (sender, receiver) = sync_channel(AHEAD - 1);
        let work = move || {
            // Sending fails when the receiver is gone: nobody wants more.
            let _ = batches.try_for_each(|batch| sender.send(batch));
        };
        let thread = Builder::new().name("batches".to_owned()).spawn(work);
        Ok(Self { receiver: Some(receiver), thread: Some(thread.map_err(Error::Thread)?) })
    }

    /// Stops the thread; its panic, if it ended in one.
    fn stop(&mut self) -> Option<Error> {
        self.receiver = None;
        let panic = self.thread.take()?.join().err()?;
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Some(Error::Panicked(text.unwrap_or("no message").to_owned()))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let received = self.receiver.as_ref()?.recv();
        match received {
            Ok(Ok(batch)) => Some(Ok(batch)),
            Ok(Err(error)) => {
                self.stop();
                Some(Err(error))
            }
            Err(_) => self.stop().map(Err),
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn batch(number: usize) -> Result<Batch, Error> {
        let (images, labels, indices) = (vec![0.0], vec![0], vec![number]);
        Ok(Batch { images, labels, indices, height: 1, width: 1, channels: 1 })
    }

    #[test]
    fn dropped_at_any_point_it_ends_its_thread_and_made_little_in_vain() {
        for taken in [0, 1, 2, 5, 10] {
            let made = Arc::new(AtomicUsize::new(0));
            let counter = made.clone();
            let count = move |number| {
                counter.fetch_add(1, Ordering::Relaxed);
                batch(number)
            };
            let mut batches = Batches::start((0..10).map(count)).unwrap();
            for number in 0..taken {
                assert_eq!(batches.next().unwrap().unwrap().indices, [number]);
            }
            drop(batches);
            // The thread owned the other handle, so it is gone.
            assert_eq!(Arc::strong_count(&made), 1, "after {taken}");
            assert!(made.load(Ordering::Relaxed) <= taken + AHEAD + 1, "after {taken}");
        }
    }

    fn check_last(make: fn(usize) -> Result<Batch, Error>, expected: &str) {
        let mut batches = Batches::start((0..9).map(make)).unwrap();
        assert!(batches.next().unwrap().is_ok());
        assert_eq!(batches.next().unwrap().unwrap_err().to_string(), expected);
        assert!(batches.next().is_none());
    }

    #[test]
    fn an_error_or_a_panic_is_the_last_item() {
        let fail = |number| if number == 1 { Err(Error::BatchSizeZero) } else { batch(number) };
        let panic = |number| if number == 1 { panic!("number {number}") } else { batch(number) };
        let plain = |number| if number == 1 { panic!("plain") } else { batch(number) };
        check_last(fail, "`batch_size` is 0, expected at least 1");
        check_last(panic, "the thread that loads data panicked: number 1");
        check_last(plain, "the thread that loads data panicked: plain");
    }
}
