//! The ResNet family on dfdx tensors, with torchvision's parameter names, counts and initialisation
