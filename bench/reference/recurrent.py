#!/usr/bin/python3
"""PyTorch's LSTM and GRU on what bench/recurrent.ts runs: 32 inputs, 64 units, batch 16, forward and backward, one thread.

Run with Debian's python3-torch (1.13):  /usr/bin/python3 bench/reference/recurrent.py
Median and least of 20 runs in milliseconds, after one that is not counted.
"""

import time

import torch

torch.set_num_threads(1)
for layer in (torch.nn.LSTM, torch.nn.GRU):
    for steps in (32, 128, 512, 1024):
        model = layer(32, 64)
        x = torch.randn(steps, 16, 32, requires_grad=True)
        milliseconds = []
        for _ in range(21):
            start = time.perf_counter()
            y, _state = model(x)
            y.backward(y.detach())
            milliseconds.append(1000 * (time.perf_counter() - start))
        measured = sorted(milliseconds[1:])
        print(f"{layer.__name__:4} {steps:4} {measured[10]:.1f} ({measured[0]:.1f})")
