"""Layers that sum a map of local features (B, C, H, W) up in one vector a picture.

The names of their parameters are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

_EPSILON = 1e-6
# R-MAC: neighbouring regions should overlap by this share, with 2 to 7 regions along the longer side.
_OVERLAP = 0.4
_MOST_REGIONS = 7
_LEVELS = 3


class L2Norm(nn.Module):
    """Scales the channels at each place to length one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) of any shape."""
        return nn.functional.normalize(x, dim=1)


class Flatten(nn.Module):
    """(B, C, 1, 1) to (B, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop the last two axes."""
        return x[:, :, 0, 0]


class GeM(nn.Module):
    """Generalised mean with a learned power (Radenovic et al., TPAMI 2018); p = 1 is the mean, large p the maximum."""

    def __init__(self, p: float = 3.0) -> None:
        """Start at the power ``p``."""
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), p))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, 1, 1)."""
        return x.clamp(min=_EPSILON).pow(self.p).mean((2, 3), keepdim=True).pow(1.0 / self.p)


class SPoC(nn.Module):
    """The mean (Babenko and Lempitsky, ICCV 2015)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, 1, 1)."""
        return x.mean((2, 3), keepdim=True)


class MAC(nn.Module):
    """The maximum (Tolias et al., ICLR 2016)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, 1, 1)."""
        return x.amax((2, 3), keepdim=True)


class RMAC(nn.Module):
    """The sum of the normalised maxima over overlapping squares of three sizes and over the whole (ibid.)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, C, 1, 1)."""
        height, width = x.shape[-2:]
        total = _unit(x.amax((2, 3), keepdim=True))
        for left, top, side in rmac_regions(width, height):
            total = total + _unit(x[:, :, top : top + side, left : left + side].amax((2, 3), keepdim=True))
        return total


class NetVLAD(nn.Module):
    """Soft-assigned residuals to learned centres, each centre's sum normalised (Arandjelovic et al., CVPR 2016).

    All K centres count; there are none that take up what belongs nowhere and are then dropped.
    """

    def __init__(self, num_clusters: int, dim: int, *, bias: bool = False) -> None:
        """K = ``num_clusters`` centres for features of ``dim`` channels; ``bias`` as the checkpoint has it."""
        super().__init__()
        self.conv = nn.Conv2d(dim, num_clusters, 1, bias=bias)
        self.centroids = nn.Parameter(torch.zeros(num_clusters, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, K * C), length one."""
        x = nn.functional.normalize(x, dim=1)
        shares = self.conv(x).flatten(2).softmax(1)
        # sum_n a_kn (x_n - c_k), without holding all K * N differences
        sums = shares @ x.flatten(2).transpose(1, 2) - shares.sum(2, keepdim=True) * self.centroids
        return nn.functional.normalize(nn.functional.normalize(sums, dim=2).flatten(1), dim=1)


SHALLOW: dict[str, Callable[[], nn.Module]] = {"gem": GeM, "mac": MAC, "rmac": RMAC, "spoc": SPoC}


def rmac_regions(width: int, height: int) -> list[tuple[int, int, int]]:
    """The squares that R-MAC looks at in a map of ``width`` x ``height``: left, top, side of each.

    Level l has l squares along the shorter side, of side 2 * shorter / (l + 1), and along the longer side as many more
    as make neighbours of the first level overlap by nearly 40 %.
    """
    short = min(width, height)
    more = 0
    if width != height:
        spacing = [(max(width, height) - short) / (count - 1) for count in range(2, _MOST_REGIONS + 1)]
        misses = [abs(1 - space / short - _OVERLAP) for space in spacing]
        more = misses.index(min(misses)) + 1
    found = []
    for level in range(1, _LEVELS + 1):
        side = 2 * short // (level + 1)
        if side == 0:
            continue
        lefts = _spread(width - side, level + (more if width > height else 0))
        tops = _spread(height - side, level + (more if height > width else 0))
        found += [(left, top, side) for top in tops for left in lefts]
    return found


def _spread(room: int, count: int) -> list[int]:
    """``count`` whole positions from 0 to ``room``."""
    return [0] if count == 1 else [i * room // (count - 1) for i in range(count)]


def _unit(x: torch.Tensor) -> torch.Tensor:
    unit: torch.Tensor = x / (x.norm(dim=1, keepdim=True) + _EPSILON)
    return unit
