"""``geonav export`` and the imports of other tools' files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geonav.formats.ltvl import read_ltvl
from tests.cli.conftest import Run
from tests.formats.results import located, pose_of, refused
from tests.formats.scene import Scene, make_scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = make_scene(tmp_path / "db")
    monkeypatch.setenv("GEONAV_DATABASE", str(made.database.path))
    return made


def test_colmap_and_back(scene: Scene, run: Run) -> None:
    ended = run("export", "colmap", "model", "--form", "txt")
    assert ended.out == "model: 4 images written, 1 left out\nleft out, unposed: it has no pose\n"
    arguments = [
        "import",
        "hloc",
        "model",
        "--images",
        "db",
        "--origin",
        "48.9407",
        "8.4090",
        "130",
        "--database",
        "back",
    ]
    assert run(*arguments).out == "back: 4 added, 0 updated, 0 there already, 0 failed\n"


def test_hloc_with_matches_gives_points(scene: Scene, run: Run) -> None:
    assert run("export", "hloc", "out", "--matches", "--matcher", "mutual_nn", "--num-pairs", "3").code == 0
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["feats-disk.h5", "matches-disk.h5", "pairs.txt", "queries_with_intrinsics.txt"]
    ended = run("export", "colmap", "model", "--matches", "out/matches-disk.h5", "--json")
    assert json.loads(ended.out)["num_points"] == 40


def test_vpr_and_back(scene: Scene, run: Run) -> None:
    assert run("export", "vpr", "tree", "--split", "val").code == 0
    ended = run("import", "vpr", "tree/images/val/database", "--database", "back")
    assert (ended.code, ended.out) == (0, "back: 4 added, 0 updated, 0 there already, 0 failed\n")


def test_ltvl_of_a_database_and_of_results(scene: Scene, tmp_path: Path, run: Run) -> None:
    assert run("export", "ltvl", "truth.txt").code == 0
    assert list(read_ltvl(Path("truth.txt"))) == [f"cam/p{i}.jpg" for i in range(4)]
    results = [located("q/a.jpg"), refused("q/b.jpg")]
    (tmp_path / "r.jsonl").write_text("".join(result.model_dump_json() + "\n" for result in results))
    ended = run("export", "ltvl", "found.txt", "--results", "r.jsonl", "--keep-folders")
    assert ended.out == "found.txt: 1 images written, 1 left out\nleft out, q/b.jpg: not_located\n"
    read = read_ltvl(Path("found.txt"))
    assert list(read) == ["q/a.jpg"]
    assert abs(read["q/a.jpg"] - pose_of(results[0])).max() < 1e-9


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["ltvl", "out.txt", "--results", "absent.jsonl"], 3, "absent.jsonl cannot be read"),
        (["ltvl", "out.txt", "--results", "bad.jsonl"], 3, "bad.jsonl, line 2: "),
        (["ltvl", "out.txt", "--keep-folders"], 2, "--results"),
        (["vpr", "out", "--queries", "absent"], 3, "no database at absent"),
        (["colmap", "out", "--matches", "absent.h5"], 3, "absent.h5 cannot be read"),
        (["hloc", "out", "--model", "aliked"], 3, "aliked"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    scene: Scene, arguments: list[str], code: int, reason: str, run: Run
) -> None:
    Path("bad.jsonl").write_text(located().model_dump_json() + "\n{}\n")
    ended = run("export", *arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1)
    assert reason in ended.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["kapture", "absent"], "there is no kapture at absent"),
        (["vpr", "absent"], "there is no folder absent"),
        (["hloc", "absent", "--images", "absent"], "there is no COLMAP model at absent"),
    ],
)
def test_what_cannot_be_imported_is_said_in_one_line(arguments: list[str], reason: str, run: Run) -> None:
    ended = run("import", *arguments, "--database", "new")
    assert (ended.code, ended.out, ended.err.count("\n")) == (3, "", 1)
    assert reason in ended.err
    assert not Path("new").exists()
