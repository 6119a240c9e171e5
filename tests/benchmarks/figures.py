"""What is timed: each figure beside the same work done as most would do it, or beside its bound."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.pipeline.localize import Localizer
from geonav.pipeline.stages import load_features, load_matcher
from geonav.vision.registries import EXTRACTORS
from tests.benchmarks.measure import Figure, compared, seconds
from tests.benchmarks.plain import MAX_KEYPOINTS, SIDE_PX, Plain, PlainReference
from tests.benchmarks.scene import Photos, pixels_at

TOP_K = 5


class Benchmarks:
    """All figures over one set of photos."""

    def __init__(self, photos: Photos, *, turns: int) -> None:
        """Time each thing ``turns`` times."""
        self._photos, self._turns = photos, turns
        self._config = GeonavConfig(local={"max_keypoints": MAX_KEYPOINTS}, localize={"top_k": TOP_K})
        self._localizer = Localizer(photos.database, self._config)
        self._plain = Plain()
        self._query = photos.queries[len(photos.queries) // 2]

    def figures(self) -> Iterator[Figure]:
        """One after the other."""
        yield self._extraction()
        yield self._matching()
        yield from self._locating()
        yield self._starting()
        yield self._helping()

    @cached_property
    def _found(self) -> list[str]:
        """The references that the query is located with."""
        result = self._localizer.locate(self._query.path, camera=self._query.camera)
        best = sorted(result.references, key=lambda use: -use.num_matches)
        return [use.uid for use in best[:TOP_K]]

    def _extraction(self) -> Figure:
        extractor = EXTRACTORS.load("disk").from_config(self._config)
        pixels = pixels_at(self._query.path, SIDE_PX)
        height, width = pixels.shape[:2]
        return compared(
            f"DISK {width}x{height}, {MAX_KEYPOINTS} keypoints, against kornia float32",
            lambda: extractor.extract([pixels]), lambda: self._plain.features(pixels), must=4.5, turns=self._turns,
        )  # fmt: skip

    def _matching(self) -> Figure:
        matcher, stored = load_matcher(self._config), load_features(self._photos.database, self._config)
        pixels = pixels_at(self._query.path, SIDE_PX)
        (query,) = EXTRACTORS.load("disk").from_config(self._config).extract([pixels])
        size = pixels.shape[1], pixels.shape[0]
        references = [(stored.read(uid), self._size(uid)) for uid in self._found]
        plain_query, plain_references = self._plain.features(pixels), [each.features for each in self._plain_references]
        return compared(
            f"LightGlue, {TOP_K} pairs of one query, against kornia float32",
            lambda: [matcher.match(query, size, *reference) for reference in references],
            lambda: [self._plain.match(plain_query, each) for each in plain_references],
            must=3.0, turns=self._turns,
        )  # fmt: skip

    def _locating(self) -> Iterator[Figure]:
        """The whole, and what of it is not networks."""
        query, references = self._query, self._plain_references
        camera = query.camera.scaled(*pixels_at(query.path, SIDE_PX).shape[1::-1])
        taken: list[dict[str, float]] = []

        def ours() -> None:
            taken.append(self._localizer.locate(query.path, camera=query.camera).seconds)

        whole = compared(
            f"locate, warm, top {TOP_K}, against the plain pipeline in float32",
            ours, lambda: self._plain.locate(pixels_at(query.path, SIDE_PX), camera, references),
            must=5.0, turns=self._turns,
        )  # fmt: skip
        yield whole
        rest = float(np.median([sum(each.get(stage, 0.0) for stage in ("retrieval", "pose")) for each in taken]))
        yield Figure("search, triangulation and pose, against a tenth of the locate", rest, 0.1 * whole.ours_s, 1.0)

    def _starting(self) -> Figure:
        """A process of its own against 2.5 times a warm locate and the import of torch."""
        arguments = ["localize", str(self._query.path), "--database", str(self._photos.database.path), "--top-k", "5"]
        warm = seconds(lambda: self._localizer.locate(self._query.path))
        importing = seconds(lambda: _python("-c", "import torch"))
        cold = seconds(lambda: _python("-m", "geonav", *arguments))
        return Figure(
            "cold `geonav localize photo.jpg`, against 2.5 warm ones and torch", cold, 2.5 * warm + importing, 1.0
        )

    def _helping(self) -> Figure:
        taken = [seconds(lambda: _python("-m", "geonav", "localize", "--help")) for _ in range(self._turns)]
        return Figure("`geonav localize --help`, against 0.35 s", float(np.median(taken)), 0.35, 1.0)

    @cached_property
    def _plain_references(self) -> list[PlainReference]:
        found = []
        for uid in self._found:
            metadata, path = self._photos.database.metadata(uid), self._photos.database.image_path(uid)
            pixels = pixels_at(path, SIDE_PX)
            camera = metadata.camera.scaled(pixels.shape[1], pixels.shape[0])
            found.append(PlainReference(self._plain.features(pixels), camera.K, np.array(metadata.E, float)))
        return found

    def _size(self, uid: str) -> tuple[int, int]:
        metadata = self._photos.database.metadata(uid)
        return metadata.w, metadata.h


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=False, capture_output=True, cwd=Path.cwd())
