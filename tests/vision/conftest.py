"""Pictures made here, with known geometry, and networks built once for all tests.

Weights come from the machine's own cache and are fetched into it the first time, as for any user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geonav.config import GeonavConfig
from geonav.vision.registries import EXTRACTORS, MATCHERS

WIDTH, HEIGHT = 320, 240
_TEXTURE_PX = 1000
_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Pair:
    """Two pictures of one plane; ``b_from_a`` maps points of a, in pixels, to b."""

    a: np.ndarray
    b: np.ndarray
    b_from_a: np.ndarray

    @property
    def small(self) -> np.ndarray:
        """A part of a, 160 x 128 pixels, for what needs no more."""
        return np.ascontiguousarray(self.a[60:188, 80:240])

    def transfer(self, points: np.ndarray) -> np.ndarray:
        """Where points (N, 2) of a lie in b."""
        return transferred(self.b_from_a, points)


def transferred(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a homography to points (N, 2)."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def facade(seed: int) -> Image.Image:
    """A plane full of rectangles within rectangles and some grain, different for each seed."""
    rng = np.random.default_rng(seed)
    plane = np.full((_TEXTURE_PX, _TEXTURE_PX, 3), 128.0)
    for _ in range(400):
        x, y = rng.integers(0, _TEXTURE_PX, 2)
        w, h = rng.integers(10, 150, 2)
        plane[y : y + h, x : x + w] = rng.uniform(0, 255, 3)
        for _ in range(3):
            u, v, side = x + rng.integers(0, w), y + rng.integers(0, h), rng.integers(4, 20)
            plane[v : v + side, u : u + side] = rng.uniform(0, 255, 3)
    grain = rng.normal(0, 6, (_TEXTURE_PX // 2, _TEXTURE_PX // 2)).astype(np.float32)
    plane += np.asarray(Image.fromarray(grain).resize((_TEXTURE_PX, _TEXTURE_PX)))[..., None]
    return Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))


def view(plane: Image.Image, homography: np.ndarray, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """Look at a plane: ``homography`` maps its pixels to the picture's; averaged over 4 rays a pixel."""
    fine = np.diag([_SUPERSAMPLING, _SUPERSAMPLING, 1.0]) @ homography
    back = np.linalg.inv(fine)
    coefficients = (back / back[2, 2]).ravel()[:8].tolist()
    large = (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING)
    picture = plane.transform(large, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


def random_homography(rng: np.random.Generator) -> np.ndarray:
    """From a plane's pixels to a picture's: about 0.5 times as large, turned, tilted and shifted a little."""
    centre = np.array([[1, 0, -_TEXTURE_PX / 2], [0, 1, -_TEXTURE_PX / 2], [0, 0, 1.0]])
    angle, scale = np.radians(rng.uniform(-8, 8)), rng.uniform(0.42, 0.55)
    tilt = rng.uniform(-2.5e-4, 2.5e-4, 2)
    turn = np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), 0],
            [scale * np.sin(angle), scale * np.cos(angle), 0],
            [*tilt, 1.0],
        ]
    )
    shift = np.array([[1, 0, WIDTH / 2 + rng.uniform(-15, 15)], [0, 1, HEIGHT / 2 + rng.uniform(-15, 15)], [0, 0, 1]])
    return shift @ turn @ centre


def make_pair(seed: int) -> Pair:
    """Two views of the facade ``seed``."""
    plane, rng = facade(seed), np.random.default_rng(1000 + seed)
    to_a, to_b = random_homography(rng), random_homography(rng)
    return Pair(view(plane, to_a), view(plane, to_b), to_b @ np.linalg.inv(to_a))


@pytest.fixture(scope="session")
def pair() -> Pair:
    return make_pair(0)


@pytest.fixture(scope="session")
def config() -> Callable[..., GeonavConfig]:
    """A configuration for small pictures; arguments are ``[local]`` settings."""

    def make(**local: Any) -> GeonavConfig:
        return GeonavConfig(device="cpu", local={"max_keypoints": 400, **local})

    return make


@pytest.fixture(scope="session")
def extractor(config: Callable[..., GeonavConfig]) -> Callable[..., Any]:
    """Extractors by ``[local]`` settings, each built once."""
    built: dict[tuple[Any, ...], Any] = {}

    def get(model: str, **local: Any) -> Any:
        key = (model, *sorted(local.items()))
        if key not in built:
            built[key] = EXTRACTORS.load(model).from_config(config(model=model, **local))
        return built[key]

    return get


@pytest.fixture(scope="session")
def matcher(config: Callable[..., GeonavConfig]) -> Callable[[str, str], Any]:
    """Matchers by their name and the features' model, each built once."""
    built: dict[tuple[str, str], Any] = {}

    def get(name: str, model: str) -> Any:
        if (name, model) not in built:
            built[name, model] = MATCHERS.load(name).from_config(config(model=model))
        return built[name, model]

    return get


@pytest.fixture(scope="session")
def features(extractor: Callable[..., Any], pair: Pair) -> Callable[[str], Any]:
    """The features of both pictures of ``pair`` by model, computed once."""
    found: dict[str, Any] = {}

    def get(model: str) -> Any:
        if model not in found:
            found[model] = tuple(extractor(model).extract([pair.a, pair.b]))
        return found[model]

    return get
