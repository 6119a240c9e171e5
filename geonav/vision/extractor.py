"""What all local feature networks share: resizing, batches, masks, and pixels that mean the same afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import UsageError
from geonav.settings.stages import LocalConfig
from geonav.vision.base import Mask, Pixels
from geonav.vision.devices import pick_device, pick_dtype
from geonav.vision.peaks import textured
from geonav.vision.resize import Scale, fitted, padded_batch, resized, rounded_to
from geonav.vision.weights import sha256_of, weights_path

# Goes up when the code gives other numbers from the same settings: stored features are then stale.
REVISION = 1


@dataclass(frozen=True)
class Detections:
    """What a network found in one resized picture.

    Attributes:
        centres: (N, 2) float, x, y with the centre of the first pixel at (0, 0), sorted by falling score.
        scores: (N,) float.
        descriptors: (N, D) float, length one.
    """

    centres: torch.Tensor
    scores: torch.Tensor
    descriptors: torch.Tensor


class HeatmapExtractor(ABC):
    """A network that gives a heatmap of keypoints and something to describe them by.

    A subclass names its weights and defaults, builds its network and turns a batch into :class:`Detections`.
    """

    name: str
    weights: str
    dim: int
    multiple: int
    own_threshold: float
    resizes_to_multiple = False

    def __init__(
        self, local: LocalConfig, device: torch.device, weights: Path, dtype: torch.dtype = torch.float32
    ) -> None:
        """Build the network from the file ``weights`` on ``device``; what may be computed in ``dtype`` is."""
        self.local = local
        self.device = device
        self._dtype = dtype
        self._sha256 = sha256_of(weights)
        self._network = self._build(weights).to(device)

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Build it with the weights, device and ``[local]`` settings of ``config``."""
        device = pick_device(config.device)
        return cls(config.local, device, weights_path(cls.weights, config), pick_dtype(device, config.precision))

    @property
    def threshold(self) -> float:
        """The least heat of a keypoint; a setting of 0 stands for the network's own."""
        return self.local.keypoint_threshold or self.own_threshold

    def settings(self) -> dict[str, Any]:
        """Everything that changes the features."""
        return {
            "model": self.name,
            "revision": REVISION,
            "weights_sha256": self._sha256,
            "max_keypoints": self.local.max_keypoints,
            "keypoint_threshold": self.local.keypoint_threshold,
            "nms_radius": self.local.nms_radius,
            "max_side_px": self.local.max_side_px,
            "subpixel": self.local.subpixel,
        }

    def extract(self, images: Sequence[Pixels], masks: Sequence[Mask | None] | None = None) -> list[LocalFeatures]:
        """Extract the features of upright RGB pictures; see :class:`geonav.vision.base.LocalExtractor`.

        Raises:
            UsageError: a picture is not uint8 (H, W, 3), or a mask is not bool of its picture's size.
        """
        masks = masks if masks is not None else [None] * len(images)
        _check(images, masks)
        found: list[LocalFeatures] = []
        with torch.inference_mode():
            for start, stop, scale in self._batches(images):
                small = [resized(image, scale.small) for image in images[start:stop]]
                batch = padded_batch(small, self.multiple, self.device)
                allowed = [self._allowed(*item, scale) for item in zip(batch, masks[start:stop], strict=True)]
                detections = self._detect(batch, scale.small, allowed)
                found += [_to_features(*item, scale) for item in zip(detections, masks[start:stop], strict=True)]
        return found

    def _batches(self, images: Sequence[Pixels]) -> Iterator[tuple[int, int, Scale]]:
        """Runs of neighbouring pictures of one size, so that none is padded for another's sake."""
        start = 0
        while start < len(images):
            height, width = images[start].shape[:2]
            stop = start + 1
            most = min(len(images), start + self.local.batch_size)
            while stop < most and images[stop].shape == images[start].shape:
                stop += 1
            small = fitted(width, height, self.local.max_side_px)
            if self.resizes_to_multiple:
                small = rounded_to(small, self.multiple)
            yield start, stop, Scale((width, height), small)
            start = stop

    def _allowed(self, picture: torch.Tensor, mask: Mask | None, scale: Scale) -> torch.Tensor:
        """Where keypoints may lie, bool (h, w): where the mask wants them and there is something to see."""
        width, height = scale.small
        seen = textured(picture[:, :height, :width])
        return seen if mask is None else seen & torch.from_numpy(scale.mask_to_small(mask)).to(self.device)

    @abstractmethod
    def _build(self, weights: Path) -> Any:  # noqa: ANN401 - a torch module, typed where torch is loaded
        """The network with its weights, in evaluation mode, on the CPU."""

    @abstractmethod
    def _detect(self, batch: torch.Tensor, size: tuple[int, int], allowed: Sequence[torch.Tensor]) -> list[Detections]:
        """Detect in a padded batch (B, 3, H, W), of which (width, height) ``size`` at the top left is picture."""


def _check(images: Sequence[Pixels], masks: Sequence[Mask | None]) -> None:
    if len(masks) != len(images):
        msg = f"{len(masks)} masks for {len(images)} images: give one for each, or None"
        raise UsageError(msg)
    for image, mask in zip(images, masks, strict=True):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            msg = f"an image must be uint8 (H, W, 3), not {image.dtype} {image.shape}"
            raise UsageError(msg)
        if mask is not None and (mask.dtype != np.bool_ or mask.shape != image.shape[:2]):
            msg = f"a mask must be bool {image.shape[:2]} as its image, not {mask.dtype} {mask.shape}"
            raise UsageError(msg)


def _to_features(detections: Detections, mask: Mask | None, scale: Scale) -> LocalFeatures:
    """Into the full picture's pixels; keypoints that the mask hides or that are not finite are dropped."""
    keypoints = scale.to_full(_numpy(detections.centres))
    scores, descriptors = _numpy(detections.scores), _numpy(detections.descriptors)
    keep = np.isfinite(keypoints).all(1) & np.isfinite(scores) & np.isfinite(descriptors).all(1)
    if mask is not None:
        columns, rows = (np.clip(keypoints[:, i].astype(np.int64), 0, scale.full[i] - 1) for i in (0, 1))
        keep &= mask[rows, columns]
    return LocalFeatures(keypoints[keep], scores[keep], descriptors[keep].astype(np.float16))


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array
