"""``geonav localize --html``, with a localizer that only plays one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geonav.data.results import LocalizationResult
from geonav.pipeline.view_matches import ViewMatches
from tests.cli.conftest import Run
from tests.cli.test_localize import ScriptedLocalizer, _scripted  # noqa: F401 - the scripted localizer, for every test here
from tests.data.photos import jpeg


@pytest.fixture(autouse=True)
def _matching(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted localizer hands out two matches of each photo that it locates."""
    plain = ScriptedLocalizer.locate

    def locate(
        self: ScriptedLocalizer, path: Path, on_matched: Callable[[list[ViewMatches]], None], **given: object
    ) -> LocalizationResult:
        result = plain(self, path, **given)  # type: ignore[arg-type]
        if result.status == "located":
            pixels = np.array([[1, 2], [3, len(path.stem)]], np.float32)
            on_matched([ViewMatches("r", pixels, pixels, np.array([True, False]))])
        return result

    monkeypatch.setattr(ScriptedLocalizer, "locate", locate)


def element(page: Path, name: str) -> dict[str, object]:
    found = re.search(rf"id={name}>(.*?)</script>", page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    value: dict[str, object] = json.loads(found[1])
    return value


def test_the_page_holds_each_photo_with_its_own_matches(tmp_path: Path, run: Run) -> None:
    for name in ("a.jpg", "nowhere.jpg", "bcd.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    ended = run("localize", "a.jpg", "nowhere.jpg", "broken.jpg", "bcd.jpg", "--html", "out.html", "--json")
    assert (ended.code, ended.out.count("\n")) == (6, 4)
    page = tmp_path / "out.html"
    photos = element(page, "data")["photos"]
    assert [(photo["name"], photo["kind"]) for photo in photos] == [
        ("a.jpg", "located"), ("nowhere.jpg", "not_located"), ("broken.jpg", "not_located"), ("bcd.jpg", "located"),
    ]  # fmt: skip
    drawn = [[pair["ends"] for pair in element(page, f"d{i}")["pairs"]] for i in range(4)]
    assert drawn == [[[1, 2, 1, 2, 3, 1, 3, 1]], [], [], [[1, 2, 1, 2, 3, 3, 3, 3]]]
    assert "2 of 4 against" in page.read_text("utf-8")
    assert "id=p0>" in page.read_text("utf-8")


def test_what_was_located_before_an_interruption_is_on_the_page(tmp_path: Path, run: Run) -> None:
    assert run("localize", "a.jpg", "interrupt.jpg", "--html", "out.html").code == 130
    assert [photo["name"] for photo in element(tmp_path / "out.html", "data")["photos"]] == ["a.jpg"]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["a.jpg", "--html", "absent/out.html"], 3, "absent/out.html"),
        (["a.jpg", "--html", "."], 3, "is a folder"),
        (["--sequence", "frames", "--html", "out.html"], 2, "--sequence"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_located(
    arguments: list[str], code: int, reason: str, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "frames").mkdir()
    ended = run("localize", *arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1)
    assert reason in ended.err
