"""DISK local features (Tyszkiewicz et al., NeurIPS 2020), run by kornia."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from kornia.feature import DISK

from geonav.vision.checkpoints import fill_network, load_state_dict
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
        network = DISK()
        fill_network(network, state.get("extractor", state), weights)
        return network

    def _detect(self, batch: torch.Tensor, size: tuple[int, int], allowed: Sequence[torch.Tensor]) -> list[Detections]:
        heats, dense = self._network.heatmap_and_dense_descriptors(batch)
        width, height = size
        return [
            self._detect_one(heat[:height, :width], descriptors, mask)
            for heat, descriptors, mask in zip(heats[:, 0], dense, allowed, strict=True)
        ]

    def _detect_one(self, heat: torch.Tensor, dense: torch.Tensor, allowed: torch.Tensor) -> Detections:
        peaks = find_peaks(heat, self.local.nms_radius, self.threshold, allowed)
        scores = heat[peaks[:, 1], peaks[:, 0]]
        best = strongest(scores, self.local.max_keypoints)
        peaks, scores = peaks[best], scores[best]
        # Described at the whole pixel, as the network was trained; only the position is refined.
        descriptors = torch.nn.functional.normalize(dense[:, peaks[:, 1], peaks[:, 0]].T, dim=1)
        centres = peaks.to(heat.dtype)
        if self.local.subpixel:
            centres = centres + quadratic_offsets(heat, peaks)
        return Detections(centres, scores, descriptors)
