"""What all descriptors that look at pixels share: a network between resizing and a vector of length one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geonav.data.features import LocalFeatures
from geonav.errors import UsageError, WeightsError
from geonav.vision.base import Pixels, Vector
from geonav.vision.descriptors.preprocess import Preprocess, as_batch, resized

REVISION = 1
Network = Callable[[torch.Tensor], torch.Tensor]
# Of a picture's own size, as the published multi-scale results have them.
SCALES = (1.0, 2.0**-0.5, 0.5)


@dataclass(frozen=True)
class MultiScale:
    """Vectors of several sizes of a picture made one: ``(mean of v^power)^(1/power)``.

    Attributes:
        scales: the sizes, in units of the first input's.
        power: 1 for the mean; landmark networks without a whitening layer take GeM's own power.
    """

    scales: tuple[float, ...] = (1.0,)
    power: float = 1.0


@dataclass(frozen=True)
class Model:
    """A loaded network with all it needs.

    Attributes:
        network: maps colours as it knows them (B, 3, H, W) to (B, D).
        preprocess: what comes before.
        device: where it runs.
        settings: what else changes its vectors, its weights' sha256 among it.
        scales: the sizes that are described.
        finish: what comes after the scales, such as a learned whitening; (B, D) to (B, D').
        dim: the length of a vector where it is known without asking the network.
    """

    network: Network
    preprocess: Preprocess
    device: torch.device
    settings: Mapping[str, Any]
    scales: MultiScale = field(default_factory=MultiScale)
    finish: Network | None = None
    dim: int | None = None


class PixelDescriptor:
    """A descriptor that needs no training; families differ in how they load their network."""

    name: str
    source: Literal["features", "pixels"] = "pixels"
    needs_training = False
    usual_pca = 0

    def __init__(self, model: Model) -> None:
        """Describe pictures with ``model``."""
        self.model = model

    @property
    def preprocess(self) -> Preprocess:
        """How pictures become input."""
        return self.model.preprocess

    @cached_property
    def dim(self) -> int:
        """The length of a vector."""
        if self.model.dim is not None:
            return self.model.dim
        height, width = self.preprocess.size_of(self.preprocess.height_px, self.preprocess.width_px)
        return int(self.encode(torch.zeros(1, 3, height, width)).shape[1])

    def settings(self) -> dict[str, Any]:
        """Everything that changes the vectors."""
        return {
            "descriptor": self.name,
            "revision": REVISION,
            "image_size": self.preprocess.side_px,
            "multi_scale": len(self.model.scales.scales) > 1,
            **self.preprocess.settings(),
            **self.model.settings,
        }

    def describe(self, item: LocalFeatures | Pixels) -> Vector:
        """The vector of a picture (H, W, 3), float32 (D,), length one.

        Raises:
            UsageError: given local features.
            WeightsError: the network's numbers are not finite.
        """
        batch = as_batch(pixels_of(item, self.name), self.model.device)
        vector: Vector = self.encode(self.preprocess.resized(batch))[0]
        return vector

    def encode(self, batch: torch.Tensor) -> NDArray[np.float32]:
        """Describe pictures that have their size already: colours in [0, 1] (B, 3, H, W) to rows (B, D) of length one.

        Raises:
            WeightsError: the network's numbers are not finite.
        """
        with torch.inference_mode():
            rows = self._at_all_scales(batch.to(self.model.device))
            if self.model.finish is not None:
                rows = self.model.finish(rows)
            rows = nn.functional.normalize(rows.float(), dim=1)
        if not bool(torch.isfinite(rows).all()):
            msg = f"{self.name} gives numbers that are not finite: its weights are broken, give another --checkpoint"
            raise WeightsError(msg)
        found: NDArray[np.float32] = rows.cpu().numpy()
        return found

    def train(self, samples: Sequence[LocalFeatures | Pixels]) -> None:
        """Nothing is learned from the database."""

    def learned(self) -> Mapping[str, NDArray[Any]]:
        """Nothing."""
        return {}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """There is nothing to take over."""

    def _at_all_scales(self, batch: torch.Tensor) -> torch.Tensor:
        power, scales = self.model.scales.power, self.model.scales.scales
        height, width = batch.shape[-2:]
        total: torch.Tensor | None = None
        for scale in scales:
            size = self.preprocess.rounded(round(height * scale), round(width * scale))
            rows = self.model.network(self.preprocess.normalised(resized(batch, size)))
            if len(scales) == 1:
                return rows
            rows = rows.pow(power)
            total = rows if total is None else total + rows
        return batch if total is None else (total / len(scales)).pow(1.0 / power)


def pixels_of(item: LocalFeatures | Pixels, name: str) -> Pixels:
    """``item``, which must be a picture.

    Raises:
        UsageError: it is local features.
    """
    if isinstance(item, LocalFeatures):
        msg = f"{name} describes pixels, not local features"
        raise UsageError(msg)
    return item


def state_sha256(network: nn.Module) -> str:
    """The sha256 of a network's parameters and buffers, in hexadecimal, for networks that come from no one file."""
    digest = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{key}{content.dtype}{tuple(content.shape)}".encode())
        digest.update(content.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
