"""``make bench``: how fast geonav is beside the usual way of doing the same, in one run on one machine."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

import torch

from tests.benchmarks.figures import Benchmarks
from tests.benchmarks.measure import Figure
from tests.benchmarks.scene import photos

_NOISY = 0.1


def main() -> None:
    """Time everything, print a table, write ``bench.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="time each thing twice instead of seven times")
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geonav-bench-") as folder:
        found = photos(Path(folder))
        say(f"photos: {found.name}; {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads\n")
        say(f"{'ours':>9} {'baseline':>9} {'ratio':>7} {'must':>7}  what")
        figures = []
        for figure in Benchmarks(found, turns=2 if asked.quick else 7).figures():
            say(line(figure))
            figures.append(figure)
    asked.output.write_text(json.dumps([record(figure) for figure in figures], indent=1) + "\n", "utf-8")
    noise = max(figure.noise for figure in figures)
    judged = "a quiet machine" if noise <= _NOISY else "a busy machine: do not rely on these figures"
    say(f"\nthe middle half of a baseline's times spread by up to {noise:.0%} of their median: {judged}")


def line(figure: Figure) -> str:
    """A row of the table."""
    mark = "" if figure.holds else "  <-- short"
    return (
        f"{figure.ours_s:8.3f}s {figure.baseline_s:8.3f}s {figure.ratio:6.2f}x {figure.must:6.2f}x  {figure.name}{mark}"
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


if __name__ == "__main__":
    main()
