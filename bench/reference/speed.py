"""PyTorch's side of `npm run bench`: prepares one piece of work, then times runs of it, both on request (a JSON object a line).

usage: speed.py THREADS BASELINE, where BASELINE is the folder that holds psgl_ref.py
"""
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]))
sys.path.insert(0, sys.argv[2])
import psgl_ref as ref  # noqa: E402


def without_bias(*modules):
    """No bias in front of a batch normalisation, as in psgl's networks: it has no effect and costs time."""
    for module in modules:
        for block in module.modules():
            if isinstance(block, nn.Sequential) and len(block) > 1 and isinstance(block[1], nn.BatchNorm2d):
                block[0].bias = None


def system(kind, channels, size):
    if kind == "psgl":
        return ref.PSGL(channels, size, 2, eps=0.5, aux=True, reading="residual", mu=0.55)
    return ref.Vanilla(channels, size, 2)


def step(kind, channels, size, batch):
    model = system(kind, channels, size)
    without_bias(model.client, model.server)
    model.mode(True)
    x, y = torch.rand(batch, channels, size, size), torch.randint(0, 2, (batch,))
    return lambda: model.step(x, y)


def saliency(channels, size, batch):
    model = system("psgl", channels, size)
    without_bias(model.client, model.server)
    model.mode(True)
    x = torch.rand(batch, channels, size, size)
    return lambda: model.map(x)


def inference(channels, size):
    client = system("psgl", channels, size).client.eval()
    without_bias(client)
    u = torch.rand(1, 4 * channels + 1, size // 2, size // 2)

    def run():
        with torch.no_grad():
            client(u)

    return run


def recovery(rows, columns, batch):
    x = F.relu(torch.rand(batch, rows, columns) - 0.5)

    def run():
        with torch.no_grad():
            return x - ref.svt(x, 0.55)

    return run


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
        same = stride == 1 and i == o
        self.skip = nn.Identity() if same else nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        return F.relu(self.b(self.a(x)) + self.skip(x))


def resnet(batch):
    """The network of bench/resnet18.ts, cut behind the first block with 128 channels; Adam on both halves."""
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)]
    width = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        layers += [Block(width, outputs, 1 if stage == 0 else 2), Block(outputs, outputs, 1)]
        width = outputs
    client = nn.Sequential(*layers[:7])
    server = nn.Sequential(*layers[7:], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    optimisers = [torch.optim.Adam(half.parameters(), 1e-3) for half in (client, server)]
    x, y = torch.rand(batch, 3, 64, 64), torch.randint(0, 10, (batch,))

    def run():
        smashed = client(x)
        leaf = smashed.detach().requires_grad_(True)
        for optimiser in optimisers:
            optimiser.zero_grad()
        F.cross_entropy(server(leaf), y).backward()
        smashed.backward(leaf.grad)
        for optimiser in optimisers:
            optimiser.step()

    return run


def device(channels, size, batch):
    """What a device does in a step: map, client segment, and back with a gradient from elsewhere."""
    model = system("psgl", channels, size)
    model.server = None
    model.client.train()
    x = torch.rand(batch, channels, size, size)

    def run():
        with ref.frozen_bn_stats(model.client):
            saliency_map = ref.saliency_map(model.logits, x, None, **model.m)
        smashed = model.client(ref.pack_client_input((x + saliency_map).clamp(0, 1), saliency_map))
        model.oc.zero_grad()
        smashed.backward(torch.ones_like(smashed))
        model.oc.step()

    return run


PIECES = {"step": step, "map": saliency, "inference": inference, "recovery": recovery, "resnet": resnet, "device": device}


def main():
    print(json.dumps(torch.__version__), flush=True)
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        if "piece" in request:
            torch.manual_seed(0)
            run = PIECES[request["piece"]](*request["arguments"])
            print("[]", flush=True)
            continue
        if "memory" in request:
            print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), flush=True)
            continue
        times = []
        for _ in range(request["runs"]):
            start, used = time.perf_counter(), time.process_time()
            run()
            times.append(((time.perf_counter() - start) * 1e3, (time.process_time() - used) * 1e3))
        print(json.dumps(times), flush=True)


main()
