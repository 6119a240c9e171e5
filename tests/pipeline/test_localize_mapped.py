"""A photo is located against the map: by fewer references, and as certainly as the map itself is."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geonav.config import load_config
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.map_store import MapPart, MapStore
from geonav.data.results import LocalizationResult
from geonav.geometry.pose import camera_center
from geonav.pipeline.localize import Localizer
from geonav.pipeline.mapping.build import build_map
from geonav.pose.tracks import View
from tests.pipeline.mapping.painted import CAMERA, PaintedStreet, along_street, map_config, store

STREET = PaintedStreet()
TRUTH = STREET.pose(9.0, 52.0, aside_m=0.3)


class Painter:
    """Finds made features, whatever the picture: it shows nothing."""

    def __init__(self) -> None:
        self.features = STREET.features(TRUTH, np.random.default_rng(3))

    def extract(self, images: Sequence[np.ndarray], masks: object = None) -> list[LocalFeatures]:
        return [self.features for _ in images]

    def settings(self) -> dict[str, Any]:
        return {"model": "painted"}


@dataclass(frozen=True)
class Answer:
    """What was found, and the references as they were solved with."""

    result: LocalizationResult
    views: tuple[View, ...]

    @property
    def num_matched(self) -> int:
        return sum(reference.num_matches > 0 for reference in self.result.references)

    @property
    def center(self) -> np.ndarray:
        return camera_center(np.array(self.result.E))

    @property
    def semi_major_m(self) -> float:
        assert self.result.ellipse_95 is not None
        return self.result.ellipse_95.semi_major_m


def located(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, **localize: Any) -> Answer:
    photo = folder / "photo.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (CAMERA.height, CAMERA.width, 3), np.uint8)
    Image.fromarray(pixels).save(photo)
    config = load_config(overrides={"local": {"matcher": "mutual_nn"}, "localize": localize})
    localizer = Localizer(database, config)
    monkeypatch.setattr(localizer, "_extractor", Painter())
    seen: list[tuple[View, ...]] = []
    result = localizer.locate(
        photo,
        camera=CAMERA,
        on_decided=lambda _, decision: seen.append(() if decision.solution is None else decision.solution.views),
    )
    return Answer(result, seen[-1])


def mapped(folder: Path, said_std_m: float) -> Path:
    """A map of references that are off by decimetres, and said to be off by so much."""
    references = along_street(STREET, 8, sigma_m=0.3, sigma_deg=0.5)
    for reference in references:
        reference.keys["position_std_m"] = said_std_m
    build_map(store(folder / "db", STREET, references), map_config())
    return folder / "db"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mapped(tmp_path_factory.mktemp("mapped"), 0.3)


@pytest.fixture
def database(built: Path, tmp_path: Path) -> Database:
    shutil.copytree(built, tmp_path / "db")
    return Database.open(tmp_path / "db")


@pytest.mark.parametrize("adjust", [True, False])
def test_the_map_answers_with_fewer_references(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adjust: bool
) -> None:
    by_map = located(database, tmp_path, monkeypatch)
    without = located(database, tmp_path, monkeypatch, use_map=False, adjust_references=adjust)
    assert by_map.result.status == "located", by_map.result.reason
    assert by_map.num_matched < without.num_matched
    part = MapStore(database).read(MapStore(database).part_ids()[0])
    assert len(by_map.views) > by_map.num_matched  # what others of the map saw counts, too
    for view in by_map.views:
        np.testing.assert_array_equal(view.pose, part.poses[part.row_of[view.uid]])
    assert by_map.result.num_inliers is not None
    assert by_map.result.num_inliers > 200
    assert np.linalg.norm(by_map.center - camera_center(TRUTH)) < 0.5


def test_a_map_that_is_not_to_be_used_is_not(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_map = located(database, tmp_path, monkeypatch)
    without = located(database, tmp_path, monkeypatch, use_map=False)
    shutil.rmtree(MapStore(database).folder)
    never = located(database, tmp_path, monkeypatch)
    assert np.linalg.norm(by_map.center - without.center) > 1e-3
    np.testing.assert_array_equal(without.result.E, never.result.E)  # as if there were none
    assert "map" in by_map.result.settings
    assert "map" not in without.result.settings
    assert any("`geonav map build` does better" in note for note in without.result.notes)
    assert not any("geonav map build" in note for note in by_map.result.notes)


def test_a_reference_that_changed_since_is_not_where_the_map_puts_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = located(database, tmp_path, monkeypatch)
    best = max(before.result.references, key=lambda each: each.num_matches).uid
    changed = database.metadata(best)
    database.replace_metadata(best, changed.model_copy(update={"position_std_m": 0.01}))
    after = located(database, tmp_path, monkeypatch)
    (own,) = [view for view in after.views if view.uid == best and view.joint is None]
    np.testing.assert_array_equal(own.pose, changed.E)
    assert np.linalg.norm(after.center - before.center) > 1e-3


def test_a_reference_that_changed_since_is_there_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = max(located(database, tmp_path, monkeypatch).result.references, key=lambda each: each.num_matches).uid
    database.replace_metadata(best, database.metadata(best).model_copy(update={"position_std_m": 0.01}))
    counts = Counter(view.uid for view in located(database, tmp_path, monkeypatch).views)
    assert counts[best] == 1
    assert max(counts.values()) == 1


def test_where_all_changed_since_there_is_no_map(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uid in database.uids():
        database.replace_metadata(uid, database.metadata(uid).model_copy(update={"position_std_m": 0.31}))
    stale = located(database, tmp_path, monkeypatch)
    without = located(database, tmp_path, monkeypatch, use_map=False)
    np.testing.assert_array_equal(stale.result.E, without.result.E)


def test_the_answer_is_as_uncertain_as_the_map(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = located(database, tmp_path, monkeypatch)
    vague = located(Database.open(mapped(tmp_path / "vague", 3.0)), tmp_path, monkeypatch)
    assert all(isinstance(view.joint, MapPart) for view in (*sure.views, *vague.views))
    assert vague.semi_major_m > 3 * sure.semi_major_m
    # Eight sources that are off by 0.3 m each leave the whole off by a decimetre, of which 95 % reach 2.4 times as far.
    assert 0.15 < sure.semi_major_m < 1.0
    assert np.linalg.norm((sure.center - camera_center(TRUTH))[:2]) < 1.5 * sure.semi_major_m
