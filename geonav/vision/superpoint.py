"""SuperPoint (DeTone et al., CVPRW 2018), run by transformers: what the seed project finds keypoints with.

Magic Leap's licence allows research, not business: it must be accepted in the configuration. ``[weights] paths`` may
name a folder of one's own as ``superpoint``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from geonav.config import GeonavConfig
from geonav.vision.devices import pick_device
from geonav.vision.extractor import Detections, HeatmapExtractor
from geonav.vision.licences import MAGIC_LEAP, require_accepted
from geonav.vision.peaks import find_peaks, quadratic_offsets, strongest
from geonav.vision.pretrained import pretrained_file, read_pretrained

logger = logging.getLogger(__name__)

_HUB_NAME = "magic-leap-community/superpoint"
# The network sees brightness: the weights of red, green and blue in it.
_LUMA = (0.2989, 0.5870, 0.1140)
# One cell of the network's map is 8 x 8 pixels; the outermost pixels of a picture give false keypoints.
_CELL_PX = 8
_BORDER_PX = 4
_TINY = 1e-12


class SuperPointExtractor(HeatmapExtractor):
    """256 numbers a keypoint. The heat is a probability in each cell of 8 x 8 pixels."""

    name = "superpoint"
    weights = "superpoint"
    dim = 256
    multiple = _CELL_PX
    own_threshold = 0.005

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load the network of ``[weights] paths superpoint``, else the published one.

        Raises:
            UsageError: its licence is not accepted, or transformers is not installed.
            GeonavError: as :func:`geonav.vision.pretrained.pretrained_file`.
        """
        require_accepted(MAGIC_LEAP, cls.name, config)
        file = pretrained_file(cls.name, _HUB_NAME, config.weights.paths.get(cls.name), config)
        logger.warning("superpoint: %s, not for commercial use", MAGIC_LEAP)
        return cls(config.local, pick_device(config.device), file)

    def _build(self, weights: Path) -> Any:  # noqa: ANN401 - a torch module
        network = read_pretrained("SuperPointForKeypointDetection", weights)
        self.dim = int(network.config.descriptor_decoder_dim)
        return network

    def _detect(self, batch: torch.Tensor, size: tuple[int, int], allowed: Sequence[torch.Tensor]) -> list[Detections]:
        width, height = size
        grey = (batch * batch.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        maps = self._network.encoder(grey).last_hidden_state
        heats = self._heats(maps)[:, :height, :width]
        return [self._detect_one(*item) for item in zip(maps, heats, allowed, strict=True)]

    def _heats(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, H, W) probabilities; each cell's 65th, that it holds no keypoint, is left out."""
        decoder = self._network.keypoint_decoder
        cells = decoder.conv_score_b(torch.relu(decoder.conv_score_a(maps))).softmax(1)[:, :-1]
        return torch.nn.functional.pixel_shuffle(cells, _CELL_PX)[:, 0]

    def _detect_one(self, features: torch.Tensor, heat: torch.Tensor, allowed: torch.Tensor) -> Detections:
        peaks = find_peaks(heat, self.local.nms_radius, self.threshold, allowed & _inner(heat))
        scores = heat[peaks[:, 1], peaks[:, 0]]
        best = strongest(scores, self.local.max_keypoints)
        peaks, scores = peaks[best], scores[best]
        centres = peaks.to(heat.dtype)
        if len(peaks) == 0:
            return Detections(centres, scores, heat.new_zeros((0, self.dim)))
        # Described at the whole pixel, as the network was trained.
        descriptors = self._network.descriptor_decoder(features[None], centres.clone())
        if self.local.subpixel:
            centres = centres + quadratic_offsets(heat.clamp(min=_TINY).log(), peaks)
        return Detections(centres, scores, descriptors)


def _inner(heat: torch.Tensor) -> torch.Tensor:
    inner = torch.zeros_like(heat, dtype=torch.bool)
    inner[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = True
    return inner
