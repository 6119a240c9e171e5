"""Where the photos of ``geonav localize`` come from: named, from stdin as they are named there, or from a folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from geonav.data.shards import Shard, share
from geonav.errors import InputError, UsageError

STDIN = Path("-")
_POLL_S = 0.5

WatchOption = Annotated[
    Path | None,
    typer.Option(
        "--watch",
        metavar="FOLDER",
        help="locate the photos of a folder and each that is put there later, until interrupted [default: none]",
        show_default=False,
    ),
]


class PhotoInput:
    """The photos to locate, which need not all be there yet."""

    def __init__(
        self, photos: Sequence[Path], watch: Path | None, sequence: Path | None, shard: Shard | None = None
    ) -> None:
        """Look at what does not go together; of the photos only those of the ``shard`` are taken.

        Raises:
            UsageError: photos and a folder, two kinds of folder, ``-`` beside other names, or a share of a sequence.
            InputError: there is no such folder.
        """
        if watch is not None and (photos or sequence is not None):
            msg = "--watch goes without photos and --sequence: put the photos into its folder"
            raise UsageError(msg)
        if STDIN in photos and len(photos) > 1:
            msg = "- reads the names of photos from stdin and goes alone: put the other names there too"
            raise UsageError(msg)
        if watch is not None and not watch.is_dir():
            msg = f"there is no folder {watch} to watch: make it first"
            raise InputError(msg)
        if shard is not None and sequence is not None:
            msg = "--shard takes photos apart that --sequence takes together: leave one out"
            raise UsageError(msg)
        self._photos, self._watch, self._shard, self._is_any = photos, watch, shard, bool(photos)
        if not self.streams:
            self._photos = share(shard, photos, str)

    @property
    def named(self) -> Sequence[Path]:
        """The photos that are named on the command line; none where they come one by one."""
        return () if self.streams else self._photos

    @property
    def streams(self) -> bool:
        """Whether photos come one by one, each to be answered before the next."""
        return self._watch is not None or STDIN in self._photos

    @property
    def has_photos(self) -> bool:
        """Whether there are or may come any."""
        return self.streams or self._is_any

    def __iter__(self) -> Iterator[Path]:
        """One photo after the other; of a watched folder until the program is interrupted."""
        if not self.streams:
            return iter(self._photos)
        photos = _named_on_stdin() if self._watch is None else watched(self._watch)
        return (photo for photo in photos if self._shard is None or self._shard.holds(str(photo)))


def watched(folder: Path, poll_s: float = _POLL_S) -> Iterator[Path]:
    """The pictures of a folder, each once it has stopped growing and again where it is replaced; never ends.

    Raises:
        InputError: the folder went away.
    """
    from geonav.providers.folder import is_picture

    done: dict[Path, tuple[int, int]] = {}
    before: dict[Path, tuple[int, int]] = {}
    while True:
        try:
            found = {path: _state(path) for path in sorted(folder.iterdir()) if is_picture(path)}
        except OSError as error:
            msg = f"cannot look into {folder} any more: {error.strerror or error}"
            raise InputError(msg) from error
        ready = [path for path, state in found.items() if before.get(path) == state != done.get(path)]
        for path in ready:
            done[path] = found[path]
            yield path
        before = found
        if not ready:
            time.sleep(poll_s)


def _named_on_stdin() -> Iterator[Path]:
    """One name a line, as soon as the line is there."""
    for line in iter(sys.stdin.readline, ""):
        if line.strip():
            yield Path(line.rstrip("\r\n"))


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:  # gone since the folder was read
        return -1, -1
    return found.st_size, found.st_mtime_ns
