"""``make bench``: how fast geonav is beside the usual way of doing the same, in one run on one machine."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from geonav.vision.devices import pick_dtype
from tests.benchmarks import other_figures as other
from tests.benchmarks.figures import NetworkFigures
from tests.benchmarks.measure import Figure
from tests.benchmarks.scene import Photos, photos

_NOISY = 0.1


@dataclass(frozen=True)
class Bench:
    """The photos, a folder to work in, and how often each thing is timed."""

    photos: Photos
    folder: Path
    turns: int

    @cached_property
    def networks(self) -> NetworkFigures:
        """Loaded once, by the first figure that needs them."""
        return NetworkFigures(self.photos, turns=self.turns)


def _starting(bench: Bench) -> Iterator[Figure]:
    networks = bench.networks
    return other.starting(bench.photos, networks.query.path, networks.warm_s(), bench.turns)


def _accuracy(bench: Bench) -> Iterator[Figure]:
    ours, plain = bench.networks.errors_m(3)
    yield Figure("median error of the located, metres, against the plain pipeline's", ours, plain, 1.0)


ROWS: dict[str, Callable[[Bench], Iterable[Figure]]] = {
    "networks": lambda bench: bench.networks.figures(),
    "solving": lambda bench: [other.solving(bench.turns)],
    "reading": lambda bench: [other.reading(bench.photos)],
    "starting": _starting,
    "accuracy": _accuracy,
    "opening": lambda bench: [other.opening(bench.photos, bench.folder, 100_000)],
    "milvus": lambda bench: other.milvus(bench.folder, 100_000),
    "memory": lambda bench: [other.memory(bench.photos, 30)],
    "indexing": lambda bench: other.indexing(bench.photos, bench.folder, 200),
    "ray": lambda bench: [other.by_ray(bench.photos, bench.folder, 200)],
    "old-machine": lambda bench: other.old_machine(2),
}
QUICK = ("networks", "solving", "reading", "starting")


def main() -> None:
    """Time everything, print a table, write ``bench.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns, and not what takes minutes")
    parser.add_argument("--only", choices=ROWS, action="append", help="these figures alone; may be given again")
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    parser.add_argument("--only-locate", type=int, metavar="TURNS", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geonav-bench-") as folder:
        found = photos(Path(folder))
        if asked.only_locate:
            _only_locate(found, asked.only_locate)
            return
        cpu = torch.device("cpu")
        say(
            f"photos: {found.name}; {_processor()}, {torch.get_num_threads()} threads, "
            f"{torch.backends.cpu.get_cpu_capability()}, {str(pick_dtype(cpu, 'auto')).removeprefix('torch.')}\n"
        )
        say(f"{'ours':>9} {'baseline':>9} {'ratio':>7} {'must':>7}  what")
        figures = []
        bench = Bench(found, Path(folder), 2 if asked.quick else 5)
        for name in asked.only or (QUICK if asked.quick else ROWS):
            for figure in ROWS[name](bench):
                say(line(figure))
                figures.append(figure)
    asked.output.write_text(json.dumps([record(figure) for figure in figures], indent=1) + "\n", "utf-8")
    noise = max(figure.noise for figure in figures)
    if not noise:
        return  # none of these figures tells how busy the machine was
    judged = "a quiet machine" if noise <= _NOISY else "a busy machine: do not rely on these figures"
    say(f"\nthe middle half of a baseline's times spread by up to {noise:.0%} of their median: {judged}")


def _only_locate(found: Photos, turns: int) -> None:
    """For a process whose environment hides what the processor can."""
    networks = NetworkFigures(found, turns=turns)
    figures = list(networks.locating(must=1.3))[:1]
    ours, plain = networks.errors_m(2)
    figures.append(Figure("median error of the located, metres, against the plain pipeline's", ours, plain, 1.0))
    say(json.dumps([{**record(figure), "noise": figure.noise} for figure in figures]))


def line(figure: Figure) -> str:
    """A row of the table."""
    mark = "" if figure.holds else "  <-- short"
    return (
        f"{figure.ours_s:9.3f} {figure.baseline_s:9.3f} {figure.ratio:6.2f}x {figure.must:6.2f}x  {figure.name}{mark}"
    )


def record(figure: Figure) -> dict[str, object]:
    """An item of ``bench.json``."""
    return {
        "name": figure.name,
        "ours_s": round(figure.ours_s, 4),
        "baseline_s": round(figure.baseline_s, 4),
        "ratio": round(figure.ratio, 3),
        "must": figure.must,
    }


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _processor() -> str:
    """What the system calls it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text("utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
