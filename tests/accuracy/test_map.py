"""References that are wrong by metres and degrees, on real photos: what a map makes of them, against the best possible.

Each row is 20 draws of noise. The floor is the error left after the true geometry is laid, by maximum likelihood, over
the same noisy poses; the networks run once for all draws. `-s` prints the figures.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.accuracy.map_rows import TOOLS, Measured, Noise, measure, remembering, summary
from tests.accuracy.shared_photos import CASTLE, HERZ_JESU, Scene, needs_photos

pytestmark = [
    pytest.mark.slow,
    needs_photos,
    pytest.mark.skipif(not TOOLS.is_dir(), reason=f"the tools that make references wrong are not at {TOOLS}"),
]

NUM_SEEDS = 20
SCENES = (CASTLE, HERZ_JESU)
METRE = Noise(1.0, 2.0)
THIRD = Noise(0.3, 0.5)
EXACT = Noise(0.0, 0.0)
GPS = Noise(3.0, 2.0, gps_only=True)
GROSS = Noise(1.0, 2.0, outliers=0.1)
DRIVES = Noise(1.0, 2.0, drives=True)
TWO = Noise(0.0, 0.0, settings=(("localize", "max_references", 2), ("localize", "top_k", 2)))
UNMAPPED = Noise(1.0, 2.0, with_map=False)


@pytest.fixture(scope="module", autouse=True)
def _networks_run_once() -> Iterator[None]:
    with remembering():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


@cache
def row(folder: Path, name: str, noise: Noise, num_seeds: int = NUM_SEEDS) -> list[Measured]:
    """All draws of a row; the first database lends its features to the others."""
    own = folder / f"{name}-{abs(hash(noise))}"
    own.mkdir()
    found: list[Measured] = []
    for seed in range(num_seeds):
        like = own / "map-0" if seed else None
        found.append(measure(own, Scene(name), noise, seed, like))
        if seed:
            shutil.rmtree(own / f"map-{seed}")
    sys.stdout.write(f"\n{name} {noise}: {json.dumps({k: round(v, 4) for k, v in summary(found).items()})}\n")
    return found


def check_honesty(figures: dict[str, float]) -> None:
    assert figures["coverage"] >= 0.85
    assert 0.4 <= figures["normalised"] <= 2.5
    assert figures["semi_major_ratio"] <= 4.0


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(
    ("noise", "most", "most_deg"),
    [(METRE, 1.15, 1.2), (THIRD, 1.15, None), (GPS, 1.2, None), (GROSS, 1.4, None), (DRIVES, 1.2, None)],
    ids=["1 m", "0.3 m", "gps", "gross", "drives"],
)
def test_the_map_is_as_good_as_the_sources_allow(
    folder: Path, name: str, noise: Noise, most: float, most_deg: float | None
) -> None:
    figures = summary(row(folder, name, noise))
    assert figures["located"] >= 0.95
    assert figures["ratio"] <= most
    assert most_deg is None or figures["median_deg"] <= most_deg


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("noise", [METRE, THIRD, GPS, GROSS, DRIVES], ids=["1 m", "0.3 m", "gps", "gross", "drives"])
def test_a_map_says_how_far_it_may_be_off(folder: Path, name: str, noise: Noise) -> None:
    check_honesty(summary(row(folder, name, noise)))


@pytest.mark.parametrize("name", SCENES)
def test_gross_errors_are_named(folder: Path, name: str) -> None:
    for seed in row(folder, name, GROSS):
        assert seed.report is not None
        suspects = {view.uid for part in seed.report.parts for view in part.suspects}
        assert set(seed.wrong) <= suspects | {uid for uid, _ in seed.report.alone}


@pytest.mark.parametrize(("name", "most_m"), [(CASTLE, 0.026), (HERZ_JESU, 0.010)])
def test_a_map_of_exact_references_does_no_harm(folder: Path, name: str, most_m: float) -> None:
    figures = summary(row(folder, name, EXACT, 1))
    assert figures["located"] >= 0.95
    assert figures["median_m"] <= most_m


def test_two_references_suffice_on_a_map(folder: Path) -> None:
    figures = summary(row(folder, CASTLE, TWO, 1))
    assert figures["located"] >= 0.95
    assert figures["median_m"] <= 0.04


@pytest.mark.parametrize("name", SCENES)
def test_doubtful_references_without_a_map_are_not_hopeless(folder: Path, name: str) -> None:
    """Better than holding them fixed by far (4.3 m and 1.5 m), and no bolder than it is good."""
    figures = summary(row(folder, name, UNMAPPED, 5))
    assert figures["located"] >= 0.9
    assert figures["median_m"] <= 1.3
    assert figures["coverage"] >= 0.85
