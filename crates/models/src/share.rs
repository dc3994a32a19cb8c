//! The part of a batch that a rank has.

use std::sync::Arc;

use trickbag_collective::Collective;

/// Which images of a batch are here, where ranks share it: see
/// [`Network::forward_share`](crate::Network::forward_share).
#[derive(Debug, Clone)]
pub struct Share {
    /// Who has the others.
    pub ranks: Arc<dyn Collective>,
    /// Images of the batch that come before those that are here.
    pub first: usize,
}
