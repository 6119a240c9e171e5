"""Photos that are located in earnest: the program serves a database, a browser drops a photo on its page."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from geonav.config import load_config
from geonav.data.database import Database
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.pose import camera_center
from geonav.pipeline.index import index_global
from tests.accuracy.shared_photos import CASTLE, DATA, HERZ_JESU, Scene, import_references, needs_photos
from tests.conftest import StreetPhotos
from tests.serving.page.conftest import DESKTOP, PHONE, Visit
from tests.serving.page.test_journey import TRANSFER, drawn_share
from tests.serving.program import started

pytestmark = pytest.mark.slow  # networks over real photos behind a real server take minutes

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANSWER_S = 180


def drop(page: Page, photo: Path) -> None:
    data = page.evaluate_handle(TRANSFER, [base64.b64encode(photo.read_bytes()).decode(), photo.name])
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    page.wait_for_selector("#answer:not([hidden])", timeout=ANSWER_S * 1000)


def assert_located(page: Page, origin: GeoPoint, pose: Any, within_m: float) -> None:
    """The position shown is near the true one, the map has all marks, the best reference stands beside the photo."""
    assert page.inner_text("#answer-title") == "Located", page.inner_text("#answer-body")
    page.wait_for_selector("#pair-reference img")
    lat, lng = (float(part) for part in page.inner_text("#place").split(", "))
    found = np.asarray(LocalFrame(origin).enu_from_geo(lat, lng, origin.alt_m))[:2]
    assert np.linalg.norm(found - camera_center(np.array(pose, float))[:2]) < within_m
    for shape in ("position", "sight", "doubt", "ellipse"):
        assert page.locator(f"#map path.{shape}").count() == 1
    assert page.locator("#map .view").count() == page.locator("#references button").count() > 0
    size = page.evaluate("(({naturalWidth, naturalHeight}) => [naturalWidth, naturalHeight])"
                         "(document.querySelector('#pair-reference img'))")  # fmt: skip
    assert min(size) >= 240
    agreeing, matched = (
        int(word.replace(",", "")) for word in page.inner_text("#pair-words").split(" matched")[0].split(" of ")
    )
    assert 15 <= agreeing <= matched
    page.wait_for_timeout(300)
    assert drawn_share(page) > 0.01


def test_a_photo_of_the_street_is_located(
    street_photos: StreetPhotos, street_database_path: Path, visit: Visit, tmp_path: Path
) -> None:
    path = tmp_path / "street"
    shutil.copytree(street_database_path, path)
    index_global(Database.open(path), load_config(overrides={"local": {"max_keypoints": 1024}}))
    truth = street_photos.named("queries")[0]
    with started(path, tmp_path / "log") as program:
        page = visit(program.url, DESKTOP, ready="8 reference")
        drop(page, street_photos.root / truth["image"])
        assert_located(page, GeoPoint(*street_photos.origin), truth["E"], 0.5)


@pytest.mark.slow
@needs_photos
def test_a_real_photo_is_located_on_a_phone_and_one_of_elsewhere_refused(visit: Visit, tmp_path: Path) -> None:
    scene = Scene(CASTLE)
    import_references(tmp_path / "castle", scene, 2)
    index_global(Database.open(tmp_path / "castle"), load_config())
    truth = scene.rest(2)[2]
    with started(tmp_path / "castle", tmp_path / "log") as program:
        page = visit(program.url, PHONE, ready="15 reference")
        drop(page, scene.root / truth["image"])
        assert_located(page, scene.origin, truth["E"], 0.3)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.locator("#answer .more summary").tap()
        with page.expect_download() as saved:
            page.get_by_text("Save as JSON").tap()
        assert json.loads(Path(saved.value.path()).read_text("utf-8"))["status"] == "located"
        drop(page, sorted((DATA / HERZ_JESU / "images").iterdir())[5])
        assert page.inner_text("#answer-title") in {"Not located", "Place recognised, position not sure"}
        assert page.locator("#map path.position").count() == 0
        page.wait_for_selector("#map .view.alike", state="attached")
