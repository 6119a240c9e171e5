"""ALIKED local features (Zhao et al., IEEE TIM 2023), the n16 network, run by kornia."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from kornia.feature import ALIKED

from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.extractor import Detections, HeatmapExtractor
from geonav.vision.peaks import find_peaks, soft_argmax_offsets, strongest

# The temperature of the soft-argmax the network was trained with.
_TEMPERATURE = 0.1


class AlikedExtractor(HeatmapExtractor):
    """128 numbers a keypoint, sampled where the network thinks best around its refined position."""

    name = "aliked"
    weights = "aliked"
    dim = 128
    multiple = 32
    own_threshold = 0.1

    def _build(self, weights: Path) -> Any:  # noqa: ANN401 - a torch module
        network = ALIKED("aliked-n16")
        fill_network(network, load_state_dict(weights), weights)
        return network

    def _detect(self, batch: torch.Tensor, size: tuple[int, int], allowed: Sequence[torch.Tensor]) -> list[Detections]:
        features, heats = self._network.extract_dense_map(batch)
        width, height = size
        return [
            self._detect_one(heat[:height, :width], feature, mask)
            for heat, feature, mask in zip(heats[:, 0], features, allowed, strict=True)
        ]

    def _detect_one(self, heat: torch.Tensor, feature: torch.Tensor, allowed: torch.Tensor) -> Detections:
        radius = self.local.nms_radius
        peaks = find_peaks(heat, radius, self.threshold, allowed)
        scores = heat[peaks[:, 1], peaks[:, 0]]
        best = strongest(scores, self.local.max_keypoints)
        peaks, scores = peaks[best], scores[best]
        centres = peaks.to(heat.dtype)
        if len(peaks) == 0:
            return Detections(centres, scores, heat.new_zeros((0, self.dim)))
        if self.local.subpixel:
            centres = centres + soft_argmax_offsets(heat, peaks, radius, _TEMPERATURE)
        last = torch.tensor([feature.shape[2] - 1, feature.shape[1] - 1], dtype=heat.dtype, device=heat.device)
        descriptors, _ = self._network.desc_head(feature[None], [2 * centres / last - 1])
        return Detections(centres, scores, torch.nn.functional.normalize(descriptors[0], dim=1))
