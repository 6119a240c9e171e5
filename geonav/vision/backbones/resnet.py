"""Residual networks (He et al., CVPR 2016) without the classifier.

Parameters carry torchvision's names (``layer3.5.conv2.weight``), so that its state dicts and those of networks built
from it load. The stride of a bottleneck lies in its 3x3 convolution, as there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from geonav.errors import UsageError

End = Literal["conv4", "conv5"]


@dataclass(frozen=True)
class ResNetPlan:
    """What tells one residual network from another.

    Attributes:
        blocks: how many blocks layer1 to layer4 have.
        is_deep: whether blocks are bottlenecks of three convolutions, four times as wide at their end.
    """

    blocks: tuple[int, int, int, int]
    is_deep: bool

    @property
    def expansion(self) -> int:
        """How much wider a block ends than it is inside."""
        return 4 if self.is_deep else 1


PLANS = {
    "resnet18": ResNetPlan((2, 2, 2, 2), is_deep=False),
    "resnet50": ResNetPlan((3, 4, 6, 3), is_deep=True),
    "resnet101": ResNetPlan((3, 4, 23, 3), is_deep=True),
    "resnet152": ResNetPlan((3, 8, 36, 3), is_deep=True),
}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the input added to their result."""

    def __init__(self, wide_in: int, width: int, stride: int) -> None:
        """From ``wide_in`` channels to ``width``."""
        super().__init__()
        self.conv1 = nn.Conv2d(wide_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(wide_in, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C', H', W')."""
        inner = torch.relu(self.bn1(self.conv1(x)))
        inner = self.bn2(self.conv2(inner))
        return torch.relu(inner + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, the last four times as wide, and the input added to their result."""

    def __init__(self, wide_in: int, width: int, stride: int) -> None:
        """From ``wide_in`` channels to ``4 * width``."""
        super().__init__()
        self.conv1 = nn.Conv2d(wide_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(wide_in, 4 * width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C', H', W')."""
        inner = torch.relu(self.bn1(self.conv1(x)))
        inner = torch.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        return torch.relu(inner + (x if self.downsample is None else self.downsample(x)))


def resnet(name: str, *, width: int = 64, end: End = "conv5") -> nn.Sequential:
    """The convolutions of a residual network, cut off behind layer3 (``conv4``) or layer4 (``conv5``).

    Args:
        name: resnet18, resnet50, resnet101 or resnet152.
        width: channels behind the first convolution, 64 in every published network.
        end: the last stage that is kept, as the literature numbers them.

    Returns:
        A sequence whose members have torchvision's names: conv1, bn1, relu, maxpool, layer1 to layer3 or layer4.

    Raises:
        UsageError: there is no such network.
    """
    if name not in PLANS:
        msg = f"unknown residual network '{name}': choose of {', '.join(PLANS)}"
        raise UsageError(msg)
    plan = PLANS[name]
    stages: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(3, width, 7, 2, 3, bias=False),
        bn1=nn.BatchNorm2d(width),
        relu=nn.ReLU(inplace=True),
        maxpool=nn.MaxPool2d(3, 2, 1),
    )
    wide_in = width
    for number, count in enumerate(plan.blocks[: 3 if end == "conv4" else 4]):
        inside = width * 2**number
        stages[f"layer{number + 1}"] = _stage(plan, wide_in, inside, count, stride=1 if number == 0 else 2)
        wide_in = inside * plan.expansion
    return nn.Sequential(stages)


def channels_of(name: str, *, width: int = 64, end: End = "conv5") -> int:
    """The number of channels that :func:`resnet` ends with."""
    return width * PLANS[name].expansion * (4 if end == "conv4" else 8)


def _stage(plan: ResNetPlan, wide_in: int, width: int, count: int, *, stride: int) -> nn.Sequential:
    block = Bottleneck if plan.is_deep else BasicBlock
    first = block(wide_in, width, stride)
    return nn.Sequential(first, *(block(width * plan.expansion, width, 1) for _ in range(count - 1)))


def _shortcut(wide_in: int, wide_out: int, stride: int) -> nn.Sequential | None:
    """What fits the input to the result where their shapes differ."""
    if stride == 1 and wide_in == wide_out:
        return None
    return nn.Sequential(nn.Conv2d(wide_in, wide_out, 1, stride, bias=False), nn.BatchNorm2d(wide_out))
