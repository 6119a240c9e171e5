"""Structure from motion over matched pictures by pycolmap's mapper: the geometry that the pictures hold."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.camera import Camera
from geonav.geometry.pose import nearest_rotation
from geonav.pose.tracks import Ints

if TYPE_CHECKING:
    import pycolmap

Array = NDArray[np.float64]
# Of a facade seen from nearly one side the rays meet at few degrees; keypoints good to a third of a pixel tell them.
_MIN_PARALLAX_DEG = 1.0
_MAX_ERROR_PX = 4.0
_FORWARD_BELOW_DEG = 10.0
_MIN_MATCHES = 15


@dataclass(frozen=True)
class Picture:
    """A picture that takes part.

    Attributes:
        name: of its own.
        camera: its intrinsics; equal cameras that are not calibrated are one camera.
        keypoints: (N, 2) pixels.
        is_calibrated: whether the intrinsics are known; else focal length and distortion are solved for.
        frame: pictures of one frame move as one, with one centre.
        cam_from_frame: (3, 3).
    """

    name: str
    camera: Camera
    keypoints: Array
    is_calibrated: bool = True
    frame: str = ""
    cam_from_frame: Array = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True)
class Structure:
    """What the mapper found of some of the pictures, in a frame and scale of its own.

    Attributes:
        pictures: numbers (V,) of those it holds.
        rotations: camera_from_model (V, 3, 3).
        centers: (V, 3) in the model.
        cameras: of each, as solved.
        points: (P, 3).
        picture: (O,) which of ``pictures`` made each observation.
        keypoint: (O,) its keypoint.
        point: (O,) what it saw; sorted.
    """

    pictures: Ints
    rotations: Array
    centers: Array
    cameras: tuple[Camera, ...]
    points: Array
    picture: Ints
    keypoint: Ints
    point: Ints


Pairs = Mapping[tuple[int, int], NDArray[np.integer]]


def reconstruct(
    pictures: Sequence[Picture], pairs: Pairs, *, seed: int = 0, min_views: int = 2, first_angle_deg: float = 16.0
) -> list[Structure]:
    """Reconstruct every part of the pictures that holds together, the largest first.

    Args:
        pictures: all of them.
        pairs: verified matches (M, 2) of keypoints of two pictures i, j.
        seed: of the random draws.
        min_views: smaller parts are left out.
        first_angle_deg: at which the rays of the first two pictures should meet; less where none do.
    """
    import pycolmap

    with tempfile.TemporaryDirectory(prefix="geonav-map-") as scratch:
        folder = Path(scratch)
        _write_database(folder / "database.db", pictures, pairs)
        (folder / "models").mkdir()
        options = _options(seed, min_views, first_angle_deg)
        cameras = _cameras(pictures)
        options.constant_cameras = options.mapper.constant_cameras = {
            number for number, picture in zip(cameras.of, pictures, strict=True) if picture.is_calibrated
        }
        with quiet_colmap():
            found = pycolmap.incremental_mapping(folder / "database.db", folder, folder / "models", options)
    models = [_structure(model, pictures) for model in found.values()]
    models = [model for model in models if len(model.pictures) >= min_views and len(model.points)]
    return _without_repeats(sorted(models, key=lambda model: -len(model.pictures)))


def _without_repeats(models: list[Structure]) -> list[Structure]:
    """Those models, the largest first, most of whose pictures no larger one has: the mapper lets them overlap."""
    seen, kept = set[int](), list[Structure]()
    for model in models:
        own = set(model.pictures.tolist())
        if 2 * len(own - seen) > len(own):
            kept.append(model)
            seen |= own
    return kept


def _options(seed: int, min_views: int, first_angle_deg: float) -> pycolmap.IncrementalPipelineOptions:
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.min_num_matches = _MIN_MATCHES
    options.min_model_size = min_views
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = seed
    options.extract_colors = False
    # Where no point places a picture, matches alone would put it anywhere along a street, and bend what comes after.
    options.structure_less_registration_fallback = False
    options.ba_refine_sensor_from_rig = False
    # What comes of it is adjusted once more with what sources say: it need not be polished on the way.
    options.ba_local_max_refinements = options.ba_global_max_refinements = 1
    options.ba_local_max_num_iterations, options.ba_global_max_num_iterations = 10, 15
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 2.0
    options.mapper.init_min_tri_angle = first_angle_deg
    if first_angle_deg < _FORWARD_BELOW_DEG:  # down a street all cameras stand behind each other
        options.mapper.init_max_forward_motion = 1.0
    options.mapper.init_min_num_inliers = 50
    options.mapper.image_selection_method = pycolmap.ImageSelectionMethod.MAX_VISIBLE_POINTS_NUM
    options.mapper.abs_pose_max_error = 8.0
    options.mapper.filter_max_reproj_error = _MAX_ERROR_PX
    options.mapper.filter_min_tri_angle = options.triangulation.min_angle = _MIN_PARALLAX_DEG
    options.triangulation.ignore_two_view_tracks = False
    return options


def _write_database(path: Path, pictures: Sequence[Picture], pairs: Pairs) -> None:
    """The pictures as cameras, rigs and frames; a picture's number in the database is one more than ours."""
    import pycolmap

    with pycolmap.Database.open(path) as database:
        cameras = _cameras(pictures)
        for number, camera in cameras.cameras.items():
            written = camera.to_pycolmap()
            written.camera_id, written.has_prior_focal_length = number, True
            database.write_camera(written, use_camera_id=True)
        rigs: dict[int, int] = {}  # of the reference cameras
        for members in _frames(pictures):
            first = cameras.of[members[0]]
            if first not in rigs:  # cameras that several frames share are alone in theirs
                rigs[first] = database.write_rig(_rig(members, pictures, cameras.of))
            _write_frame(database, rigs[first], members, pictures, cameras.of)
        for index, picture in enumerate(pictures):
            database.write_keypoints(index + 1, np.ascontiguousarray(picture.keypoints, np.float32))
        for (i, j), matches in pairs.items():
            geometry = pycolmap.TwoViewGeometry()
            geometry.config = pycolmap.TwoViewGeometryConfiguration.CALIBRATED
            geometry.inlier_matches = np.ascontiguousarray(matches, np.uint32)
            database.write_matches(i + 1, j + 1, geometry.inlier_matches)
            database.write_two_view_geometry(i + 1, j + 1, geometry)


