//! Classification losses on dfdx tensors: cross entropy with hard, smoothed and soft targets and per-sample weights
