"""Goldens of the optimisers: `trajectories.safetensors`, beside this file.

    python crates/optim/tests/goldens/generate.py

Twenty steps of `torch.optim.SGD` and `torch.optim.AdamW` in float64, stored in float64. The formula `fill` and
the file format are described in `bench/pytorch/golden.py`.

Every case moves three vectors: `first` (5), `second` (4) and `bias` (3), which start from `fill("<name>")`.

    case:   name, optimizer "sgd" (with momentum, nesterov; the decay is coupled) or "adamw" (with betas, eps; the
            decay is decoupled), gradient, lr (20 numbers, one per step), groups: list of {parameters (names),
            lr_multiplier (the group's rate is lr * lr_multiplier), weight_decay}
    gradient "formula":    at step t (from 0) it is fill("<name>/gradient/<t>")
    gradient "quadratic":  it is the parameter minus fill("<name>/target")
    stored: first (20, 5), second (20, 4), bias (20, 3): the parameter after each step
"""

import math
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "pytorch"))
from golden import fill, save  # noqa: E402

STEPS = 20
SIZES = {"first": (5,), "second": (4,), "bias": (3,)}
WARMUP_COSINE = [t / 4 if t < 4 else 0.5 * (1 + math.cos(math.pi * (t - 4) / (STEPS - 4))) for t in range(STEPS)]


def case(name, optimizer, lr, gradient="formula", decay=0.0, bias_decay=None, bias_multiplier=1.0, **settings):
    """`lr` is a number or one per step; `first` and `second` are a group, `bias` is another."""
    rates = lr if isinstance(lr, list) else [lr] * STEPS
    bias_decay = decay if bias_decay is None else bias_decay
    groups = [
        dict(parameters=["first", "second"], lr_multiplier=1.0, weight_decay=decay),
        dict(parameters=["bias"], lr_multiplier=bias_multiplier, weight_decay=bias_decay),
    ]
    return dict(name=name, optimizer=optimizer, gradient=gradient, lr=rates, groups=groups, **settings)


def sgd(name, lr, momentum=0.9, nesterov=False, **rest):
    return case(name, "sgd", lr, momentum=momentum, nesterov=nesterov, **rest)


def adamw(name, lr, betas=(0.9, 0.999), eps=1e-8, decay=0.01, **rest):
    return case(name, "adamw", lr, betas=betas, eps=eps, decay=decay, **rest)


def scaled(factor, rates=WARMUP_COSINE):
    return [factor * rate for rate in rates]


CASES = [
    sgd("sgd-plain", 0.1, momentum=0.0),
    sgd("sgd-plain-decay", 0.1, momentum=0.0, decay=0.05),
    sgd("sgd-momentum", 0.1),
    sgd("sgd-momentum-decay", 0.1, decay=0.05),
    sgd("sgd-nesterov", 0.1, nesterov=True),
    sgd("sgd-nesterov-decay", 0.1, nesterov=True, decay=0.05),
    sgd("sgd-changing-lr", scaled(0.4), nesterov=True, decay=0.01),
    sgd("sgd-groups", scaled(0.2), nesterov=True, decay=0.05, bias_decay=0.0, bias_multiplier=2.0),
    sgd("sgd-quadratic", 0.05, nesterov=True, gradient="quadratic"),
    sgd("sgd-quadratic-groups", scaled(0.1), gradient="quadratic", decay=0.05, bias_decay=0.0, bias_multiplier=0.5),
    adamw("adamw", 0.01),
    adamw("adamw-no-decay", 0.01, decay=0.0),
    adamw("adamw-changing-lr", scaled(0.05), decay=0.1),
    adamw("adamw-betas-eps", 0.02, betas=(0.8, 0.95), eps=1e-2, decay=0.1),
    adamw("adamw-groups", scaled(0.02), decay=0.1, bias_decay=0.0, bias_multiplier=3.0),
    adamw("adamw-quadratic", 0.1, gradient="quadratic"),
]


def optimizer(case, parameters):
    groups = [
        dict(params=[parameters[name] for name in group["parameters"]], weight_decay=group["weight_decay"])
        for group in case["groups"]
    ]
    if case["optimizer"] == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=case["momentum"], nesterov=case["nesterov"])
    return torch.optim.AdamW(groups, lr=0.0, betas=case["betas"], eps=case["eps"])


def gradient(case, name, parameter, step):
    if case["gradient"] == "formula":
        return fill(f"{name}/gradient/{step}", SIZES[name])
    return parameter.detach() - fill(f"{name}/target", SIZES[name])


def trajectory(case):
    parameters = {name: fill(name, size).requires_grad_() for name, size in SIZES.items()}
    rule = optimizer(case, parameters)
    history = {name: [] for name in SIZES}
    for step, lr in enumerate(case["lr"]):
        for group, settings in zip(rule.param_groups, case["groups"]):
            group["lr"] = lr * settings["lr_multiplier"]
        for name, parameter in parameters.items():
            parameter.grad = gradient(case, name, parameter, step)
        rule.step()
        for name, parameter in parameters.items():
            history[name].append(parameter.detach().clone())
    return {name: torch.stack(values) for name, values in history.items()}


if __name__ == "__main__":
    tensors = {f"{case['name']}/{name}": values for case in CASES for name, values in trajectory(case).items()}
    save(HERE / "trajectories.safetensors", tensors, CASES, torch.float64)
