"""Writes the scales of PyTorch's GradScaler after each step of some trainings, for the Rust tests.

Run with `python generate.py` in this folder; needs `torch` (written with 2.15).
"""

import json

import torch


def trace(initial, growth, backoff, interval, steps):
    """The scale after each step; `!` in `steps` is a step with an infinite gradient."""
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.0)
    scaler = torch.amp.GradScaler(
        "cpu",
        init_scale=initial,
        growth_factor=growth,
        backoff_factor=backoff,
        growth_interval=interval,
    )
    scales = []
    for step in steps:
        factor = float("inf") if step == "!" else 1.0
        scaler.scale((parameter * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        scales.append(scaler.get_scale())
    return {
        "initial": initial,
        "growth": growth,
        "backoff": backoff,
        "interval": interval,
        "steps": steps,
        "scales": scales,
    }


DEFAULTS = (65536.0, 2.0, 0.5, 2000)
TRACES = [
    trace(*DEFAULTS, "!!..!" + "." * 5),
    trace(*DEFAULTS[:3], 3, "...!..!....!!......."),
    trace(1024.0, 4.0, 0.25, 2, "..!.!....!!..."),
    trace(2.0**126, 2.0, 0.5, 1, "...!.."),
    trace(1000.0, 1.5, 0.7, 2, "!!....!..!......"),
]

if __name__ == "__main__":
    with open("grad_scaler.json", "w") as file:
        rows = ",\n".join("  " + json.dumps(row) for row in TRACES)
        file.write("[\n" + rows + "\n]\n")
