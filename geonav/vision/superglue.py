"""SuperGlue (Sarlin et al., CVPR 2020) and LightGlue for SuperPoint's keypoints, run by transformers.

Both are fed stored keypoints and descriptors; their own detector is not run.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import UsageError
from geonav.vision.base import Matches
from geonav.vision.devices import pick_device
from geonav.vision.licences import MAGIC_LEAP, require_accepted
from geonav.vision.pretrained import pretrained_file, read_pretrained
from geonav.vision.weights import sha256_of

logger = logging.getLogger(__name__)

REVISION = 1
_MODEL = "superpoint"


class _PairMatcher:
    """A network of transformers that pairs the keypoints of two pictures."""

    name: str
    hub_name: str
    class_name: str
    needs_scores: bool

    def __init__(self, file: Path, device: torch.device) -> None:
        """Build the network from ``file``, its ``config.json`` beside it."""
        self._sha256 = sha256_of(file)
        self._device = device
        self._network = read_pretrained(self.class_name, file).to(device)
        self._dim = int(self._network.config.keypoint_detector_config.descriptor_decoder_dim)

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load the network that ``[weights] paths`` names, else the published one.

        Raises:
            UsageError: other features than SuperPoint's, a licence not accepted, or transformers is not installed.
            GeonavError: as :func:`geonav.vision.pretrained.pretrained_file`.
        """
        if config.local.model != _MODEL:
            msg = f"{cls.name} matches {_MODEL} features, not those of {config.local.model}: use lightglue or mutual_nn"
            raise UsageError(msg)
        require_accepted(MAGIC_LEAP, cls.name, config)
        file = pretrained_file(cls.name, cls.hub_name, config.weights.paths.get(cls.name), config)
        logger.warning("%s: %s, not for commercial use", cls.name, MAGIC_LEAP)
        return cls(file, pick_device(config.device))

    def settings(self) -> dict[str, Any]:
        """Everything that changes the matches."""
        return {"matcher": self.name, "model": _MODEL, "revision": REVISION, "weights_sha256": self._sha256}

    def match(self, a: LocalFeatures, size_a: tuple[int, int], b: LocalFeatures, size_b: tuple[int, int]) -> Matches:
        """Match two pictures of ``(width, height)`` upright pixels; see :class:`geonav.vision.base.Matcher`.

        Raises:
            UsageError: descriptors of another length than this network's.
        """
        if len(a) == 0 or len(b) == 0:
            return Matches.none()
        for features in (a, b):
            if features.descriptors.shape[1] != self._dim:
                msg = f"{self.name} takes descriptors of {self._dim} numbers, not {features.descriptors.shape[1]}"
                raise UsageError(msg)
        count = max(len(a), len(b))
        placed = (a.keypoints, _as_if_of(size_a, size_b, b.keypoints))
        inputs = {
            "keypoints": self._padded(placed, count),
            "descriptors": self._padded((a.descriptors, b.descriptors), count),
            "mask": self._padded((np.ones(len(a)), np.ones(len(b))), count).int(),
        }
        if self.needs_scores:
            inputs["scores"] = self._padded((a.scores, b.scores), count)
        with torch.inference_mode():
            found, scores = self._network._match_image_pair(**inputs, height=size_a[1], width=size_a[0])[:2]
        return _pairs(found.reshape(2, -1)[0, : len(a)], scores.reshape(2, -1)[0, : len(a)], len(b))

    def _padded(self, arrays: tuple[NDArray[Any], NDArray[Any]], count: int) -> torch.Tensor:
        """Two arrays (N, ...) as one (1, 2, count, ...), filled up with zeros."""
        filled = np.zeros((1, 2, count, *arrays[0].shape[1:]), np.float32)
        for number, array in enumerate(arrays):
            filled[0, number, : len(array)] = array
        return torch.from_numpy(filled).to(self._device)


class SuperGlueMatcher(_PairMatcher):
    """A graph network over both pictures' keypoints, ended by optimal transport; the weights for outdoors."""

    name = "superglue"
    hub_name = "magic-leap-community/superglue_outdoor"
    class_name = "SuperGlueForKeypointMatching"
    needs_scores = True


class SuperPointLightGlueMatcher(_PairMatcher):
    """LightGlue trained for SuperPoint."""

    name = "superpoint_lightglue"
    hub_name = "ETH-CVG/lightglue_superpoint"
    class_name = "LightGlueForKeypointMatching"
    needs_scores = False


def _as_if_of(size: tuple[int, int], own_size: tuple[int, int], keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keypoints of a picture of ``own_size`` where the networks' scaling by ``size`` makes of them what its own would.

    They take both pictures to have one size: they move its middle to the origin and divide by its longer side.
    """
    there, here = (np.asarray(pair, np.float64) for pair in (size, own_size))
    moved: NDArray[np.float32] = ((keypoints - here / 2) * (there.max() / here.max()) + there / 2).astype(np.float32)
    return moved


def _pairs(found: torch.Tensor, scores: torch.Tensor, count_b: int) -> Matches:
    """For each keypoint of a its partner in b, -1 for none."""
    partners = found.cpu().numpy().astype(np.int32)
    chosen = np.flatnonzero((partners >= 0) & (partners < count_b)).astype(np.int32)
    values = np.clip(scores.float().cpu().numpy()[chosen], 0, 1).astype(np.float32)
    return Matches(np.stack([chosen, partners[chosen]], 1), values)
