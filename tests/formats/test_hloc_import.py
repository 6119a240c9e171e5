"""What hloc made comes into a database, features included; and what is exported with matches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.errors import InputError
from geonav.formats import hloc
from geonav.pipeline.export_hloc import HlocExport, export_hloc
from geonav.pipeline.exporting import export_colmap
from geonav.pipeline.importing import ColmapImport
from geonav.pipeline.importing_hloc import import_hloc
from geonav.pipeline.stages import load_features
from geonav.pipeline.stored import StoredFeatures
from tests.formats.scene import ORIGIN, SETTINGS, Scene, make_scene, true_matches

CONFIG = GeonavConfig(device="cpu", local={"matcher": "mutual_nn"})


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene") / "db")


@pytest.fixture(scope="module")
def exported(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hloc")
    export_hloc(scene.database.path, folder, CONFIG, HlocExport(num_pairs=3, matches=True))
    export_colmap(scene.database.path, folder / "sfm", matches=folder / "matches-disk.h5")
    return folder


def test_matches_are_those_of_the_matcher(scene: Scene, exported: Path) -> None:
    (row,) = hloc.read_matches(exported / "matches-disk.h5", [("p0/image.jpg", "p1/image.jpg")])
    np.testing.assert_array_equal(row.pairs, true_matches(scene, "p0", "p1"))


def test_features_come_back_for_the_pictures_as_stored(scene: Scene, exported: Path, tmp_path: Path) -> None:
    options = ColmapImport(images=scene.database.path, origin=ORIGIN)
    report = import_hloc(tmp_path / "db", (exported / "sfm", exported / "feats-disk.h5"), options, CONFIG)
    assert (len(report.added), report.failed, report.notes) == (4, [], [])
    database = Database.open(tmp_path / "db")
    stored, before = load_features(database, CONFIG), StoredFeatures(scene.database, SETTINGS)
    for uid in report.added:
        source = (database.metadata(uid).source_name or "").partition("/")[0]
        assert stored.has(uid)
        np.testing.assert_allclose(stored.read(uid).keypoints, before.read(source).keypoints, atol=1e-4)


def test_features_of_another_network_or_picture_are_refused(scene: Scene, exported: Path, tmp_path: Path) -> None:
    rows = list(hloc.read_features(exported / "feats-disk.h5"))
    short = LocalFeatures(rows[0].features.keypoints, rows[0].features.scores, rows[0].features.descriptors[:, :64])
    rows = [rows[0]._replace(features=short), rows[1]._replace(size=(960, 640)), rows[2]]
    hloc.write_features(tmp_path / "f.h5", rows)
    options = ColmapImport(images=scene.database.path, origin=ORIGIN)
    report = import_hloc(tmp_path / "db", (exported / "sfm", tmp_path / "f.h5"), options, CONFIG)
    reasons = dict(report.notes)
    assert "64 numbers, this network's 128" in reasons["p0/image.jpg"]
    assert "960x640 pixels, the picture has 96x64" in reasons["p1/image.jpg"]
    assert "has no image 'p3/image.jpg'" in reasons["p3/image.jpg"]
    assert set(reasons) == {"p0/image.jpg", "p1/image.jpg", "p3/image.jpg"}


def test_a_missing_feature_file_is_named_before_anything_is_imported(
    scene: Scene, exported: Path, tmp_path: Path
) -> None:
    options = ColmapImport(images=scene.database.path, origin=ORIGIN)
    with pytest.raises(InputError, match=r"absent\.h5 cannot be read"):
        import_hloc(tmp_path / "db", (exported / "sfm", tmp_path / "absent.h5"), options, CONFIG)
    assert not (tmp_path / "db").exists()
