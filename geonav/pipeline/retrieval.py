"""Which references look like a photo: filtered, found, ordered, and one of each place where that is wanted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.places import Places
from geonav.errors import DatabaseError, UsageError
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.extraction import least_side_px
from geonav.pipeline.hits import Asked, Hit, Retrieved
from geonav.pipeline.inliers import InlierCounter
from geonav.pipeline.matching import is_same_file
from geonav.pipeline.query import QueryPhoto
from geonav.pipeline.stages import PlaceSearch
from geonav.pipeline.vouching import Vouching
from geonav.registry import Registry
from geonav.retrieval.base import Vector
from geonav.retrieval.filters import Filters, around
from geonav.retrieval.grouping import neighbours_by_views, one_per_place, views_per_place
from geonav.retrieval.rerank.options import RerankOptions
from geonav.settings.search import SearchConfig
from geonav.vision.base import Matches

Vectors = NDArray[np.float32]
Rerank = Callable[[Vector, Vectors, RerankOptions], Vectors]

INLIERS = "inliers"
EXPANSION = "qe"
PLAIN = "none"
NEIGHBOURS = "neighbours"
RERANKERS = Registry(
    "re-ranker",
    {
        PLAIN: "geonav.retrieval.rerank.options:by_similarity",
        NEIGHBOURS: "geonav.retrieval.rerank.options:by_similarity",  # and by that of the references around
        "gnn": "geonav.retrieval.rerank.options:by_shared_neighbours",
        "k-reciprocal": "geonav.retrieval.rerank.options:by_reciprocal_neighbours",
        "dba": "geonav.retrieval.rerank.options:by_augmented_vectors",
        EXPANSION: "geonav.retrieval.rerank.options:by_similarity",  # to another vector
        INLIERS: "geonav.retrieval.rerank.options:by_similarity",  # then by what is matched
    },
)
DEFAULT_GPS_STD_M = 10.0
# A photo shows references that stand this far from it; three standard deviations of its position come on top.
_REACH_M = 50.0
_GPS_SIGMAS = 3.0
# Copies of one photo in a database, at most.
_LIKE_ITSELF = 3
# What is computed once, and from which settings.
_MADE_OF = {"options": ("k1", "k2", "alpha", "layers", "blend"), "_vouching": ("support",)}
# Hits looked through at first for each place that is wanted.
_VIEWS_LOOKED_AT = 4


class Retriever:
    """Asks a database's index as ``[search]`` says."""

    def __init__(
        self,
        database: Database,
        config: GeonavConfig,
        place: PlaceSearch,
        inliers: Callable[[], InlierCounter],
        *,
        grouped: bool,
    ) -> None:
        """Check what is asked for.

        Args:
            database: the references.
            config: settings.
            place: descriptor and index.
            inliers: makes what counts inliers; called where ``search.rerank`` is ``inliers``.
            grouped: whether hits are places, where ``search.group`` does not say.

        Raises:
            UsageError: an unknown re-ranker, or a date that is none.
        """
        self._database = database
        self._settings = config.search
        self._index = place.index
        self._descriptor = place.descriptor
        self._filters = Filters.of(self._settings)
        self._least_side_px = least_side_px(config)
        self._by_gps = config.localize.exif_gps
        self._name = RERANKERS.check(self._settings.rerank)
        self._rerank: Rerank = RERANKERS.load(self._name)
        self._inliers = inliers() if self._name == INLIERS else None
        self._grouped = grouped if self._settings.group is None else self._settings.group

    def with_settings(self, settings: SearchConfig) -> Retriever:
        """The same index and descriptor asked with other filters and parameters; the re-ranker stays the same."""
        _ = self.places, self._vouches and self._vouching  # made once for all
        other = copy.copy(self)
        other._settings, other._filters = settings, Filters.of(settings)
        for made, parameters in _MADE_OF.items():
            if any(getattr(settings, name) != getattr(self._settings, name) for name in parameters):
                other.__dict__.pop(made, None)
        return other

    @cached_property
    def places(self) -> Places:
        """Where the references are; read when first asked for."""
        return Places.of(self._database)

    @cached_property
    def options(self) -> RerankOptions:
        """The parameters of re-ranking, those that are not set by the database's views per place."""
        settings = self._settings
        k1, k2 = settings.k1, settings.k2
        if k1 is None or k2 is None:
            usual = neighbours_by_views(views_per_place(self.places))
            k1, k2 = k1 or usual[0], k2 or usual[1]
        return RerankOptions(k1, k2, settings.alpha, settings.layers, settings.blend)

    @property
    def _vouches(self) -> bool:
        """Whether neighbours vouch for hits; inliers are counted of the best in that order."""
        return self._name in {NEIGHBOURS, INLIERS} and self._settings.support > 0

    @property
    def _is_plain(self) -> bool:
        return self._name in {PLAIN, NEIGHBOURS, INLIERS} and not self._vouches

    @cached_property
    def _vouching(self) -> Vouching:
        return Vouching(self.places, self._index, self._settings.support)

    @property
    def least_side_px(self) -> int | None:
        """How large a photo must be decoded for :meth:`describe` and its features; None for its full size."""
        by_features = self._descriptor.source == "features" and self._settings.query_augmentation == "none"
        return self._least_side_px if by_features else None

    def describe(self, photo: QueryPhoto, features: LocalFeatures | None) -> list[Vector]:
        """The photo's global descriptor (D,), or those of several looks at it as ``search.query_augmentation`` says.

        Raises:
            UsageError: ``features`` are needed and not given, or several looks are asked for of a descriptor of them.
        """
        augmentation = self._settings.query_augmentation
        if augmentation != "none":
            from geonav.vision.descriptors.query_views import views_of

            return views_of(photo.photo.pixels, augmentation, self._descriptor)
        item = features if self._descriptor.source == "features" else photo.photo.pixels
        if item is None:
            msg = f"{self._descriptor.name} describes local features: extract those of {photo.photo.path} first"
            raise UsageError(msg)
        return [self._descriptor.describe(item)]

    def retrieve(self, asked: Asked, k: int) -> Retrieved:
        """The ``k`` best references, all that there are if fewer.

        An empty filter gives no hits and says so; it is never widened.
        """
        filters, notes = self._filters_for(asked.photo)
        allowed = self._allowed(filters)
        if allowed is not None and not allowed:
            total = len(self._database)
            reason = f"none of the {total} references is {filters.words}: widen the filter or leave it out"
            return Retrieved(reason=reason, notes=notes)
        deep = max(k, self._settings.inlier_depth) if self._inliers is not None else k
        excluded: list[str] = []
        hits = self._distinct(asked, deep, allowed, excluded)
        matches: dict[str, Matches] = {}
        if self._inliers is not None:
            hits = self._by_inliers(asked, hits, matches)
        nothing = "the index holds no reference that may be found: run `geonav index global`"
        return Retrieved(hits[:k], None if hits else nothing, notes, excluded, matches, allowed)

    def similarities(self, asked: Asked, uids: Iterable[str]) -> dict[str, float]:
        """How much some references look like a photo; those that are not in the index are left out."""
        known = [uid for uid in uids if uid in self._index]
        if not known:
            return {}
        return dict(zip(known, (self._index.vectors(known) @ asked.vector).tolist(), strict=True))

    def _filters_for(self, photo: QueryPhoto) -> tuple[Filters, list[str]]:
        """The filters of the settings, and where it is asked for that of the photo's own position."""
        if not self._by_gps:
            return self._filters, []
        exif = photo.photo.exif
        if exif.lat_deg is None or exif.lng_deg is None:
            return self._filters, [
                "the photo's EXIF has no position: references are not restricted to its surroundings"
            ]
        radius_m = _REACH_M + _GPS_SIGMAS * (exif.gps_error_m or DEFAULT_GPS_STD_M)
        near = around(GeoPoint(exif.lat_deg, exif.lng_deg), radius_m, ", where the photo's EXIF says it was taken")
        return self._filters + near, [f"only references within {radius_m:g} m of the position in the photo's EXIF"]

    def _allowed(self, filters: Filters) -> set[str] | None:
        if not filters:
            return None
        uids = self.places.uids
        return {uids[row] for row in np.flatnonzero(filters(self.places)).tolist()}

    def _distinct(self, asked: Asked, k: int, allowed: set[str] | None, excluded: list[str]) -> list[Hit]:
        """The ``k`` best of different places, or simply the ``k`` best."""
        depth = k + asked.leaves_out_itself
        if not self._is_plain:
            depth = max(depth, self._settings.rerank_depth)
        if self._grouped:
            depth = max(depth, _VIEWS_LOOKED_AT * k)
        while True:
            hits = self._ordered(asked, depth, allowed)
            excluded.clear()
            others = self._others(asked, hits, excluded)
            kept = list(islice(self._of_places(others), k))
            if len(kept) == k or len(hits) < depth:
                return kept
            depth *= 2

    def _of_places(self, hits: Iterator[Hit]) -> Iterator[Hit]:
        if not self._grouped:
            return hits
        pairs = ((hit.uid, hit) for hit in hits)
        return (hit for _, hit in one_per_place(pairs, self.places, self._settings.group_within_m))

    def _others(self, asked: Asked, hits: list[Hit], excluded: list[str]) -> Iterator[Hit]:
        """Hits that are not the photo itself, looked at one by one."""
        for hit in hits:
            if asked.leaves_out_itself and is_itself(self._database, hit.uid, asked.photo.photo.sha256):
                excluded.append(hit.uid)
            else:
                yield hit

    def _ordered(self, asked: Asked, depth: int, allowed: set[str] | None) -> list[Hit]:
        """The ``depth`` most similar references, the first of them in the re-ranker's order."""
        found = self._found(asked.vectors, depth, allowed)
        vector = asked.vector
        if self._name == EXPANSION and found:
            near = self._index.vectors([uid for uid, _ in found[: self.options.k2]])
            found = self._index.search(self.options.expanded(vector, near), depth, allowed=allowed)
        few = 0 if self._is_plain else self._settings.rerank_depth
        first = self._vouched(asked, found[:few], allowed) if self._vouches else self._reordered(vector, found[:few])
        return [*first, *(Hit(uid, score, score) for uid, score in found[few:])]

    def _vouched(self, asked: Asked, found: list[tuple[str, float]], allowed: set[str] | None) -> list[Hit]:
        if not found:
            return []
        # The photo itself, found first where it is among the references, must not vouch for its neighbours.
        sha256 = asked.photo.photo.sha256
        itself = [uid for uid, _ in found[:_LIKE_ITSELF] if is_itself(self._database, uid, sha256)]
        scores = self._vouching.scores(asked.vector, found, allowed, itself)
        order = np.argsort(-scores, kind="stable")
        return [Hit(found[row][0], float(scores[row]), found[row][1]) for row in order.tolist()]

    def _reordered(self, vector: Vector, found: list[tuple[str, float]]) -> list[Hit]:
        if not found:
            return []
        candidates = self._index.vectors([uid for uid, _ in found])
        similarities = candidates @ np.asarray(vector, np.float32)
        if self._name == EXPANSION:
            scores = np.array([score for _, score in found], np.float32)
        else:
            scores = self._rerank(vector, candidates, self.options)
        order = np.argsort(-scores, kind="stable")
        return [Hit(found[row][0], float(scores[row]), float(similarities[row])) for row in order.tolist()]

    def _found(self, vectors: Sequence[Vector], depth: int, allowed: set[str] | None) -> list[tuple[str, float]]:
        """What the index finds for one vector, or for several looks at one photo together."""
        hits = [self._index.search(vector, depth, allowed=allowed) for vector in vectors]
        if len(hits) == 1:
            return hits[0]
        from geonav.vision.descriptors.query_views import merge

        augmentation = self._settings.query_augmentation
        return merge(hits, "nearest_crop" if augmentation == "none" else augmentation)[:depth]

    def _by_inliers(self, asked: Asked, hits: list[Hit], matches: dict[str, Matches]) -> list[Hit]:
        """The best hits by falling number of inliers, equals in their old order; then the rest."""
        if self._inliers is None or asked.features is None:
            return hits
        depth, counted = self._settings.inlier_depth, []
        for hit in hits[:depth]:
            count, matches[hit.uid] = self._inliers.match(hit.uid, asked.features, asked.photo.photo.size)
            counted.append(replace(hit, score=float(count), num_inliers=count))
        counted.sort(key=lambda hit: -hit.score)
        return [*counted, *hits[depth:]]


def is_itself(database: Database, uid: str, sha256: str) -> bool:
    """Whether a reference was made of the file with this digest; not so where it cannot be read any more."""
    try:
        return is_same_file(database, uid, database.metadata(uid), sha256)
    except DatabaseError:
        return False
