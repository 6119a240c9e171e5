"""``geonav demo run``: the commands it types, how it stops and goes on, and what it shows in the end."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.geometry.pose import camera_center
from geonav.pipeline.sampling import SampleRequest, sample
from geonav.providers.demo.city import CityPlan, DemoCity
from geonav.providers.demo.twin import Twin
from tests.cli.conftest import Run

COMMANDS = [
    "preview", "fetch metadata", "fetch elevation", "fetch panoramas", "postview", "index global", "import colmap",
    "evaluate",
]  # fmt: skip
# Plays ``python -m geonav ...``: notes what is asked for, in which environment, and ends as told.
STAND_IN = """#!/bin/sh
shift 2
echo "$*" >> typed
env | grep -E '^(GEONAV_|GOOGLE_)' > environment
echo "words of $1"
for last; do :; done
if [ "$1" = evaluate ]; then
    mkdir -p "$last"
    echo '{"name": "queries", "num_queries": 1, "num_located": 1, "median_m": 0.03, "median_deg": 0.1}' \
        > "$last/summary.json"
    echo '{"name": "q0000", "status": "located", "position_error_m": 0.03, "rotation_error_deg": 0.1,' \
        '"semi_major_m": 0.05}' > "$last/scores.jsonl"
fi
case "$*" in "$(cat failing 2>/dev/null || echo none)"*) exit "$(cat code)";; esac
"""


@dataclass
class Typed:
    """What the demo did in this folder."""

    photos: Counter[int]

    def commands(self) -> list[str]:
        """Those typed since this was last asked."""
        path = Path("typed")
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    @staticmethod
    def fail(command: str, code: int) -> None:
        Path("failing").write_text(command)
        Path("code").write_text(str(code))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """The commands are played and taking photos costs nothing; the twin is real."""
    python = Path("python").absolute()
    python.write_text(STAND_IN)
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    photos: Counter[int] = Counter()

    def write_queries(_: DemoCity, folder: Path, count: int) -> None:
        photos[count] += 1
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "poses.json").write_text("{}")

    monkeypatch.setattr(DemoCity, "write_queries", write_queries)
    return Typed(photos)


def names(commands: list[str]) -> list[str]:
    return [next(name for name in COMMANDS if command.startswith(name)) for command in commands]


def test_it_types_what_a_user_would_type(typed: Typed, run: Run) -> None:
    ended = run("demo", "run", "--output", "out", "--queries", "1")
    assert ended.code == 0
    commands = typed.commands()
    assert names(commands) == COMMANDS
    # Each is shown as it could be typed, and is told what it needs to know of the place.
    assert [line[len("> geonav ") :] for line in ended.err.splitlines() if line.startswith("> geonav ")] == commands
    first, *_ = (shlex.split(command) for command in commands)
    assert first[:3] == ["preview", "--place", "Demostadt"]
    assert "--n-directions 8" in commands[3]
    assert "--reference-set out/database" in commands[-1]
    # What the commands say stays out of the demo's own table.
    assert "words of preview" in ended.err
    assert "words of" not in ended.out
    assert "q0000" in ended.out
    assert "1 of 1 photos located, median error 0.03 m and 0.1 degrees" in ended.out
    summary = json.loads(Path("out/summary.json").read_text("utf-8"))
    assert {"num_queries": 1, "num_located": 1, "median_m": 0.03, "median_deg": 0.1}.items() <= summary.items()


def test_every_option_it_types_exists(typed: Typed, run: Run) -> None:
    run("demo", "run", "--output", "out", "--queries", "1")
    for command, name in zip(typed.commands(), COMMANDS, strict=True):
        known = run(*name.split(), "--help").out
        assert [option for option in shlex.split(command) if option.startswith("--") and option not in known] == []


def test_the_commands_are_led_to_the_twin_and_see_no_key_in_their_arguments(typed: Typed, run: Run) -> None:
    run("demo", "run", "--output", "out", "--queries", "1")
    environment = dict(line.split("=", 1) for line in Path("environment").read_text("utf-8").splitlines())
    assert environment["GEONAV_FETCH__PROVIDER"] == "demo"
    assert environment["GEONAV_GOOGLE__URL"].startswith("http://127.0.0.1:")
    assert environment["GEONAV_OSM__NOMINATIM_URL"] == environment["GEONAV_GOOGLE__URL"]
    assert environment["GOOGLE_MAPS_API_KEY"].startswith("AIza")
    assert "AIza" not in "\n".join(typed.commands())


@pytest.mark.parametrize(("seed", "count"), [(0, 10), (1, 10), (2, 60)])
def test_its_grid_finds_every_panorama(seed: int, count: int, typed: Typed, run: Run) -> None:
    run("demo", "run", "--output", "out", "--queries", "1")
    words = typed.commands()[1].split()
    spacing_m = float(words[words.index("--spacing") + 1])
    city = DemoCity(CityPlan(num_panoramas=count, seed=seed))
    with Twin(city) as twin:
        settings = {**twin.settings(), "cache_dir": "cache", "sampling": {"spacing_m": spacing_m}}
        found = sample(SampleRequest(place=city.name), GeonavConfig.model_validate(settings))
    nearest = [city.nearest(point.lat, point.lng, 20.0) for point in found.points]
    assert len({panorama.pano_id for panorama in nearest if panorama is not None}) == count


@pytest.mark.parametrize(("code", "meant"), [(2, 2), (5, 5), (8, 8), (1, 1), (139, 1), (130, 130)])
def test_a_command_that_fails_stops_it_in_one_line(code: int, meant: int, typed: Typed, run: Run) -> None:
    typed.fail("fetch panoramas", code)
    ended = run("demo", "run", "--output", "out", "--queries", "1")
    assert ended.code == meant
    assert names(typed.commands()) == COMMANDS[:4]
    assert ended.out == ""
    last = ended.err.splitlines()[-1]
    if code == 130:
        assert last == "interrupted: run the same command again to go on"
    else:
        assert last.startswith("error: 'geonav fetch panoramas --database out/database")
        assert last.endswith(f"ended with exit code {code}: see above, then run again")
    assert not Path("out/summary.json").exists()


def test_run_again_it_goes_on_with_the_same_photos(typed: Typed, run: Run) -> None:
    typed.fail("index global", 5)
    assert run("demo", "run", "--output", "out", "--queries", "3").code == 5
    Path("failing").unlink()
    assert names(typed.commands()) == COMMANDS[:6]
    assert run("demo", "run", "--output", "out", "--queries", "3").code == 0
    assert names(typed.commands()) == COMMANDS
    assert typed.photos == {3: 1}


@pytest.mark.parametrize("other", [("--panoramas", "11"), ("--queries", "4"), ("--seed", "1")], ids=str)
def test_another_city_needs_another_folder(other: tuple[str, str], typed: Typed, run: Run) -> None:
    assert run("demo", "run", "--output", "out").code == 0
    assert names(typed.commands()) == COMMANDS
    ended = run("demo", "run", "--output", "out", *other)
    assert ended.code == 2
    assert ended.err == (
        "error: out was begun with --panoramas 10 --queries 12 --seed 0: give the same to go on, or another --output\n"
    )
    assert typed.commands() == []


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_an_output_that_cannot_be_written_is_one_line(output: str, run: Run) -> None:
    Path("file").write_text("mine")
    ended = run("demo", "run", "--output", output)
    assert ended.code == 8
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith(f"error: cannot write {output}")
    assert Path("file").read_text() == "mine"


def streets_of(database: Database) -> set[str]:
    """Names of the demo city's streets that the references stand in."""
    city = DemoCity(CityPlan(num_panoramas=10))
    places = np.array([city.frame.enu_from_geo(p.lat, p.lng, p.alt_m)[:2] for p in city.panoramas])
    found = set()
    for uid in database.uids():
        metadata: ImageMetadata = database.metadata(uid)
        here = city.frame.enu_from_geo(metadata.lat, metadata.lng, metadata.alt)[:2]
        found.add(city.panoramas[int(np.argmin(np.linalg.norm(places - here, axis=1)))].street)
    return found


def centres_of(database: Database) -> set[tuple[float, ...]]:
    poses = (database.metadata(uid).pose for uid in database.uids())
    return {tuple(np.round(camera_center(pose), 2)) for pose in poses if pose is not None}


@pytest.mark.slow
def test_the_demo_locates_its_photos(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "geonav", "demo", "run", "--output", str(tmp_path / "demo")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert ended.returncode == 0, ended.stderr
    folder = tmp_path / "demo"
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert summary["num_queries"] == 12
    assert summary["num_located"] == 12, summary
    assert summary["median_m"] <= 0.15, summary
    assert summary["median_deg"] <= 0.3, summary

    database = Database.open(folder / "database")
    assert len(centres_of(database)) >= 10
    assert len(database) == 8 * len(centres_of(database))
    assert len(streets_of(database)) == 2

    report = (folder / "evaluation" / "report.html").read_text("utf-8")
    queries = Database.open(folder / "queries").uids()
    assert len(queries) == 12
    assert [uid for uid in queries if report.count(uid) < 2 or uid not in ended.stdout] == []
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 12 * 3 + 80 * 3
    assert [file for file in files if b"AIza" in file.read_bytes()] == []
    assert "AIza" not in ended.stdout + ended.stderr
