#!/usr/bin/python3
"""Exports small networks from PyTorch with what it computes for them: test/fixtures/onnx/NAME.onnx and NAME.npz.

Run with Debian's python3-torch (1.13):  /usr/bin/python3 bench/reference/export_models.py [NAME ...]
Keys: in.input, target, output, loss, gin.input, g.<initialiser>, adam (losses before each of ten steps, rate 0.001).
"""

import math
import pathlib
import sys
import numpy
import torch
from torch import nn
from torch.nn import functional as F

folder = pathlib.Path(__file__).resolve().parents[2] / "test" / "fixtures" / "onnx"


class Recurrent(nn.Module):
    """Heart beats [B,1,L]: a strided convolution, a recurrent layer over its places, the last hidden states."""

    def __init__(self, layer, **options):
        super().__init__()
        self.conv = nn.Conv1d(1, 6, 5, stride=4)
        self.layer = layer(6, 7, batch_first=True, **options)
        self.head = nn.Linear(7 * (2 if options.get("bidirectional") else 1), 4)

    def forward(self, x):
        sequence, _ = self.layer(torch.relu(self.conv(x)).transpose(1, 2))
        return self.head(sequence.mean(1))


class EinsumAttention(nn.Module):
    """Attention over the places of a picture with a class token, written with einsum."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(1, 12, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 12) * 0.1)
        self.qkv = nn.Linear(12, 36)
        self.proj = nn.Parameter(torch.randn(2, 6, 12) * 0.3)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        b = x.size(0)
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(b, -1, -1), x], 1)
        n = x.size(1)
        q, k, v = self.qkv(x).reshape(b, n, 3, 2, 6).permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(6)
        mixed = torch.einsum("bhij,bhjd->bihd", scores.softmax(-1), v)
        return self.head((x + torch.einsum("...hd,hdo->...o", mixed, self.proj))[:, 0])


class CausalAttention(nn.Module):
    """Masked attention over a signal, as transformers of text write it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(5, 8)
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        b, n, _ = x.shape
        x = self.embed(x)
        q, k, v = (f(x).view(b, n, 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        scores = scores.masked_fill(torch.ones(n, n).tril() == 0, -1e9)
        return self.head((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, 8).mean(1))


class MobileBlocks(nn.Module):
    """Depthwise blocks with squeeze and excitation, HardSwish and HardSigmoid."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.squeeze = nn.Conv2d(8, 4, 1)
        self.excite = nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = F.hardswish(self.bn(self.stem(x)))
        y = F.hardswish(self.depthwise(x))
        gate = F.hardsigmoid(self.excite(torch.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        return self.head((x + y * gate).mean((2, 3)))


class Decoder(nn.Module):
    """A picture made smaller, then larger by ConvTranspose, bilinear and nearest interpolation."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1)
        self.mid = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, x):
        y = F.elu(self.up(F.gelu(self.down(x))))
        y = F.interpolate(F.avg_pool2d(self.mid(y), 2), size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.last(F.interpolate(F.max_pool2d(y, 2), scale_factor=2, mode="nearest"))


class Normalisations(nn.Module):
    """GroupNorm, InstanceNorm, LayerNorm and PReLU."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.group = nn.GroupNorm(4, 8)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.prelu = nn.PReLU(8)
        self.layer = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.prelu(self.instance(F.silu(self.group(self.conv(x)))))
        return self.head(self.layer(x.amax((2, 3))))


class UNet(nn.Module):
    """Two levels down and up with skip connections, as U-Net, and the mean of what comes out."""

    def __init__(self):
        super().__init__()
        block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.down1, self.down2, self.bottom = block(1, 3), block(3, 5), block(5, 6)
        self.up2, self.join2 = nn.ConvTranspose2d(6, 5, 2, stride=2), block(10, 5)
        self.up1, self.join1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), block(8, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.join2(torch.cat([b, self.up2(self.bottom(F.max_pool2d(b, 2)))], 1))
        return self.head(self.join1(torch.cat([a, self.up1(c)], 1)).mean((2, 3)))


class Encoder(nn.Module):
    """PyTorch's own transformer encoder over the places of a signal, normalised first, dropout of ratio 0."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv1d(1, 8, 5, stride=5)
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x).transpose(1, 2)).mean(1))


