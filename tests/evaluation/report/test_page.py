"""The page of results: what a browser shows of it, its size with a thousand photos, and that names are only text."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.results import Ellipse, LocalizationResult, PositionStd, ReferenceUse
from geonav.errors import StorageError
from geonav.evaluation.report.curves import calibration, cumulative
from geonav.evaluation.report.page import PagePhoto, write_page
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.view_matches import ViewMatches, read_view_matches, write_view_matches

CAMERA = [[60.0, 0.0, 32.0], [0.0, 60.0, 24.0], [0.0, 0.0, 1.0]]
ATTACK = "</script><script>document.title='taken'</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install the package chromium")


def pose_at(east: float, north: float, heading: float = 30.0) -> np.ndarray:
    return pose_from_center(rotation_from_angles(heading), np.array([east, north, 1.6]))


def noise(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """The worst that a thumbnail can be."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", quality=60)
    return stream.getvalue()


def located(path: str, east: float, north: float) -> LocalizationResult:
    return LocalizationResult(
        query=path, status="located", lat=48.94, lng=8.41, azimuth=31.0, E=pose_at(east, north).tolist(),
        position_std_m=PositionStd(east=0.1, north=0.1, up=0.1), seconds={"pose": 0.5},
        ellipse_95=Ellipse(semi_major_m=0.5, semi_minor_m=0.2, azimuth_deg=90.0),
        references=[ReferenceUse(uid="r1", score=0.9, num_matches=3, num_inliers=2)],
    )  # fmt: skip


def matches(uid: str, number: int) -> ViewMatches:
    pixels = np.random.default_rng(number).uniform(0, 48, (number, 2)).astype(np.float32)
    return ViewMatches(uid, pixels, pixels, np.arange(number) % 3 > 0)


@pytest.fixture
def references(tmp_path: Path) -> Database:
    database = Database.create(tmp_path / "references", GeoPoint(48.94, 8.41, 130.0))
    for i in range(2):
        metadata = ImageMetadata(w=320, h=240, K=CAMERA, E=pose_at(9.0 * i, 0).tolist())
        database.add_entry(f"r{i}", noise(i), metadata)
    return database


@pytest.fixture
def photos(tmp_path: Path) -> list[PagePhoto]:
    path = tmp_path / "photo.jpg"
    path.write_bytes(noise(9))
    lost = LocalizationResult(query=ATTACK, status="not_located", reason=f"too dark {ATTACK}")
    return [
        PagePhoto(located(str(path), 2.0, 3.4), [matches("r1", 30)], pose_at(2.0, 3.0)),
        PagePhoto(lost, [], pose_at(5.0, 3.0)),
    ]


def browser(tmp_path: Path, *arguments: str) -> str:
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
    ]
    profile = [f"--user-data-dir={tmp_path / 'profile'}"]
    environment = {**os.environ, "HOME": str(tmp_path)}
    ended = subprocess.run(
        [*command, *profile, *arguments], capture_output=True, check=True, timeout=120, env=environment
    )
    return ended.stdout.decode()


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_photo_matches_and_map(
    tmp_path: Path, photos: list[PagePhoto], references: Database, width: int
) -> None:
    write_page(tmp_path / "page.html", "a <page>", photos, references, {"photos": 2})
    # Headless Chromium's window is never as narrow as a phone; a frame is.
    text = (tmp_path / "page.html").read_text("utf-8").replace("&", "&amp;").replace('"', "&quot;")
    probe = (
        "f.onload=()=>{const d=f.contentDocument,n=(s)=>d.querySelectorAll(s).length;document.title=JSON.stringify("
        "[d.title,n('#rows tr'),n('line.in'),n('line.out'),n('#detail image'),n('#map .confidence'),n('#map .error'),"
        "d.documentElement.scrollWidth<=f.clientWidth,Math.round(d.querySelector('.match').getBoundingClientRect()"
        ".width)>300]);}"
    )
    frame = f'<iframe id=f style="border:0;width:{width}px;height:2400px" srcdoc="{text}"></iframe>'
    (tmp_path / "frame.html").write_text(f"<!doctype html><meta charset=utf-8>{frame}<script>{probe}</script>")
    shown = browser(tmp_path, "--dump-dom", (tmp_path / "frame.html").as_uri())
    assert '<title>["a <page>",2,20,10,2,1,1,true,true]</title>' in shown.replace("&lt;", "<").replace("&gt;", ">")
    browser(tmp_path, f"--window-size={max(width, 500)},2400", f"--screenshot={tmp_path / 'shot.png'}",
            (tmp_path / "frame.html").as_uri())  # fmt: skip
    with Image.open(tmp_path / "shot.png") as shot:
        colours = np.asarray(shot.convert("RGB")).reshape(-1, 3).astype(int)
    # Thin lines are blended with what is below: clearly more green than red.
    assert (colours[:, 1] - colours[:, 0] > 40).sum() > 50


