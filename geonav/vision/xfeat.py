"""XFeat local features (Potje et al., CVPR 2024), run by kornia."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from kornia.feature.xfeat import InterpolateSparse2d, XFeatModel

from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.extractor import Detections, HeatmapExtractor
from geonav.vision.peaks import find_peaks, quadratic_offsets, strongest

_CELL_PX = 8
_LEAST_HEAT = 1e-9


class XFeatExtractor(HeatmapExtractor):
    """64 numbers a keypoint; the fastest of the three on a plain processor.

    The network works in cells of 8 pixels and needs sides that are multiples of 32; pictures are resized to such a size
    directly, each axis by its own factor, so that they are resampled once.
    """

    name = "xfeat"
    weights = "xfeat"
    dim = 64
    multiple = 32
    own_threshold = 0.05
    resizes_to_multiple = True

    def _build(self, weights: Path) -> Any:  # noqa: ANN401 - a torch module
        network = XFeatModel()
        fill_network(network, load_state_dict(weights), weights)
        return network

    def _detect(self, batch: torch.Tensor, size: tuple[int, int], allowed: Sequence[torch.Tensor]) -> list[Detections]:
        features, logits, reliability = self._network(batch)
        # 64 channels are the pixels of a cell, the 65th stands for "none of them".
        heats = torch.nn.functional.pixel_shuffle(torch.softmax(logits, 1)[:, : _CELL_PX**2], _CELL_PX)
        features = torch.nn.functional.normalize(features, dim=1)
        width, height = size
        return [
            self._detect_one(heats[i, 0, :height, :width], features[i : i + 1], reliability[i : i + 1], allowed[i])
            for i in range(len(batch))
        ]

    def _detect_one(
        self, heat: torch.Tensor, features: torch.Tensor, reliability: torch.Tensor, allowed: torch.Tensor
    ) -> Detections:
        peaks = find_peaks(heat, self.local.nms_radius, self.threshold, allowed)
        centres = peaks.to(heat.dtype)
        if len(peaks) == 0:
            return Detections(centres, heat.new_zeros(0), heat.new_zeros((0, self.dim)))
        height, width = features.shape[2] * _CELL_PX, features.shape[3] * _CELL_PX
        # The weights were trained with this sampling, whose convention is its own; see kornia's InterpolateSparse2d.
        reliable = InterpolateSparse2d("bilinear")(reliability, centres[None], H=height, W=width)[0, :, 0]
        scores = heat[peaks[:, 1], peaks[:, 0]] * reliable
        best = strongest(scores, self.local.max_keypoints)
        peaks, centres, scores = peaks[best], centres[best], scores[best]
        sampled = InterpolateSparse2d("bicubic")(features, centres[None], H=height, W=width)[0]
        if self.local.subpixel:
            # Softmax of logits: their logarithm is what a quadratic fits (measured, against the heat itself).
            centres = centres + quadratic_offsets(heat.clamp_min(_LEAST_HEAT).log(), peaks)
        return Detections(centres, scores, torch.nn.functional.normalize(sampled, dim=1))
