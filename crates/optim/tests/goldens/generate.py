"""Goldens of the optimisers and of what surrounds them: the `.safetensors` files beside this one.

    python crates/optim/tests/goldens/generate.py

PyTorch and timm compute in float64 and everything is stored in float64. The formula `fill` and the file format are
described in `bench/pytorch/golden.py`.

`trajectories.safetensors`: twenty steps of three vectors, `first` (5), `second` (4) and `bias` (3), which start from
`fill("<name>")`.

    case:   name; optimizer, as a recipe has it: {"Sgd": ...} (torch.optim.SGD; the decay "Decoupled" is
            timm.optim.SGDW, "Independent" is Composer's formula around torch.optim.SGD), {"AdamW": ...} and
            {"RmsProp": ...} (torch.optim), {"Lars": ...} and {"Lamb": ...} (timm.optim; Lamb without its clipping);
            gradient; lr (20 numbers, one per step); groups: list of {parameters (names), lr_multiplier (the group's
            rate is lr * lr_multiplier), weight_decay, lars ("Included" or "Excluded")}; lookahead, null or {alpha,
            every}; sam, null or {rho, every}; momentum, null or 20 numbers, one per step, that replace the optimiser's
            momentum or the first of its betas
    gradient "formula":    at step t (from 0) it is fill("<name>/gradient/<t>")
    gradient "quadratic":  it is the parameter minus fill("<name>/target")
    gradient "wave":       it is fill("<name>/target") times the parameter's sine
    lookahead: after every so many steps slow += alpha * (p - slow), p = slow, from slow = p before the first step, as
            in the paper's algorithm 1 (timm's would start with slow = p after the first of these times)
    sam:    where (t + 1) % every is 0 the gradient is taken at p + rho * g / (|g| + 1e-12), as in the paper's
            equation 2, with the norm over the three vectors
    stored: first (20, 5), second (20, 4), bias (20, 3): the parameter after each step

`clip.safetensors`: gradients before and after clipping.

    case:   name; clip, as a recipe has it: {"Norm": limit} (torch.nn.utils.clip_grad_norm_), {"Value": limit}
            (clip_grad_value_) or {"Adaptive": limit} (timm.utils.agc.adaptive_clip_grad)
    input:  parameters conv (3, 3, 2, 4), linear (6, 5), bias (4) are fill("<name>"), those of output 2 times 0.001;
            gradients are fill("<name>/gradient"), those of output 1 times 1e-4, of output 3 zero
    stored: conv, linear, bias: the clipped gradients; norm (): of all gradients before

`average.safetensors`: averages of one vector along twelve updates.

    case:   name; average, as a recipe has it: {"Ema": ...} (timm.utils.ModelEmaV3, told the number of the averaging,
            without buffers) or {"Swa": ...} (torch.optim.swa_utils.AveragedModel); taken: the updates, from 1, after
            which an average is taken
    input:  after update u the parameter is fill("parameter/<u>") and the statistics are fill("statistics/<u>"); both
            have 5 values
    stored: parameter, statistics: the average after each of the updates in `taken`
"""

import math
import sys
from pathlib import Path

import timm.optim
import torch
from timm.utils import ModelEmaV3
from timm.utils.agc import adaptive_clip_grad
from torch.optim.swa_utils import AveragedModel

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "bench" / "pytorch"))
from golden import fill, save, weight_from_torch, weight_to_torch  # noqa: E402

STEPS = 20
SIZES = {"first": (5,), "second": (4,), "bias": (3,)}
WARMUP_COSINE = [t / 4 if t < 4 else 0.5 * (1 + math.cos(math.pi * (t - 4) / (STEPS - 4))) for t in range(STEPS)]
CYCLED = [0.95 - 0.1 * (t / 10 if t < 10 else (STEPS - t) / 10) for t in range(STEPS)]


def case(
    name,
    optimizer,
    lr,
    gradient="formula",
    decay=0.0,
    bias_decay=None,
    bias_multiplier=1.0,
    adapted=("Included", "Included"),
    lookahead=None,
    sam=None,
    momenta=None,
    **settings,
):
    """`lr` is a number or one per step; `first` and `second` are a group, `bias` is another."""
    rates = lr if isinstance(lr, list) else [lr] * STEPS
    bias_decay = decay if bias_decay is None else bias_decay
    groups = [
        dict(parameters=["first", "second"], lr_multiplier=1.0, weight_decay=decay, lars=adapted[0]),
        dict(parameters=["bias"], lr_multiplier=bias_multiplier, weight_decay=bias_decay, lars=adapted[1]),
    ]
    return dict(
        name=name,
        optimizer={optimizer: dict(lr=max(rates), **settings)},
        gradient=gradient,
        lr=rates,
        groups=groups,
        lookahead=lookahead,
        sam=sam,
        momentum=momenta,
    )


