//! Convolution, batch norm, pooling and linear operators on plain NHWC slices, multithreaded and vectorised
