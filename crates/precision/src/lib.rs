//! Number formats for training: which format computes, which remembers, and dynamic loss scaling
