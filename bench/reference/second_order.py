"""Second derivatives of the zoo networks by PyTorch, in float64, for test/models/autodiff/second-order.test.ts.

Run from the root of the repository with PyTorch 1.13 or later; writes test/fixtures/second-order/reference.json:

    /usr/bin/python3 bench/reference/second_order.py && npm run format

Parameters, inputs and vectors follow from `values` on both sides. Of each Hessian-vector product the file keeps the
norm and at most 12 values of every parameter's part.
"""

import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
BATCH, CLASSES = 6, 3


def values(count, salt):
    """Numbers in [-1, 1) that look drawn but are the same everywhere, rounded to float32."""
    noise = [math.sin((i + 1) * 12.9898 + salt) * 43758.5453 for i in range(count)]
    return torch.tensor([2 * (v - math.floor(v)) - 1 for v in noise]).float().double()


def parameters(shapes):
    """As `startingParameters` of the test: all flat values in one row, scaled by the shape of each tensor."""
    flat = values(sum(math.prod(s) for _, s in shapes), 1)
    found, at = {}, 0
    for name, shape in shapes:
        part = flat[at : at + math.prod(shape)].reshape(shape)
        at += math.prod(shape)
        if len(shape) > 1:
            part = part * math.sqrt(3 / math.prod(shape[1:]))
        elif name.endswith("scale"):
            part = 1 + 0.1 * part
        else:
            part = 0.1 * part
        found[name] = part.float().double().requires_grad_()
    return found


def conv(shapes, name, outputs, inputs, kernel, axes, bias=False):
    shapes.append((f"{name}.weight", [outputs, inputs] + [kernel] * axes))
    if bias:
        shapes.append((f"{name}.bias", [outputs]))


def norm(shapes, name, channels):
    shapes += [(f"{name}.scale", [channels]), (f"{name}.bias", [channels])]


def dense(shapes, name, outputs, inputs):
    shapes += [(f"{name}.weight", [outputs, inputs]), (f"{name}.bias", [outputs])]