@needs_browser
@pytest.mark.slow
def test_names_run_nothing(tmp_path: Path, photos: list[PagePhoto], references: Database) -> None:
    write_page(tmp_path / "page.html", "fine", photos[::-1], references)
    shown = browser(tmp_path, "--dump-dom", (tmp_path / "page.html").as_uri())
    assert "<title>fine</title>" in shown
    assert '<h2 tabindex="-1">&lt;/script&gt;' in shown


def test_the_page_asks_no_one_for_anything(tmp_path: Path, photos: list[PagePhoto], references: Database) -> None:
    write_page(tmp_path / "page.html", "offline", photos, references)
    text = re.sub(r"base64,[\w+/=]*", "", (tmp_path / "page.html").read_text("utf-8"))
    assert set(re.findall(r"\w+://[^\s'\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|<link|<iframe|\bfetch\(", text)
    assert text.count("<script") == 2  # the data and the program: names open none


def test_a_thousand_photos_stay_below_30_mb(tmp_path: Path, references: Database) -> None:
    thousand(tmp_path, references)
    assert (tmp_path / "page.html").stat().st_size < 30e6


@needs_browser
@pytest.mark.slow
def test_a_thousand_photos_open(tmp_path: Path, references: Database) -> None:
    thousand(tmp_path, references)
    page = tmp_path / "page.html"
    probe = "document.title=document.querySelectorAll('#rows tr').length+' rows, '+Math.round(performance.now())+' ms'"
    page.write_text(page.read_text("utf-8").replace("</body>", f"<script>{probe}</script></body>"), "utf-8")
    title = re.search(r"<title>(\d+) rows, (\d+) ms</title>", browser(tmp_path, "--dump-dom", page.as_uri()))
    assert title is not None
    assert title[1] == "1000"
    print(f"opened in {title[2]} ms")  # noqa: T201 - the figure, for whoever runs it with -s


def thousand(folder: Path, references: Database) -> None:
    """The page of a thousand photos of noise, each matched to a reference."""
    photos = []
    for i in range(1000):
        path = folder / f"{i}.jpg"
        path.write_bytes(noise(i, (160, 120)))
        photos.append(PagePhoto(located(str(path), i / 10, 3.0), [matches("r1", 300)], pose_at(i / 10, 3.2)))
    write_page(folder / "page.html", "many", photos, references)


def test_curves_hold_what_was_measured() -> None:
    found = [(located("a", 0.0, 0.0), pose_at(0.1, 0.0)), (located("b", 0.0, 0.0), pose_at(0.0, 10.0))]
    curve = cumulative(found)
    # 10 cm is a quarter of the way from 1 cm to 100 m, 10 m three quarters.
    assert curve.tolist() == pytest.approx(np.array([[0, 0], [0.25, 0], [0.25, 0.5], [0.75, 0.5], [0.75, 1], [1, 1]]))
    # 0.1 m along a major axis of 0.5 m: the ellipse of 1 - 0.05 ** 0.04 holds it, one of 11 % is the smallest drawn.
    claimed = calibration(found)
    assert claimed[:12, 1].tolist() == [0.0] * 12
    assert claimed[12, 1] == 0.5
    assert claimed[99, 1] == 0.5


def test_evidence_survives_the_disk(tmp_path: Path) -> None:
    write_view_matches(tmp_path / "e.npz", [matches("a/ü", 5), matches("b", 0)])
    first, second = read_view_matches(tmp_path / "e.npz")
    assert (first.uid, second.uid, second.query_pixels.shape) == ("a/ü", "b", (0, 2))
    np.testing.assert_array_equal(first.query_pixels, matches("a/ü", 5).query_pixels)
    np.testing.assert_array_equal(first.inlier, matches("a/ü", 5).inlier)
    (tmp_path / "e.npz").write_bytes(b"broken")
    with pytest.raises(StorageError, match=r"e\.npz .*locate the photos again"):
        read_view_matches(tmp_path / "e.npz")
