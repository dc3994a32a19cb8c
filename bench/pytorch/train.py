"""The twins of `recipes/cifar10-resnet20.ron` and `recipes/mnist.ron` in PyTorch: same network, data, recipe, arithmetic.

    python bench/pytorch/train.py cifar10 data/cifar10 --seed 1
    python bench/pytorch/train.py mnist crates/data/mnist10k --seed 1

Prints one line per epoch and, last, one JSON object. `README.md` beside this file lists the recipes.
"""

import argparse
import gzip
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from resnet import Basic, Bottleneck, ResNet

PEAK = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.1


@dataclass
class Twin:
    """What one recipe says and another does not."""

    load: callable
    mean: list
    std: list
    padding: int
    flip: float
    depth: int
    batch_size: int
    epochs: int
    base_batch: int
    zero_gamma: bool


def main():
    twins = {
        "cifar10": Twin(
            load_folder, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], padding=4, flip=0.5, depth=20,
            batch_size=128, epochs=5, base_batch=128, zero_gamma=True,
        ),
        "mnist": Twin(
            load_idx, [0.1311], [0.3087], padding=2, flip=0.0, depth=8, batch_size=64, epochs=8, base_batch=128,
            zero_gamma=False,
        ),
    }  # fmt: skip
    arguments = parse(twins)
    twin = twins[arguments.twin]
    epochs = arguments.epochs or twin.epochs
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    train, val = (twin.load(arguments.data, split) for split in ("train", "val"))
    model = ResNet(twin.depth, stem="Cifar", classes=int(train[1].max()) + 1, channels=len(twin.mean))
    initialise(model, twin.zero_gamma)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(groups(model), lr=0.0, momentum=MOMENTUM, nesterov=True)

    updates = len(train[0]) // twin.batch_size  # in an epoch; the last, short batch is dropped
    warmup, total = arguments.warmup_epochs * updates, epochs * updates
    seconds = 0.0
    for epoch in range(epochs):
        start = time.perf_counter()
        loss = train_epoch(model, optimizer, train, twin, epoch * updates, warmup, total)
        seconds += time.perf_counter() - start
        val_loss, top1 = evaluate(model, val, twin)
        line = f"epoch {epoch + 1}: loss {loss:.4f}, val loss {val_loss:.4f}, val top-1 {top1:.2f} %, {seconds:.0f} s"
        print(line, flush=True)
    report = dict(
        twin=arguments.twin,
        seed=arguments.seed,
        epochs=epochs,
        top1=round(top1, 2),
        loss=val_loss,
        train_seconds=round(seconds, 1),
        images_per_second=round(total * twin.batch_size / seconds, 1),
        parameters=sum(p.numel() for p in model.parameters()),
        threads=arguments.threads,
        torch=torch.__version__,
    )
    print(json.dumps(report))


def parse(twins):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("twin", choices=twins)
    parser.add_argument("data", type=Path, help="folder with <split>/<class>/*.jpg, or with MNIST's four packed files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="those of the recipe, or 5 for CIFAR-10, when left out")
    parser.add_argument("--warmup-epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def load_folder(data, split):
    """All images of a split as uint8 (images, height, width, 3), and their labels by sorted class name."""
    images, labels = [], []
    folder = data / split
    for label, name in enumerate(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())):
        for file in sorted((folder / name).glob("*.jpg")):
            images.append(numpy.asarray(Image.open(file).convert("RGB")))
            labels.append(label)
    return torch.from_numpy(numpy.stack(images)), torch.tensor(labels)


def load_idx(data, split):
    """The same from MNIST's files, with one channel; the test files validate."""
    prefix = {"train": "train", "val": "t10k"}[split]
    images = gzip.decompress((data / f"{prefix}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((data / f"{prefix}-labels-idx1-ubyte.gz").read_bytes())
    images = numpy.frombuffer(images[16:], numpy.uint8).reshape(-1, 28, 28, 1)
    return torch.from_numpy(images.copy()), torch.tensor(list(labels[8:]))


def initialise(model, zero_gamma):
    """Kaiming normal (fan-out) for convolutions; else PyTorch's defaults, or zero for the last norm scale of a block."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if zero_gamma and isinstance(module, (Basic, Bottleneck)):
            nn.init.zeros_(module.last_norm().weight)


def groups(model):
    """Weight decay on the weights of convolutions and linear layers; none on biases and norms, which are vectors."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return [dict(params=weights, weight_decay=WEIGHT_DECAY), dict(params=vectors, weight_decay=0.0)]


def learning_rate(update, warmup, total, peak):
    """Linear from 0 to the peak over `warmup` updates, then a cosine to 0."""
    if update < warmup:
        return peak * update / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (update - warmup) / (total - warmup)))


def train_epoch(model, optimizer, data, twin, first_update, warmup, total):
    """One pass in a new order; the mean loss."""
    images, labels = data
    batch_size, peak = twin.batch_size, PEAK * twin.batch_size / twin.base_batch
    model.train()
    losses = []
    order = torch.randperm(len(images))
    for index in range(len(images) // batch_size):
        batch = order[index * batch_size : (index + 1) * batch_size]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(first_update + index, warmup, total, peak)
        logits = model(normalise(augment(images[batch], twin), twin))
        loss = F.cross_entropy(logits, labels[batch], label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def augment(images, twin):
    """Pad with black, crop at a random place, flip at random; each image by its own draw."""
    batch, height, width, _ = images.shape
    pad = twin.padding
    padded = F.pad(images, (0, 0, pad, pad, pad, pad))
    rows = torch.randint(2 * pad + 1, (batch, 1)) + torch.arange(height)
    columns = torch.randint(2 * pad + 1, (batch, 1)) + torch.arange(width)
    columns = torch.where(torch.rand(batch, 1) < twin.flip, columns.flip(1), columns)
    return padded[torch.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]


def normalise(images, twin):
    """uint8 (batch, height, width, channels) to float32 (batch, channels, height, width) in channels-last memory."""
    return ((images / 255 - torch.tensor(twin.mean)) / torch.tensor(twin.std)).permute(0, 3, 1, 2)


@torch.no_grad()
def evaluate(model, data, twin):
    """Mean loss (plain cross entropy) and top-1 in per cent over every image once."""
    images, labels = data
    model.eval()
    logits = torch.cat([model(normalise(chunk, twin)) for chunk in images.split(500)])
    top1 = (logits.argmax(1) == labels).double().mean().item()
    return F.cross_entropy(logits, labels).item(), 100 * top1


if __name__ == "__main__":
    main()
