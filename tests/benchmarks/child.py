"""Work in a process of its own, to see what memory it takes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from geonav.config import GeonavConfig, load_config
from geonav.data.database import Database
from geonav.data.progress import ProgressEvent
from geonav.evaluation.provenance import peak_memory_bytes


def main(what: str, path: str, *rest: str) -> None:
    """Print JSON: seconds and bytes."""
    done = _index(path, *rest) if what == "index" else _locate(path, int(rest[0]), rest[1:])
    sys.stdout.write(json.dumps({**done, "peak_bytes": _peak_bytes()}) + "\n")


def _index(path: str, engine: str = "local") -> dict[str, float]:
    from geonav.pipeline.index import index_local

    held: dict[int, int] = {}
    started: list[float] = []
    workers = {"workers": 2, "threads": 1} if engine == "ray" else {}
    config = load_config(overrides={"engine": {"name": engine, **workers}})
    begin = time.perf_counter()

    def note(event: ProgressEvent) -> None:
        started.append(time.perf_counter())
        held[event.done] = _held_bytes()

    report = index_local(Database.open(path), config, note)
    # The first photos wait for the network to be loaded: the rate is that of all others.
    first = 0 if engine == "local" else config.engine.workers * config.engine.chunk - 1
    per_photo = (started[-1] - started[first]) / (report.computed - 1 - first)
    last, whole = max(held), time.perf_counter() - begin
    seconds = {"seconds": per_photo * report.computed, "whole_s": whole}
    return {**seconds, "middle_bytes": held[last // 2], "last_bytes": held[last]}


def _locate(path: str, count: int, queries: tuple[str, ...]) -> dict[str, float]:
    from geonav.pipeline.localize import Localizer

    localizer = Localizer(Database.open(path), GeonavConfig())
    for number in range(count):
        localizer.locate(queries[number % len(queries)])
    return {"last_bytes": _held_bytes()}


def _peak_bytes() -> int | None:
    """The most this process held; what the system counts for it else began with its parent's."""
    status = Path("/proc/self/status")
    lines = status.read_text("ascii").splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return peaks[0] if peaks else peak_memory_bytes()


def _held_bytes() -> int:
    """What this process holds now; Linux alone says."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text("ascii").split()[1]) * 4096 if pages.exists() else 0


if __name__ == "__main__":
    main(*sys.argv[1:])
