"""DISK local features (Tyszkiewicz et al., NeurIPS 2020): the weights as kornia holds them, run by our own code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from kornia.feature import DISK

from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.disk_network import DiskMaps, DiskNetwork
from geonav.vision.extractor import Detections, HeatmapExtractor
from geonav.vision.peaks import find_peaks, quadratic_offsets, strongest


class DiskExtractor(HeatmapExtractor):
    """128 numbers a keypoint. The network's heat is a raw logit; its keypoints are pixels, refined below them here."""

    name = "disk"
    weights = "disk"
    dim = 128
    multiple = 16
    own_threshold = 0.0

    def _build(self, weights: Path) -> Any:  # noqa: ANN401 - a torch module
        state = load_state_dict(weights)
        network = DISK(desc_dim=self.dim)
        fill_network(network, state.get("extractor", state), weights)
        return network.unet

    def _detect(self, batch: torch.Tensor, size: tuple[int, int], allowed: Sequence[torch.Tensor]) -> list[Detections]:
        width, height = size
        found = []
        for picture, mask in zip(batch, allowed, strict=True):
            maps = self._maps(picture[None])
            found.append(self._detect_one(maps, maps.heat()[:height, :width], mask))
        return found

    @cached_property
    def _maps(self) -> DiskNetwork:
        return DiskNetwork(self._network, self._dtype)

    def _detect_one(self, maps: DiskMaps, heat: torch.Tensor, allowed: torch.Tensor) -> Detections:
        peaks = find_peaks(heat, self.local.nms_radius, self.threshold, allowed)
        scores = heat[peaks[:, 1], peaks[:, 0]]
        best = strongest(scores, self.local.max_keypoints)
        peaks, scores = peaks[best], scores[best]
        # Described at the whole pixel, as the network was trained; only the position is refined.
        descriptors = torch.nn.functional.normalize(maps.descriptions(peaks), dim=1)
        centres = peaks.to(heat.dtype)
        if self.local.subpixel:
            centres = centres + quadratic_offsets(heat, peaks)
        return Detections(centres, scores, descriptors)