@contextmanager
def quiet_colmap() -> Iterator[None]:
    """COLMAP's own log goes to stderr, and that it could make no model is no error here."""
    import pycolmap

    level = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = level


@dataclass(frozen=True)
class _Cameras:
    """Cameras by number, and the number of each picture's."""

    cameras: dict[int, Camera]
    of: list[int]


def _cameras(pictures: Sequence[Picture]) -> _Cameras:
    """Uncalibrated cameras that are alike are one, for more pictures tell what it is; others are each their own."""
    numbers: dict[object, int] = {}
    cameras: dict[int, Camera] = {}
    of = []
    for index, picture in enumerate(pictures):
        key: object = index if picture.is_calibrated else picture.camera
        number = numbers.setdefault(key, len(numbers) + 1)
        cameras[number] = picture.camera if picture.is_calibrated else _refinable(picture.camera)
        of.append(number)
    return _Cameras(cameras, of)


def _refinable(camera: Camera) -> Camera:
    """One focal length and one radial term: what a lens of which little is known needs."""
    if not camera.is_pinhole:
        return camera
    return Camera("SIMPLE_RADIAL", camera.width, camera.height, (camera.focal_px, *camera.principal_point_px, 0.0))


def _frames(pictures: Sequence[Picture]) -> list[list[int]]:
    """Numbers of the pictures of each frame."""
    members: dict[str, list[int]] = {}
    for index, picture in enumerate(pictures):
        members.setdefault(picture.frame or f"\0{index}", []).append(index)
    return list(members.values())


def _sensor(camera: int) -> pycolmap.sensor_t:
    import pycolmap

    return pycolmap.sensor_t(pycolmap.SensorType.CAMERA, camera)


def _rig(members: list[int], pictures: Sequence[Picture], camera_of: list[int]) -> pycolmap.Rig:
    """Pictures that share a centre, turned against the first of them as is known."""
    import pycolmap

    rig, first = pycolmap.Rig(), members[0]
    rig.add_ref_sensor(_sensor(camera_of[first]))
    for index in members[1:]:
        turn = nearest_rotation(pictures[index].cam_from_frame @ pictures[first].cam_from_frame.T)
        rig.add_sensor(_sensor(camera_of[index]), pycolmap.Rigid3d(pycolmap.Rotation3d(turn), np.zeros(3)))
    return rig


def _write_frame(
    database: pycolmap.Database, rig: int, members: list[int], pictures: Sequence[Picture], camera_of: list[int]
) -> None:
    import pycolmap

    frame = pycolmap.Frame()
    frame.rig_id = rig
    for index in members:
        frame.add_data_id(pycolmap.data_t(_sensor(camera_of[index]), index + 1))
    number = database.write_frame(frame)
    for index in members:
        image = pycolmap.Image(name=pictures[index].name, camera_id=camera_of[index], image_id=index + 1)
        image.frame_id = number
        database.write_image(image, use_image_id=True)


def _structure(model: pycolmap.Reconstruction, pictures: Sequence[Picture]) -> Structure:
    ids = sorted(model.reg_image_ids())
    row = {number: index for index, number in enumerate(ids)}
    poses = [model.images[number].cam_from_world().matrix() for number in ids]
    rotations = np.array([pose[:, :3] for pose in poses]).reshape(-1, 3, 3)
    centers = np.array([-pose[:, :3].T @ pose[:, 3] for pose in poses]).reshape(-1, 3)
    seen = [
        (index, row[element.image_id], element.point2D_idx)
        for index, point in enumerate(model.points3D.values())
        for element in point.track.elements
        if element.image_id in row
    ]
    table = np.array(seen, np.int64).reshape(-1, 3)
    cameras = tuple(_camera(model.cameras[model.images[number].camera_id], pictures[number - 1]) for number in ids)
    points = np.array([point.xyz for point in model.points3D.values()]).reshape(-1, 3)
    return Structure(np.array(ids) - 1, rotations, centers, cameras, points, table[:, 1], table[:, 2], table[:, 0])


def _camera(found: pycolmap.Camera, picture: Picture) -> Camera:
    if picture.is_calibrated:
        return picture.camera
    return Camera(found.model_name, found.width, found.height, tuple(float(value) for value in found.params))