class Picks(nn.Module):
    """Places told by sine and cosine, slices assigned, elements picked by index, the largest of each channel."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv1d(1, 6, 5, stride=5)
        self.phase = nn.Parameter(torch.randn(6, 1))
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = self.embed(x)
        places = torch.arange(x.size(2)) * self.phase
        y = x * places.cos() + x.flip(1) * places.sin()
        y = y.clone()
        y[:, 1:3, 2:5] = torch.sin(x[:, 3:5, 4:7])
        picked = y.permute(1, 2, 0)[[0, 2, 2, 5], [1, 3, 3, 12]].t()
        return self.head(torch.cat([picked, y.topk(2, 2)[0].flatten(1) * torch.ceil(x.amax((1, 2)) + 0.5)[:, None]], 1))


class Shuffled(nn.Module):
    """Sub-pixel convolution and its inverse, Swish with squeeze and excitation as EfficientNet, a scaled ConvNeXt block."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.wide = nn.Conv2d(2, 6, 3, padding=1)
        self.squeeze, self.excite = nn.Conv2d(24, 3, 1), nn.Conv2d(3, 24, 1)
        self.depthwise = nn.Conv2d(24, 24, 5, padding=2, groups=24)
        self.norm, self.up, self.down = nn.LayerNorm(24), nn.Linear(24, 20), nn.Linear(20, 24)
        self.scale = nn.Parameter(torch.full((24,), 0.2))
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        x = F.pixel_unshuffle(F.silu(self.wide(F.pixel_shuffle(self.stem(x), 2))), 2)
        x = x * torch.sigmoid(self.excite(F.silu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        y = self.down(F.gelu(self.up(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))))
        return self.head((x + (self.scale * y).permute(0, 3, 1, 2)).mean((2, 3)))


picture, signal, long_signal, tokens = (5, 1, 12, 12), (5, 1, 65), (5, 1, 605), (5, 6, 5)
models = [
    ("lstm_op11", 11, lambda: Recurrent(nn.LSTM), signal, 4),
    ("lstm_two_layers_op14", 14, lambda: Recurrent(nn.LSTM, num_layers=2, bidirectional=True), signal, 4),
    ("gru_op13", 13, lambda: Recurrent(nn.GRU), signal, 4),
    ("gru_bidirectional_op17", 17, lambda: Recurrent(nn.GRU, bidirectional=True), signal, 4),
    ("rnn_op15", 15, lambda: Recurrent(nn.RNN), signal, 4),
    ("rnn_relu_op13", 13, lambda: Recurrent(nn.RNN, nonlinearity="relu", bidirectional=True), signal, 4),
    ("lstm_151_steps_op17", 17, lambda: Recurrent(nn.LSTM), long_signal, 4),
    ("gru_bidirectional_151_steps_op14", 14, lambda: Recurrent(nn.GRU, bidirectional=True), long_signal, 4),
    ("einsum_attention_op12", 12, EinsumAttention, picture, 3),
    ("causal_attention_op14", 14, CausalAttention, tokens, 3),
    ("mobile_blocks_op14", 14, MobileBlocks, picture, 3),
    ("decoder_op16", 16, Decoder, picture, 0),
    ("normalisations_op17", 17, Normalisations, picture, 3),
    ("unet_op11", 11, UNet, picture, 3),
    ("transformer_encoder_op14", 14, Encoder, signal, 3),
    ("picks_op13", 13, Picks, signal, 3),
    ("shuffled_op17", 17, Shuffled, picture, 3),
]


def write(name, opset, make, shape, classes):
    torch.manual_seed(20)
    model = make().train()
    x = torch.randn(shape, requires_grad=True)
    target = torch.randint(0, classes, shape[:1]) if classes else torch.rand(shape)
    path = folder / f"{name}.onnx"
    axes = {"input": {0: "N"}, "output": {0: "N"}}
    training = torch.onnx.TrainingMode.TRAINING
    torch.onnx.export(model, x, path, opset_version=opset, input_names=["input"], output_names=["output"],
                      dynamic_axes=axes, training=training, do_constant_folding=False)
    torch.manual_seed(20)
    model = make().train()  # the export ran a pass that moved running averages
    loss_of = F.cross_entropy if classes else F.mse_loss
    output = model(x)
    loss = loss_of(output, target)
    loss.backward()
    arrays = {"in.input": x, "gin.input": x.grad, "target": target, "output": output, "loss": loss}
    arrays.update({f"g.{key}": value.grad for key, value in model.named_parameters()})
    torch.manual_seed(20)
    model = make().train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        loss = loss_of(model(x.detach()), target)
        losses.append(loss.item())
        loss.backward()
        optimiser.step()
    arrays["adam"] = torch.tensor(losses)
    numpy.savez_compressed(folder / f"{name}.npz", **{k: v.detach().numpy() for k, v in arrays.items()})
    print(name, path.stat().st_size, losses[0], losses[-1])


torch.set_num_threads(1)
for model in models:
    if model[0] in (sys.argv[1:] or [model[0]]):
        write(*model)
