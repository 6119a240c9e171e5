"""Queries located, as an engine has it done, with what speaks for each result."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.files import storage_errors
from geonav.data.places import Places
from geonav.data.results import LocalizationResult
from geonav.errors import DatabaseError, ImageError
from geonav.evaluation.query_set import Query, nearest_m, truth_of
from geonav.evaluation.record import NUM_HITS, QueryRecord, RetrievedReference
from geonav.pipeline.candidates import DEPTH
from geonav.pipeline.engines.base import in_order
from geonav.pipeline.engines.place import Place
from geonav.pipeline.engines.registry import engine_of
from geonav.pipeline.hits import Retrieved
from geonav.pipeline.localize import Localizer
from geonav.pipeline.retrieval import is_itself
from geonav.pipeline.view_matches import ViewMatches, view_matches_path, write_view_matches

MATCHES_FOLDER = "matches"
Line = tuple[QueryRecord, LocalizationResult]


def locate_queries(
    localizer: Localizer, config: GeonavConfig, queries: Sequence[Query], folder: Path
) -> Generator[Line, None, None]:
    """What was asked and found of each query, in their order, by the engine that ``config`` names.

    Args:
        localizer: this process's own.
        config: settings, as the workers of a cluster are to have them.
        queries: to be located.
        folder: of the run; every worker must see it.

    Raises:
        GeonavError: as the engine.
    """
    with storage_errors(folder):
        (folder / MATCHES_FOLDER).mkdir(exist_ok=True)
    own = Locating(localizer, Places.of(localizer.database), folder)
    with (
        engine_of(config) as engine,
        Place.of(localizer.database, config, writes=False) as place,
        closing(engine.run(QueryWork(place, folder), queries, own)) as finished,
    ):
        for done in in_order(finished, queries):
            yield own.given_up(done.item, done.failure) if done.result is None else done.result


@dataclass(frozen=True)
class QueryWork:
    """Locates queries.

    Attributes:
        place: the database.
        folder: of the run.
    """

    place: Place
    folder: Path

    def open(self) -> Locating:
        """Load the networks and the index.

        Raises:
            DatabaseError: the database or the run's folder is not there.
        """
        localizer = Localizer(self.place.open(), self.place.config)
        if not (self.folder / MATCHES_FOLDER).is_dir():
            msg = f"a worker does not see {self.place.folder / self.folder}: the folder of the run must lie where every"
            msg += " machine of the cluster sees it, as the database does"
            raise DatabaseError(msg)
        return Locating(localizer, Places.of(localizer.database), self.folder)


class Locating:
    """Locates queries one after the other and keeps what speaks for each result."""

    def __init__(self, localizer: Localizer, places: Places, folder: Path) -> None:
        """``folder`` is that of the run, where matches are put."""
        self._localizer = localizer
        self._places = places
        self._folder = folder
        self._references = localizer.database

    def work(self, items: Iterable[Query]) -> Iterator[Line]:
        """What was asked and found of each query."""
        return map(self.locate, items)

    def locate(self, query: Query) -> Line:
        """What was asked and what was found; a photo that cannot be read is one that was not located."""
        found: list[Retrieved] = []
        matches: list[ViewMatches] = []
        unreadable: str | None = None
        try:
            result = self._localizer.locate(
                query.photo,
                camera=query.camera,
                mask=query.mask,
                camera_source="metadata" if query.from_database else "given",
                on_retrieved=found.append,
                on_matched=matches.extend,
            )
        except ImageError as error:
            unreadable = str(error)
            result = LocalizationResult(
                query=str(query.photo), status="not_located", reason=unreadable, geonav_version=__version__
            )
        if matches:
            write_view_matches(view_matches_path(self._folder, query.name), matches)
        return self._record(query, found[0] if found else Retrieved(), unreadable), result

    def given_up(self, query: Query, reason: str) -> Line:
        """The line of a query that every worker ended at."""
        result = LocalizationResult(
            query=str(query.photo), status="not_located", reason=reason, geonav_version=__version__
        )
        return self._record(query, Retrieved(), reason), result

    def _record(self, query: Query, retrieved: Retrieved, unreadable: str | None) -> QueryRecord:
        sha256 = query.sha256()
        others = (hit for hit in retrieved.hits if not is_itself(self._references, hit.uid, sha256))
        hits = list(islice(others, NUM_HITS))
        rows = self._places.rows_of([hit.uid for hit in hits]).tolist()
        lat, lng = ([_known(column, row) for row in rows] for column in (self._places.lat, self._places.lng))
        return QueryRecord(
            name=query.name,
            photo=str(query.photo.absolute()),
            sha256=sha256,
            error=unreadable,
            mask=query.mask_path,
            camera=query.camera_text,
            is_distractor=query.is_distractor,
            truth=truth_of(query, self._references.frame, self._references.alt_datum),
            groups=query.groups,
            captured_at=query.captured_at,
            sequence=query.sequence,
            retrieved=tuple(
                RetrievedReference(uid=hit.uid, similarity=round(hit.similarity, 6), lat=lat[i], lng=lng[i])
                for i, hit in enumerate(hits)
            ),
            num_asked=min(NUM_HITS, DEPTH * self._localizer.config.localize.top_k),
            nearest_reference_m=None if query.is_distractor else nearest_m(query, self._places),
        )


def _known(column: np.ndarray[Any, np.dtype[np.float64]], row: int) -> float | None:
    return float(column[row]) if row >= 0 and np.isfinite(column[row]) else None
