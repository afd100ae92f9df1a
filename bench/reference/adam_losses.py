#!/usr/bin/python3
"""Ten steps of Adam in PyTorch on networks that are at hand as ONNX files only: interprets each file with PyTorch.

/usr/bin/python3 bench/reference/adam_losses.py FOLDER > test/fixtures/onnx/adam-losses.json

FOLDER holds NAME.onnx and NAME.npz (in.INPUT, target, g.PARAMETER). Needs Debian's python3-torch and python3-onnx.
Prints the losses before each step, rate 0.001, by name.
"""

import json
import pathlib
import sys
import numpy
import onnx
import onnx.numpy_helper
import torch
from torch.nn import functional as F


def ints(value):
    return [int(v) for v in value]


def convolution(x, w, b=None, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1, **_):
    n = w.dim() - 2
    assert list(pads[:n]) == list(pads[n:])
    return (F.conv1d if n == 1 else F.conv2d)(x, w, b, strides[:n], pads[:n], dilations[:n], group)


def pooling(kind):
    def pool(x, kernel_shape, strides, pads=None, **_):
        n = len(kernel_shape)
        padding = (pads or [0] * 2 * n)[:n]
        return getattr(F, f"{kind}_pool{n}d")(x, kernel_shape, strides, padding)
    return pool


def normalisation(x, scale, bias, mean, variance, epsilon, training):
    return F.batch_norm(x, None if training else mean, None if training else variance, scale, bias, training, 0.1, epsilon)


def gemm(a, b, c=0, alpha=1, beta=1, transA=0, transB=0):
    return alpha * (a.t() if transA else a) @ (b.t() if transB else b) + beta * c


def reduce_mean(x, axes, keepdims=1):
    return x.mean(tuple(axes), keepdim=bool(keepdims))


def sliced(x, starts, ends, axes=None, steps=None):
    for i, (start, end) in enumerate(zip(ints(starts), ints(ends))):
        axis = int(axes[i]) if axes is not None else i
        x = x.index_select(axis, torch.arange(x.size(axis))[start:end])
    return x


def depth_to_space(x, blocksize, mode=b"DCR"):
    assert mode == b"CRD"
    return F.pixel_shuffle(x, blocksize)


def padded(x, pads, value=None, mode=b"constant"):
    n = x.dim()
    flat = [v for axis in reversed(range(n)) for v in (int(pads[axis]), int(pads[axis + n]))]
    while flat and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    return F.pad(x, flat, {b"constant": "constant", b"edge": "replicate", b"reflect": "reflect"}[mode])


def reshaped(x, shape, allowzero=0):
    return x.reshape([x.size(i) if d == 0 else d for i, d in enumerate(ints(shape))])


def unsqueezed(x, axes):
    for axis in sorted(ints(axes)):
        x = x.unsqueeze(axis)
    return x


operators = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Pow": torch.pow, "Sqrt": torch.sqrt,
    "Relu": torch.relu, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "Erf": torch.erf, "MatMul": torch.matmul,
    "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, alpha), "Gemm": gemm, "Conv": convolution,
    "MaxPool": pooling("max"), "AveragePool": pooling("avg"), "ReduceMean": reduce_mean, "Slice": sliced, "Pad": padded,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.dim())), keepdim=True), "DepthToSpace": depth_to_space,
    "Flatten": lambda x, axis=1: x.flatten(axis), "Reshape": reshaped, "Unsqueeze": unsqueezed,
    "Squeeze": lambda x, axes: x.squeeze(int(axes[0])), "Transpose": lambda x, perm: x.permute(perm),
    "Concat": lambda *x, axis: torch.cat(x, axis), "Softmax": lambda x, axis=-1: x.softmax(axis),
    "Shape": lambda x: torch.tensor(x.shape), "Equal": torch.eq, "Where": torch.where,
    "Expand": lambda x, shape: x + torch.zeros(ints(shape)),
    "ConstantOfShape": lambda shape, value: torch.full(ints(shape), value.item()),
    "Split": lambda x, parts, axis=0: x.split(ints(parts), axis),
}


def attribute(a):
    value = onnx.helper.get_attribute_value(a)
    return torch.tensor(onnx.numpy_helper.to_array(value)) if a.type == onnx.AttributeProto.TENSOR else value


def run(graph, values, opset):
    for node in graph.node:
        settings = {a.name: attribute(a) for a in node.attribute}
        inputs = [values[name] if name else None for name in node.input]
        if node.op_type == "Constant":
            result = settings["value"]
        elif node.op_type == "BatchNormalization":
            training = settings.get("training_mode", 0) == 1 or (opset < 14 and len(node.output) > 1)
            result = normalisation(*inputs, settings.get("epsilon", 1e-5), training)
        elif node.op_type == "AveragePool" and any(settings.get("pads", [])):
            raise NotImplementedError("pads of an AveragePool")
        else:
            result = operators[node.op_type](*inputs, **settings)
        values.update(zip(node.output, result if isinstance(result, tuple) else (result,)))
    return values[graph.output[0].name]


def losses(path):
    model, arrays = onnx.load(path), numpy.load(path.with_suffix(".npz"))
    given = {key[3:]: torch.tensor(arrays[key]) for key in arrays.files if key.startswith("in.")}
    weights = {i.name: torch.tensor(onnx.numpy_helper.to_array(i)) for i in model.graph.initializer}
    parameters = [weights[key[2:]].requires_grad_() for key in arrays.files if key.startswith("g.")]
    optimiser = torch.optim.Adam(parameters, 1e-3)
    target, found = torch.tensor(arrays["target"]), []
    for _ in range(10):
        optimiser.zero_grad()
        output = run(model.graph, {**weights, **given}, model.opset_import[0].version)
        loss = F.mse_loss(output, target) if target.is_floating_point() else F.cross_entropy(output, target)
        found.append(loss.item())
        loss.backward()
        optimiser.step()
    expected = float(arrays["loss"])
    assert abs(found[0] - expected) < 1e-5 * expected, f"{path.stem}: {found[0]}, not {expected}"
    return found


torch.set_num_threads(1)
paths = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
print(json.dumps({path.stem: losses(path) for path in paths}, indent="\t"))
