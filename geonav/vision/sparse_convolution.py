"""Convolutions that are computed only where, or only for what, they are asked for."""

from __future__ import annotations

import torch


def convolved_to_one(channels: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """One output of a convolution at every pixel, zeros around the picture.

    A product of matrices gives what every tap of the kernel takes from every pixel; adding these up shifted is the
    convolution. Convolution routines are made for many outputs and take four times as long for one.

    Args:
        channels: (C, H, W).
        kernel: (C, k, k) with k odd.
        bias: a scalar.

    Returns:
        (H, W).
    """
    taps = kernel.flip(1, 2).flatten(1).T
    side = kernel.shape[-1]
    parts = taps @ channels.flatten(1)
    summed = torch.nn.functional.fold(parts[None], channels.shape[1:], side, padding=side // 2)
    return summed[0, 0] + bias


def convolved_at(
    channels: torch.Tensor, pixels: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """All outputs of a convolution at some pixels, zeros around the picture.

    Args:
        channels: (C, H, W).
        pixels: int64 (N, 2) x, y.
        kernels: (D, C, k, k) with k odd.
        bias: (D,).

    Returns:
        (N, D).
    """
    side = kernels.shape[-1]
    reach = side // 2
    padded = torch.nn.functional.pad(channels, (reach, reach, reach, reach))
    steps = torch.arange(side, device=channels.device)
    rows = pixels[:, 1, None, None] + steps[:, None]
    columns = pixels[:, 0, None, None] + steps
    patches = padded[:, rows, columns].permute(1, 0, 2, 3).flatten(1)
    return torch.addmm(bias, patches, kernels.flatten(1).T)
