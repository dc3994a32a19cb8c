//! `libnccl.so.2` without a GPU: collectives among communicators of one process, each of which
//! a thread of its own may hold. Sums run over the ranks in order, so that they are the same
//! each time.

mod api;
mod device;
mod group;
mod reduce;
