//! SGD with Nesterov momentum and AdamW on dfdx tensors, by parameter group, with state that can be saved
