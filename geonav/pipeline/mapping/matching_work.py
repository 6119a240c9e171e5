"""Matching references to each other, as an engine has it done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.links import Link
from geonav.data.map_store import MapStore
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError, PartialError
from geonav.pipeline.engines.base import Engine
from geonav.pipeline.engines.place import Place, placed
from geonav.pipeline.mapping.linking import Linker, Pair, groups_of
from geonav.pipeline.mapping.views import MapView
from geonav.pipeline.stages import load_features, load_matcher
from geonav.pipeline.stored import differing


def linker_of(database: Database, config: GeonavConfig) -> Linker:
    """What matches the references of a database; ``config`` has the settings that the database records.

    Raises:
        DatabaseError: the database has no local features.
        WeightsError: the matcher's weights are missing or broken; NetworkError where they cannot be fetched.
    """
    features = load_features(database, config)
    return Linker(MapStore(database).links, features, load_matcher(config), config.local.max_side_px, config.seed)


@dataclass(frozen=True)
class LinkWork:
    """Matches groups of references.

    Attributes:
        place: the database.
        matcher: settings of the matcher, which a worker's must be too.
    """

    place: Place | None
    matcher: Mapping[str, Any]

    def open(self) -> Linker:
        """Load the matcher.

        Raises:
            DatabaseError: the database is not there, or the matcher has other weights here.
        """
        place = placed(self.place)
        linker = linker_of(place.open(), place.config)
        if linker.matcher.settings() != self.matcher:
            msg = "the matcher is other here than where the work is given out"
            msg += f" ({differing(linker.matcher.settings(), self.matcher)}): use the same weights on all machines"
            raise DatabaseError(msg)
        return linker


@dataclass
class Matching:
    """Has pairs matched by an engine and counts them.

    Attributes:
        database: of the references.
        config: its settings.
        linker: this process's own.
        engine: who matches.
        on_progress: told of each pair.
        matched: pairs that were matched so far and not merely read.
    """

    database: Database
    config: GeonavConfig
    linker: Linker
    engine: Engine
    on_progress: OnProgress | None
    matched: int = field(default=0)

    def link(self, pairs: Sequence[Pair], views: Mapping[str, MapView]) -> dict[Pair, Link]:
        """Match what is not matched yet, and store it.

        Raises:
            DatabaseError: a reference has no features.
            StorageError: the disk is full, read-only or not permitted.
            PartialError: an engine gave a pair up.
        """
        if self.engine.is_local:
            self._by_groups(pairs, views, self._teller(len(pairs)), None)
        else:
            self._elsewhere(pairs, views)
        found = self.linker.known(pairs, views)
        if len(found) < len(pairs):
            lacking = next(pair for pair in pairs if pair not in found)
            msg = f"{len(pairs) - len(found)} pairs of references were not matched, the first being {lacking}:"
            msg += " run the command again"
            raise PartialError(msg)
        return {pair: found[pair] for pair in pairs}

    def _elsewhere(self, pairs: Sequence[Pair], views: Mapping[str, MapView]) -> None:
        known = self.linker.known(pairs, views)
        tell = self._teller(len(pairs))
        for pair in known:
            tell.told(pair)
        with Place.of(self.database, self.config, writes=True) as place:
            self._by_groups([pair for pair in pairs if pair not in known], views, tell, place)

    def _by_groups(
        self, pairs: Sequence[Pair], views: Mapping[str, MapView], tell: _Teller, place: Place | None
    ) -> None:
        work = LinkWork(place, self.linker.matcher.settings())
        own = replace(self.linker, on_link=tell.told)
        with closing(self.engine.run(work, groups_of(pairs, views), own)) as finished:
            for done in finished:
                self.matched += done.result or 0
                if place is not None:
                    for second in done.item.others:
                        tell.told((done.item.first.uid, second.uid))

    def _teller(self, total: int) -> _Teller:
        return _Teller(self.on_progress, total)


@dataclass
class _Teller:
    """Announces each pair."""

    on_progress: OnProgress | None
    total: int
    done: int = 0

    def told(self, pair: Pair) -> None:
        """One more."""
        self.done += 1
        announce(self.on_progress, ProgressEvent("match references", self.done, self.total, " ".join(pair)))
