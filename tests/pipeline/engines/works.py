"""Work that needs no networks: each item is written to a file, and some end their worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from geonav.data.files import atomic_write_bytes
from geonav.errors import StorageError


@dataclass(frozen=True)
class Writing:
    """Writes a file for each item; ``deadly`` items kill their worker, ``full`` ones meet a full disk."""

    folder: Path
    deadly: frozenset[str] = frozenset()
    full: frozenset[str] = frozenset()
    seconds: float = 0.0
    deadly_opening: bool = False

    def open(self) -> Writer:
        if self.deadly_opening:
            os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / "pids").mkdir(parents=True, exist_ok=True)
        (self.folder / "pids" / str(os.getpid())).touch()
        return Writer(self)


@dataclass(frozen=True)
class Writer:
    asked: Writing

    def work(self, items: Iterable[str]) -> Iterator[str]:
        for item in items:
            time.sleep(self.asked.seconds)
            if item in self.asked.deadly:
                with (self.asked.folder / "deaths").open("a") as file:
                    file.write(f"{item}\n")
                os.kill(os.getpid(), signal.SIGKILL)
            if item in self.asked.full:
                msg = f"cannot write {item}: no space"
                raise StorageError(msg)
            atomic_write_bytes(self.asked.folder / item, item.encode())
            yield item.upper()


def pids(folder: Path) -> list[int]:
    """Processes that are at work and still live."""
    found = []
    for path in (folder / "pids").glob("*"):
        try:
            os.kill(int(path.name), 0)
        except ProcessLookupError:
            continue
        found.append(int(path.name))
    return found
