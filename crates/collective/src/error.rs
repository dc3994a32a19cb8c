//! What can go wrong between ranks.

use crate::Format;

/// Why ranks could not do something together. It ends their world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A rank has gone.
    #[error(
        "rank {rank} of {world_size} has gone, and nothing can be summed without it; its own error \
         says why"
    )]
    Ended {
        /// The first rank that went.
        rank: usize,
        /// How many ranks there were.
        world_size: usize,
    },
    /// Ranks that are not at the same place.
    #[error(
        "rank {rank} brings {} values in {:?} to a sum, rank 0 brings {} in {:?}: all ranks must \
         make the same calls in the same order, from the same plan and the same batches",
        .found.0, .found.1, .expected.0, .expected.1
    )]
    Mismatch {
        /// The first rank that differs from rank 0.
        rank: usize,
        /// How many values it brought, and their format.
        found: (usize, Format),
        /// What rank 0 brought.
        expected: (usize, Format),
    },
}
