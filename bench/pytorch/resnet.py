"""Trickbag's ResNet family in PyTorch, with the parameter names of torchvision and, for variants C and D, of timm."""

from torch import nn

FOUR_STAGES = {
    18: ("basic", [2, 2, 2, 2]),
    34: ("basic", [3, 4, 6, 3]),
    50: ("bottleneck", [3, 4, 6, 3]),
    101: ("bottleneck", [3, 4, 23, 3]),
    152: ("bottleneck", [3, 8, 36, 3]),
}


def conv(channels_in, channels_out, size, stride=1):
    return nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2, bias=False)


def shortcut(channels_in, channels_out, stride, variant):
    """The projection of a block that changes its shape; None where the identity fits."""
    if stride == 1 and channels_in == channels_out:
        return None
    norm = nn.BatchNorm2d(channels_out)
    if variant != "D":
        return nn.Sequential(conv(channels_in, channels_out, 1, stride), norm)
    # Without a stride there is nothing to average, but timm keeps the place, and with it the names.
    pool = nn.Identity() if stride == 1 else nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pool, conv(channels_in, channels_out, 1), norm)


class Basic(nn.Module):
    """Two 3x3 convolutions; the first has the stride in every variant."""

    expansion = 1

    def __init__(self, channels_in, channels, stride, variant):
        super().__init__()
        self.conv1 = conv(channels_in, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut(channels_in, channels, stride, variant)
        self.relu1 = nn.ReLU()
        self.relu2 = nn.ReLU()

    def forward(self, x):
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu2(y + (x if self.downsample is None else self.downsample(x)))

    def last_norm(self):
        return self.bn2


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions; variant A strides in the first, the others in the 3x3."""

    expansion = 4

    def __init__(self, channels_in, channels, stride, variant):
        super().__init__()
        first, second = (stride, 1) if variant == "A" else (1, stride)
        self.conv1 = conv(channels_in, channels, 1, first)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3, second)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = conv(channels, self.expansion * channels, 1)
        self.bn3 = nn.BatchNorm2d(self.expansion * channels)
        self.downsample = shortcut(channels_in, self.expansion * channels, stride, variant)
        self.relu1 = nn.ReLU()
        self.relu2 = nn.ReLU()
        self.relu3 = nn.ReLU()

    def forward(self, x):
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu3(y + (x if self.downsample is None else self.downsample(x)))

    def last_norm(self):
        return self.bn3


def deep_stem(channels_in, width):
    half = width // 2
    return nn.Sequential(
        conv(channels_in, half, 3, 2), nn.BatchNorm2d(half), nn.ReLU(),
        conv(half, half, 3), nn.BatchNorm2d(half), nn.ReLU(),
        conv(half, width, 3),
    )  # fmt: skip


class ResNet(nn.Module):
    """A residual network. Depths of `FOUR_STAGES` have four stages; 6n + 2 has three, with n basic blocks each.

    `stem` is "ImageNet", "Cifar" or "Deep"; `variant` is "A", "B", "C" or "D". C and D have the deep stem in
    place of the ImageNet one. `width` is the number of channels of the first stage, `channels` that of the images.
    """

    def __init__(self, depth, stem="ImageNet", variant="B", width=None, classes=1000, channels=3):
        super().__init__()
        kind, blocks = FOUR_STAGES.get(depth) or ("basic", [(depth - 2) // 6] * 3)
        assert depth in FOUR_STAGES or depth % 6 == 2, f"depth {depth} is not 6n + 2"
        width = width or (64 if depth in FOUR_STAGES else 16)
        block = {"basic": Basic, "bottleneck": Bottleneck}[kind]
        if stem == "ImageNet" and variant in "CD":
            stem = "Deep"

        self.conv1 = {
            "ImageNet": lambda: conv(channels, width, 7, 2),
            "Cifar": lambda: conv(channels, width, 3),
            "Deep": lambda: deep_stem(channels, width),
        }[stem]()
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if stem == "Cifar" else nn.MaxPool2d(3, 2, 1)
        channels_in = width
        self.stages = [f"layer{stage + 1}" for stage in range(len(blocks))]
        for stage, (name, count) in enumerate(zip(self.stages, blocks)):
            channels_out = width << stage
            strides = [1 if stage == 0 else 2] + [1] * (count - 1)
            layer = nn.Sequential()
            for stride in strides:
                layer.append(block(channels_in, channels_out, stride, variant))
                channels_in = block.expansion * channels_out
            self.add_module(name, layer)
        self.fc = nn.Linear(channels_in, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.fc(x.mean(dim=(2, 3)))
