"""LightGlue (Lindenberger et al., ICCV 2023), run by kornia, with the weights made for each kind of feature."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from kornia.feature import LightGlue
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import UsageError
from geonav.vision.base import Matches
from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.devices import pick_device, pick_dtype
from geonav.vision.pair_network import PairNetwork, Side
from geonav.vision.weights import sha256_of, weights_path

# Goes up when the code gives other matches from the same weights.
REVISION = 2


@dataclass(frozen=True)
class _Variant:
    """One published network: its weights and what of its shape differs from LightGlue's default."""

    weights: str
    shape: Mapping[str, Any] = field(default_factory=dict)


_VARIANTS: Mapping[str, _Variant] = MappingProxyType(
    {
        "aliked": _Variant("aliked_lightglue", {"input_dim": 128}),
        "disk": _Variant("disk_lightglue", {"input_dim": 128}),
        # LighterGlue: the small LightGlue that XFeat's authors trained.
        "xfeat": _Variant(
            "xfeat_lighterglue",
            {
                "input_dim": 64,
                "descriptor_dim": 96,
                "n_layers": 6,
                "num_heads": 1,
                "depth_confidence": -1,
                "width_confidence": 0.95,
            },
        ),
    }
)


class LightGlueMatcher:
    """Matches by attention within and between the two pictures' keypoints."""

    name = "lightglue"

    def __init__(self, model: str, weights: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """Build the network for the features of ``model`` from the file ``weights``; its layers compute in ``dtype``.

        Raises:
            UsageError: there is no LightGlue for ``model``.
            WeightsError: the file is not that network's.
        """
        variant = _variant(model)
        self.model = model
        self._device = device
        self._sha256 = sha256_of(weights)
        self._network = LightGlue(features=None, **variant.shape)  # type: ignore[arg-type]  # None: no download
        state = _renamed(load_state_dict(weights), self._network.conf.n_layers)
        fill_network(self._network, state, weights)
        self._pairs = PairNetwork(self._network.to(device), dtype)
        self._firsts: deque[tuple[LocalFeatures, tuple[int, int], Side]] = deque(maxlen=2)

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The network for the ``[local]`` model of ``config``."""
        variant = _variant(config.local.model)
        device = pick_device(config.device)
        dtype = pick_dtype(device, config.precision)
        return cls(config.local.model, weights_path(variant.weights, config), device, dtype)

    def settings(self) -> dict[str, Any]:
        """Everything that changes the matches."""
        return {"matcher": self.name, "model": self.model, "revision": REVISION, "weights_sha256": self._sha256}

    def match(self, a: LocalFeatures, size_a: tuple[int, int], b: LocalFeatures, size_b: tuple[int, int]) -> Matches:
        """Match two pictures of ``(width, height)`` upright pixels; see :class:`geonav.vision.base.Matcher`.

        Raises:
            UsageError: descriptors of another length than this network's.
        """
        if len(a) == 0 or len(b) == 0:
            return Matches.none()
        for features in (a, b):
            if features.descriptors.shape[1] != self._network.conf.input_dim:
                msg = (
                    f"lightglue for {self.model} takes descriptors of {self._network.conf.input_dim} numbers, not "
                    f"{features.descriptors.shape[1]}: both pictures need features of {self.model}"
                )
                raise UsageError(msg)
        with torch.inference_mode():
            pairs, scores = self._pairs.match(self._first_side(a, size_a), self._side(b, size_b))
        return Matches(pairs.cpu().numpy().astype(np.int32), scores.cpu().numpy())

    def _first_side(self, features: LocalFeatures, size: tuple[int, int]) -> Side:
        """The first picture, kept for the next calls: a query is matched to many references, whole or in part."""
        for known, known_size, side in self._firsts:
            if known is features and known_size == size:
                return side
        side = self._side(features, size)
        self._firsts.append((features, size, side))
        return side

    def _side(self, features: LocalFeatures, size: tuple[int, int]) -> Side:
        def tensor(array: NDArray[Any]) -> torch.Tensor:
            return torch.from_numpy(np.array(array, np.float32)).to(self._device)

        return self._pairs.side(tensor(features.keypoints), tensor(features.descriptors), size)


def _variant(model: str) -> _Variant:
    if model not in _VARIANTS:
        msg = f"there is no lightglue for '{model}': use one of {', '.join(_VARIANTS)}, or the matcher mutual_nn"
        raise UsageError(msg)
    return _VARIANTS[model]


def _renamed(state: Mapping[str, Any], num_layers: int) -> dict[str, Any]:
    """The published keys as kornia names them: blocks are grouped by layer, and one file nests its matcher."""
    renamed = {}
    for key, value in state.items():
        new = key.removeprefix("matcher.")
        for layer in range(num_layers):
            for block in ("self_attn", "cross_attn"):
                if new.startswith(f"{block}.{layer}."):
                    new = f"transformers.{layer}.{new.replace(f'{block}.{layer}.', f'{block}.', 1)}"
        renamed[new] = value
    return renamed