def sgd(name, lr, momentum=0.9, nesterov=False, kind="Coupled", **rest):
    return case(name, "Sgd", lr, momentum=momentum, nesterov=nesterov, **rest) | dict(kind=kind)


def adamw(name, lr, betas=(0.9, 0.999), eps=1e-8, decay=0.01, **rest):
    return case(name, "AdamW", lr, betas=betas, eps=eps, decay=decay, **rest)


def rms_prop(name, lr, **rest):
    return case(name, "RmsProp", lr, **rest)


def lars(name, lr, momentum=0.9, decay=0.01, **rest):
    return case(name, "Lars", lr, momentum=momentum, decay=decay, **rest)


def lamb(name, lr, decay=0.01, **rest):
    return case(name, "Lamb", lr, decay=decay, **rest)


def scaled(factor, rates=WARMUP_COSINE):
    return [factor * rate for rate in rates]


NO_BIAS = dict(bias_decay=0.0, adapted=("Included", "Excluded"))

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
    sgd("sgd-decoupled", scaled(0.4), nesterov=True, decay=0.05, kind="Decoupled", bias_multiplier=2.0),
    sgd("sgd-decoupled-plain", 0.1, momentum=0.0, decay=0.2, kind="Decoupled"),
    sgd("sgd-independent", scaled(0.4), decay=0.02, kind="Independent", bias_multiplier=2.0),
    sgd("sgd-independent-nesterov", scaled(0.2), nesterov=True, decay=0.05, bias_decay=0.0, kind="Independent"),
    adamw("adamw", 0.01),
    adamw("adamw-no-decay", 0.01, decay=0.0),
    adamw("adamw-changing-lr", scaled(0.05), decay=0.1),
    adamw("adamw-betas-eps", 0.02, betas=(0.8, 0.95), eps=1e-2, decay=0.1),
    adamw("adamw-groups", scaled(0.02), decay=0.1, bias_decay=0.0, bias_multiplier=3.0),
    adamw("adamw-quadratic", 0.1, gradient="quadratic"),
    sgd("sgd-changing-momentum", 0.1, nesterov=True, momenta=CYCLED),
    adamw("adamw-changing-momentum", 0.02, momenta=CYCLED),
    rms_prop("rms-prop-changing-momentum", 0.01, momentum=0.9, momenta=CYCLED),
    lars("lars-changing-momentum", 2.0, momenta=CYCLED),
    rms_prop("rms-prop", 0.01),
    rms_prop("rms-prop-momentum", 0.01, momentum=0.9, decay=0.05),
    rms_prop("rms-prop-alpha-eps", scaled(0.05), alpha=0.9, eps=1e-2, momentum=0.5, decay=0.1, bias_decay=0.0),
    rms_prop("rms-prop-quadratic", scaled(0.02), alpha=0.9, gradient="quadratic", bias_multiplier=2.0),
    lars("lars", 2.0),
    lars("lars-plain", 4.0, momentum=0.0),
    lars("lars-no-decay", 3.0, decay=0.0),
    lars("lars-groups", scaled(8.0), nesterov=True, decay=0.05, bias_multiplier=0.01, **NO_BIAS),
    lars("lars-trust", scaled(0.5), trust_coefficient=0.02, decay=0.1, bias_multiplier=0.5, **NO_BIAS),
    lars("lars-quadratic", 1.0, trust_coefficient=0.05, gradient="quadratic"),
    lamb("lamb", 0.01),
    lamb("lamb-no-decay", 0.01, decay=0.0),
    lamb("lamb-groups", scaled(0.05), decay=0.1, bias_multiplier=2.0, **NO_BIAS),
    lamb("lamb-betas-eps", 0.02, betas=(0.8, 0.95), eps=1e-2, decay=0.05),
    lamb("lamb-quadratic", 0.05, gradient="quadratic"),
    sgd("lookahead-sgd", scaled(0.2), lookahead=dict(alpha=0.5, every=5), decay=0.01),
    sgd("lookahead-always", 0.1, nesterov=True, lookahead=dict(alpha=0.8, every=1)),
    adamw("lookahead-adamw", 0.05, gradient="quadratic", lookahead=dict(alpha=0.3, every=6)),
    sgd("sam", 0.1, gradient="wave", sam=dict(rho=0.5, every=1)),
    sgd("sam-decay", scaled(0.3), nesterov=True, gradient="wave", decay=0.05, sam=dict(rho=0.2, every=1)),
    adamw("sam-every-third", 0.05, gradient="wave", sam=dict(rho=0.3, every=3)),
    sgd("sam-lookahead", 0.2, gradient="wave", sam=dict(rho=0.1, every=2), lookahead=dict(alpha=0.5, every=4)),
]


