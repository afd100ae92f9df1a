#!/usr/bin/python3
"""Structural similarity by scikit-image and correlation by NumPy, of pictures and signals that look drawn.

/usr/bin/python3 bench/reference/similarity.py > test/fixtures/audit/similarity.json

Needs Debian's python3-skimage. The numbers are those of test/helpers/reference-values.ts, brought to [0,1]; equal samples count 100 dB.
"""

import json
import numpy
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def values(shape, salt):
    index = numpy.arange(1, numpy.prod(shape) + 1, dtype=numpy.float64)
    noise = numpy.sin(index * 12.9898 + salt) * 43758.5453
    return (2 * (noise - numpy.floor(noise)) - 1).astype(numpy.float32).reshape(shape)


def pair(shape, share):
    original = (values(shape, 1) + 1) / 2
    return original, (1 - share) * original + share * (values(shape, 2) + 1) / 2


def compare(shape, share):
    original, guess = pair(shape, share)
    result = {"shape": shape, "share": share}
    result["psnr"] = [
        100 if (a == b).all() else peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(original, guess)
    ]
    if len(shape) == 4:
        result["ssim"] = [
            structural_similarity(a.astype(float), b.astype(float), data_range=1, channel_axis=0)
            for a, b in zip(original, guess)
        ]
    result["correlation"] = [numpy.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(original, guess)]
    return result


cases = [((2, 1, 12, 15), 0.1), ((2, 1, 7, 7), 0.6), ((2, 3, 9, 28), 0.3), ((2, 1, 28, 28), 0), ((2, 2, 40), 0.4)]
print(json.dumps([compare(*case) for case in cases], default=float, indent="\t"))
