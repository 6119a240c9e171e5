"""``make bench``: how fast geonav is beside the usual way of doing the same, in one run on one machine."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from geonav.vision.devices import pick_dtype
from tests.benchmarks import other_figures as other
from tests.benchmarks.figures import NetworkFigures
from tests.benchmarks.measure import Figure
from tests.benchmarks.scene import Photos, photos

_NOISY = 0.1


def main() -> None:
    """Time everything, print a table, write ``bench.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer turns, and not what takes minutes")
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
        for figure in _figures(found, Path(folder), quick=asked.quick):
            say(line(figure))
            figures.append(figure)
    asked.output.write_text(json.dumps([record(figure) for figure in figures], indent=1) + "\n", "utf-8")
    noise = max(figure.noise for figure in figures)
    judged = "a quiet machine" if noise <= _NOISY else "a busy machine: do not rely on these figures"
    say(f"\nthe middle half of a baseline's times spread by up to {noise:.0%} of their median: {judged}")


def _figures(found: Photos, folder: Path, *, quick: bool) -> Iterator[Figure]:
    turns = 2 if quick else 5
    networks = NetworkFigures(found, turns=turns)
    query, warm_s = networks.query.path, networks.warm_s()
    yield from networks.figures()
    yield other.solving(turns)
    yield other.reading(found)
    yield from other.starting(found, query, warm_s, turns)
    if quick:
        return
    ours, plain = networks.errors_m(3)
    yield Figure("median error of the located, metres, against the plain pipeline's", ours, plain, 1.0)
    yield other.opening(found, folder, 100_000)
    yield from other.milvus(folder, 100_000)
    yield other.memory(found, 30)
    yield from other.indexing(found, folder, 200)
    yield other.by_ray(found, folder, 200)
    yield from other.old_machine(2)


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
