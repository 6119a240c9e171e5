"""Databases as COLMAP models: what pycolmap reads, and what comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap
import pytest

from geonav.data.database import Database
from geonav.errors import InputError
from geonav.formats.colmap import Points, PosedImage, write_model
from geonav.formats.hloc import MatchRow, write_matches
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.exporting import export_colmap
from geonav.pipeline.importing import ColmapImport, import_colmap
from tests.formats.scene import ORIGIN, Scene, make_scene, true_matches

UIDS = ["p0", "p1", "p2", "p3"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene") / "db")


@pytest.fixture(scope="module")
def matches(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("matches") / "matches.h5"
    rows = []
    for i, first in enumerate(UIDS):
        for second in UIDS[i + 1 :]:
            pairs = true_matches(scene, first, second)[:30]
            names = (
                (f"{second}/image.jpg", f"{first}/image.jpg")
                if first == "p1"
                else (f"{first}/image.jpg", f"{second}/image.jpg")
            )
            pairs = pairs[:, ::-1] if first == "p1" else pairs
            rows.append(MatchRow(*names, pairs, np.ones(30, np.float32), 40))
    write_matches(path, rows)
    return path


@pytest.mark.parametrize("form", ["txt", "bin"])
def test_a_model_comes_back_as_it_went(scene: Scene, tmp_path: Path, form: str) -> None:
    report = export_colmap(scene.database.path, tmp_path / "model", form=form)  # type: ignore[arg-type]
    assert (report.num_images, report.left_out) == (4, [("unposed", "it has no pose")])
    options = ColmapImport(images=scene.database.path, origin=ORIGIN)
    imported = import_colmap(tmp_path / "back", tmp_path / "model", options)
    assert not imported.failed
    back = Database.open(tmp_path / "back")
    by_source = {back.metadata(uid).source_name: back.metadata(uid) for uid in back.uids()}
    for uid in UIDS:
        before, after = scene.database.metadata(uid), by_source[f"{uid}/image.jpg"]
        np.testing.assert_allclose(after.pose, before.pose, atol=1e-9)
        assert after.camera == before.camera


@pytest.mark.parametrize("form", ["txt", "bin"])
def test_pycolmap_reads_poses_and_tracks(scene: Scene, matches: Path, tmp_path: Path, form: str) -> None:
    report = export_colmap(scene.database.path, tmp_path, form=form, matches=matches)  # type: ignore[arg-type]
    model = pycolmap.Reconstruction(tmp_path)
    assert (model.num_reg_images(), model.num_points3D()) == (4, report.num_points)
    assert 30 <= report.num_points <= 40
    for image in model.images.values():
        uid = image.name.partition("/")[0]
        center = image.cam_from_world().inverse().translation
        np.testing.assert_allclose(scene.database.frame.enu_from_geo(*_place(scene, uid)), center, atol=1e-6)
        for keypoint in image.points2D:
            if keypoint.has_point3D():
                point = model.points3D[keypoint.point3D_id]
                np.testing.assert_allclose(image.project_point(point.xyz), keypoint.xy, atol=0.02)
    for point in model.points3D.values():
        assert np.linalg.norm(scene.points - point.xyz, axis=1).min() < 0.01
        assert point.error < 0.01
        assert point.track.length() >= 2
    model.update_point_3d_errors()
    assert model.compute_mean_reprojection_error() < 0.01


def _place(scene: Scene, uid: str) -> tuple[float, float, float]:
    data = scene.database.metadata(uid)
    assert data.lat is not None
    assert data.lng is not None
    assert data.alt is not None
    return data.lat, data.lng, data.alt


def test_positions_for_georegistration(scene: Scene, tmp_path: Path) -> None:
    export_colmap(scene.database.path, tmp_path, naming="source")
    lines = [line.split() for line in (tmp_path / "ref_images.txt").read_text().splitlines()]
    assert [line[0] for line in lines] == [f"cam/{uid}.jpg" for uid in UIDS]
    assert [float(value) for value in lines[2][1:]] == list(_place(scene, "p2"))


def test_a_track_with_one_picture_twice_makes_no_point(scene: Scene, tmp_path: Path) -> None:
    rows = []
    for second in ("p1", "p2"):
        pairs = true_matches(scene, "p0", second)[:10]
        if second == "p2":
            pairs[0, 0] = 5  # joins two tracks of p0
        rows.append(
            MatchRow("p0/image.jpg", f"{second}/image.jpg", pairs[:1] if second == "p2" else pairs, np.ones(10), 40)
        )
    rows[1] = rows[1]._replace(scores=np.ones(1, np.float32), pairs=np.array([[0, rows[1].pairs[0, 1]]]))
    rows.append(
        MatchRow("p1/image.jpg", "p2/image.jpg", np.array([[rows[0].pairs[5, 1], rows[1].pairs[0, 1]]]), np.ones(1), 40)
    )
    write_matches(tmp_path / "m.h5", rows)
    assert export_colmap(scene.database.path, tmp_path / "model", matches=tmp_path / "m.h5").num_points == 8


def test_matches_of_other_keypoints_are_refused(scene: Scene, tmp_path: Path) -> None:
    row = MatchRow("p0/image.jpg", "p1/image.jpg", np.array([[0, 0]]), np.ones(1, np.float32), 7)
    write_matches(tmp_path / "m.h5", [row])
    with pytest.raises(InputError, match="are of other keypoints: match again"):
        export_colmap(scene.database.path, tmp_path / "model", matches=tmp_path / "m.h5")
    write_matches(tmp_path / "m.h5", [row._replace(name0="x")])
    with pytest.raises(InputError, match="no pair of the exported images"):
        export_colmap(scene.database.path, tmp_path / "model", matches=tmp_path / "m.h5")
    with pytest.raises(InputError, match="no aliked features"):
        export_colmap(scene.database.path, tmp_path / "model", matches=tmp_path / "m.h5", model="aliked")


@pytest.mark.parametrize("names", [["a", "a"], ["a\nb"], [""], [" a"]])
def test_names_that_a_model_cannot_hold(tmp_path: Path, names: list[str]) -> None:
    camera = Camera.from_focal(10, 10, 10)
    with pytest.raises(InputError, match="name"):
        write_model(tmp_path, [PosedImage(name, camera, np.eye(4)) for name in names], Points.none())


def test_text_beside_binary_is_refused(scene: Scene, tmp_path: Path) -> None:
    export_colmap(scene.database.path, tmp_path)
    with pytest.raises(InputError, match="would not know which"):
        export_colmap(scene.database.path, tmp_path, form="txt")


def test_a_database_without_poses_is_refused(tmp_path: Path) -> None:
    Database.create(tmp_path / "db", GeoPoint(0, 0, 0))
    with pytest.raises(InputError, match="nothing to export"):
        export_colmap(tmp_path / "db", tmp_path / "model")
