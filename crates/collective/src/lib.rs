//! What the ranks of a data-parallel training do together: sums over all of them.
//!
//! Each rank has a [`Collective`], which knows its [`rank`](Collective::rank) and the
//! [`world_size`](Collective::world_size), and whose [`all_reduce`](Collective::all_reduce) replaces
//! what every rank brings by the sum, as `torch.distributed` and NCCL call it. A training that knows
//! no more than this trait is the same on one rank and on many:
//!
//! - [`Single`] is a world of one.
//! - [`Threads`] are the threads of a process. They sum in the order of the ranks, so a training on
//!   them has the same bits each time.
//!
//! ```
//! use std::thread;
//!
//! use trickbag_collective::{Collective, Threads, Values};
//!
//! let sums: Vec<f32> = thread::scope(|scope| {
//!     let ranks = Threads::world(3).into_iter().map(|rank| {
//!         scope.spawn(move || {
//!             let mut values = [rank.rank() as f32];
//!             rank.all_reduce(Values::F32(&mut values))?;
//!             Ok::<_, trickbag_collective::Error>(values[0])
//!         })
//!     });
//!     let ranks: Vec<_> = ranks.collect();
//!     ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Result<_, _>>()
//! })?;
//! assert_eq!(sums, [3.0, 3.0, 3.0]); // 0 + 1 + 2, for everyone
//! # Ok::<(), trickbag_collective::Error>(())
//! ```

mod collective;
mod error;
mod single;
mod threads;

pub use collective::{Collective, Format, Values};
pub use error::Error;
pub use single::Single;
pub use threads::Threads;
