"""Photos that come one by one, named on stdin or put into a folder, are answered one by one."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from geonav.cli import localize_input
from geonav.cli.localize_input import watched
from geonav.data.database import Database
from geonav.errors import InputError
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


def test_names_on_stdin_are_answered_line_by_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a.jpg\n\nnowhere photo.jpg\nbroken.jpg"))
    ended = run("localize", "-")
    assert ended.code == 6
    first, second, third = ended.out.splitlines()
    assert first == "a.jpg  located  48.5000000 -8.2500000  ±0.031 m  azimuth 12.50"
    assert second == "nowhere photo.jpg  not_located  too few matches"
    assert third.startswith("broken.jpg  not_located  broken.jpg is not an image")


def test_an_answer_comes_before_the_next_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Names(io.StringIO):
        def readline(self, *_: int) -> str:  # type: ignore[override]
            asked.append(len(ScriptedLocalizer.calls))
            return super().readline()

    monkeypatch.setattr(sys, "stdin", Names("a.jpg\nb.jpg\n"))
    ended = run("localize", "-", "--json")
    assert asked == [0, 1, 2]
    assert [json.loads(line)["query"] for line in ended.out.splitlines()] == ["a.jpg", "b.jpg"]


def test_geojson_of_a_stream_is_written_at_its_end(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a.jpg\nb.jpg\n"))
    ended = run("localize", "-", "--geojson", "found.geojson")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 2
    assert len(json.loads((tmp_path / "found.geojson").read_text("utf-8"))["features"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-", "a.jpg"], 2, "goes alone"),
        (["a.jpg", "--watch", "."], 2, "--watch goes without photos"),
        (["--watch", ".", "--sequence", "."], 2, "--watch goes without photos"),
        (["--watch", "nowhere"], 3, "there is no folder nowhere"),
        ([], 2, "no photo given"),
    ],
)
def test_what_does_not_go_together_is_one_line(arguments: list[str], code: int, message: str, run: Run) -> None:
    ended = run("localize", *arguments)
    assert ended.code == code
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1


def test_interrupting_a_watch_is_its_usual_end(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(localize_input, "_POLL_S", 0.01)
    (tmp_path / "inbox").mkdir()
    for name in ("a.jpg", "b.JPG", "c.txt", ".d.jpg", "interrupt.jpg"):
        (tmp_path / "inbox" / name).write_bytes(b"picture")
    ended = run("localize", "--watch", "inbox", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert [Path(json.loads(line)["query"]).name for line in ended.out.splitlines()] == ["a.jpg", "b.JPG"]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def coming(inbox: Path) -> Iterator[Path]:
    return watched(inbox, poll_s=0.01)


def test_a_photo_comes_once_and_again_when_replaced(inbox: Path, coming: Iterator[Path]) -> None:
    (inbox / "a.jpg").write_bytes(b"one")
    assert next(coming) == inbox / "a.jpg"
    (inbox / "b.jpg").write_bytes(b"two")
    assert next(coming) == inbox / "b.jpg"
    (inbox / "a.jpg").write_bytes(b"another")
    assert next(coming) == inbox / "a.jpg"


def test_a_photo_comes_when_it_has_stopped_growing(
    inbox: Path, coming: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    growing, sleeps = inbox / "a.jpg", []
    growing.write_bytes(b"o")

    def write_on(_: float) -> None:
        sleeps.append(1)
        if len(sleeps) <= 3:
            with growing.open("ab") as stream:
                stream.write(b"more")

    monkeypatch.setattr(time, "sleep", write_on)
    assert next(coming) == growing
    assert len(sleeps) == 4


def test_a_folder_that_goes_away_is_said(inbox: Path, coming: Iterator[Path]) -> None:
    (inbox / "a.jpg").write_bytes(b"one")
    next(coming)
    (inbox / "a.jpg").unlink()
    inbox.rmdir()
    with pytest.raises(InputError, match="cannot look into"):
        next(coming)
