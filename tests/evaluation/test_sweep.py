"""``geonav evaluate sweep`` on the street: every combination once, resumable, in one table."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import geonav
from geonav.cli.app import main
from geonav.data.database import Database
from geonav.errors import ConfigError, UsageError
from geonav.evaluation.sweep import run_sweep
from geonav.evaluation.sweep_plan import read_plan
from geonav.vision.disk import DiskExtractor
from tests.conftest import StreetPhotos

# Small pictures, few keypoints, a small vocabulary: it is the sweep that is tested, not the accuracy.
SMALL = {"local": {"max_keypoints": 256, "max_side_px": 256}, "global": {"num_clusters": 8}}
AXES = "[axes]\nrerank = ['none', 'neighbours']\ntop-k = [4]\n"
SETTINGS = "[settings.local]\nmax_keypoints = 256\nmax_side_px = 256\n[settings.global]\nnum_clusters = 8\n"


@pytest.fixture(scope="module")
def sets(street_database_path: Path, street_photos: StreetPhotos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with references, indexed, a table of one query, and one photo from elsewhere."""
    folder = tmp_path_factory.mktemp("sweep")
    shutil.copytree(street_database_path, folder / "references")
    geonav.index_global(Database.open(folder / "references"), geonav.load_config(overrides=SMALL))
    photo = street_photos.queries[0]
    shutil.copy(photo, folder)
    lat, lng, _ = street_photos.origin
    (folder / "queries.csv").write_text(f"path,lat,lng\n{photo.name},{lat},{lng}\n", "utf-8")
    shutil.copytree(street_photos.root / "elsewhere", folder / "elsewhere")
    return folder


def write_sweep(folder: Path, axes: str = AXES, settings: str = SETTINGS, more: str = "") -> Path:
    path = folder / "sweep.toml"
    sets = "query_set = 'queries.csv'\nreference_set = 'references'\ndistractors = ['elsewhere']\noutput = 'runs'\n"
    path.write_text(f"{sets}{more}{axes}{settings}", "utf-8")
    return path


def error_with_other_weights(conf: Path, info: Path) -> str:
    """What a sweep says of its first run once that was made with other weights."""
    before = info.read_text("utf-8")
    info.write_text(json.dumps({**json.loads(before), "weights": {"disk": "0" * 64}}), "utf-8")
    error = run_sweep(read_plan(conf)).rows[0].error
    info.write_text(before, "utf-8")
    return str(error)


