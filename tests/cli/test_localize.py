"""``geonav localize``: what is printed and how it ends, with a localizer that only plays one."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from tests.cli.conftest import Run
from tests.cli.scripted import ScriptedLocalizer


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = ModuleType("geonav.pipeline.localize")
    module.Localizer = ScriptedLocalizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "geonav.pipeline.localize", module)
    Database.create(tmp_path / "castle", GeoPoint(48.9, 8.4, 130))
    monkeypatch.setenv("GEONAV_DATABASE", str(tmp_path / "castle"))


@pytest.mark.parametrize(
    ("photos", "code", "error"),
    [
        (["a.jpg", "b.jpg"], 0, ""),
        (["a.jpg", "nowhere.jpg", "broken.jpg"], 6, "error: 1 of 3 photos located; each of the others says why\n"),
        (["nowhere.jpg"], 7, "error: 0 of 1 photos located; each of the others says why\n"),
        (["broken.jpg"], 7, "error: 0 of 1 photos located; each of the others says why\n"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"], ["--geojson", "-"]], ids=str)
def test_exit_code_says_how_many_were_located(
    photos: list[str], code: int, error: str, form: list[str], run: Run
) -> None:
    ended = run("localize", *photos, *form)
    assert (ended.code, ended.err) == (code, error)


def test_json_is_one_line_a_photo_in_order(run: Run) -> None:
    names = ["a.jpg", "broken.jpg", "nowhere.jpg", "b.jpg"]
    ended = run("localize", *names, "--json")
    results = [json.loads(line) for line in ended.out.splitlines()]
    assert [result["query"] for result in results] == names
    assert [result["status"] for result in results] == ["located", "not_located", "not_located", "located"]
    assert "broken.jpg is not an image" in results[1]["reason"]
    assert results[1]["geonav_version"]
    assert all(set(result) == set(LocalizationResult.model_fields) for result in results)
    assert ": " not in ended.out.splitlines()[0], "compact"


def test_the_table_holds_what_a_person_wants(run: Run) -> None:
    out = run("localize", "a.jpg", "nowhere.jpg").out
    for text in ("a.jpg", "48.5000000", "-8.2500000", "130.50", "12.50", "0.031", "321", "too few matches"):
        assert text in out


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_a_terminal(columns: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = run("localize", "some/where/DSC00012.jpg", "nowhere.jpg").out
    table, remarks = out.split("\n\n")
    head, _rule, located, not_located = table.splitlines()
    assert max(map(len, table.splitlines())) <= columns
    assert located.split()[:4] == ["DSC00012.jpg", "located", "48.5000000", "-8.2500000"]
    assert not_located.split()[:2] == ["nowhere.jpg", "not_located"]
    assert ("inliers" in head) == (columns == 120)
    assert remarks.splitlines() == [
        "nowhere.jpg: too few matches",
        "note, DSC00012.jpg: a note",
    ]


def test_what_holds_for_many_photos_is_said_once(run: Run) -> None:
    out = run("localize", *(f"{number}.jpg" for number in range(5))).out
    assert "\nnote, 0.jpg, 1.jpg, 2.jpg and 2 more: a note\n" in out


def test_photos_of_one_name_keep_their_folders(run: Run) -> None:
    out = run("localize", "left/a.jpg", "right/a.jpg").out
    assert "left/a.jpg" in out
    assert "right/a.jpg" in out


@pytest.mark.parametrize("form", [[], ["--json"], ["--geojson", "-"]], ids=str)
def test_an_interruption_leaves_what_was_found(form: list[str], run: Run) -> None:
    ended = run("localize", "a.jpg", "interrupt.jpg", "b.jpg", *form)
    assert (ended.code, ended.err) == (130, "interrupted: run the same command again to go on\n")
    assert "a.jpg" in ended.out
    assert "b.jpg" not in ended.out


def test_the_scripted_localizer_is_called_as_the_real_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "geonav.pipeline.localize")
    real = importlib.import_module("geonav.pipeline.localize").Localizer
    inspect.signature(real).bind(None, None)
    inspect.signature(real.locate).bind(None, Path("a.jpg"), camera=None, mask=None)


def test_a_long_reason_is_folded_not_cut(run: Run) -> None:
    name = f"broken-{'x' * 150}.jpg"
    out = run("localize", name).out
    assert "…" not in out
    assert out.count("x") >= 300  # the name as query and in the reason


def test_geojson_goes_to_a_file_beside_the_table(run: Run, tmp_path: Path) -> None:
    ended = run("localize", "a.jpg", "nowhere.jpg", "--geojson", "found.geojson")
    collection = json.loads((tmp_path / "found.geojson").read_text())
    assert [feature["geometry"] for feature in collection["features"]] == [
        {"type": "Point", "coordinates": [-8.25, 48.5, 130.5]},
        None,
    ]
    assert "a.jpg" in ended.out


def test_geojson_on_stdout_stands_alone(run: Run) -> None:
    collection = json.loads(run("localize", "a.jpg", "--geojson", "-").out)
    assert collection["type"] == "FeatureCollection"


def test_options_reach_the_localizer(run: Run) -> None:
    Path("m.png").touch()
    code = run(
        "localize", "a.jpg", "--camera", "PINHOLE,1000,800,900,900,500,400", "--top_k", "3", "--exif-gps",
        "--mask", "m.png", "--model", "xfeat", "--seed", "5", "--device", "cpu",
    ).code  # fmt: skip
    call = ScriptedLocalizer.calls[0]
    assert code == 0
    assert call["camera"] == Camera("PINHOLE", 1000, 800, (900.0, 900.0, 500.0, 400.0))
    assert call["mask"] == Path("m.png")
    config = call["config"]
    assert config.local.model == "xfeat"  # type: ignore[attr-defined]
    assert (config.localize.top_k, config.localize.exif_gps, config.seed, config.device) == (3, True, 5, "cpu")  # type: ignore[attr-defined]


def test_without_options_the_file_decides(run: Run) -> None:
    Path("geonav.toml").write_text("[localize]\ntop_k = 4\nexif_gps = true\n")
    run("localize", "a.jpg")
    assert ScriptedLocalizer.calls[0]["config"].localize.top_k == 4  # type: ignore[attr-defined]
    assert ScriptedLocalizer.calls[0]["config"].localize.exif_gps is True  # type: ignore[attr-defined]
    run("localize", "a.jpg", "--no-exif-gps")
    assert ScriptedLocalizer.calls[0]["config"].localize.exif_gps is False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.jpg", "--camera", "PINHOLE,1,2"], 2, "error: camera 'PINHOLE,1,2' is not MODEL,width,height,params"),
        (
            ["a.jpg", "--top-k", "0"],
            2,
            "error: options: localize.top_k = 0: Input should be greater than or equal to 1",
        ),
        (["a.jpg", "--mask", "absent.png"], 3, "error: there is no mask absent.png"),
        (["a.jpg", "--geojson", "absent/a.json"], 3, "error: there is no folder absent for --geojson absent/a.json"),
        (["a.jpg", "--database", "absent"], 3, "error: there is no database at absent"),
        (["database.jpg"], 3, "error: castle is not indexed: run 'geonav index global"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], code: int, message: str, run: Run) -> None:
    ended = run("localize", *arguments)
    assert ended.err.startswith(message)
    assert ended.err.count("\n") == 1
    assert (ended.code, ended.out) == (code, "")


@pytest.mark.parametrize("form", [[], ["--json"], ["--geojson", "-"]], ids=str)
def test_a_name_that_is_no_text_is_printed(form: list[str], run: Run) -> None:
    ended = run("localize", "nowhere-\udcff.jpg", *form)
    assert ended.code == 7
    assert "nowhere-\\udcff.jpg" in ended.out
