"""DISK local features (Tyszkiewicz et al., NeurIPS 2020), run by kornia but for the last layer.

That layer, a 5x5 convolution from 80 channels to 128 of description and one of heat, is three quarters of the
network's work when it runs at every pixel. Here it gives heat everywhere but descriptions at the keypoints alone: the
same numbers in less than half the time, in full precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from kornia.feature import DISK

from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.extractor import Detections, HeatmapExtractor
from geonav.vision.peaks import find_peaks, quadratic_offsets, strongest
from geonav.vision.sparse_convolution import convolved_at, convolved_to_one


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
        return _SplitNetwork(network.unet)

    def _detect(self, batch: torch.Tensor, size: tuple[int, int], allowed: Sequence[torch.Tensor]) -> list[Detections]:
        width, height = size
        found = []
        for channels, mask in zip(self._network.body(batch), allowed, strict=True):
            heat = self._network.heat(channels, self.dim)[:height, :width]
            found.append(self._detect_one(channels, heat, mask))
        return found

    def _detect_one(self, channels: torch.Tensor, heat: torch.Tensor, allowed: torch.Tensor) -> Detections:
        peaks = find_peaks(heat, self.local.nms_radius, self.threshold, allowed)
        scores = heat[peaks[:, 1], peaks[:, 0]]
        best = strongest(scores, self.local.max_keypoints)
        peaks, scores = peaks[best], scores[best]
        # Described at the whole pixel, as the network was trained; only the position is refined.
        descriptors = torch.nn.functional.normalize(self._network.descriptions(channels, peaks, self.dim), dim=1)
        centres = peaks.to(heat.dtype)
        if self.local.subpixel:
            centres = centres + quadratic_offsets(heat, peaks)
        return Detections(centres, scores, descriptors)


class _SplitNetwork(torch.nn.Module):
    """DISK's U-Net without its last convolution, and that convolution beside it, its heat the last of its outputs."""

    def __init__(self, unet: Any) -> None:  # noqa: ANN401 - a torch module
        super().__init__()
        last_block = unet.path_up[-1].conv
        self.head = last_block[-1]
        last_block[-1] = torch.nn.Identity()
        self.body = unet

    def heat(self, channels: torch.Tensor, dim: int) -> torch.Tensor:
        """(H, W) of one picture's channels (C, H, W)."""
        return convolved_to_one(channels, self.head.weight[dim], self.head.bias[dim])

    def descriptions(self, channels: torch.Tensor, peaks: torch.Tensor, dim: int) -> torch.Tensor:
        """(N, dim) at the pixels ``peaks`` (N, 2) x, y."""
        return convolved_at(channels, peaks, self.head.weight[:dim], self.head.bias[:dim])
