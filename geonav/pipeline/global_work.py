"""Global descriptors of photos, as an engine has them computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from geonav.errors import GeonavError, StorageError, WeightsError
from geonav.pipeline.engines.place import Place, placed
from geonav.pipeline.global_stage import GlobalStage
from geonav.pipeline.stored import StoredFeatures


@dataclass(frozen=True)
class Described:
    """An entry whose vector is stored, and is to be noted with what it was made of; or why there is none."""

    made_of: str = ""
    failure: str = ""


@dataclass(frozen=True)
class GlobalWork:
    """Describes entries.

    Attributes:
        place: the database.
        local: settings of its local features.
        stamp: that the vectors must be of.
    """

    place: Place | None
    local: Mapping[str, Any]
    stamp: str

    def open(self) -> GlobalWorker:
        """Load the descriptor and what it learned.

        Raises:
            DatabaseError: the database is not there, or the descriptor is another here.
        """
        place = placed(self.place)
        database = place.open()
        features = StoredFeatures(database, self.local)
        return GlobalWorker(GlobalStage.for_describing(database, place.config, features, self.stamp))


@dataclass(frozen=True)
class GlobalWorker:
    """Holds the descriptor."""

    stage: GlobalStage

    def work(self, items: Iterable[str]) -> Iterator[Described]:
        """Describe entries and store their vectors.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        for uid in items:
            try:
                yield Described(self.stage.make(uid))
            except (StorageError, WeightsError):
                raise
            except GeonavError as error:
                yield Described(failure=str(error))
