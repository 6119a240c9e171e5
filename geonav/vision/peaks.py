"""Keypoints out of a heatmap: its local maxima, and where between the pixels their top lies."""

from __future__ import annotations

import torch
from kornia.geometry.subpix import nms2d

_FLAT = 1e-9
# A keypoint needs something to see: this range of grey within this many pixels. Networks that normalise contrast find
# keypoints in an even wall or a black photo otherwise.
_LEAST_RANGE = 2.0 / 255.0
_SIGHT_PX = 7


def textured(picture: torch.Tensor) -> torch.Tensor:
    """Where a picture (3, H, W) in [0, 1] is not of one tone: bool (H, W), True where its surroundings vary."""
    grey = picture.mean(0)
    return _highest_around(grey) + _highest_around(-grey) > _LEAST_RANGE


def _highest_around(values: torch.Tensor) -> torch.Tensor:
    """The highest value (H, W) in sight of each pixel: over ever longer runs along one axis, then along the other."""
    for _ in range(2):
        runs = torch.nn.functional.pad(values, (_SIGHT_PX, _SIGHT_PX), value=-torch.inf)
        length, side = 1, 2 * _SIGHT_PX + 1
        while length < side:
            step = min(length, side - length)
            runs = torch.maximum(runs[:, :-step], runs[:, step:])
            length += step
        values = runs.t().contiguous()
    return values


def find_peaks(heat: torch.Tensor, radius: int, threshold: float, allowed: torch.Tensor) -> torch.Tensor:
    """The strict maxima of ``heat`` (H, W) in windows of ``2 radius + 1`` that fit inside it, in raster order.

    Args:
        heat: (H, W); a maximum must lie strictly above ``threshold``, so NaN is none.
        radius: of the window, in pixels; 0 counts as 1, for a single pixel is no neighbourhood.
        threshold: the least value.
        allowed: bool (H, W), True where maxima are wanted.

    Returns:
        int64 (N, 2) x, y.
    """
    side = 2 * max(radius, 1) + 1
    if min(heat.shape) < side:
        return torch.zeros((0, 2), dtype=torch.long, device=heat.device)
    keep = nms2d(heat[None, None], (side, side), mask_only=True)[0, 0] & (heat > threshold)
    return (keep & allowed).nonzero().flip(1)


def strongest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Indices of the ``count`` highest scores, falling; equal scores keep their order, so the choice is repeatable."""
    return torch.argsort(scores, descending=True, stable=True)[:count]


def quadratic_offsets(heat: torch.Tensor, peaks: torch.Tensor) -> torch.Tensor:
    """Where the top lies of the quadratic through the 3x3 values around each peak, relative to the peak.

    The quadratic takes its gradient and Hessian from central differences, so the top is one Newton step away; steps are
    clipped to half a pixel, and a neighbourhood that does not curve downwards keeps its pixel. On DISK's raw logits
    this halves the error of the integer keypoints; soft-argmax windows and wider least-squares fits were measured and
    are no better (``tests/vision/test_subpixel.py`` has the comparison with integers).

    Args:
        heat: (H, W).
        peaks: int64 (N, 2) x, y, none on the border.

    Returns:
        float (N, 2) in [-0.5, 0.5].
    """
    x, y = peaks.unbind(1)
    centre = heat[y, x]
    left, right, above, below = heat[y, x - 1], heat[y, x + 1], heat[y - 1, x], heat[y + 1, x]
    slope_x, slope_y = (right - left) / 2, (below - above) / 2
    bend_x, bend_y = right + left - 2 * centre, below + above - 2 * centre
    twist = (heat[y + 1, x + 1] + heat[y - 1, x - 1] - heat[y - 1, x + 1] - heat[y + 1, x - 1]) / 4
    determinant = bend_x * bend_y - twist**2
    is_top = (determinant > _FLAT) & (bend_x < 0)
    divisor = torch.where(is_top, determinant, torch.ones_like(determinant))
    step_x = (twist * slope_y - bend_y * slope_x) / divisor
    step_y = (twist * slope_x - bend_x * slope_y) / divisor
    steps = torch.stack([step_x, step_y], 1).clamp(-0.5, 0.5)
    return torch.where(is_top[:, None], steps, torch.zeros_like(steps))


def soft_argmax_offsets(heat: torch.Tensor, peaks: torch.Tensor, radius: int, temperature: float) -> torch.Tensor:
    """The mean position in each peak's window, weighted by ``exp(heat / temperature)``, relative to the peak.

    Args:
        heat: (H, W).
        peaks: int64 (N, 2) x, y, at least ``radius`` from the border.
        radius: of the window, in pixels.
        temperature: in units of ``heat``.

    Returns:
        float (N, 2).
    """
    steps = torch.arange(-radius, radius + 1, device=heat.device)
    window_y, window_x = torch.meshgrid(steps, steps, indexing="ij")
    window = torch.stack([window_x, window_y], -1).reshape(-1, 2)
    values = heat[peaks[:, 1:] + window[:, 1], peaks[:, :1] + window[:, 0]]
    return torch.softmax(values / temperature, 1) @ window.to(heat.dtype)
