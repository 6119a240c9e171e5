"""Which entries have a global descriptor, made of what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from geonav.data.files import atomic_write_bytes, storage_errors
from geonav.data.shards import Shard

_FILE = "journal.jsonl"
_SHARES = "journal-*-of-*.jsonl"


class Journal:
    """Which entries have a global descriptor, made of what; one line appended as each is stored.

    The first line holds the stamp of the settings. A journal of other settings counts for nothing, so the vectors they
    made are never used; a line cut short by a kill is passed over, and its entry is described again. Each share of the
    work (``--shard``) appends to a file of its own, so that no two machines append to one; all are read.
    """

    def __init__(self, folder: Path, stamp: str, shard: Shard | None = None) -> None:
        """Read the journals in ``folder`` that are of ``stamp``; nothing is written yet."""
        self._folder = folder
        self._path = folder / (_FILE if shard is None else f"journal-{shard.label}.jsonl")
        self._stamp = stamp
        self._made_of: dict[str, str] = {}
        self._of_shares: dict[str, str] = {}
        self.is_current = False
        for path in (folder / _FILE, *sorted(folder.glob(_SHARES))):
            noted = _noted(path, stamp)
            self._made_of |= noted or {}
            self._of_shares |= (noted or {}) if path.name != _FILE else {}
            self.is_current |= path == self._path and noted is not None

    @property
    def of_shares(self) -> list[str]:
        """Entries that shares described since a journal of all was written."""
        return list(self._of_shares)

    def start(self) -> None:
        """Begin anew where the journal on disk is of other settings.

        Raises:
            StorageError: it cannot be written.
        """
        if not self.is_current:
            atomic_write_bytes(self._path, (json.dumps({"stamp": self._stamp}) + "\n").encode())
            self.is_current = True

    def take_over(self) -> None:
        """Put what shares noted into the journal of all, and remove theirs.

        Raises:
            StorageError: it cannot be written.
        """
        paths = sorted(self._folder.glob(_SHARES))
        if self._of_shares:
            lines = [{"stamp": self._stamp}, *([uid, made_of] for uid, made_of in self._made_of.items())]
            atomic_write_bytes(self._path, "".join(f"{json.dumps(line)}\n" for line in lines).encode())
        for path in paths:
            with suppress(OSError):
                path.unlink()
        self._of_shares = {}

    def has(self, uid: str, made_of: str) -> bool:
        """Whether the entry's stored vector was made of this."""
        return self._made_of.get(uid) == made_of

    def add(self, uid: str, made_of: str) -> None:
        """Note that the entry's vector is stored.

        Raises:
            StorageError: it cannot be written.
        """
        with storage_errors(self._path), self._path.open("a", encoding="utf-8") as stream:
            # The newline goes first as well: a line that a kill cut short must not swallow this one.
            stream.write("\n" + json.dumps([uid, made_of]) + "\n")
        self._made_of[uid] = made_of


def _noted(path: Path, stamp: str) -> dict[str, str] | None:
    """What a journal notes; None where there is none of this stamp."""
    lines = _lines(path)
    if next(lines, None) != {"stamp": stamp}:
        return None
    return {str(line[0]): str(line[1]) for line in lines if isinstance(line, list) and len(line) == 2}


def _lines(path: Path) -> Iterator[Any]:
    """The JSON values of a file's lines; a line that is none is passed over, a missing file has none."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
