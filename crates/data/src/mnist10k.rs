//! The built-in set: 10,000 MNIST digits, compiled in. `mnist10k/README.md` tells their origin.

use crate::idx::{self, File};
use crate::{Dataset, Error, Facts};
use std::path::Path;

/// What the four files hold.
pub(crate) const FACTS: Facts =
    Facts { train_len: 8500, val_len: 1500, classes: 10, height: 28, width: 28, channels: 1 };

const PACKED: [(&str, &[u8]); 4] = [
    ("train-images", include_bytes!("../mnist10k/train-images-idx3-ubyte.gz")),
    ("train-labels", include_bytes!("../mnist10k/train-labels-idx1-ubyte.gz")),
    ("t10k-images", include_bytes!("../mnist10k/t10k-images-idx3-ubyte.gz")),
    ("t10k-labels", include_bytes!("../mnist10k/t10k-labels-idx1-ubyte.gz")),
];

/// Decompresses the digits.
pub(crate) fn open() -> Result<Dataset, Error> {
    let file =
        |(name, packed): (&str, &[u8])| File { path: name.into(), contents: packed.to_vec() };
    idx::dataset(Path::new("Mnist10k"), PACKED.map(file))
}
