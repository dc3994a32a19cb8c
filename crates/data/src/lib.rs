//! Image data sets, decoding, augmentation and resumable batches for training classifiers
