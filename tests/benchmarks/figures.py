"""What is timed: each figure beside the same work done as most would do it, or beside its bound."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch

from geonav.config import GeonavConfig
from geonav.geometry.pose import camera_center
from geonav.pipeline.localize import Localizer
from geonav.pipeline.stages import load_features, load_matcher
from geonav.vision.registries import EXTRACTORS
from geonav.vision.resize import padded_batch
from tests.benchmarks.measure import Figure, compared, seconds
from tests.benchmarks.plain import MAX_KEYPOINTS, SIDE_PX, Plain, PlainReference
from tests.benchmarks.scene import Photo, Photos, pixels_at

TOP_K = 5


class NetworkFigures:
    """The networks alone and the whole locate, over one set of photos."""

    def __init__(self, photos: Photos, *, turns: int) -> None:
        """Time each thing ``turns`` times."""
        self._photos, self._turns = photos, turns
        self._config = GeonavConfig(local={"max_keypoints": MAX_KEYPOINTS}, localize={"top_k": TOP_K})
        self.localizer = Localizer(photos.database, self._config)
        self._plain = Plain()
        self._described: dict[str, PlainReference] = {}
        self.query = photos.queries[len(photos.queries) // 2]

    def figures(self) -> Iterator[Figure]:
        """One after the other."""
        yield self.extraction()
        yield self._bare_network()
        yield self.matching()
        yield from self.locating()

    @cached_property
    def found(self) -> list[str]:
        """The references most like the query."""
        config = self._config.model_copy(update={"localize": self._config.localize.model_copy(update={"top_k": 10})})
        result = Localizer(self._photos.database, config).locate(self.query.path, camera=self.query.camera)
        return [use.uid for use in sorted(result.references, key=lambda use: -use.score)[:TOP_K]]

    def extraction(self) -> Figure:
        """DISK against kornia's."""
        extractor = EXTRACTORS.load("disk").from_config(self._config)
        pixels = pixels_at(self.query.path, SIDE_PX)
        height, width = pixels.shape[:2]
        return compared(
            f"DISK {width}x{height}, {MAX_KEYPOINTS} keypoints, against kornia float32",
            lambda: extractor.extract([pixels]), lambda: self._plain.features(pixels), must=4.5, turns=self._turns,
        )  # fmt: skip

    def _bare_network(self) -> Figure:
        """All of the extraction against the network as we run it: what is left to gain around it."""
        extractor = EXTRACTORS.load("disk").from_config(self._config)
        pixels = pixels_at(self.query.path, SIDE_PX)

        def bare() -> None:
            with torch.inference_mode():
                extractor._maps(padded_batch([pixels], extractor.multiple, torch.device("cpu"))).heat()

        return compared(
            "DISK, against our network alone (the bound)",
            lambda: extractor.extract([pixels]), bare, must=0.85, turns=self._turns,
        )  # fmt: skip

    def matching(self) -> Figure:
        """LightGlue against kornia's, one query and its references."""
        matcher, stored = load_matcher(self._config), load_features(self._photos.database, self._config)
        pixels = pixels_at(self.query.path, SIDE_PX)
        (query,) = EXTRACTORS.load("disk").from_config(self._config).extract([pixels])
        size = pixels.shape[1], pixels.shape[0]
        references = [(stored.read(uid), self._size(uid)) for uid in self.found]
        plain_query, plain_references = self._plain.features(pixels), [each.features for each in self._plain_references]

        def ours() -> None:
            matcher._firsts.clear()  # what is kept of a query belongs to its own five pairs
            for reference in references:
                matcher.match(query, size, *reference)

        return compared(
            f"LightGlue, {TOP_K} pairs of one query, against kornia float32",
            ours, lambda: [self._plain.match(plain_query, each) for each in plain_references],
            must=3.0, turns=self._turns,
        )  # fmt: skip

    def locating(self, name: str = "locate", must: float = 5.0) -> Iterator[Figure]:
        """The whole, and what of it is not networks."""
        query, references = self.query, self._plain_references
        taken: list[dict[str, float]] = []

        def ours() -> None:
            taken.append(self.localizer.locate(query.path, camera=query.camera).seconds)

        whole = compared(
            f"{name}, warm, top {TOP_K}, against the plain pipeline in float32",
            ours, lambda: self._plain.locate(*_plainly(query), references), must=must, turns=self._turns,
        )  # fmt: skip
        yield whole
        rest = float(
            np.median([sum(each.get(stage, 0.0) for stage in ("read", "retrieval", "pose")) for each in taken])
        )
        yield Figure(
            f"{name}: reading, search, triangulation and pose, against a tenth of it", rest, 0.1 * whole.ours_s, 1.0
        )

    def errors_m(self, most: int) -> tuple[float, float]:
        """Median position errors of ours and of the plain pipeline, over some queries, metres."""
        both = []
        for query in self._photos.queries[:most]:
            result = self.localizer.locate(query.path, camera=query.camera)
            self.query = query
            self.__dict__.pop("found", None)
            plain = self._plain.locate(*_plainly(query), self._plain_references)
            both.append([_error_m(result.E, query), _error_m(plain, query)])
        ours, plain_m = np.median(np.array(both), axis=0)
        return float(ours), float(plain_m)

    @property
    def _plain_references(self) -> list[PlainReference]:
        return [self._plain_reference(uid) for uid in self.found]

    def _plain_reference(self, uid: str) -> PlainReference:
        if uid not in self._described:
            metadata, path = self._photos.database.metadata(uid), self._photos.database.image_path(uid)
            pixels = pixels_at(path, SIDE_PX)
            camera = metadata.camera.scaled(pixels.shape[1], pixels.shape[0])
            self._described[uid] = PlainReference(self._plain.features(pixels), camera.K, np.array(metadata.E, float))
        return self._described[uid]

    def _size(self, uid: str) -> tuple[int, int]:
        metadata = self._photos.database.metadata(uid)
        return metadata.w, metadata.h

    def warm_s(self) -> float:
        """A locate without a given camera, as the command line does it."""
        self.localizer.locate(self.query.path)
        return seconds(lambda: self.localizer.locate(self.query.path))


def _plainly(query: Photo) -> tuple[np.ndarray, object]:
    pixels = pixels_at(query.path, SIDE_PX)
    return pixels, query.camera.scaled(pixels.shape[1], pixels.shape[0])


def _error_m(pose: object, query: Photo) -> float:
    if pose is None:
        return float("inf")
    square = np.eye(4)
    square[:3] = np.array(pose, float)[:3]
    return float(np.linalg.norm(camera_center(square) - camera_center(query.pose)))