class IndependentSgd(torch.optim.SGD):
    """Composer's DecoupledSGDW: the decay is scaled by the rate over the group's initial rate."""

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.mul_(1 - group["lr"] / group["highest_lr"] * group["own_decay"])
        super().step()


def optimizer(case, parameters):
    [(name, settings)] = case["optimizer"].items()
    kind = case.get("kind", "Coupled")
    groups = []
    for group in case["groups"]:
        shared = dict(params=[parameters[name] for name in group["parameters"]], weight_decay=group["weight_decay"])
        if name in ("Lars", "Lamb"):
            assert group["lars"] == "Included" or group["weight_decay"] == 0, "timm adapts where there is decay"
            shared["always_adapt"] = group["lars"] == "Included"
        if kind == "Independent":
            own = dict(own_decay=shared.pop("weight_decay"), highest_lr=settings["lr"] * group["lr_multiplier"])
            shared |= own
        groups.append(shared)
    settings = {key: value for key, value in settings.items() if key != "lr"}
    if "trust_coefficient" in settings:
        settings["trust_coeff"] = settings.pop("trust_coefficient")
    make = {
        "Sgd": {"Coupled": torch.optim.SGD, "Decoupled": timm.optim.SGDW, "Independent": IndependentSgd}[kind],
        "AdamW": torch.optim.AdamW,
        "RmsProp": torch.optim.RMSprop,
        "Lars": timm.optim.Lars,
        "Lamb": timm.optim.Lamb,
    }[name]
    if name == "Lamb":
        settings["max_grad_norm"] = None
    return make(groups, lr=0.0, **settings)


def gradient(case, name, parameter, step):
    if case["gradient"] == "formula":
        return fill(f"{name}/gradient/{step}", SIZES[name])
    target = fill(f"{name}/target", SIZES[name])
    if case["gradient"] == "quadratic":
        return parameter - target
    return target * parameter.sin()


def gradients(case, parameters, step):
    found = {name: gradient(case, name, parameter.detach(), step) for name, parameter in parameters.items()}
    sam = case["sam"]
    if sam is None or (step + 1) % sam["every"]:
        return found
    norm = math.sqrt(sum(float((g * g).sum()) for g in found.values()))
    climb = {name: p.detach() + sam["rho"] * found[name] / (norm + 1e-12) for name, p in parameters.items()}
    return {name: gradient(case, name, parameter, step) for name, parameter in climb.items()}


def set_momentum(group, momentum):
    if "betas" in group:
        group["betas"] = (momentum, group["betas"][1])
    else:
        group["momentum"] = momentum


def synchronise(lookahead, step, parameters, slow):
    if lookahead is None or (step + 1) % lookahead["every"]:
        return
    for name, parameter in parameters.items():
        slow[name] += lookahead["alpha"] * (parameter.detach() - slow[name])
        parameter.data = slow[name].clone()


def trajectory(case):
    parameters = {name: fill(name, size).requires_grad_() for name, size in SIZES.items()}
    slow = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    rule = optimizer(case, parameters)
    history = {name: [] for name in SIZES}
    for step, lr in enumerate(case["lr"]):
        for group, settings in zip(rule.param_groups, case["groups"]):
            group["lr"] = lr * settings["lr_multiplier"]
            if case["momentum"]:
                set_momentum(group, case["momentum"][step])
        for name, found in gradients(case, parameters, step).items():
            parameters[name].grad = found
        rule.step()
        synchronise(case["lookahead"], step, parameters, slow)
        for name, parameter in parameters.items():
            history[name].append(parameter.detach().clone())
    return {name: torch.stack(values) for name, values in history.items()}


