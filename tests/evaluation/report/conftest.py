"""References on disk, a photo, and a browser to look at pages with."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.results import LocalizationResult
from geonav.evaluation.record import RunInfo
from geonav.evaluation.report.rows import PagePhoto
from geonav.evaluation.run_folder import Run
from geonav.pipeline.view_matches import view_matches_path, write_view_matches
from tests.evaluation.report.made import (
    ATTACK,
    CAMERA,
    ORIGIN,
    located,
    matches,
    noise,
    pose_at,
    query,
    scored,
)

CHROMIUM = os.environ.get("GEONAV_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
Look = Callable[..., str]


@pytest.fixture
def references(tmp_path: Path) -> Database:
    database = Database.create(tmp_path / "references", ORIGIN)
    for i in range(2):
        database.add_entry(f"r{i}", noise(i), ImageMetadata(w=320, h=240, K=CAMERA, E=pose_at(9.0 * i, 0).tolist()))
    return database


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(noise(9))
    return path


@pytest.fixture
def photos(photo: Path) -> list[PagePhoto]:
    """One that is 0.4 m off, and one that was not located and whose name is HTML."""
    path = str(photo)
    found = located(path, 2.0, 3.4), query("good", path, 2.0, 3.0), scored("good", "located", 0.4)
    lost = LocalizationResult(query=path, status="not_located", reason=f"too dark {ATTACK}")
    asked = query(ATTACK, path, 5.0, 3.0), scored(ATTACK, "not_located", failure="not_matched")
    return [PagePhoto(found[0], [matches("r1", 30)], *found[1:]), PagePhoto(lost, [], *asked)]


@pytest.fixture
def run(tmp_path: Path, photo: Path) -> Run:
    """Two near their truth, one refused, and two from elsewhere of which one was answered."""
    path = str(photo)
    info = RunInfo(
        name="night <1>", started_at="2026-11-23T05:00:00Z", query_set="queries", distractors=["far"],
        reference_set="castle", origin=(48.94, 8.41, 130.0), num_references=2, versions={"geonav": "1.2"},
        config={"search": {"recall_within_m": 5.0}}, weights={"disk.pth": "ab" * 32},
    )  # fmt: skip
    records = [query(name, path, 2.0, 3.0) for name in ("a/ü", "b", "c")]
    records += [query(name, path, 0, 0, is_distractor=True) for name in ("x", "y")]
    lost = LocalizationResult(query=path, status="not_located", reason="too few matches")
    results = [located(path, 2.0, 3.1), located(path, 2.0, 3.3), lost, lost, located(path, 7.0, 7.0)]
    (tmp_path / "run" / "matches").mkdir(parents=True)
    write_view_matches(view_matches_path(tmp_path / "run", "a/ü"), [matches("r1", 30)])
    view_matches_path(tmp_path / "run", "b").write_bytes(b"broken")
    return Run(tmp_path / "run", info, tuple(records), tuple(results))


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Show a page in a frame of some width, run a script in it, and return what the script returns.

    Headless Chromium's window is never as narrow as a phone; a frame is.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium: install the package chromium, or name the program in GEONAV_CHROMIUM")

    def call(page: Path, script: str, width: int = 1280, shot: Path | None = None) -> str:
        inside = html.escape(page.read_text("utf-8"), quote=True)
        asked = f"(async()=>{{{script}}})().then((seen)=>{{document.title=JSON.stringify(seen)}})"
        seen = f"f.onload=()=>{{const d=f.contentDocument,w=f.contentWindow;{asked};}}"
        frame = f'<iframe id=f style="border:0;width:{width}px;height:1800px" srcdoc="{inside}"></iframe>'
        around = tmp_path / "frame.html"
        around.write_text(
            f"<!doctype html><meta charset=utf-8><body style='margin:0'>{frame}<script>{seen}</script>", "utf-8"
        )
        window = [f"--window-size={max(width, 500)},1800", "--virtual-time-budget=5000"]
        if shot is not None:
            browse(tmp_path, *window, f"--screenshot={shot}", around.as_uri())
        found = re.search(r"<title>(.*?)</title>", browse(tmp_path, *window, "--dump-dom", around.as_uri()), re.DOTALL)
        return "" if found is None else html.unescape(found[1])

    return call


def browse(tmp_path: Path, *arguments: str) -> str:
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
    ]
    environment = {**os.environ, "HOME": str(tmp_path)}
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    ended = subprocess.run(
        [*command, profile, *arguments], capture_output=True, check=True, timeout=120, env=environment
    )
    return ended.stdout.decode()
