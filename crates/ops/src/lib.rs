//! The image operators that dfdx lacks on stable Rust: convolution, batch norm and pooling that take part in its tape
