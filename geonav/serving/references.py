"""The database that is served: read at the start, and anew when it was indexed since."""

from __future__ import annotations

from pathlib import Path

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.pipeline.localize import Localizer
from geonav.retrieval.shelf import STAMP_FILE
from geonav.vision.registries import DESCRIPTORS

_GPU_BATCH = 8
State = tuple[tuple[int, int, int] | None, ...]


class StoredReferences:
    """Loads what locates, and notices when the database has another index.

    An index is replaced by one rename of its stamp, so that the stamp's file tells of every change; two files are
    looked at before each batch.
    """

    def __init__(self, database: Database, config: GeonavConfig) -> None:
        """``config`` says how to index and locate; ``[serve]`` how many photos at once."""
        self._database: Database | None = database
        self._path = database.path
        self._config = config
        index = database.index_dir(DESCRIPTORS.stem(config.retrieval.descriptor))
        self._files = (index / STAMP_FILE, database.path / ".geonav" / "database.json")
        self._state: State = ()

    def load(self) -> Localizer:
        """The networks and the index as they are now; on a graphics processor several photos are computed at once.

        Raises:
            GeonavError: as :class:`geonav.pipeline.localize.Localizer`.
        """
        from geonav.vision.devices import pick_device

        self._state = self._now()  # before reading: what changes meanwhile is read again
        database, self._database = self._database or Database.open(self._path), None
        serve = self._config.serve
        batch = serve.max_batch or (1 if pick_device(self._config.device).type == "cpu" else _GPU_BATCH)
        local = self._config.local.model_copy(update={"batch_size": batch})
        localizer = Localizer(database, self._config.model_copy(update={"local": local}))
        _ = localizer.places  # not within the first request
        return localizer

    def has_changed(self) -> bool:
        """Whether the index or the origin is another than was read last."""
        return self._now() != self._state

    def _now(self) -> State:
        return tuple(_identity(path) for path in self._files)


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
