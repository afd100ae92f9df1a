"""Ten steps of each optimiser by PyTorch, in float64, for test/models/optimisers/ten-steps.test.ts.

Run from the root of the repository with PyTorch 1.13 or later; writes test/fixtures/optimisers/ten-steps.json:

    /usr/bin/python3 bench/reference/ten_steps.py && npm run format

Minimises `sum(c (w - t)^2)` from w = 0 with a gradient of its own in each step, so that momentum and clipping matter.
"""

import json

import torch

torch.set_default_dtype(torch.float64)
SCALES = torch.tensor([0.05, 1.0, 4.0, 0.5])
TARGETS = torch.tensor([3.0, -1.0, 0.25, 2.0])

optimisers = {
    "adam": lambda w: torch.optim.Adam(w, lr=0.125),
    "adam, weight decay": lambda w: torch.optim.Adam(w, lr=0.125, weight_decay=0.0625),
    "adamw": lambda w: torch.optim.AdamW(w, lr=0.125, weight_decay=0.0625),
    "sgd": lambda w: torch.optim.SGD(w, lr=0.0625),
    "sgd, momentum": lambda w: torch.optim.SGD(w, lr=0.0625, momentum=0.75),
    "nesterov, weight decay": lambda w: torch.optim.SGD(w, lr=0.0625, momentum=0.75, nesterov=True, weight_decay=0.125),
    "sgd, clipped by norm": lambda w: torch.optim.SGD(w, lr=0.0625, momentum=0.75),
    "sgd, clipped by value": lambda w: torch.optim.SGD(w, lr=0.0625, momentum=0.75),
}


def run(name):
    w = torch.zeros(4, requires_grad=True)
    optimiser = optimisers[name]([w])
    steps = []
    for step in range(10):
        optimiser.zero_grad()
        (SCALES * (w - TARGETS * (1 + step % 3)) ** 2).sum().backward()
        if name.endswith("norm"):
            torch.nn.utils.clip_grad_norm_([w], 2.0)
        if name.endswith("value"):
            torch.nn.utils.clip_grad_value_([w], 0.5)
        optimiser.step()
        steps.append(w.tolist())
    return steps


reference = {name: run(name) for name in optimisers}
with open("test/fixtures/optimisers/ten-steps.json", "w") as file:
    json.dump(json.loads(json.dumps(reference), parse_float=lambda v: float(f"{float(v):.10g}")), file, indent="\t")
    file.write("\n")
