"""The twin of `recipes/cifar10-resnet20.ron` in PyTorch: same network, same data, same recipe, same arithmetic.

    python bench/pytorch/train.py data/cifar10 --seed 1

Prints one line per epoch and, last, one JSON object. `README.md` beside this file lists the recipe.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from resnet import Basic, Bottleneck, ResNet

MEAN = torch.tensor([0.4914, 0.4822, 0.4465])
STD = torch.tensor([0.2470, 0.2435, 0.2616])
PADDING = 4
PEAK = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LABEL_SMOOTHING = 0.1


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    train, val = (load(arguments.data / split) for split in ("train", "val"))
    model = ResNet(arguments.depth, stem="Cifar", classes=int(train[1].max()) + 1)
    initialise(model)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(groups(model), lr=0.0, momentum=MOMENTUM, nesterov=True)

    updates = len(train[0]) // arguments.batch_size  # in an epoch; the last, short batch is dropped
    warmup, total = arguments.warmup_epochs * updates, arguments.epochs * updates
    seconds = 0.0
    for epoch in range(arguments.epochs):
        start = time.perf_counter()
        loss = train_epoch(model, optimizer, train, arguments.batch_size, epoch * updates, warmup, total)
        seconds += time.perf_counter() - start
        val_loss, top1 = evaluate(model, val)
        line = f"epoch {epoch + 1}: loss {loss:.4f}, val loss {val_loss:.4f}, val top-1 {top1:.2f} %, {seconds:.0f} s"
        print(line, flush=True)
    report = dict(
        seed=arguments.seed,
        epochs=arguments.epochs,
        top1=round(top1, 2),
        loss=val_loss,
        train_seconds=round(seconds, 1),
        images_per_second=round(total * arguments.batch_size / seconds, 1),
        parameters=sum(p.numel() for p in model.parameters()),
        threads=arguments.threads,
        torch=torch.__version__,
    )
    print(json.dumps(report))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with train/<class>/*.jpg and val/<class>/*.jpg, 32x32 pixels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--warmup-epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def load(folder):
    """All images of a split as uint8 (images, height, width, 3), and their labels by sorted class name."""
    images, labels = [], []
    for label, name in enumerate(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())):
        for file in sorted((folder / name).glob("*.jpg")):
            images.append(numpy.asarray(Image.open(file).convert("RGB")))
            labels.append(label)
    return torch.from_numpy(numpy.stack(images)), torch.tensor(labels)


def initialise(model):
    """Kaiming normal (fan-out) for convolutions, zero for the last norm scale of a block; else PyTorch's defaults."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(module, (Basic, Bottleneck)):
            nn.init.zeros_(module.last_norm().weight)


def groups(model):
    """Weight decay on the weights of convolutions and linear layers; none on biases and norms, which are vectors."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return [dict(params=weights, weight_decay=WEIGHT_DECAY), dict(params=vectors, weight_decay=0.0)]


def learning_rate(update, warmup, total):
    """Linear from 0 to the peak over `warmup` updates, then a cosine to 0."""
    if update < warmup:
        return PEAK * update / warmup
    return PEAK * 0.5 * (1 + math.cos(math.pi * (update - warmup) / (total - warmup)))


def train_epoch(model, optimizer, data, batch_size, first_update, warmup, total):
    """One pass in a new order; the mean loss."""
    images, labels = data
    model.train()
    losses = []
    order = torch.randperm(len(images))
    for index in range(len(images) // batch_size):
        batch = order[index * batch_size : (index + 1) * batch_size]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(first_update + index, warmup, total)
        logits = model(normalise(augment(images[batch])))
        loss = F.cross_entropy(logits, labels[batch], label_smoothing=LABEL_SMOOTHING)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def augment(images):
    """Pad with black, crop at a random place, flip every other image at random; each image by its own draw."""
    batch, height, width, _ = images.shape
    padded = F.pad(images, (0, 0, PADDING, PADDING, PADDING, PADDING))
    rows = torch.randint(2 * PADDING + 1, (batch, 1)) + torch.arange(height)
    columns = torch.randint(2 * PADDING + 1, (batch, 1)) + torch.arange(width)
    columns = torch.where(torch.rand(batch, 1) < 0.5, columns.flip(1), columns)
    return padded[torch.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]


def normalise(images):
    """uint8 (batch, height, width, 3) to float32 (batch, 3, height, width) in channels-last memory."""
    return ((images / 255 - MEAN) / STD).permute(0, 3, 1, 2)


@torch.no_grad()
def evaluate(model, data):
    """Mean loss (plain cross entropy) and top-1 in per cent over every image once."""
    images, labels = data
    model.eval()
    logits = torch.cat([model(normalise(chunk)) for chunk in images.split(500)])
    top1 = (logits.argmax(1) == labels).double().mean().item()
    return F.cross_entropy(logits, labels).item(), 100 * top1


if __name__ == "__main__":
    main()
