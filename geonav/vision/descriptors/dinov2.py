"""DINOv2's patch tokens pooled, without any training for places (AnyLoc, Keetha et al., RA-L 2023).

The network comes through transformers (``pip install geonav[transformers]``), from its hub or a local folder. ``gem``
pools by the generalised mean with sign; ``vlad`` by residuals to a vocabulary that is learned from the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import DatabaseError, UsageError
from geonav.vision.base import Pixels
from geonav.vision.descriptors.pixels import Model, PixelDescriptor, pixels_of
from geonav.vision.descriptors.preprocess import Preprocess, as_batch
from geonav.vision.devices import pick_device
from geonav.vision.pretrained import pretrained_file, read_pretrained
from geonav.vision.weights import sha256_of

BACKBONES = ("dinov2-small", "dinov2-base", "dinov2-large", "dinov2-giant")
AGGREGATIONS = ("gem", "vlad")
_LONGER_SIDE_PX = 518
_POWER = 3
_NUM_CLUSTERS = 64
_ITERATIONS = 25
# Patches that the vocabulary is learned from, for each word.
_SAMPLES_PER_WORD = 1024


class Dinov2Descriptor(PixelDescriptor):
    """D = the network's width with ``gem``, words x width with ``vlad``."""

    name = "dinov2"

    def __init__(self, model: Model, tokens: _Tokens, pooling: Literal["gem", "vlad"], words: int, seed: int) -> None:
        """Pool ``tokens`` by ``pooling``, with ``words`` learned from ``seed`` where it needs them."""
        super().__init__(model)
        self.pooling = pooling
        self.needs_training = pooling == "vlad"
        self._tokens, self._num_words, self._seed = tokens, words, seed

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load ``backbone`` from the hub or the folder ``checkpoint``.

        Raises:
            UsageError: transformers is not installed, or an unknown backbone or aggregation.
            WeightsError: offline and not there, or the folder holds another network.
            NetworkError: the network cannot be fetched.
        """
        section = config.retrieval
        pooling = section.aggregation or AGGREGATIONS[0]
        if pooling not in AGGREGATIONS:
            msg = f"unknown aggregation '{pooling}' of dinov2: choose one of {', '.join(AGGREGATIONS)}"
            raise UsageError(msg)
        backbone = section.backbone or BACKBONES[0]
        if backbone not in BACKBONES:
            msg = f"unknown backbone '{backbone}' of dinov2: choose one of {', '.join(BACKBONES)}"
            raise UsageError(msg)
        device = pick_device(config.device)
        file = pretrained_file(cls.name, f"facebook/{backbone}", section.checkpoint, config)
        tokens = _Tokens(read_pretrained("Dinov2Model", file).to(device))
        preprocess = Preprocess("longer_side", _LONGER_SIDE_PX, _LONGER_SIDE_PX, multiple=tokens.patch_px)
        settings: dict[str, Any] = {"backbone": backbone, "aggregation": pooling, "weights_sha256": sha256_of(file)}
        if pooling == "vlad":
            settings["num_clusters"] = section.num_clusters or _NUM_CLUSTERS
        pool = _gem if pooling == "gem" else None
        model = Model(_Pooled(tokens, pool), preprocess.with_size(section.image_size), device, settings)
        return cls(
            model, tokens, "gem" if pooling == "gem" else "vlad", section.num_clusters or _NUM_CLUSTERS, config.seed
        )

    @property
    def dim(self) -> int:
        """The length of a vector; with ``vlad`` known once there is a vocabulary."""
        words = self._vocabulary() if self.needs_training else None
        return self._tokens.width * (1 if words is None else len(words))

    def train(self, samples: Sequence[LocalFeatures | Pixels]) -> None:
        """Learn the vocabulary of ``vlad`` from pictures; the same pictures give the same words."""
        if not self.needs_training:
            return
        rng = np.random.default_rng(self._seed)
        quota = -(-self._num_words * _SAMPLES_PER_WORD // max(1, len(samples)))
        rows = np.concatenate([self._sample(item, quota, rng) for item in samples])
        words = min(self._num_words, len(rows))
        kmeans = faiss.Kmeans(
            rows.shape[1],
            words,
            niter=_ITERATIONS,
            seed=self._seed + 1,
            min_points_per_centroid=1,
            max_points_per_centroid=len(rows),
        )
        kmeans.train(rows)
        self._take(np.ascontiguousarray(kmeans.centroids, np.float32))

    def learned(self) -> Mapping[str, NDArray[Any]]:
        """The vocabulary of ``vlad``, (K, D) float32."""
        return {"words": self._vocabulary()} if self.needs_training else {}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a stored vocabulary.

        Raises:
            DatabaseError: it is not one.
        """
        words = arrays.get("words")
        if words is None or words.ndim != 2 or words.shape[1] != self._tokens.width or not np.isfinite(words).all():
            msg = "the stored vocabulary of dinov2 is broken: run `geonav index global`"
            raise DatabaseError(msg)
        self._take(np.ascontiguousarray(words, np.float32))

    def _take(self, words: NDArray[np.float32]) -> None:
        self._network().pool = _Vlad(torch.from_numpy(words).to(self.model.device))

    def _vocabulary(self) -> NDArray[np.float32]:
        pool = self._network().pool
        if not isinstance(pool, _Vlad):
            msg = "dinov2 has no vocabulary yet: run `geonav index global`"
            raise DatabaseError(msg)
        words: NDArray[np.float32] = pool.words.cpu().numpy()
        return words

    def _network(self) -> _Pooled:
        network = self.model.network
        if not isinstance(network, _Pooled):
            raise TypeError
        return network

    def _sample(self, item: LocalFeatures | Pixels, quota: int, rng: np.random.Generator) -> NDArray[np.float32]:
        batch = self.preprocess.resized(as_batch(pixels_of(item, self.name), self.model.device))
        with torch.inference_mode():
            rows: NDArray[np.float32] = self._tokens(self.preprocess.normalised(batch))[0].cpu().numpy()
        return rows if len(rows) <= quota else rows[np.sort(rng.choice(len(rows), quota, replace=False))]


