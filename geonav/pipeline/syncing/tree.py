"""The files of a database on disk, as pushes and pulls see them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from geonav.data.database import OWN_FOLDER
from geonav.data.manifest import manifest_path
from geonav.data.manifest_file import connect
from geonav.errors import DatabaseError
from geonav.pipeline.syncing.rows import bucket_of, is_left_out, is_plain

Files = dict[str, os.stat_result]


class Tree:
    """A database's folder, read bucket by bucket; holds the names of its entries, and of no other files."""

    def __init__(self, folder: Path) -> None:
        """Read the names of entries and of the files of ``.geonav``.

        Raises:
            DatabaseError: something in it cannot be copied.
        """
        self.folder = folder
        self._units: list[str] = []
        if folder.is_dir():
            with os.scandir(folder) as found:
                self._units = [item.name for item in found if item.name != OWN_FOLDER]
        if (folder / OWN_FOLDER).is_dir():
            self._units += [path for path, _ in self._walk(OWN_FOLDER)]

    def __len__(self) -> int:
        """How many entries and files of ``.geonav`` there are."""
        return len(self._units)

    def by_bucket(self, buckets: int) -> list[list[str]]:
        """The units of each bucket."""
        found: list[list[str]] = [[] for _ in range(buckets)]
        for unit in self._units:
            found[bucket_of(unit, buckets)].append(unit)
        return found

    def files(self, units: list[str]) -> Files:
        """The files of some units, sorted by path.

        Raises:
            DatabaseError: there is a link, a device, or a name that other systems take for another.
        """
        return dict(sorted(item for unit in units for item in self._walk(unit)))

    def _walk(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        """The files at and below a path."""
        try:
            state = os.lstat(f"{self.folder}/{path}")
        except FileNotFoundError:  # a reader's temporary file, gone since the folder was listed
            return
        if path != OWN_FOLDER and is_left_out(path):
            return
        self._refuse_odd(path, state)
        if stat.S_ISREG(state.st_mode):
            yield path, state
            return
        # As text and by what the listing knows: most of a comparison's time goes by here.
        with os.scandir(f"{self.folder}/{path}") as found:
            items = [(f"{path}/{item.name}", item) for item in found]
        for below, item in items:
            if item.is_file(follow_symlinks=False) and is_plain(item.name):
                if not is_left_out(below):
                    yield below, item.stat(follow_symlinks=False)
            else:
                yield from self._walk(below)

    def _refuse_odd(self, path: str, state: os.stat_result) -> None:
        if stat.S_ISLNK(state.st_mode):
            what = "is a symbolic link, which is never copied: put what it leads to in its place, or remove it"
        elif not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            what = "is neither a file nor a folder: remove it"
        elif not is_plain(path):
            what = "has a name that other systems cannot hold: rename it"
        else:
            return
        msg = f"{str(self.folder / path)!r} {what}"
        raise DatabaseError(msg)


def settle_manifest(folder: Path) -> None:
    """Bring what sqlite still keeps beside the manifest into its file, so that the file alone is whole.

    Raises:
        DatabaseError: another process has it open, or it is broken.
        StorageError: it cannot be written.
    """
    path = manifest_path(folder)
    log = Path(f"{path}-wal")
    if not (path.exists() and log.exists()):
        return
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if log.exists() and log.stat().st_size:
        msg = f"{path} is open in another process: wait for it or stop it, then run again"
        raise DatabaseError(msg)
