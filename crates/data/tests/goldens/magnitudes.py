"""Computes magnitudes.txt: how strong torchvision's automatic augmentations make each operation.

    python3 magnitudes.py > magnitudes.txt

A line holds the augmentation, the image's height and width, the operation, and the number that it
is applied with at every bin (whole pixels and bits where torchvision cuts off); or a policy, its
number, and a pair of operations with probability and magnitude.
"""

import torchvision
from torchvision.transforms import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide

SIZES = [(32, 32), (224, 176), (28, 97)]
WHOLE = {"TranslateX", "TranslateY", "Posterize"}


def spaces(size):
    yield "RandAugment", RandAugment()._augmentation_space(31, size)
    yield "AutoAugment", AutoAugment()._augmentation_space(10, size)
    yield "TrivialAugment", TrivialAugmentWide()._augmentation_space(31)
    yield "AugMix", AugMix()._augmentation_space(10, size)


def main():
    print(f"# torchvision {torchvision.__version__}; see magnitudes.py")
    for size in SIZES:
        for augmentation, space in spaces(size):
            for name, (values, _) in space.items():
                if values.ndim > 0:
                    numbers = [int(v) if name in WHOLE else f"{v:.7g}" for v in values.tolist()]
                    print(augmentation, *size, name, *numbers)
    for policy, name in [("CIFAR10", "Cifar10"), ("IMAGENET", "ImageNet"), ("SVHN", "Svhn")]:
        for number, pair in enumerate(AutoAugment(AutoAugmentPolicy[policy]).policies):
            steps = [f"{kind} {p} {bin or 0}" for kind, p, bin in pair]
            print(name, number, *steps)


if __name__ == "__main__":
    main()