def test_every_combination_once_and_then_from_the_disk(
    sets: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    extracted: list[int] = []
    real = DiskExtractor.extract

    def counted(self: DiskExtractor, pictures: Any, *rest: Any) -> Any:
        extracted.extend(range(len(pictures)))
        return real(self, pictures, *rest)

    monkeypatch.setattr(DiskExtractor, "extract", counted)
    conf = write_sweep(sets)
    assert main(["evaluate", "sweep", "--conf", str(conf)]) == 0
    out = capsys.readouterr().out
    combinations = [line.split()[:2] for line in out.splitlines()[2:4]]
    assert combinations == [["none", "4"], ["neighbours", "4"]]
    assert len(extracted) == 4  # a query and a distractor, twice: no reference is extracted again
    rows = list(csv.DictReader((sets / "runs" / "sweep.csv").read_text("utf-8").splitlines()))
    assert [(row["search.rerank"], row["localize.top_k"]) for row in rows] == [tuple(each) for each in combinations]
    for row in rows:
        info = json.loads((sets / "runs" / row["run"] / "run.json").read_text("utf-8"))
        assert info["config"]["search"]["rerank"] == row["search.rerank"]
        assert str(info["config"]["localize"]["top_k"]) == row["localize.top_k"]
        assert (row["num_queries"], row["num_distractors"], row["error"]) == ("1", "1", "")

    # One that was cut off goes on, those that are finished are taken as they are.
    cut = sets / "runs" / rows[1]["run"]
    (cut / "summary.json").unlink()
    for name in ("queries.jsonl", "results.jsonl"):
        (cut / name).write_text((cut / name).read_text("utf-8").splitlines(keepends=True)[0], "utf-8")
    extracted.clear()
    assert main(["evaluate", "sweep", "--conf", str(conf), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["is_reused"] for row in report["rows"]] == [True, False]
    assert len(extracted) == 1
    again = csv.DictReader((sets / "runs" / "sweep.csv").read_text("utf-8").splitlines())
    poses = [{key: value for key, value in row.items() if "seconds" not in key and "memory" not in key} for row in rows]
    assert [{key: row[key] for key in pose} for row, pose in zip(again, poses, strict=True)] == poses

    # What was found for other photos is not taken for these.
    photo = next(sets.glob("*.jpg"))
    before = photo.read_bytes()
    photo.write_bytes(before + b"\0")
    changed = run_sweep(read_plan(conf))
    photo.write_bytes(before)
    assert all("was changed since" in str(row.error) for row in changed.rows)

    # Nor is what other weights found.
    assert "weights" in error_with_other_weights(conf, sets / "runs" / rows[0]["run"] / "run.json")

    # Another value of an axis stands beside the old ones; other settings of the same runs do not.
    other = write_sweep(sets, settings=SETTINGS.replace("num_clusters = 8", "num_clusters = 9"))
    with pytest.raises(UsageError, match=r"holds another sweep .*global\.num_clusters 8 there, 9 now"):
        run_sweep(read_plan(other))


def test_a_combination_that_fails_leaves_the_others(sets: Path, tmp_path: Path) -> None:
    conf = write_sweep(sets, "[axes]\ndescriptor = ['vald', 'vlad']\n[axes.localize]\ntop_k = [1]\n")
    report = run_sweep(read_plan(conf, tmp_path / "runs"))
    assert [row.error is None for row in report.rows] == [False, True]
    assert "vald" in str(report.rows[0].error)
    assert report.rows[1].summary["num_queries"] == 1
    table = list(csv.DictReader(report.table.read_text("utf-8").splitlines()))
    assert [bool(row["error"]) for row in table] == [True, False]


def test_the_program_says_which_failed(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = write_sweep(sets, "[axes]\ndescriptor = ['vald']\n")
    assert main(["evaluate", "sweep", "--conf", str(conf), "--output", str(tmp_path / "runs")]) == 6
    ended = capsys.readouterr()
    assert ended.err.startswith("error: 1 of 1 combinations failed, descriptor-vald: ")
    assert ended.out.splitlines()[0].split() == ["descriptor"]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ("", "has no [axes]"),
        ("[axes]\nrerankk = ['none']\n", "the axis 'rerankk' is no setting"),
        ("[axes]\nrerank = []\n", "the axis 'rerank' needs a list"),
        ("[axes]\nrerank = ['none', 'none']\n", "has a value twice"),
        ("[axes]\nrerank = ['none']\n[axes.search]\nrerank = ['gnn']\n", "the axis 'search.rerank' needs a list"),
        ("[axes]\nseed = [[1]]\n", "the axis 'seed' needs a list"),
        (f"[axes]\nseed = {list(range(40))}\ntop_k = {list(range(1, 40))}\n", "1560 combinations are more than 1000"),
    ],
)
def test_axes_that_are_none(axes: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read_plan(write_sweep(tmp_path, axes))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("top_k = 4\n", "settings of geonav go under [settings]"),
        ("thresholds = [[1]]\n", "thresholds are metres and degrees"),
        ("thresholds = [[1, 400]]\n", "degrees up to 180"),
        ("thresholds = 3\n", "thresholds needs a list"),
        ("query_set = 'again'\n", "cannot be read"),
    ],
)
def test_files_that_are_no_sweep(more: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read_plan(write_sweep(tmp_path, more=more))
    assert said in str(error.value)


def test_values_are_checked_before_anything_runs(sets: Path, tmp_path: Path) -> None:
    plan = read_plan(write_sweep(sets, "[axes]\ntop_k = [5, 0]\n"), tmp_path / "runs")
    with pytest.raises(ConfigError, match="top_k"):
        run_sweep(plan)
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_something_else_is_left_alone(sets: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("text", "utf-8")
    with pytest.raises(UsageError, match="is no folder of a sweep"):
        run_sweep(read_plan(write_sweep(sets), tmp_path))


def test_folders_of_runs_are_readable_and_never_the_same(tmp_path: Path) -> None:
    axes = "[axes]\ndescriptor = ['onnx:a/b.onnx', 'onnx:a-b.onnx', 'vlad']\ntop_k = [5, 10]\n"
    names = [each.name for each in read_plan(write_sweep(tmp_path, axes)).combinations()]
    assert names[-2:] == ["descriptor-vlad_top_k-5", "descriptor-vlad_top_k-10"]
    assert len(set(names)) == 6
    assert not any(set(name) & set("/:") for name in names)
