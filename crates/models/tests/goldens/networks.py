"""Networks that neither torchvision nor timm have, in PyTorch, with Trickbag's parameter names."""

import torch
import torch.nn.functional as F
from torch import nn


def conv(channels_in, channels_out, size, stride=1):
    return nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2, bias=False)


class WideBlock(nn.Module):
    """Norm and ReLU before each convolution; where the channels change, the shortcut shares the first ones."""

    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(channels_in)
        self.conv0 = conv(channels_in, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = conv(channels, channels, 3)
        self.convdim = conv(channels_in, channels, 1, stride) if channels_in != channels else None

    def forward(self, x):
        first = F.relu(self.bn0(x))
        y = self.conv1(F.relu(self.bn1(self.conv0(first))))
        return y + (x if self.convdim is None else self.convdim(first))


class WideResNet(nn.Module):
    """Zagoruyko and Komodakis, arXiv 1605.07146."""

    def __init__(self, depth, widen, classes=10):
        super().__init__()
        assert depth % 6 == 4
        self.conv0 = conv(3, 16, 3)
        channels_in = 16
        for stage in range(3):
            channels = (16 << stage) * widen
            group = nn.Module()
            for index in range((depth - 4) // 6):
                block = WideBlock(channels_in, channels, 2 if stage > 0 and index == 0 else 1)
                group.add_module(f"block{index}", block)
                channels_in = channels
            self.add_module(f"group{stage}", group)
        self.bn = nn.BatchNorm2d(channels_in)
        self.fc = nn.Linear(channels_in, classes)

    def forward(self, x):
        x = self.conv0(x)
        for stage in range(3):
            for block in self.get_submodule(f"group{stage}").children():
                x = block(x)
        return self.fc(F.relu(self.bn(x)).mean(dim=(2, 3)))


class Unit(nn.Module):
    """Convolution, norm and ReLU."""

    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv = conv(channels_in, channels_out, 3)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Stage(Unit):
    """A unit, 2x2 max pooling, and perhaps a residual block."""

    def __init__(self, channels_in, channels_out, residual):
        super().__init__(channels_in, channels_out)
        if residual:
            self.residual = nn.Sequential()
            self.residual.add_module("res1", Unit(channels_out, channels_out))
            self.residual.add_module("res2", Unit(channels_out, channels_out))

    def forward(self, x):
        x = F.max_pool2d(super().forward(x), 2)
        return x + self.residual(x) if hasattr(self, "residual") else x


class ResNet9(nn.Module):
    """`dawn.py` of davidcpage/cifar10-fast."""

    def __init__(self, width=64, classes=10):
        super().__init__()
        self.prep = Unit(3, width)
        self.layer1 = Stage(width, 2 * width, residual=True)
        self.layer2 = Stage(2 * width, 4 * width, residual=False)
        self.layer3 = Stage(4 * width, 8 * width, residual=True)
        self.linear = nn.Linear(8 * width, classes, bias=False)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.prep(x))))
        return 0.125 * self.linear(F.max_pool2d(x, 4).flatten(1))


def unscaled_norm(channels):
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=1 - 0.6)
    norm.weight.requires_grad = False
    return norm


class Group(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv1 = conv(channels_in, channels_out, 3)
        self.norm1 = unscaled_norm(channels_out)
        self.conv2 = conv(channels_out, channels_out, 3)
        self.norm2 = unscaled_norm(channels_out)

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Airbench94(nn.Module):
    """`airbench94.py` of KellerJordan/cifar10-airbench. What is frozen there is trained here, but for norm scales."""

    def __init__(self, width=64, classes=10):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.layers = nn.Sequential(nn.GELU(), Group(24, width), Group(width, 4 * width), Group(4 * width, 4 * width))
        self.head = nn.Linear(4 * width, classes, bias=False)

    def forward(self, x):
        return self.head(F.max_pool2d(self.layers(self.whiten(x)), 3).flatten(1)) / 9


def whitening_filter(images, eps=5e-4):
    """The filter of airbench94's first layer, with the largest value of each eigenvector positive."""
    channels = images.shape[1]
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 4 * channels)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    vectors = vectors.T.flip(0)
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    vectors = vectors * largest.sign() / torch.sqrt(values.flip(0) + eps)[:, None]
    filters = vectors.reshape(-1, channels, 2, 2)
    return torch.cat((filters, -filters))
