"""``geonav search``: the references that look like a photo, without a pose."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.pipeline.extraction import extract, mask_of
from geonav.pipeline.hits import Asked, Hit, Retrieved
from geonav.pipeline.inliers import InlierCounter
from geonav.pipeline.query import QueryPhoto, read_query
from geonav.pipeline.retrieval import INLIERS, Retriever
from geonav.pipeline.stages import load_extractor, load_features, load_global, load_matcher
from geonav.pipeline.stored import with_recorded

_SCORE_DIGITS = 6
_DISTANCE_DIGITS = 2


@dataclass(frozen=True)
class SearchHit:
    """A reference that looks like the photo; what is not known is None.

    Attributes:
        uid: the reference.
        score: what the hits are ordered by, higher is better.
        similarity: of the global descriptors.
        num_inliers: matched keypoints that one rigid scene explains, where they were counted.
        lat: degrees, WGS84.
        lng: degrees, WGS84.
        azimuth: of the optical axis, degrees clockwise from true north.
        provider: where the reference comes from.
        distance_m: from the photo, along the ground.
    """

    uid: str
    score: float
    similarity: float
    num_inliers: int | None = None
    lat: float | None = None
    lng: float | None = None
    azimuth: float | None = None
    provider: str | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class SearchResult:
    """What was found for one photo.

    Attributes:
        query: the photo, as it was named.
        hits: best first.
        reason: why there are none; None where there are.
        notes: what a careful reader should know.
        lat: of the photo, degrees, where it is known.
        lng: of the photo, degrees.
        position_source: where that comes from: the photo's EXIF, or what is known to be true.
        seconds: wall time of all stages together.
    """

    query: str
    hits: tuple[SearchHit, ...] = ()
    reason: str | None = None
    notes: tuple[str, ...] = ()
    lat: float | None = None
    lng: float | None = None
    position_source: Literal["exif", "truth"] | None = None
    seconds: float = field(default=0.0, compare=False)


class Searcher:
    """Searches one database; holds the networks and the index between photos."""

    def __init__(self, database: Database, config: GeonavConfig | None = None, *, grouped: bool = True) -> None:
        """Load the index and what describes a photo.

        Args:
            database: indexed with ``geonav index global``.
            config: settings; those the database records are taken from it where not set.
            grouped: whether hits are places, not views, where ``search.group`` does not say.

        Raises:
            DatabaseError: the database is not indexed, or was indexed with other settings.
            UsageError: an unknown re-ranker, or a date that is none.
            WeightsError: weights are missing or broken; NetworkError where they cannot be fetched.
        """
        self.config = with_recorded(config or GeonavConfig(), database)
        self.database = database
        place = load_global(database, self.config)
        self.retriever = Retriever(database, self.config, place, self._inlier_counter, grouped=grouped)
        needs_features = place.descriptor.source == "features" or self.config.search.rerank == INLIERS
        self._extractor = load_extractor(database, self.config) if needs_features else None

    def _inlier_counter(self) -> InlierCounter:
        features = load_features(self.database, self.config)
        matcher = load_matcher(self.config)
        return InlierCounter(self.database, features, matcher, self.config.local.max_side_px, self.config.seed)

    def search(
        self, path: Path | str, k: int | None = None, *, truth: GeoPoint | None = None, mask: Path | str | None = None
    ) -> SearchResult:
        """Find the references that look like one photo.

        Args:
            path: the photo.
            k: how many; ``localize.top_k`` if left out.
            truth: where it was taken, to say how far off the hits are; EXIF's position if left out.
            mask: picture that is black where the photo must not be looked at.

        Raises:
            ImageError: the photo or the mask cannot be read.
        """
        start = time.perf_counter()
        photo = read_query(path, least_side_px=self.retriever.least_side_px)
        features = self._features(photo, mask)
        vectors = self.retriever.describe(photo, features)
        if not np.any(vectors):
            found = Retrieved(reason="the photo shows too little that could be recognised")
        else:
            wanted = self.config.localize.top_k if k is None else k
            asked = Asked(photo, vectors, features, leaves_out_itself=True)
            found = _with_shortage(self.retriever.retrieve(asked, wanted), wanted)
        return self._result(photo, found, truth, time.perf_counter() - start)

    def _features(self, photo: QueryPhoto, mask: Path | str | None) -> LocalFeatures | None:
        if self._extractor is None:
            return None
        return extract(self._extractor, photo.photo, mask_of(photo.photo, mask))

    def _result(self, photo: QueryPhoto, found: Retrieved, truth: GeoPoint | None, seconds: float) -> SearchResult:
        exif = photo.photo.exif
        here, source = truth, "truth" if truth is not None else None
        if here is None and exif.lat_deg is not None and exif.lng_deg is not None:
            here, source = GeoPoint(exif.lat_deg, exif.lng_deg), "exif"
        itself = [f"the photo is itself the reference {uid}, which was left out" for uid in found.excluded]
        return SearchResult(
            query=str(photo.photo.path),
            hits=self.placed(found.hits, here),
            reason=found.reason,
            notes=(*photo.notes, *found.notes, *itself),
            lat=here.lat_deg if here is not None else None,
            lng=here.lng_deg if here is not None else None,
            position_source=source,  # type: ignore[arg-type]
            seconds=round(seconds, 4),
        )

    def placed(self, hits: Sequence[Hit], here: GeoPoint | None) -> tuple[SearchHit, ...]:
        """Hits with what is known of their places, and how far they are from ``here``."""
        return tuple(self._placed(hit, here) for hit in hits)

    def _placed(self, hit: Hit, here: GeoPoint | None) -> SearchHit:
        places = self.retriever.places
        row = int(places.rows_of([hit.uid])[0])
        score, similarity = round(hit.score, _SCORE_DIGITS), round(hit.similarity, _SCORE_DIGITS)
        if row < 0:
            return SearchHit(hit.uid, score, similarity, hit.num_inliers)
        lat, lng, azimuth = (_or_none(float(column[row])) for column in (places.lat, places.lng, places.azimuth))
        away = None
        if here is not None and lat is not None and lng is not None:
            away = round(distance_m(here, GeoPoint(lat, lng)), _DISTANCE_DIGITS)
        provider = places.provider[row] or None
        return SearchHit(hit.uid, score, similarity, hit.num_inliers, lat, lng, azimuth, provider, away)


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _with_shortage(found: Retrieved, wanted: int) -> Retrieved:
    """The same with a note where there are fewer hits than were asked for."""
    if not found.hits or len(found.hits) >= wanted:
        return found
    note = f"only {len(found.hits)} of the {wanted} hits asked for: no more references may be found"
    return Retrieved(found.hits, found.reason, [*found.notes, note], found.excluded)


def search(
    photo: Path | str, database: Path | str, config: GeonavConfig | None = None, k: int | None = None
) -> SearchResult:
    """Find the references in a database that look like one photo; see :class:`Searcher` for many photos.

    Args:
        photo: the picture.
        database: folder of an indexed database.
        config: settings; ``[search]`` holds filters, grouping and re-ranking.
        k: how many hits; ``localize.top_k`` if left out.

    Raises:
        GeonavError: as :class:`Searcher` and :meth:`Searcher.search`.
    """
    return Searcher(Database.open(Path(database)), config).search(photo, k)
