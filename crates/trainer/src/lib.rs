//! The training loop: a plan in, records and checkpoints out
