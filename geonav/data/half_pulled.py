"""The mark of a database whose files a pull is exchanging: it is neither the old state nor the new one.

The mark stands only while files that were fetched already are moved to their places. Whoever opens the database in
between, or after such a move was interrupted, is told to run the pull again, which finishes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geonav.data.files import atomic_write_json, read_json_object, storage_errors
from geonav.errors import DatabaseError

SYNC_FOLDER = "sync"
_MARK_FILE = "half-pulled.json"


@dataclass(frozen=True)
class HalfPulled:
    """What a database is being made to be.

    Attributes:
        remote: address that is pulled from, without keys.
        root: SHA-256 of the list of what that holds.
    """

    remote: str
    root: str

    @classmethod
    def read(cls, own: Path) -> HalfPulled | None:
        """The mark in the folder ``.geonav``, or None.

        Raises:
            DatabaseError: the mark cannot be read.
        """
        path = own / SYNC_FOLDER / _MARK_FILE
        if not path.exists():
            return None
        data = read_json_object(path)
        return cls(str(data.get("remote")), str(data.get("root")))

    def write(self, own: Path) -> None:
        """Put the mark into the folder ``.geonav``.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        path = own / SYNC_FOLDER / _MARK_FILE
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_json(path, {"remote": self.remote, "root": self.root})

    @staticmethod
    def remove(own: Path) -> None:
        """Take the mark away."""
        (own / SYNC_FOLDER / _MARK_FILE).unlink(missing_ok=True)


def refuse_half_pulled(own: Path) -> None:
    """Let nobody work on a database between two states.

    Raises:
        DatabaseError: a pull into it was interrupted, or is under way.
    """
    mark = HalfPulled.read(own)
    if mark is not None:
        msg = (
            f"{own.parent} is half pulled: run 'geonav database pull {mark.remote} --database {own.parent}' again "
            "to finish it"
        )
        raise DatabaseError(msg)