class _Tokens:
    """The patch tokens of pictures (B, 3, H, W): (B, N, D), each of length one."""

    def __init__(self, network: Any) -> None:  # noqa: ANN401 - transformers' network
        self._network = network
        self.width = int(network.config.hidden_size)
        self.patch_px = int(network.config.patch_size)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        found = self._network(pixel_values=batch).last_hidden_state[:, 1:]
        return nn.functional.normalize(found, dim=2)


class _Pooled:
    """Tokens and what pools them; None until a vocabulary is there."""

    def __init__(self, tokens: _Tokens, pool: Any) -> None:  # noqa: ANN401 - a function or _Vlad
        self.tokens, self.pool = tokens, pool

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        if self.pool is None:
            msg = "dinov2 has no vocabulary yet: run `geonav index global`"
            raise DatabaseError(msg)
        rows: torch.Tensor = self.pool(self.tokens(batch))
        return rows


class _Vlad:
    """Residuals to the nearest word, each word's sum of length one."""

    def __init__(self, words: torch.Tensor) -> None:
        self.words = words

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        nearest = torch.cdist(tokens, self.words[None].expand(len(tokens), -1, -1)).argmin(2)
        shares = nn.functional.one_hot(nearest, len(self.words)).to(tokens.dtype)
        sums = shares.transpose(1, 2) @ tokens - shares.sum(1)[:, :, None] * self.words
        return nn.functional.normalize(sums, dim=2).flatten(1)


def _gem(tokens: torch.Tensor) -> torch.Tensor:
    mean = tokens.pow(_POWER).mean(1)
    return mean.sign() * mean.abs().pow(1.0 / _POWER)
