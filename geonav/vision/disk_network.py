"""DISK's U-Net laid out for the processor it runs on: the published network, other only in its rounding.

The network is kornia's and so are its weights (Tyszkiewicz et al., NeurIPS 2020). What differs is how they are used.
Of its last convolution, three quarters of all work, heat is computed everywhere but descriptions at the keypoints
alone. A normalisation divides what a convolution takes in, so the convolution's weights are divided instead; biases
that a normalisation takes out again are not added. Between convolutions, pictures pass block after block through the
processor's cache, so no full-sized copy of them is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

# What InstanceNorm adds to a variance.
_EPSILON = 1e-5
# Numbers that one block holds on a CPU: some of them at once fit its cache.
_BLOCK = 1 << 19
_REACH = 2
_SIDE = 2 * _REACH + 1


@dataclass(frozen=True)
class _Stage:
    """Normalise, bend (PReLU), convolve: weight (D, C, 5, 5) and slope (C,), in full precision."""

    weight: torch.Tensor
    slope: torch.Tensor


@dataclass(frozen=True)
class _Moments:
    """Of each channel, (C,) float32: its mean and one over its standard deviation."""

    mean: torch.Tensor
    scale: torch.Tensor


class DiskNetwork:
    """kornia's U-Net of DISK with its weights."""

    def __init__(self, unet: Any, dtype: torch.dtype) -> None:  # noqa: ANN401 - kornia's is untyped
        """``unet`` in full precision on its device; convolutions compute in ``dtype``, all else in float32."""
        self._dtype = dtype
        first, *down = (block[1] for block in unet.path_down)
        *up, last = (block.conv for block in unet.path_up)
        self._first = first[3].weight.detach() / 255.0
        self._down, self._up = [_stage(block) for block in down], [_stage(block) for block in up]
        self._head, self._head_bias = _stage(last), last[3].bias.detach()

    def __call__(self, picture: torch.Tensor) -> DiskMaps:
        """Look at one picture, float (1, 3, H, W) in [0, 1] with sides that are multiples of 16."""
        # Whole numbers up to 255 are exact also in half precision.
        levels = [_convolved((picture * 255.0).round().to(self._dtype), self._first)]
        for stage in self._down:
            levels.append(self._through(stage, [functional.avg_pool2d(levels[-1], 2)]))
        deep = levels.pop()
        for stage in self._up:
            deep = self._through(stage, [_doubled(deep), levels.pop()])
        return DiskMaps(deep, levels.pop(), self._head, self._head_bias)

    def _through(self, stage: _Stage, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """One stage over maps (1, C, h, w) whose channels lie side by side."""
        channels = sum(part.shape[1] for part in parts)
        bent = torch.empty(
            (1, channels, *parts[0].shape[2:]),
            dtype=self._dtype, device=parts[0].device, memory_format=torch.channels_last,
        )  # fmt: skip
        scales = []
        at = 0
        for part in parts:
            own = slice(at, at := at + part.shape[1])
            rows, out = _rows(part), _rows(bent[:, own])
            moments = _moments(rows[block] for block in _blocks(rows.shape, rows.device))
            for block in _blocks(rows.shape, rows.device):
                out[block] = _bent(rows[block], moments.mean, stage.slope[own])
            scales.append(moments.scale)
        return _convolved(bent, stage.weight * torch.cat(scales)[:, None, None])


class DiskMaps:
    """What the network knows of a picture before its last layer: heat at every pixel, descriptions where asked for."""

    def __init__(self, deep: torch.Tensor, skipped: torch.Tensor, head: _Stage, bias: torch.Tensor) -> None:
        """Channels at half the resolution, ``deep``, and at the full one, ``skipped``: the last stage takes both."""
        self._deep, self._skipped, self._bias = deep, _rows(skipped), bias
        self._height, self._width, _ = self._skipped.shape
        self._channels = deep.shape[1]
        blocks = list(_blocks((self._height, self._width, self._channels), deep.device))
        self._moments = (
            _moments(self._doubled_rows(block) for block in blocks),
            _moments(self._skipped[block] for block in blocks),
        )
        self._slopes = head.slope[: self._channels], head.slope[self._channels :]
        self._weight = head.weight * torch.cat([each.scale for each in self._moments])[:, None, None]

    def heat(self) -> torch.Tensor:
        """(H, W) float32.

        A product of matrices gives what every tap of the kernel takes from every pixel; adding these up shifted is the
        convolution. Convolution routines are made for many outputs and take four times as long for one.
        """
        taps = self._weight[-1].flatten(1).t()
        deep_taps, skipped_taps = taps[:, : self._channels], taps[:, self._channels :]
        padded = taps.new_zeros((self._height + 2 * _REACH, self._width + 2 * _REACH))
        for block in _blocks((self._height, self._width, taps.shape[1]), taps.device):
            deep, skipped = self._bent_parts(self._doubled_rows(block), self._skipped[block])
            given = (deep_taps @ deep.flatten(0, 1).t()).addmm_(skipped_taps, skipped.flatten(0, 1).t())
            for tap, values in enumerate(given.view(_SIDE * _SIDE, -1, self._width)):
                down, right = 2 * _REACH - tap // _SIDE, 2 * _REACH - tap % _SIDE
                padded[block.start + down : block.stop + down, right : right + self._width] += values
        return padded[_REACH:-_REACH, _REACH:-_REACH] + self._bias[-1]

    def descriptions(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, D) float32 at some pixels, int64 (N, 2) x, y."""
        steps = torch.arange(-_REACH, _REACH + 1, device=pixels.device)
        shape = len(pixels), _SIDE, _SIDE
        across = (pixels[:, 0, None, None] + steps).expand(shape).flatten()
        down = (pixels[:, 1, None, None] + steps[:, None]).expand(shape).flatten()
        inside = (across >= 0) & (across < self._width) & (down >= 0) & (down < self._height)
        across, down = across.clamp(0, self._width - 1), down.clamp(0, self._height - 1)
        parts = self._bent_parts(self._doubled_at(across, down), self._skipped[down, across])
        weight = self._weight[:-1].permute(0, 2, 3, 1).flatten(1).t()
        patches = torch.cat(parts, dim=1).mul_(inside[:, None]).view(len(pixels), len(weight))
        return torch.addmm(self._bias[:-1], patches, weight)

    def _bent_parts(self, deep: torch.Tensor, skipped: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        (of_deep, of_skipped), (slope_deep, slope_skipped) = self._moments, self._slopes
        return _bent(deep, of_deep.mean, slope_deep), _bent(skipped, of_skipped.mean, slope_skipped)

    def _doubled_rows(self, block: slice) -> torch.Tensor:
        """Rows (h, W, C) of the deep map at full resolution; ``block`` begins and ends at even rows."""
        first = max(0, block.start // 2 - 1)
        part = _rows(_doubled(self._deep[:, :, first : block.stop // 2 + 1]))
        return part[block.start - 2 * first : block.stop - 2 * first]

    def _doubled_at(self, across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
        """(N, C) float32 of the deep map at full resolution, at pixels (N,)."""
        rows = _rows(self._deep)
        top, bottom, lower = _between(down, rows.shape[0])
        left, right, further = _between(across, rows.shape[1])
        above = torch.lerp(rows[top, left].float(), rows[top, right].float(), further)
        below = torch.lerp(rows[bottom, left].float(), rows[bottom, right].float(), further)
        return torch.lerp(above, below, lower)


def _stage(block: Any) -> _Stage:  # noqa: ANN401 - kornia's is untyped
    return _Stage(block[3].weight.detach(), block[1].weight.detach())


def _convolved(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A convolution in the number format of ``maps``, zeros around them, channels stored side by side."""
    layout = torch.channels_last
    weight = weight.to(maps.dtype).contiguous(memory_format=layout)
    return functional.conv2d(maps.contiguous(memory_format=layout), weight, padding=_REACH)


def _doubled(maps: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


def _rows(maps: torch.Tensor) -> torch.Tensor:
    """(H, W, C) of maps (1, C, H, W)."""
    return maps[0].permute(1, 2, 0)


def _blocks(shape: Sequence[int], device: torch.device) -> Iterator[slice]:
    """Rows of maps (H, W, C) to be worked on at once, an even number of them; all where no cache is to be filled."""
    height, width, channels = shape
    step = max(2, _BLOCK // (width * channels) // 2 * 2) if device.type == "cpu" else height
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _moments(blocks: Iterator[torch.Tensor]) -> _Moments:
    """Of each channel over blocks (h, W, C) of rows."""
    count = 0
    pivot = total = square = torch.zeros(())
    for block in blocks:
        values = block.flatten(0, 1).float()
        if not count:  # sums of squares lose no digits around a value in their middle
            pivot = values.mean(0)
            total = square = torch.zeros_like(pivot)
        values = values - pivot
        total, square = total + values.sum(0), square + values.square_().sum(0)
        count += len(values)
    off = total / count
    return _Moments(pivot + off, torch.rsqrt(square / count - off**2 + _EPSILON))


def _bent(values: torch.Tensor, mean: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """PReLU of what lies above the mean, float32; both run over the last axis."""
    above = values.float() - mean
    return above.clamp(max=0).mul_(slope - 1.0).add_(above)


def _between(places: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Both neighbours (N,) in a map of half the resolution, and how far (N, 1) from the first to the second."""
    halved = ((places.float() + 0.5) / 2 - 0.5).clamp_(min=0)
    first = halved.long()
    return first, (first + 1).clamp(max=length - 1), (halved - first)[:, None]
