"""What each kind of vision part promises; `tests/vision` holds every registered part to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Matches:
    """Pairs of keypoints of image a and image b that show the same point.

    Attributes:
        pairs: (M, 2) int32, index into a's keypoints and into b's; no keypoint occurs twice.
        scores: (M,) float32 in [0, 1], higher is surer.
    """

    pairs: NDArray[np.int32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        """The number of matches."""
        return len(self.pairs)

    @classmethod
    def none(cls) -> Self:
        """No matches at all."""
        return cls(np.zeros((0, 2), np.int32), np.zeros(0, np.float32))


class LocalExtractor(Protocol):
    """Finds keypoints in pictures and describes them."""

    name: str

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Build it with the weights and settings that ``config`` names."""
        ...

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result, the weights' sha256 included; the device is not among it."""
        ...

    def extract(self, images: Sequence[Pixels], masks: Sequence[Mask | None] | None = None) -> list[LocalFeatures]:
        """Extract the features of upright RGB pictures.

        Args:
            images: uint8 (H, W, 3) each; sizes may differ.
            masks: bool (H, W) each, True where keypoints are wanted; None for the whole picture.

        Returns:
            One item a picture. Keypoints are pixels of the picture given, the centre of its first pixel at
            (0.5, 0.5), sorted by falling score; a picture without any gives zero rows.
        """
        ...


class Matcher(Protocol):
    """Pairs the keypoints of two pictures."""

    name: str

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Build it with the weights and settings that ``config`` names."""
        ...

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result."""
        ...

    def match(self, a: LocalFeatures, size_a: tuple[int, int], b: LocalFeatures, size_b: tuple[int, int]) -> Matches:
        """Match the features of two upright pictures of ``(width, height)`` pixels."""
        ...


class GlobalDescriptor(Protocol):
    """Sums a picture up in one vector of length one; similar places give a large inner product.

    Attributes:
        name: the registry's name, which also names the stored files.
        source: what :meth:`describe` takes: the picture's local features or its pixels.
        needs_training: whether :meth:`train` must have run (or :meth:`load`) before :meth:`describe`.
        usual_pca: numbers that its vectors are shortened to by a PCA of the database where nothing is said; 0 for none.
    """

    name: str
    source: Literal["features", "pixels"]
    needs_training: bool
    usual_pca: int

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Build it, not yet trained, with the weights and settings that ``config`` names."""
        ...

    @property
    def dim(self) -> int:
        """The length D of a vector.

        Raises:
            DatabaseError: it needs training and has had none.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """Everything that changes the result but what was learned."""
        ...

    def describe(self, item: LocalFeatures | Pixels) -> Vector:
        """Describe one picture: float32 (D,), length one, or all zero where there is nothing to describe."""
        ...

    def train(self, samples: Sequence[LocalFeatures | Pixels]) -> None:
        """Learn from a sample of the database what :meth:`describe` needs; nothing where it needs none."""
        ...

    def learned(self) -> Mapping[str, NDArray[Any]]:
        """The arrays that :meth:`train` made, to be stored with the database; empty where there are none."""
        ...

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`learned` gave earlier."""
        ...