def apply_conv(p, name, x, stride=1):
    weight = p[f"{name}.weight"]
    convolution = F.conv1d if weight.dim() == 3 else F.conv2d
    return convolution(x, weight, p.get(f"{name}.bias"), stride=stride, padding=weight.shape[-1] // 2)


def apply_norm(p, name, x):
    return F.batch_norm(x, None, None, p[f"{name}.scale"], p[f"{name}.bias"], training=True, eps=1e-5)


def apply_dense(p, name, x):
    return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def pool(x):
    return F.max_pool1d(x, 2) if x.dim() == 3 else F.max_pool2d(x, 2)


def average(x):
    return x.flatten(2).mean(2)


class Lenet:
    input = [2, 8, 8]
    smashed = 32

    def client_shapes(self):
        s = []
        for name, outputs, inputs in (("conv1", 16, 2), ("conv2", 32, 16)):
            conv(s, f"client.{name}.conv", outputs, inputs, 3, 2)
            norm(s, f"client.{name}.norm", outputs)
        return s

    def stream_shapes(self):
        s = []
        conv(s, "server.A.conv.conv", 64, 32, 3, 2)
        norm(s, "server.A.conv.norm", 64)
        dense(s, "server.A.dense1", 64, 64 * 4)
        dense(s, "server.A.dense2", CLASSES, 64)
        return s

    def block(self, p, name, x):
        return F.relu(apply_norm(p, f"{name}.norm", apply_conv(p, f"{name}.conv", x)))

    def client(self, p, x):
        return self.block(p, "client.conv2", pool(self.block(p, "client.conv1", x)))

    def stream(self, p, x):
        hidden = F.relu(apply_dense(p, "server.A.dense1", pool(self.block(p, "server.A.conv", x)).flatten(1)))
        return apply_dense(p, "server.A.dense2", hidden)


class ResnetSmall:
    input = [2, 8, 8]
    smashed = 32

    def block_shapes(self, s, name, inputs, outputs, projected):
        conv(s, f"{name}.conv1", outputs, inputs, 3, 2)
        norm(s, f"{name}.norm1", outputs)
        conv(s, f"{name}.conv2", outputs, outputs, 3, 2)
        norm(s, f"{name}.norm2", outputs)
        if projected:
            conv(s, f"{name}.skip.conv", outputs, inputs, 1, 2)
            norm(s, f"{name}.skip.norm", outputs)

    def client_shapes(self):
        s = []
        conv(s, "client.stem", 16, 2, 3, 2)
        norm(s, "client.norm", 16)
        self.block_shapes(s, "client.block1", 16, 32, True)
        return s

    def stream_shapes(self):
        s = []
        self.block_shapes(s, "server.A.block2", 32, 64, True)
        self.block_shapes(s, "server.A.block3", 64, 64, False)
        dense(s, "server.A.dense", CLASSES, 64)
        return s

    def block(self, p, name, x, stride):
        b = F.relu(apply_norm(p, f"{name}.norm1", apply_conv(p, f"{name}.conv1", x, stride)))
        d = apply_norm(p, f"{name}.norm2", apply_conv(p, f"{name}.conv2", b))
        if f"{name}.skip.conv.weight" in p:
            x = apply_norm(p, f"{name}.skip.norm", apply_conv(p, f"{name}.skip.conv", x, stride))
        return F.relu(d + x)

    def client(self, p, x):
        start = F.relu(apply_norm(p, "client.norm", apply_conv(p, "client.stem", x)))
        return self.block(p, "client.block1", start, 2)

    def stream(self, p, x):
        x = self.block(p, "server.A.block3", self.block(p, "server.A.block2", x, 2), 1)
        return apply_dense(p, "server.A.dense", average(x))


class PsglPaper:
    input = [2, 8, 8]

    def client_shapes(self):
        s = []
        conv(s, "client.conv1", 32, 2, 3, 2, True)
        conv(s, "client.conv2", 64, 32, 3, 2, True)
        return s

    def stream_shapes(self):
        s = []
        conv(s, "server.A.conv", 128, 64, 3, 2, True)
        dense(s, "server.A.dense1", 128, 128 * 4)
        dense(s, "server.A.dense2", CLASSES, 128)
        return s

    def client(self, p, x):
        return F.relu(apply_conv(p, "client.conv2", pool(F.relu(apply_conv(p, "client.conv1", x)))))

    def stream(self, p, x):
        features = F.relu(apply_conv(p, "server.A.conv", x))
        hidden = F.relu(apply_dense(p, "server.A.dense1", pool(features).flatten(1)))
        return apply_dense(p, "server.A.dense2", hidden)


class Ecg1d:
    input = [1, 32]

    def client_shapes(self):
        s = []
        for name, outputs, inputs, kernel in (("conv1", 16, 1, 7), ("conv2", 32, 16, 5)):
            conv(s, f"client.{name}.conv", outputs, inputs, kernel, 1)
            norm(s, f"client.{name}.norm", outputs)
        return s

    def stream_shapes(self):
        s = []
        conv(s, "server.A.conv.conv", 32, 32, 5, 1)
        norm(s, "server.A.conv.norm", 32)
        dense(s, "server.A.dense1", 128, 32 * 8)
        dense(s, "server.A.dense2", CLASSES, 128)
        return s

    def block(self, p, name, x):
        y = apply_conv(p, f"{name}.conv", x)
        scale, bias = p[f"{name}.norm.scale"], p[f"{name}.norm.bias"]
        y = F.group_norm(y, 8, scale, bias) if name.startswith("client") else apply_norm(p, f"{name}.norm", y)
        return F.leaky_relu(y, 0.01)

    def client(self, p, x):
        return self.block(p, "client.conv2", pool(self.block(p, "client.conv1", x)))

    def stream(self, p, x):
        features = pool(self.block(p, "server.A.conv", x)).flatten(1)
        hidden = F.leaky_relu(apply_dense(p, "server.A.dense1", features), 0.01)
        return apply_dense(p, "server.A.dense2", hidden)


def sampled(tensor):
    flat = tensor.detach().flatten()
    step = max(1, len(flat) // 12)
    return {"norm": flat.norm().item(), "values": flat[::step][:12].tolist()}


def hessian_vector_product(network):
    p = parameters(network.client_shapes() + network.stream_shapes())
    x = values(BATCH * math.prod(network.input), 3).reshape([BATCH] + network.input)
    target = torch.arange(BATCH) % CLASSES
    loss = F.cross_entropy(network.stream(p, network.client(p, x)), target)
    gradients = torch.autograd.grad(loss, list(p.values()), create_graph=True)
    vector = values(sum(v.numel() for v in p.values()), 2)
    flat = torch.cat([g.flatten() for g in gradients])
    products = torch.autograd.grad(flat @ vector, list(p.values()))
    return {"loss": loss.item(), "products": {k: sampled(v) for k, v in zip(p, products)}}


def gradient_matching(network):
    """Gradient with respect to a guessed input of the squared distance of two gradients of the client segment."""
    shapes = network.client_shapes()
    dense(shapes, "head", CLASSES, network.smashed)
    p = parameters(shapes)
    target = torch.arange(2) % CLASSES

    def gradients(x, keep):
        loss = F.cross_entropy(apply_dense(p, "head", average(network.client(p, x))), target)
        return torch.autograd.grad(loss, list(p.values()), create_graph=keep)

    count = 2 * math.prod(network.input)
    observed = gradients(values(count, 4).reshape([2] + network.input), False)
    guess = values(count, 5).reshape([2] + network.input).requires_grad_()
    distance = sum(((a - b) ** 2).sum() for a, b in zip(gradients(guess, True), observed))
    (gradient,) = torch.autograd.grad(distance, [guess])
    return {"distance": distance.item(), "gradient": gradient.flatten().tolist()}


networks = {"lenet": Lenet(), "resnet-small": ResnetSmall(), "psgl-paper": PsglPaper(), "ecg-1d": Ecg1d()}
reference = {
    "hessianVectorProducts": {k: hessian_vector_product(n) for k, n in networks.items()},
    "gradientMatching": {k: gradient_matching(networks[k]) for k in ("lenet", "resnet-small")},
}
with open("test/fixtures/second-order/reference.json", "w") as file:
    json.dump(json.loads(json.dumps(reference), parse_float=lambda v: float(f"{float(v):.9g}")), file, indent="\t")
    file.write("\n")
