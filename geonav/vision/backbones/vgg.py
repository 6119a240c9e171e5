"""VGG-16 (Simonyan and Zisserman, ICLR 2015) without the classifier, its layers numbered as in torchvision."""

from __future__ import annotations

from torch import nn

# Convolutions in each stage, and their channels in units of the first stage's.
_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
NUM_LAYERS = 31


def vgg16(*, width: int = 64, num_layers: int = NUM_LAYERS) -> nn.Sequential:
    """The first ``num_layers`` of torchvision's 31 ``features``.

    Place recognition keeps 29, which ends with the last convolution itself, before its ReLU; landmark retrieval keeps
    30, with the ReLU and without the last pooling.

    Args:
        width: channels of the first stage, 64 in every published network.
        num_layers: how many to keep.
    """
    layers: list[nn.Module] = []
    wide_in = 3
    for count, times in _STAGES:
        for _ in range(count):
            layers += [nn.Conv2d(wide_in, times * width, 3, 1, 1), nn.ReLU(inplace=True)]
            wide_in = times * width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers[:num_layers])


def channels_of(*, width: int = 64) -> int:
    """The number of channels that :func:`vgg16` ends with."""
    return width * _STAGES[-1][1]
