"""Times whole steps of PyTorch on random images: the work of `cargo xtask bench step` and `bench infer`.

    python bench/pytorch/step.py --model resnet20 --precision bf16 --layout channels_last --engine compile

Prints one JSON object with the fields of `cargo xtask bench step --json`, and `layout` and `engine` besides.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
import torch._inductor.config
import torch.nn.functional as F

from resnet import ResNet

WARM_UP = 3  # steps that are not timed; the first ones compile and choose algorithms
SETTINGS = dict(lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)
MODELS = {
    "resnet20": dict(depth=20, stem="Cifar", classes=10, image=32, batch=128),
    "resnet18-cifar": dict(depth=18, stem="Cifar", classes=10, image=32, batch=64),
    "resnet50": dict(depth=50, stem="ImageNet", classes=1000, image=224, batch=8),
}
FORMATS = {"f32": None, "bf16": torch.bfloat16, "f16": torch.float16}
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    start_rss = peak_rss()
    shape = (arguments.batch, 3, arguments.image, arguments.image)
    images = torch.randn(shape).to(arguments.device, memory_format=LAYOUTS[arguments.layout])
    settings = MODELS[arguments.model]
    model = ResNet(settings["depth"], settings["stem"], classes=settings["classes"])
    model = model.to(arguments.device, memory_format=LAYOUTS[arguments.layout])
    step = {"step": training, "infer": inference}[arguments.work](model, images, settings["classes"], arguments)
    seconds, result = timed(step, arguments.steps)
    print(json.dumps(report(arguments, seconds, result, start_rss)))


def training(model, images, classes, arguments):
    """One update: forward, smoothed cross entropy, backward, SGD with Nesterov momentum; returns the loss."""
    labels = torch.arange(len(images), device=images.device) % classes
    scaler = torch.amp.GradScaler(arguments.device, enabled=arguments.precision == "f16")
    optimizer = torch.optim.SGD(model.parameters(), **SETTINGS)
    model.train()
    forward = engine(model, arguments)

    def step():
        with autocast(arguments):
            logits = forward(images)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.item()

    return step


def inference(model, images, _classes, arguments):
    """The forward pass with the running statistics; returns nothing."""
    model.eval()
    forward = engine(model, arguments)

    def step():
        with torch.inference_mode(), autocast(arguments):
            forward(images)
        if arguments.device == "cuda":
            torch.cuda.synchronize()

    return step


def engine(model, arguments):
    if arguments.engine == "eager":
        return model
    torch._inductor.config.freezing = arguments.engine == "freeze"
    return torch.compile(model)


def autocast(arguments):
    compute = FORMATS[arguments.precision]
    return torch.autocast(arguments.device, compute, enabled=compute is not None)


def timed(step, steps):
    """The seconds of each of `steps` steps, and what the last one returned."""
    for _ in range(WARM_UP):
        step()
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        result = step()
        seconds.append(time.perf_counter() - start)
    return seconds, result


def report(arguments, seconds, loss, start_rss):
    step_ms = [1e3 * second for second in seconds]
    median = statistics.median(step_ms)
    quartiles = statistics.quantiles(step_ms, n=4, method="inclusive") if len(step_ms) > 1 else 3 * step_ms
    return dict(
        program="pytorch",
        version=torch.__version__,
        work=arguments.work,
        model=arguments.model,
        image=arguments.image,
        batch=arguments.batch,
        device=arguments.device,
        precision=arguments.precision,
        threads=arguments.threads,
        layout=arguments.layout,
        engine=arguments.engine,
        images_per_second=1e3 * arguments.batch / median,
        ms=dict(lower=quartiles[0], median=median, upper=quartiles[2]),
        step_ms=step_ms,
        start_rss_bytes=start_rss,
        peak_rss_bytes=peak_rss(),
        loss=loss,
    )


def peak_rss():
    """Peak resident memory in bytes, from the line `VmHWM:     1234 kB`; None on other systems than Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return 1024 * int(lines["VmHWM"].split()[0])


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=["step", "infer"], default="step", help="training step or forward pass")
    parser.add_argument("--model", choices=MODELS, default="resnet20")
    parser.add_argument("--image", type=int, help="height and width; 32 or 224 by the model when left out")
    parser.add_argument("--batch", type=int, help="128, 64 or 8 by the model in training, else 64 when left out")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=FORMATS, default="f32", help="16 bits are autocast's; f16 is for cuda")
    parser.add_argument("--layout", choices=LAYOUTS, default="channels_last")
    parser.add_argument("--engine", choices=["eager", "compile", "freeze"], default="eager", help="freeze: constant weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.precision == "f16" and arguments.device == "cpu":
        parser.error("f16 is for cuda")
    if arguments.engine == "freeze" and arguments.work == "step":
        parser.error("freeze is for --work infer")
    model = MODELS[arguments.model]
    arguments.image = arguments.image or model["image"]
    arguments.batch = arguments.batch or (model["batch"] if arguments.work == "step" else 64)
    return arguments


if __name__ == "__main__":
    main()
