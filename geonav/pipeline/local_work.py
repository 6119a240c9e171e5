"""Local features of photos, as an engine has them computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.images import Photo
from geonav.errors import DatabaseError, GeonavError, StorageError, WeightsError
from geonav.pipeline.engines.place import Place, placed
from geonav.pipeline.extraction import in_full_size, least_side_px, read_entry
from geonav.pipeline.stages import make_extractor
from geonav.pipeline.stored import StoredFeatures, differing
from geonav.pipeline.threads import Behind, ahead
from geonav.vision.base import LocalExtractor, Mask


@dataclass(frozen=True)
class LocalWork:
    """Finds the keypoints of entries.

    Attributes:
        place: the database.
        settings: of the extractor, which a worker's must be too.
    """

    place: Place | None
    settings: Mapping[str, Any]

    def open(self) -> LocalWorker:
        """Load the network.

        Raises:
            DatabaseError: the database is not there, or the network has other weights here.
        """
        place = placed(self.place)
        database, extractor = place.open(), make_extractor(place.config)
        if extractor.settings() != self.settings:
            msg = f"{extractor.name} is other here than where the work is given out"
            msg += f" ({differing(extractor.settings(), self.settings)}): use the same weights on all machines"
            raise DatabaseError(msg)
        return LocalWorker(database, extractor, place.config)


@dataclass(frozen=True)
class LocalWorker:
    """Holds the network; reads ahead of it and writes behind it."""

    database: Database
    extractor: LocalExtractor
    config: GeonavConfig

    def work(self, items: Iterable[str]) -> Iterator[str]:
        """Compute and store the features of entries; of each, why it could not be read, or nothing.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        stored = StoredFeatures(self.database, self.extractor.settings())
        size, side = self.config.local.batch_size, least_side_px(self.config)
        read = ahead(lambda uid: _read(self.database, uid, side), items, depth=2 * size)
        with closing(read), Behind(depth=2 * size) as writer:
            for batch in iter(lambda: list(islice(read, size)), []):
                self._extract([each for each in batch if not each.failure], stored, writer)
                for each in batch:
                    yield each.failure

    def _extract(self, read: Sequence[_Read], stored: StoredFeatures, writer: Behind) -> None:
        """Compute the features of a few photos and have them stored."""
        photos = [each.photo for each in read if each.photo is not None]
        features = self.extractor.extract([photo.pixels for photo in photos], [each.mask for each in read])
        for each, photo, found in zip(read, photos, features, strict=True):
            writer.do(stored.write, each.uid, in_full_size(found, photo))


@dataclass(frozen=True)
class _Read:
    """A photo that is to be indexed, or why it cannot be."""

    uid: str
    photo: Photo | None = None
    mask: Mask | None = None
    failure: str = ""


def _read(database: Database, uid: str, side: int) -> _Read:
    try:
        return _Read(uid, *read_entry(database, uid, side))
    except (StorageError, WeightsError):
        raise
    except GeonavError as error:
        return _Read(uid, failure=str(error))
