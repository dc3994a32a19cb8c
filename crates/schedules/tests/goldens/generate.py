"""Writes pytorch.json beside this file: learning rates of PyTorch's schedulers, step by step.

Run with PyTorch installed: python generate.py
"""

import json
import pathlib
import platform

import torch
from torch.optim import lr_scheduler as pytorch

STEPS = 60

CASES = {
    "constant": (0.1, lambda o: pytorch.ConstantLR(o, factor=1.0, total_iters=STEPS)),
    "linear": (0.2, lambda o: pytorch.LinearLR(o, 1.0, 0.1, total_iters=40)),
    "polynomial": (0.1, lambda o: pytorch.PolynomialLR(o, total_iters=50, power=2.0)),
    "polynomial, root": (0.1, lambda o: pytorch.PolynomialLR(o, total_iters=50, power=0.5)),
    "cosine": (0.4, lambda o: pytorch.CosineAnnealingLR(o, T_max=STEPS - 1)),
    "cosine, floor": (0.4, lambda o: pytorch.CosineAnnealingLR(o, T_max=STEPS - 1, eta_min=0.01)),
    "exponential": (0.1, lambda o: pytorch.ExponentialLR(o, gamma=0.9)),
    "step": (0.1, lambda o: pytorch.StepLR(o, step_size=7, gamma=0.1)),
    "multi-step": (0.1, lambda o: pytorch.MultiStepLR(o, milestones=[10, 25, 26], gamma=0.3)),
    "one-cycle, linear": (
        0.1,
        lambda o: pytorch.OneCycleLR(
            o, 0.4, total_steps=STEPS, pct_start=0.25, anneal_strategy="linear",
            div_factor=10.0, final_div_factor=100.0, cycle_momentum=False,
        ),
    ),
    "one-cycle, cosine": (
        0.1,
        lambda o: pytorch.OneCycleLR(
            o, 0.4, total_steps=STEPS, pct_start=0.25, anneal_strategy="cos",
            div_factor=10.0, final_div_factor=100.0, cycle_momentum=False,
        ),
    ),
    "warm restarts, equal": (
        0.1, lambda o: pytorch.CosineAnnealingWarmRestarts(o, T_0=8, eta_min=0.001)),
    "warm restarts, doubling": (
        0.1, lambda o: pytorch.CosineAnnealingWarmRestarts(o, T_0=8, T_mult=2, eta_min=0.001)),
    "warm restarts, tripling": (
        0.1, lambda o: pytorch.CosineAnnealingWarmRestarts(o, T_0=4, T_mult=3)),
    "warmup, cosine": (
        0.4,
        lambda o: pytorch.SequentialLR(
            o,
            [pytorch.LinearLR(o, 0.01, total_iters=9),
             pytorch.CosineAnnealingLR(o, T_max=STEPS - 1 - 9)],
            milestones=[9],
        ),
    ),
    "warmup, multi-step, exponential": (
        0.4,
        lambda o: pytorch.SequentialLR(
            o,
            [pytorch.LinearLR(o, 0.1, total_iters=5),
             pytorch.MultiStepLR(o, [10, 20], gamma=0.5),
             pytorch.ExponentialLR(o, gamma=0.95)],
            milestones=[5, 35],
        ),
    ),
    "product": (
        0.1,
        lambda o: pytorch.ChainedScheduler(
            [pytorch.LinearLR(o, 0.2, total_iters=10), pytorch.ExponentialLR(o, gamma=0.9)], o),
    ),
}


def run(base_lr, scheduler_of):
    """The learning rate of each update."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base_lr)
    scheduler = scheduler_of(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < STEPS:
            scheduler.step()
    return rates


def main():
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    lines = [f"  {json.dumps(name)}: {json.dumps(run(*case))}" for name, case in CASES.items()]
    path = pathlib.Path(__file__).with_name("pytorch.json")
    path.write_text(
        f'{{\n "made_by": "generate.py",\n "versions": {json.dumps(versions)},\n'
        ' "rates": {\n' + ",\n".join(lines) + "\n }\n}\n"
    )


if __name__ == "__main__":
    main()