def describe(case):
    """The case as it is stored: the kind of decay goes into the optimiser's settings."""
    [(name, settings)] = case["optimizer"].items()
    if name == "Sgd":
        settings = settings | dict(decay=case["kind"])
    return {key: value for key, value in case.items() if key != "kind"} | dict(optimizer={name: settings})


CLIPPED = {"conv": (3, 3, 2, 4), "linear": (6, 5), "bias": (4,)}
CLIPS = [
    dict(name="norm", clip={"Norm": 1.0}),
    dict(name="norm-loose", clip={"Norm": 100.0}),
    dict(name="value", clip={"Value": 0.25}),
    dict(name="adaptive", clip={"Adaptive": 0.01}),
    dict(name="adaptive-loose", clip={"Adaptive": 0.9}),
]


def outputs_scaled(values, output, factor):
    values = values.clone()
    if values.dim() > 1:
        values[..., output] *= factor
    return values


def clip(case):
    parameters = {}
    for name, shape in CLIPPED.items():
        gradient = outputs_scaled(outputs_scaled(fill(f"{name}/gradient", shape), 1, 1e-4), 3, 0.0)
        parameters[name] = weight_to_torch(outputs_scaled(fill(name, shape), 2, 1e-3)).clone().requires_grad_()
        parameters[name].grad = weight_to_torch(gradient).clone()
    listed = list(parameters.values())
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in listed])
    [(kind, limit)] = case["clip"].items()
    if kind == "Norm":
        torch.nn.utils.clip_grad_norm_(listed, limit)
    elif kind == "Value":
        torch.nn.utils.clip_grad_value_(listed, limit)
    else:
        adaptive_clip_grad(listed, limit, eps=1e-3)
    return {"norm": norm} | {name: weight_from_torch(parameter.grad) for name, parameter in parameters.items()}


UPDATES = 12
AVERAGES = [
    dict(name="ema", average={"Ema": dict(decay=0.9)}, every=1, begin=0),
    dict(name="ema-every-second", average={"Ema": dict(decay=0.5, every=2)}, every=2, begin=0),
    dict(name="ema-warmup", average={"Ema": dict(decay=0.8, warmup={"Power": 2 / 3})}, every=1, begin=0),
    dict(name="swa", average={"Swa": {"from": 0, "every": 1}}, every=1, begin=0),
    dict(name="swa-later", average={"Swa": {"from": 4, "every": 3}}, every=3, begin=4),
]


class Values(torch.nn.Module):
    """A network of one parameter and one buffer."""

    def __init__(self):
        super().__init__()
        self.parameter = torch.nn.Parameter(torch.zeros(5, dtype=torch.float64))
        self.register_buffer("statistics", torch.zeros(5, dtype=torch.float64))

    def move(self, update):
        self.parameter.data = fill(f"parameter/{update}", (5,))
        self.statistics = fill(f"statistics/{update}", (5,))


def taken(case):
    return list(range(case["begin"] + case["every"], UPDATES + 1, case["every"]))


def average(case):
    model = Values()
    [(kind, settings)] = case["average"].items()
    if kind == "Ema":
        warmup = settings.get("warmup")
        follower = ModelEmaV3(
            model,
            decay=settings["decay"],
            use_warmup=warmup is not None,
            warmup_power=warmup["Power"] if warmup else 1.0,
            exclude_buffers=True,
        )
    else:
        follower = AveragedModel(model)
    history = {"parameter": [], "statistics": []}
    for update in range(1, UPDATES + 1):
        model.move(update)
        if update in taken(case):
            number = len(history["parameter"]) + 1
            follower.update(model, step=number) if kind == "Ema" else follower.update_parameters(model)
            history["parameter"].append(follower.module.parameter.detach().clone())
            history["statistics"].append(follower.module.statistics.detach().clone())
    return {name: torch.stack(values) for name, values in history.items()}


def describe_average(case):
    return dict(name=case["name"], average=case["average"], taken=taken(case))


def write(file, cases, compute, stored):
    tensors = {f"{case['name']}/{name}": values for case in cases for name, values in compute(case).items()}
    save(HERE / file, tensors, [stored(case) for case in cases], torch.float64)


if __name__ == "__main__":
    write("trajectories.safetensors", CASES, trajectory, describe)
    write("clip.safetensors", CLIPS, clip, lambda case: case)
    write("average.safetensors", AVERAGES, average, describe_average)
